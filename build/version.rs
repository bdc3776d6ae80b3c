//! Which build of the module this is.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::variable;

/// What the module is made of.
const SOURCES: [&str; 5] = ["src", "core", "build", "Cargo.toml", "Cargo.lock"];

/// `git archive` writes the commit into this file.
const ARCHIVED: &str = "build/commit";

/// The version of NGINX without its name.
pub fn nginx() -> Option<String> {
    Some(variable("DEP_NGINX_VERSION")?.trim_start_matches("nginx/").to_owned())
}

/// The commit of the sources, the same for the same sources: what `PHANTOM_TOKEN_COMMIT` says, or git,
/// or `git archive`.
pub fn commit() -> Result<String, String> {
    let commit = variable("PHANTOM_TOKEN_COMMIT").or_else(of_repository).or_else(of_archive);
    let commit = commit.unwrap_or_else(|| "unknown".into());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._+".contains(c);
    if commit.is_empty() || commit.len() > 64 || !commit.chars().all(is_plain) {
        return Err(format!("PHANTOM_TOKEN_COMMIT is \"{commit}\", which is no commit"));
    }
    Ok(commit)
}

fn of_repository() -> Option<String> {
    // The module may lie in the repository of something else.
    let top = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if top != env::current_dir().ok()?.canonicalize().ok()? {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        watch(&git(&["rev-parse", "--git-path", file])?);
    }
    SOURCES.into_iter().for_each(watch);
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let status = ["status", "--porcelain", "--untracked-files=no", "--"];
    let changes = git(&[&status[..], &SOURCES].concat())?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-modified") })
}

fn of_archive() -> Option<String> {
    watch(ARCHIVED);
    let commit = fs::read_to_string(ARCHIVED).ok()?;
    let commit = commit.trim();
    commit.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| commit.chars().take(12).collect())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).env("GIT_OPTIONAL_LOCKS", "0").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Cargo runs a build script always that waits for a file which is not there.
fn watch(path: &str) {
    if Path::new(path).exists() {
        println!("cargo::rerun-if-changed={path}");
    }
}
