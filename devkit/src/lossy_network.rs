//! A network that loses packets: a namespace of its own behind a pair of virtual interfaces.

use std::{net::TcpListener, process::Command, sync::mpsc, thread};

use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};

/// A network namespace with a listener in it. It is gone with this and all sockets in it.
pub struct LossyNetwork {
    link: Link,
    orders: mpsc::Sender<u32>,
    results: mpsc::Receiver<Result<(), String>>,
}

/// The interface on this side and the addresses of both ends.
#[derive(Clone)]
struct Link {
    interface: String,
    here: String,
    there: String,
}

impl LossyNetwork {
    /// Makes a namespace with a listener in it, which the rest of the system reaches.
    ///
    /// # Errors
    ///
    /// What failed: this takes root's rights, `ip` and `nft`.
    pub fn start() -> Result<(Self, TcpListener), String> {
        // Addresses set aside for tests (RFC 2544), others for each process.
        let id = std::process::id() % (1 << 14);
        let address = |host: u32| format!("198.18.{}.{}", id >> 6, ((id & 63) << 2) + host);
        let link = Link { interface: format!("phantom{id}"), here: address(1), there: address(2) };
        let (orders, received) = mpsc::channel();
        let (reports, results) = mpsc::channel();
        let (made, listener) = mpsc::channel();
        let inside = link.clone();
        // Only the thread moves into the namespace, and the commands that it starts.
        thread::spawn(move || {
            let _ = made.send(inside.enter());
            for percent in received {
                let _ = reports.send(lose(percent));
            }
        });
        let listener = listener.recv().map_err(|_| "no namespace".to_owned())??;
        Ok((Self { link, orders, results }, listener))
    }

    /// From now on loses so many of a hundred packets that reach the namespace, and as many of those
    /// that leave it.
    ///
    /// # Errors
    ///
    /// What `nft` says.
    pub fn lose(&self, percent: u32) -> Result<(), String> {
        let gone = |_| "no namespace".to_owned();
        self.orders.send(percent).map_err(|_| gone(()))?;
        self.results.recv().map_err(|_| gone(()))?
    }
}

impl Drop for LossyNetwork {
    fn drop(&mut self) {
        let _ = run("ip", &["link", "del", &self.link.interface]);
    }
}

impl Link {
    /// Moves this thread into a new namespace and joins it to the old one.
    fn enter(&self) -> Result<TcpListener, String> {
        // SAFETY: only file descriptors that are shared with other threads would be a danger.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(|error| error.to_string())?;
        let namespace = gettid().as_raw_nonzero().to_string();
        let outside = std::process::id().to_string();
        let Self { interface, here, there } = self;
        let peer = format!("{interface}p");
        let old = ["-t", &outside, "-n", "ip"];
        let outside = |arguments: &[&str]| run("nsenter", &[&old[..], arguments].concat());
        outside(&[
            "link", "add", interface, "type", "veth", "peer", "name", &peer, "netns", &namespace,
        ])?;
        outside(&["addr", "add", &format!("{here}/30"), "dev", interface])?;
        outside(&["link", "set", interface, "up"])?;
        run("ip", &["addr", "add", &format!("{there}/30"), "dev", &peer])?;
        run("ip", &["link", "set", &peer, "up"])?;
        run("nft", &["add table inet loss"])?;
        for hook in ["input", "output"] {
            run(
                "nft",
                &[&format!("add chain inet loss {hook} {{ type filter hook {hook} priority 0; }}")],
            )?;
        }
        TcpListener::bind((there.as_str(), 0)).map_err(|error| error.to_string())
    }
}

fn lose(percent: u32) -> Result<(), String> {
    run("nft", &["flush table inet loss"])?;
    for hook in ["input", "output"] {
        run(
            "nft",
            &[&format!("add rule inet loss {hook} numgen random mod 100 < {percent} drop")],
        )?;
    }
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(())
}
