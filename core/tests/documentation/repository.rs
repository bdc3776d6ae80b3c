//! What the repository has: files, pages and tests.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::page::Page;

/// Where tests are.
const TESTS: [&str; 4] = ["tests", "core/tests", "core/src", "src"];
/// Where a path to a source may begin.
const SOURCES: [&str; 3] = ["", "src", "core/src"];
/// How words with a slash begin that name nothing in the repository: what is built, what fuzzers find, media
/// types, and what is in NGINX's folder.
const OTHERS: [&str; 9] = [
    "target",
    "fuzz/artifacts",
    "fuzz/corpus",
    "application",
    "text",
    "conf",
    "html",
    "logs",
    "modules",
];

pub struct Repository {
    root: PathBuf,
    /// By the file that each is in, or its folder where the file is named after what it is.
    tests: HashSet<(String, String)>,
}

impl Repository {
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut tests = HashSet::new();
        for path in TESTS.iter().flat_map(|folder| files(&root.join(folder), "rs")) {
            let text = fs::read_to_string(&path).expect("a source");
            let module = module(&path);
            tests.extend(tests_in(&text).map(|name| (module.clone(), name.to_owned())));
        }
        Self { root, tests }
    }

    pub fn has_test(&self, file: &str, name: &str) -> bool {
        self.tests.contains(&(file.to_owned(), name.to_owned()))
    }

    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Whether there is what a page means by this path. A word in capitals stands for any name, and `*` for the
    /// beginning of one.
    pub fn has_named(&self, path: &str) -> bool {
        let known: Vec<_> = path.split('/').take_while(|part| !is_placeholder(part)).collect();
        let known = known.join("/");
        if let Some((folder, end)) = known.split_once('*') {
            let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
            return entries.into_iter().any(|entry| entry.path().to_string_lossy().ends_with(end));
        }
        SOURCES.iter().any(|folder| self.root.join(folder).join(&known).exists())
    }

    pub fn pages(&self) -> Vec<Page> {
        let mut paths = files(&self.root.join("docs"), "md");
        paths.extend(["README.md", "CONTRIBUTING.md"].map(|name| self.root.join(name)));
        let named = paths.iter().map(|path| path.strip_prefix(&self.root).expect("a path in it"));
        named.map(|path| self.page(&path.to_string_lossy())).collect()
    }

    pub fn page(&self, path: &str) -> Page {
        let text = fs::read_to_string(self.root.join(path));
        Page::parse(path, &text.unwrap_or_else(|error| panic!("{path}: {error}")))
    }
}

/// Whether a page means this as the path of something in the repository.
pub fn is_path(word: &str) -> bool {
    let is_plain = word.starts_with(|first: char| first.is_ascii_alphanumeric())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-*/".contains(&byte));
    let is_placeholder = is_placeholder(word.split('/').next().unwrap_or_default());
    let is_other = OTHERS.iter().any(|path| Path::new(word).starts_with(path));
    let is_version = word.ends_with(|last: char| last.is_ascii_digit());
    let is_none = !is_plain || is_placeholder || is_other || is_version;
    !is_none && (word.contains('/') || word.ends_with(".rs"))
}

fn is_placeholder(part: &str) -> bool {
    part.len() > 1 && part.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// All files with this extension in a folder, and in those in it.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found
}

fn module(path: &Path) -> String {
    let stem = path.file_stem().expect("a name");
    let is_role = ["main", "mod", "tests"].iter().any(|role| stem == *role);
    let folder = path.parent().and_then(Path::file_name).expect("a folder");
    (if is_role { folder } else { stem }).to_string_lossy().into_owned()
}

/// The functions behind `#[test]`.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let behind = text.split("#[test]").skip(1);
    behind.filter_map(|text| text.split_once("fn ")?.1.split('(').next())
}
