//! Keeps the order of the files: none depends on one that depends on it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_file_of_the_module_depends_on_one_that_depends_on_it() {
    assert_eq!(Sources::read("src").circles(), [[""; 0]; 0]);
}

/// The files of the zone are those of one data structure, whose parts know each other.
#[test]
fn no_file_of_core_depends_on_one_that_depends_on_it_but_in_the_zone() {
    let sources = Sources::read("core/src");

    let others: Vec<_> = sources
        .circles()
        .into_iter()
        .filter(|circle| !circle.iter().all(|module| module.starts_with("cache::")))
        .collect();
    assert_eq!(others, [[""; 0]; 0]);
}

#[test]
fn what_wraps_nginx_knows_nothing_of_the_module() {
    let sources = Sources::read("src");
    let wrappers: Vec<_> = sources.modules().filter(|name| name.starts_with("nginx")).collect();

    assert!(wrappers.len() > 10);
    for wrapper in wrappers {
        for other in &sources.uses[wrapper] {
            assert!(other.starts_with("nginx"), "{wrapper} uses {other}");
        }
    }
}

#[test]
fn a_circle_is_found_whichever_way_it_is_written() {
    for (one, other) in [
        ("use crate::b;", "use super::a::One;"),
        ("use crate::{c, b::{self, Two}};", "fn two() { crate::a::one() }"),
        ("use crate::b::Two as Second;", "use crate::a;"),
        ("use crate::b;", "use super::a::{One};"),
    ] {
        let sources = Sources::of([("a", one), ("b", other), ("c", "// use crate::a;")]);
        assert_eq!(sources.circles(), [["a", "b"]], "{one} {other}");
    }
    let one_way = Sources::of([("a", "use crate::b;"), ("b", "use crate::c;"), ("c", "")]);
    assert_eq!(one_way.circles(), [[""; 0]; 0]);
}

/// The files of a crate, and which others each names.
struct Sources {
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Sources {
    fn read(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        let mut texts = BTreeMap::new();
        read(&root, &root, &mut texts);
        assert!(texts.len() > 20, "{folder} has {} files", texts.len());
        Self::from_texts(&texts)
    }

    fn of<const N: usize>(texts: [(&str, &str); N]) -> Self {
        let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Self::from_texts(&BTreeMap::from(texts))
    }

    fn from_texts(texts: &BTreeMap<String, String>) -> Self {
        let re_exports = texts.iter().flat_map(|(name, text)| paths(name, text, is_re_export));
        let re_exports: Vec<_> = re_exports.collect();
        let uses = texts.iter().map(|(name, text)| {
            let paths = paths(name, text, |before| !is_re_export(before));
            let files = paths.iter().filter_map(|path| file_of(path, texts, &re_exports));
            (name.clone(), files.filter(|file| file != name).collect())
        });
        Self { uses: uses.collect() }
    }

    fn modules(&self) -> impl Iterator<Item = &str> {
        self.uses.keys().map(String::as_str)
    }

    /// All files that can be reached from themselves, with those that they share a circle with.
    fn circles(&self) -> Vec<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.modules().map(|name| (name, self.reached_from(name))).collect();
        let mut circles = BTreeSet::new();
        for (name, others) in &reached {
            if others.contains(name) {
                let is_in_circle = |other: &&&str| reached[**other].contains(name);
                circles.insert(others.iter().filter(is_in_circle).copied().collect::<Vec<_>>());
            }
        }
        circles.into_iter().collect()
    }

    fn reached_from(&self, name: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.uses[name].iter().map(String::as_str).collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.uses[next].iter().map(String::as_str));
            }
        }
        reached
    }
}

fn read(root: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path: PathBuf = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            read(root, &path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().with_extension("");
            let name = name.to_str().unwrap().replace('/', "::");
            let name = name.strip_suffix("::mod").unwrap_or(&name).to_owned();
            texts.insert(name, fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// The file that a path leads into, also where its name is only passed on. The root of the crate only says
/// which files there are.
fn file_of(
    path: &[String],
    texts: &BTreeMap<String, String>,
    re_exports: &[Vec<String>],
) -> Option<String> {
    let lengths = (1..=path.len()).rev();
    let file =
        lengths.map(|length| path[..length].join("::")).find(|name| texts.contains_key(name))?;
    let depth = file.split("::").count();
    let passed_on = re_exports.iter().find(|other| {
        other.len() > depth + 1
            && other[..depth] == path[..depth]
            && other.last() == path.get(depth)
    });
    match passed_on {
        Some(other) => file_of(other, texts, &[]),
        None => Some(file),
    }
}

/// Whether what stands before a path makes it a name that is only passed on.
fn is_re_export(before: &str) -> bool {
    let statement = before.rsplit([';', '}', '\n']).next().unwrap_or_default().trim();
    statement.starts_with("pub") && statement.ends_with("use")
}

/// The paths in a text that begin at the crate, at the file, above or below it, and have this before them.
fn paths(file: &str, text: &str, has_before: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let code: Vec<&str> = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split("//").next())
        .collect();
    let code = code.join("\n");
    let here: Vec<String> = match file {
        "lib" => Vec::new(),
        file => file.split("::").map(str::to_owned).collect(),
    };
    let children: Vec<String> = code
        .lines()
        .filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'))
        .map(|name| format!("{name}::"))
        .collect();
    let mut paths = Vec::new();
    for child in &children {
        for (at, _) in code.match_indices(child.as_str()) {
            if begins_at(&code, at) && has_before(&code[..at]) {
                expand(&here, &code[at..], &mut paths);
            }
        }
    }
    for (start, above) in [("crate::", here.len()), ("super::", 1), ("self::", 0)] {
        for (at, _) in code.match_indices(start) {
            if begins_at(&code, at) && has_before(&code[..at]) {
                let base = here[..here.len().saturating_sub(above)].to_vec();
                expand(&base, &code[at + start.len()..], &mut paths);
            }
        }
    }
    paths
}

/// Whether a path begins there, and does not go on.
fn begins_at(code: &str, at: usize) -> bool {
    let before = code[..at].chars().next_back();
    !before.is_some_and(|before| before.is_alphanumeric() || "_:$".contains(before))
}

/// Follows a path, and each of a group in braces.
fn expand(base: &[String], text: &str, paths: &mut Vec<Vec<String>>) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        let mut depth = 0;
        let mut start = 0;
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => return expand(base, &group[start..at], paths),
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(base, &group[start..at], paths);
                    start = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let is_of_name = |character: char| character.is_alphanumeric() || character == '_';
    let end = text.find(|character| !is_of_name(character)).unwrap_or(text.len());
    let mut path = base.to_vec();
    match &text[..end] {
        "" | "self" => {}
        "super" => drop(path.pop()),
        name => path.push(name.to_owned()),
    }
    match text[end..].strip_prefix("::") {
        Some(rest) => expand(&path, rest, paths),
        None => paths.push(path),
    }
}
