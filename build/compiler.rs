//! NGINX's own C compiler, with the flags that NGINX was compiled with.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::{env, io};

/// What the Makefile of NGINX's `configure` calls a compiler.
pub struct Compiler {
    program: String,
    arguments: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read NGINX's Makefile {0}: {1}")]
    Unreadable(String, io::Error),
    #[error("cannot tell which folder this is: {0}")]
    NoFolder(io::Error),
    #[error("NGINX's Makefile {0} names no compiler")]
    NoCompiler(String),
    #[error("cannot run NGINX's C compiler {0}: {1}")]
    CannotRun(String, io::Error),
    #[error("NGINX's C compiler failed: {command}\n{output}")]
    Failed { command: String, output: String },
}

impl Compiler {
    /// Reads the Makefile in a build folder of NGINX. Its include folders are relative to the source;
    /// `include` has them all, absolute and in their order, as `nginx-sys` says them.
    pub fn of_nginx(build_dir: &Path, include: &str) -> Result<Self, Error> {
        let path = build_dir.join("Makefile");
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.display().to_string();
        let makefile =
            fs::read_to_string(&path).map_err(|error| Error::Unreadable(name.clone(), error))?;

        let mut words = words_of("CC", &makefile).into_iter();
        let program = words.next().ok_or(Error::NoCompiler(name))?;
        let mut arguments: Vec<_> = words.chain(flags(&makefile)).collect();
        let include: Vec<_> = env::split_paths(include).collect();
        arguments.extend(include.iter().map(|path| format!("-I{}", path.display())));
        // Debug information calls folders the same everywhere. The last one that fits counts.
        let here = env::current_dir().map_err(Error::NoFolder)?;
        arguments.push(format!("-ffile-prefix-map={}=phantom-token", here.display()));
        arguments.push(format!("-ffile-prefix-map={}=nginx/objs", build_dir.display()));
        let source_dir = include.iter().find_map(|path| path.to_str()?.strip_suffix("/src/core"));
        arguments.extend(source_dir.map(|path| format!("-ffile-prefix-map={path}=nginx")));
        Ok(Self { program, arguments })
    }

    /// The compiler and its arguments, one a line, for tests that have a module of their own.
    pub fn command_line(&self) -> String {
        let words = [&self.program].into_iter().chain(&self.arguments);
        words.map(|word| format!("{word}\n")).collect()
    }

    /// Compiles a file to what can be linked into a shared object. It has as much debug information as
    /// the Rust beside it.
    pub fn object(&self, source: &Path, object: &Path) -> Result<(), Error> {
        let flags = ["-c", "-fPIC", "-fvisibility=hidden", "-g1", "-o"];
        self.run(flags.map(OsStr::new).into_iter().chain([object.as_ref(), source.as_ref()]))
    }

    /// Compiles a file to a shared object that describes all types of the headers. It is linked, since
    /// only the linker resolves the references between the parts of that description.
    pub fn with_all_types(&self, source: &Path, object: &Path) -> Result<(), Error> {
        let flags = [
            "-shared",
            "-fPIC",
            "-nostdlib",
            "-gdwarf-5",
            "-fno-eliminate-unused-debug-types",
            "-gz=none",
            "-o",
        ];
        self.run(flags.map(OsStr::new).into_iter().chain([object.as_ref(), source.as_ref()]))
    }

    /// Compiles a file to a program.
    pub fn program(&self, source: &Path, program: &Path) -> Result<(), Error> {
        let flags = ["-w", "-o"];
        self.run(flags.map(OsStr::new).into_iter().chain([program.as_ref(), source.as_ref()]))
    }

    fn run<'a>(&self, arguments: impl Iterator<Item = &'a OsStr>) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        let output =
            command.output().map_err(|error| Error::CannotRun(self.program.clone(), error))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            command: format!("{command:?}"),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// NGINX's flags, without those that have nothing to do with what code means, but with what form it
/// comes in: folders, which are relative; debug information; errors that are warnings; and code for
/// the linker to compile.
fn flags(makefile: &str) -> Vec<String> {
    let mut flags = Vec::new();
    let mut words = words_of("CFLAGS", makefile).into_iter();
    while let Some(word) = words.next() {
        if word == "-I" {
            words.next();
        } else if !["-I", "-g", "-Werror", "-flto"].iter().any(|other| word.starts_with(other)) {
            flags.push(word);
        }
    }
    flags.push("-fno-lto".into());
    flags
}

/// The words of a variable of a Makefile.
fn words_of(variable: &str, makefile: &str) -> Vec<String> {
    let makefile = makefile.replace("\\\n", " ");
    let value = makefile.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == variable).then_some(value)
    });
    shlex::Shlex::new(value.unwrap_or_default()).collect()
}
