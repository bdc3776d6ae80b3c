//! NGINX processes that are measured: started, counted, and ended by their ids.

use std::{
    error::Error,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use phantom_token_devkit::Installation;
use rustix::process::{Pid, Signal, kill_process};

/// Long enough for a start under valgrind on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(60);
const QUIT_PATIENCE: Duration = Duration::from_secs(20);
const QUIT_INTERVAL: Duration = Duration::from_millis(500);
const START_ATTEMPTS: usize = 5;

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Directives outside of all blocks: modules, number of workers.
    pub main: String,
    /// The body of the `http` block, with `{port}`, `{port2}` and so on for free ports and
    /// `{folder}` for a folder of its own.
    pub http: String,
}

/// A running NGINX. Dropping it ends it.
pub struct Nginx {
    process: Child,
    folder: PathBuf,
    ports: Vec<u16>,
}

impl Nginx {
    /// Starts one with its files in that folder, and waits until it accepts connections.
    pub fn start(folder: &Path, config: &Config) -> Result<Self, Box<dyn Error>> {
        Self::start_under(&[], folder, config)
    }

    /// Starts one under a program such as `valgrind`, given with its arguments.
    pub fn start_under(
        program: &[String],
        folder: &Path,
        config: &Config,
    ) -> Result<Self, Box<dyn Error>> {
        for _ in 0..START_ATTEMPTS {
            let mut nginx = Self::launch(program, folder, config)?;
            if nginx.starts()? {
                return Ok(nginx);
            }
        }
        Err(format!("NGINX in {} finds no free ports", folder.display()).into())
    }

    /// Where it listens as `{port}` (0), `{port2}` (1) and so on.
    pub fn address(&self, index: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[index]))
    }

    /// The process ids of its workers.
    pub fn workers(&self) -> Vec<u32> {
        let master = self.process.id();
        children(master).into_iter().filter(|&pid| command_line(pid).contains("worker")).collect()
    }

    /// Makes it read its configuration again; does not wait for that.
    pub fn reload(&self) {
        signal(self.process.id(), Signal::HUP);
    }

    /// The error log so far.
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }

    /// Ends it and waits until it has ended.
    pub fn stop(mut self) {
        self.end();
    }

    fn launch(program: &[String], folder: &Path, config: &Config) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(folder.join("temp"))?;
        let ports = free_ports(count_ports(&config.http))?;
        fs::write(folder.join("nginx.conf"), render(folder, config, &ports))?;
        let process = command(program, folder).spawn()?;
        Ok(Self { process, folder: folder.to_owned(), ports })
    }

    /// Waits until it listens; says no when a port was taken by somebody else.
    fn starts(&mut self) -> Result<bool, Box<dyn Error>> {
        let deadline = Instant::now() + START_PATIENCE;
        while !self.listens() {
            let exited = self.process.try_wait()?.is_some();
            if exited && self.error_log().contains("Address already in use") {
                return Ok(false);
            }
            if exited || Instant::now() > deadline {
                let folder = self.folder.display();
                return Err(format!("NGINX in {folder}: {}", self.error_log()).into());
            }
            sleep(Duration::from_millis(1));
        }
        Ok(true)
    }

    fn listens(&self) -> bool {
        self.ports.iter().all(|&port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    }

    /// The NGINX itself, which is a child of the program that watches it.
    fn nginx_pid(&self) -> Option<u32> {
        fs::read_to_string(self.folder.join("nginx.pid")).ok()?.trim().parse().ok()
    }

    fn end(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        let asked = Instant::now();
        let mut times = 0;
        while matches!(self.process.try_wait(), Ok(None)) {
            if asked.elapsed() > QUIT_PATIENCE {
                self.kill();
                return;
            }
            // A process without a master overlooks a signal that comes just before it waits.
            if asked.elapsed() >= QUIT_INTERVAL * times {
                signal(self.nginx_pid().unwrap_or(self.process.id()), Signal::QUIT);
                times += 1;
            }
            sleep(Duration::from_millis(2));
        }
    }

    fn kill(&mut self) {
        for pid in children(self.process.id()) {
            signal(pid, Signal::KILL);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
    }
}

/// The command that runs NGINX, which the kernel ends when this program ends in whatever way.
fn command(program: &[String], folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).args(program);
    command.arg(&Installation::get().nginx).arg("-p").arg(folder);
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-e").arg(folder.join("error.log"));
    // NGINX keeps a copy of its environment, and what is measured must not depend on its size.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn render(folder: &Path, config: &Config, ports: &[u16]) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let temp_paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {{folder}}/temp/{name};\n"))
        .concat();
    let mut text = format!(
        "{main}\ndaemon off;\n{user}\npid {{folder}}/nginx.pid;\n\
         error_log {{folder}}/error.log warn;\nworker_rlimit_nofile 16384;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\naccess_log off;\nkeepalive_requests 1000000000;\n{temp_paths}{http}\n}}\n",
        main = config.main,
        http = config.http,
    );
    for (index, port) in ports.iter().enumerate() {
        text = text.replace(&placeholder(index), &port.to_string());
    }
    text.replace("{folder}", &folder.display().to_string())
}

fn placeholder(index: usize) -> String {
    if index == 0 { "{port}".to_owned() } else { format!("{{port{}}}", index + 1) }
}

fn count_ports(http: &str) -> usize {
    (0..).take_while(|&index| http.contains(&placeholder(index))).count()
}

fn free_ports(count: usize) -> Result<Vec<u16>, Box<dyn Error>> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = (0..count).map(bind).collect::<Result<Vec<_>, _>>()?;
    let ports = listeners.iter().map(|listener| Ok(listener.local_addr()?.port()));
    ports.collect()
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.unwrap_or_default().split(' ').filter_map(|pid| pid.parse().ok()).collect()
}

fn command_line(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
