//! Keeps `docs/security.md` true: what it names as tests is there.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that panics has failed")]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_test_that_the_review_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let review = fs::read_to_string(root.join("docs/security.md")).expect("docs/security.md");
    let mut sources = Vec::new();
    for folder in ["tests", "core/tests", "core/src"] {
        read_sources(&root.join(folder), &mut sources);
    }

    let named: Vec<_> = review.split('`').skip(1).step_by(2).filter_map(test_of).collect();
    let missing: Vec<_> = named.iter().filter(|test| !exists(**test, &sources)).collect();

    assert!(named.len() > 100, "only {} tests are named", named.len());
    assert!(missing.is_empty(), "there is no {missing:?}");
}

/// `file::name`, in words of lower case.
fn test_of(text: &str) -> Option<(&str, &str)> {
    let is_name = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
    };
    text.split_once("::").filter(|(file, name)| is_name(file) && is_name(name))
}

fn exists((file, name): (&str, &str), sources: &[(PathBuf, String)]) -> bool {
    let declaration = format!("fn {name}(");
    sources.iter().any(|(path, text)| {
        let is_in_file = path.with_extension("").iter().any(|part| part == file);
        is_in_file && text.lines().any(|line| line.trim_start().starts_with(&declaration))
    })
}

fn read_sources(folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            sources.push((path, text));
        }
    }
}
