//! One NGINX process, which ends with this one.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, process, thread};

pub struct Nginx {
    process: Child,
    folder: PathBuf,
    _minder: Child,
}

const ATTEMPTS: u32 = 2_000;

const PAGE: u64 = 4096;

impl Nginx {
    /// Starts the NGINX of `PHANTOM_NGINX`, with the module of `PHANTOM_MODULE` and this `http`
    /// block, in which `{folder}` is its folder.
    pub fn start(http: &str) -> Self {
        let [nginx, module] = ["PHANTOM_NGINX", "PHANTOM_MODULE"]
            .map(|name| env::var(name).unwrap_or_else(|_| panic!("{name} is not set")));
        let folder = env::temp_dir().join(format!("phantom-token-fuzz-{}", process::id()));
        fs::create_dir_all(folder.join("logs")).expect("a folder");
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path temp_{name};"))
            .concat();
        let configuration = format!(
            "load_module {module}; daemon off; master_process off; pid nginx.pid;
             error_log logs/error.log info; events {{ }} http {{ {paths} {http} }}"
        );
        let configuration = configuration.replace("{folder}", &folder.display().to_string());
        fs::write(folder.join("nginx.conf"), configuration).expect("a configuration");
        let stderr = fs::File::create(folder.join("logs/stderr.log")).expect("a file");
        let process = Command::new(nginx)
            .args(["-e", "logs/error.log", "-c", "nginx.conf", "-p"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("to start NGINX");
        let _minder = mind(&process, &folder);
        let nginx = Self { process, folder, _minder };
        nginx.wait();
        nginx
    }

    /// A connection to the socket `nginx.sock` in its folder.
    pub fn connect(&self) -> Option<UnixStream> {
        UnixStream::connect(self.folder.join("nginx.sock")).ok()
    }

    pub fn error_log(&self) -> PathBuf {
        self.folder.join("logs/error.log")
    }

    /// What it said when it could not say it in the log, as sanitizers do.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.join("logs/stderr.log")).unwrap_or_default()
    }

    /// Memory in bytes; nothing if the process has ended.
    pub fn memory(&mut self) -> Option<u64> {
        if self.process.try_wait().expect("to look at NGINX").is_some() {
            return None;
        }
        let memory = fs::read_to_string(format!("/proc/{}/statm", self.process.id())).ok()?;
        let pages: u64 = memory.split(' ').nth(1)?.parse().ok()?;
        Some(pages * PAGE)
    }

    fn wait(&self) {
        for _ in 0..ATTEMPTS {
            if self.connect().is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let log = fs::read_to_string(self.error_log()).unwrap_or_default();
        panic!("NGINX did not start: {log}{}", self.stderr());
    }
}

/// libFuzzer gives no notice of its end, but the other end of a pipe does.
fn mind(nginx: &Child, folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "read -r _; kill \"$1\"; rm -r \"$2\"", "sh"])
        .arg(nginx.id().to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("to start a shell")
}
