//! The life of one NGINX: started, reloaded, asked to end, and looked at afterwards.

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::{
    config::{Config, Verdict},
    launch::{free_ports, spawn},
    log::Log,
};
use crate::{
    client::{Connection, Request},
    polling::{eventually, scaled},
};

/// How long an NGINX that was asked to quit may finish what is in flight.
const QUIT_PATIENCE: Duration = Duration::from_secs(5);
const START_ATTEMPTS: usize = 10;

/// Describes an NGINX to start.
///
/// The configuration may have `{port}`, `{port2}` and so on, which become free ports.
#[derive(Clone, Debug)]
pub struct Builder {
    config: Config,
    tolerated: Vec<String>,
    environment: Vec<(String, OsString)>,
    daemon: bool,
}

impl Builder {
    /// Sets the body of the `http` block.
    pub fn http(mut self, http: impl Into<String>) -> Self {
        self.config.http = http.into();
        self
    }

    /// Sets the whole configuration file, in which temporary folders and an access log inside the
    /// prefix are added to the `http` block.
    pub fn whole(mut self, config: impl Into<String>) -> Self {
        self.config.whole = Some(config.into());
        self
    }

    /// Sets the number of worker processes; the default is one.
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// Replaces a text in the configuration.
    pub fn replace(mut self, text: &str, value: impl Into<String>) -> Self {
        self.config.replacements.push((text.to_owned(), value.into()));
        self
    }

    /// Sets a variable of NGINX's environment. Workers have it only if the configuration says so
    /// (`env NAME;`).
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Lets it run as a daemon: one that does not refuses to be upgraded.
    pub fn daemon(mut self) -> Self {
        self.daemon = true;
        self
    }

    /// Accepts faults in the error log with this text in them, which the test causes on purpose.
    pub fn tolerate(mut self, text: &str) -> Self {
        self.tolerated.push(text.to_owned());
        self
    }

    /// Asks `nginx -t` about the configuration.
    pub fn test(&self) -> Verdict {
        Verdict::of(&self.config)
    }

    /// Starts NGINX and waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(self) -> Nginx {
        for _ in 0..START_ATTEMPTS {
            let ports = free_ports(self.config.ports());
            if let Some(nginx) = Nginx::launch(&self, ports) {
                return nginx;
            }
        }
        panic!("no free ports in {START_ATTEMPTS} attempts");
    }
}

/// A running NGINX. Dropping it ends it and fails the test when its error log tells of a fault.
pub struct Nginx {
    pub(super) master: Child,
    /// The first master, if it is not the process that was started.
    daemon: Option<Pid>,
    /// The master, if it is not the process that was started, or no more.
    pub(super) successor: Option<Pid>,
    prefix: Option<TempDir>,
    config: Config,
    ports: Vec<u16>,
    tolerated: Vec<String>,
}

impl Nginx {
    /// Describes one.
    pub fn builder() -> Builder {
        Builder {
            config: Config {
                workers: 1,
                http: String::new(),
                whole: None,
                replacements: Vec::new(),
            },
            tolerated: Vec::new(),
            environment: Vec::new(),
            daemon: false,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.nth_address(0)
    }

    /// Where it listens as `{port2}` (1), `{port3}` (2) and so on.
    pub fn nth_address(&self, index: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[index]))
    }

    /// A request to it.
    pub fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.address(), method, target)
    }

    /// A GET request to it.
    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A connection to it.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// Its folder.
    pub fn prefix(&self) -> &Path {
        self.prefix.as_ref().expect("a running NGINX has its folder").path()
    }

    /// Its error log so far.
    pub fn error_log(&self) -> String {
        self.log().text()
    }

    /// Its log of that name in the folder `logs` so far.
    pub fn log_named(&self, name: &str) -> String {
        Log::in_prefix(self.prefix(), name).text()
    }

    /// Waits for a line in the error log with this text in it, and gives the line.
    ///
    /// # Panics
    ///
    /// When none comes within ten seconds.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.log().wait_for(text)
    }

    /// Waits for a line with this text in the log of that name, and gives the line.
    ///
    /// # Panics
    ///
    /// When none comes within ten seconds.
    pub fn wait_for_log_named(&self, name: &str, text: &str) -> String {
        Log::in_prefix(self.prefix(), name).wait_for(text)
    }

    /// The process ids of the workers.
    pub fn workers(&self) -> Vec<u32> {
        let master = self.current_master().as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        let children = children.unwrap_or_default();
        children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Replaces the `http` block; takes effect with the next reload.
    pub fn set_http(&mut self, http: impl Into<String>) {
        self.config.http = http.into();
        self.config.write(self.prefix(), &self.ports);
    }

    /// Replaces the whole configuration file; takes effect with the next reload.
    pub fn set_whole(&mut self, config: impl Into<String>) {
        self.config.whole = Some(config.into());
        self.config.write(self.prefix(), &self.ports);
    }

    /// Reloads the configuration and waits until new workers have taken over from the old ones,
    /// which may still be finishing what is in flight.
    ///
    /// # Panics
    ///
    /// When they do not within ten seconds.
    pub fn reload(&self) {
        let old = self.workers();
        self.ask_to_reload();
        eventually(|| old.iter().all(|&worker| self.has_retired(worker)).then_some(()))
            .unwrap_or_else(|| panic!("the reload did not happen:\n{}", self.error_log()));
    }

    /// Asks it to reload the configuration; does not wait for that.
    pub fn ask_to_reload(&self) {
        self.signal(Signal::HUP);
    }

    /// Asks it to finish what is in flight and to end; does not wait for that.
    pub fn quit(&self) {
        self.signal(Signal::QUIT);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// When it does not within ten seconds.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let master = &mut self.master;
        eventually(|| master.try_wait().expect("to wait for NGINX")).expect("NGINX to end")
    }

    /// Ends one worker at once, as a crash would.
    pub fn kill_worker(&self, pid: u32) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::KILL).expect("to kill a worker");
    }

    fn launch(builder: &Builder, ports: Vec<u16>) -> Option<Self> {
        let prefix = tempfile::Builder::new().prefix("phantom-token-").tempdir();
        let prefix = prefix.expect("a temporary folder");
        let config = builder.config.write(prefix.path(), &ports);
        let mut nginx = Self {
            master: spawn(prefix.path(), &config, &builder.environment, builder.daemon),
            daemon: None,
            successor: None,
            prefix: Some(prefix),
            config: builder.config.clone(),
            ports,
            tolerated: builder.tolerated.clone(),
        };
        if nginx.starts() {
            nginx.daemon = nginx.pid_file().filter(|_| builder.daemon);
            nginx.successor = nginx.daemon;
            return Some(nginx);
        }
        nginx.kill_all();
        None
    }

    /// Waits until it listens; says no when a port is taken.
    fn starts(&mut self) -> bool {
        let started = eventually(|| {
            let exited = self.master.try_wait().expect("to look at NGINX");
            let exited = exited.is_some_and(|status| !status.success());
            let log = self.error_log() + &self.log_named("stderr.log");
            if log.contains("Address already in use") {
                return Some(false);
            }
            if exited {
                self.fail(&log);
            }
            (self.prefix().join("logs/nginx.pid").exists() && self.accepts()).then_some(true)
        });
        started.unwrap_or_else(|| self.fail("NGINX does not accept connections"))
    }

    fn accepts(&self) -> bool {
        self.ports.iter().all(|&port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    }

    fn fail(&mut self, why: &str) -> ! {
        self.kill_all();
        let kept = self.keep();
        panic!("NGINX in {} did not start:\n{why}", kept.display());
    }

    fn has_retired(&self, worker: u32) -> bool {
        // Behind the process is its thread, if NGINX was built with threads.
        let process = format!(" {worker}#");
        let log = self.log().text();
        log.lines()
            .any(|line| line.contains(&process) && line.ends_with(": gracefully shutting down"))
    }

    fn log(&self) -> Log {
        Log::in_prefix(self.prefix(), "error.log")
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.current_master(), signal).expect("to signal NGINX");
    }

    /// The master that commands the workers now.
    pub(super) fn current_master(&self) -> Pid {
        self.successor.unwrap_or(Pid::from_child(&self.master))
    }

    fn kill_all(&mut self) {
        // All its processes are in the group that the first master leads.
        let group = self.daemon.unwrap_or(Pid::from_child(&self.master));
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.master.wait();
    }

    /// Keeps the folder for whoever looks into the failure.
    fn keep(&mut self) -> PathBuf {
        self.prefix.take().map(TempDir::keep).unwrap_or_default()
    }

    fn end(&mut self) {
        if self.prefix.is_none() {
            return;
        }
        let ended = self.ends_by_itself();
        self.kill_all();
        let mut faults = self.log().faults(&self.tolerated);
        faults.extend(Log::in_prefix(self.prefix(), "stderr.log").faults(&self.tolerated));
        if !ended {
            faults.push("it did not end by itself within five seconds of QUIT".to_owned());
        }
        let failing = thread::panicking();
        if faults.is_empty() && !failing {
            return;
        }
        let message = format!(
            "NGINX in {} has {} faults:\n{}",
            self.keep().display(),
            faults.len(),
            faults.join("\n")
        );
        if failing {
            eprintln!("{message}");
        } else {
            panic!("{message}");
        }
    }

    fn ends_by_itself(&mut self) -> bool {
        if self.has_ended() {
            return true;
        }
        self.quit();
        let deadline = Instant::now() + scaled(QUIT_PATIENCE);
        while Instant::now() < deadline {
            if self.has_ended() {
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
    }
}
