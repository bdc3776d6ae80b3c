//! `scripts/nginx-versions` is the one place that says which versions of NGINX the module is tested
//! with, and `Cargo.toml` which Rust it needs. What repeats them agrees.

use std::{fs, path::Path};

#[test]
fn the_readme_names_the_versions_that_are_tested() {
    let versions = versions();
    let versions: Vec<_> = versions.iter().map(|(version, _)| version.as_str()).collect();
    let (last, others) = versions.split_last().expect("a version");
    let list = format!("with NGINX {} and {last}:", others.join(", "));

    assert!(file("README.md").contains(&list), "README.md does not say {list:?}");
}

#[test]
fn the_crate_comes_with_the_version_that_the_list_says() {
    let versions = versions();
    let (version, _) =
        versions.iter().find(|(_, origin)| origin == "crate").expect("a version of the crate");
    let lock = file("Cargo.lock");
    let (_, package) = lock.split_once("name = \"nginx-src\"\n").expect("the crate nginx-src");
    let locked = package.lines().next().expect("its version");

    assert!(locked.ends_with(&format!("+{version}\"")), "{locked} does not have {version}");
}

#[test]
fn the_readme_names_the_rust_that_is_needed() {
    let manifest = file("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""));
    let version = version.and_then(|rest| rest.strip_suffix('"')).expect("a version of Rust");
    let sentence = format!("[Rust](https://rustup.rs) {version} or later");

    assert!(file("README.md").contains(&sentence), "README.md does not say {sentence:?}");
}

/// Versions and where they come from.
fn versions() -> Vec<(String, String)> {
    let list = file("scripts/nginx-versions");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| line.split_ascii_whitespace().map(str::to_owned));
    fields.filter_map(|mut fields| Some((fields.next()?, fields.next()?))).collect()
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
