//! Which build of the module runs, and how another one comes to run.

use std::{fs, path::Path};

use phantom_token_devkit::{Installation, Nginx, NginxBuilder};
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn the_log_says_which_build_runs_at_the_start_and_at_a_reload_but_not_in_a_test() {
    let gateway = with_status(&Installation::get().module).start();
    let Build { version, commit, nginx } = Build::of(&gateway);
    let line =
        format!("phantom_token: version {version}, commit {commit}, built for nginx/{nginx}");

    let at_start = gateway.wait_for_log(&line);
    gateway.reload();

    assert!(at_start.contains("[notice]"), "{at_start}");
    assert_eq!(gateway.error_log().matches(&line).count(), 2);
    let tested = with_status(&Installation::get().module).test();
    assert!(tested.accepted && !tested.output.contains(&line), "{}", tested.output);
}

#[test]
fn status_and_metrics_have_the_build() {
    let gateway = with_status(&Installation::get().module).start();
    let Build { version, commit, nginx } = Build::of(&gateway);

    let metrics = gateway.get("/status?format=prometheus").send().text();

    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(commit.len() >= 7 && commit.is_ascii(), "{commit}");
    assert!(gateway.error_log().contains(&format!(": nginx/{nginx}\n")));
    let sample = format!(
        "nginx_phantom_token_build_info{{version=\"{version}\",commit=\"{commit}\",nginx=\"{nginx}\"}} 1"
    );
    assert!(metrics.lines().any(|line| line == sample), "{metrics}");
}

#[test]
fn a_reload_keeps_the_loaded_build_and_an_upgrade_takes_the_installed_one() {
    let folder = TempDir::new().unwrap();
    let installed = folder.path().join("module.so");
    fs::copy(&Installation::get().module, &installed).unwrap();
    let mut gateway = with_status(&installed).daemon().start();
    let old = Build::of(&gateway);
    let new = old.commit.replace(|c: char| c.is_ascii_alphanumeric(), "n");
    install_with_commit(&installed, &old.commit, &new);

    gateway.reload();
    let after_reload = Build::of(&gateway).commit;
    gateway.upgrade();
    let after_upgrade = Build::of(&gateway).commit;

    assert_eq!((after_reload, after_upgrade), (old.commit, new.clone()));
    gateway.wait_for_log(&format!("commit {new},"));
}

struct Build {
    version: String,
    commit: String,
    nginx: String,
}

impl Build {
    fn of(nginx: &Nginx) -> Self {
        let status: Value = nginx.get("/status").send().json();
        let [version, commit, nginx] = ["version", "commit", "nginx"]
            .map(|name| status["build"][name].as_str().unwrap().to_owned());
        Self { version, commit, nginx }
    }
}

/// Puts a build of another commit in the place of a module, as `install` does: by another file.
fn install_with_commit(module: &Path, commit: &str, other: &str) {
    let mut bytes = fs::read(module).unwrap();
    let places: Vec<_> = bytes
        .windows(commit.len())
        .enumerate()
        .filter_map(|(place, window)| (window == commit.as_bytes()).then_some(place))
        .collect();
    assert!(!places.is_empty(), "no {commit} in {}", module.display());
    for place in places {
        bytes[place..place + other.len()].copy_from_slice(other.as_bytes());
    }
    let new = module.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, module).unwrap();
}

fn with_status(module: &Path) -> NginxBuilder {
    Nginx::builder()
        .http("server { listen 127.0.0.1:{port}; location = /status { phantom_token_status; } }")
        .replace(&Installation::get().module.display().to_string(), module.display().to_string())
}
