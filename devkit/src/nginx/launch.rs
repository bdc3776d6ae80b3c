//! How an NGINX is started, and on which ports.

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use super::config::{Config, Installation};

/// Starts the process, which is the master unless it is to be a daemon.
pub(super) fn spawn(
    prefix: &Path,
    config: &Path,
    environment: &[(String, OsString)],
    daemon: bool,
) -> Child {
    let stderr = fs::File::create(prefix.join("logs/stderr.log")).expect("a file for stderr");
    let daemon = if daemon { "on" } else { "off" };
    Command::new(&Installation::get().nginx)
        .arg("-p")
        .arg(prefix)
        .arg("-c")
        .arg(config)
        .arg("-e")
        .arg("logs/error.log")
        .arg("-g")
        .arg(format!("daemon {daemon}; {}", Config::global_directives()))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .expect("to start NGINX")
}

/// Ports nobody listens on, below those that the kernel gives to outgoing connections.
pub(super) fn free_ports(count: usize) -> Vec<u16> {
    const FIRST: u16 = 10_000;
    const RANGE: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);

    // Test programs that run at the same time begin at different places.
    let start = u16::try_from(std::process::id() % u32::from(RANGE)).unwrap_or_default();
    std::iter::repeat_with(|| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        FIRST + start.wrapping_mul(7).wrapping_add(step) % RANGE
    })
    .filter(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
    .take(count)
    .collect()
}
