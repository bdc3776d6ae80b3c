//! Where NGINX and the module are, and the configuration file around what a test writes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// The NGINX binary and the module under test.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The NGINX binary: `PHANTOM_NGINX`, or the one that `scripts/build` leaves.
    pub nginx: PathBuf,
    /// The module: `PHANTOM_MODULE`, or the one that `scripts/build` leaves.
    pub module: PathBuf,
    version: [u32; 3],
    build_options: String,
}

impl Installation {
    /// The installation that the environment names.
    ///
    /// # Panics
    ///
    /// When the binary or the module is missing; the message says what to run.
    pub fn get() -> &'static Self {
        static INSTALLATION: OnceLock<Installation> = OnceLock::new();
        INSTALLATION.get_or_init(Self::find)
    }

    fn find() -> Self {
        let nginx = located("PHANTOM_NGINX", "nginx");
        let module = located("PHANTOM_MODULE", "ngx_http_phantom_token_module.so");
        let output = Command::new(&nginx).arg("-V").output().expect("to run nginx -V");
        let build_options = String::from_utf8_lossy(&output.stderr).into_owned();
        let version = version(&build_options).expect("a version in what nginx -V prints");
        Self { nginx, module, version, build_options }
    }

    /// Whether NGINX keeps connections to upstreams alive where nothing else is configured, as it does
    /// since 1.29.7. Before, it says `Connection: close` to them.
    pub fn keeps_upstreams_alive(&self) -> bool {
        self.version >= [1, 29, 7]
    }

    /// Whether NGINX was built with what this option of `configure` stands for.
    pub fn is_built(&self, option: &str) -> bool {
        self.build_options.split_ascii_whitespace().any(|word| word == option)
    }

    /// Folders for temporary files inside the prefix, for the modules that are compiled in: a
    /// distribution's defaults point into the system.
    fn temp_paths(&self) -> String {
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .into_iter()
            .filter(|name| !self.is_built(&format!("--without-http_{name}_module")))
            .map(|name| format!("    {name}_temp_path temp/{name};\n"))
            .collect()
    }
}

/// The version of NGINX in what `nginx -V` prints.
fn version(printed: &str) -> Option<[u32; 3]> {
    let (_, rest) = printed.split_once("nginx/")?;
    let version = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    numbers.try_into().ok()
}

fn located(variable: &str, file: &str) -> PathBuf {
    let path = env::var_os(variable)
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dist").join(file));
    let found = path.canonicalize();
    found.unwrap_or_else(|_| {
        panic!("{} is missing: run scripts/build, or set {variable}", path.display())
    })
}

/// The parts of a configuration file.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) workers: usize,
    pub(super) http: String,
    pub(super) whole: Option<String>,
    pub(super) replacements: Vec<(String, String)>,
}

impl Config {
    /// The text of the file, with these ports in place of `{port}`, `{port2}` and so on.
    fn rendered(&self, ports: &[u16]) -> String {
        let mut text = self.without_ports();
        for (index, port) in ports.iter().enumerate() {
            text = text.replace(&port_placeholder(index), &port.to_string());
        }
        text
    }

    /// The number of ports that the configuration asks for.
    pub(super) fn ports(&self) -> usize {
        let text = self.without_ports();
        (0..).take_while(|&index| text.contains(&port_placeholder(index))).count()
    }

    /// Writes the file into that folder, beside the folders that NGINX expects.
    pub(super) fn write(&self, prefix: &Path, ports: &[u16]) -> PathBuf {
        for folder in ["logs", "temp", "html"] {
            fs::create_dir_all(prefix.join(folder)).expect("to make a folder");
        }
        let path = prefix.join("nginx.conf");
        fs::write(&path, self.rendered(ports)).expect("to write nginx.conf");
        path
    }

    /// Directives for the command line, so that a file goes without them that was not made here.
    pub(super) fn global_directives() -> String {
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        // Where a sanitizer looks on, it also does when NGINX has started a new executable.
        format!("pid logs/nginx.pid; env ASAN_OPTIONS; env LSAN_OPTIONS; {user}")
    }

    fn without_ports(&self) -> String {
        let text = match &self.whole {
            Some(whole) => whole.replacen("http {", &http_start(), 1),
            None => self.surrounded(),
        };
        let replaced = |text: String, (from, to): &(String, String)| text.replace(from, to);
        self.replacements.iter().fold(text, replaced)
    }

    fn surrounded(&self) -> String {
        let level = if env::var_os("PHANTOM_DEBUG").is_some() { "debug" } else { "info" };
        format!(
            "load_module {module};\nworker_processes {workers};\n\
             error_log logs/error.log {level};\n\
             events {{ worker_connections 1024; }}\n{http_start}\n{http}\n}}\n",
            module = Installation::get().module.display(),
            workers = self.workers,
            http_start = http_start(),
            http = self.http,
        )
    }
}

fn http_start() -> String {
    let temp_paths = Installation::get().temp_paths();
    format!("http {{\n    access_log logs/access.log;\n{temp_paths}")
}

fn port_placeholder(index: usize) -> String {
    match index {
        0 => "{port}".to_owned(),
        _ => format!("{{port{}}}", index + 1),
    }
}

/// What `nginx -t` says about a configuration.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether NGINX would start with it.
    pub accepted: bool,
    /// Everything NGINX printed.
    pub output: String,
}

impl Verdict {
    pub(super) fn of(config: &Config) -> Self {
        let prefix = TempDir::new().expect("a temporary folder");
        let path = config.write(prefix.path(), &[8080; 9][..config.ports()]);
        let output = Command::new(&Installation::get().nginx)
            .arg("-t")
            .arg("-p")
            .arg(prefix.path())
            .arg("-c")
            .arg(path)
            .arg("-g")
            .arg(Config::global_directives())
            .output()
            .expect("to run nginx -t");
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { accepted: output.status.success(), output: printed }
    }
}
