//! The tests of what the module believes of NGINX's structures, which need NGINX's headers, but not
//! NGINX.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[path = "../src/nginx/bits.rs"]
#[allow(dead_code, missing_docs, unused_imports, reason = "the module uses the rest")]
mod bits;

/// Lines that begin with a structure's name and that of a bit-field.
const BIT_FIELDS: &str = include_str!(concat!(env!("OUT_DIR"), "/bit_fields.txt"));

/// Bit-fields whose names other types have for methods, too. Only clippy can tell whose is called.
const COMMON_NAMES: &[&str] =
    &["count", "is_file", "len", "log", "memory", "read", "set", "size", "skip", "store", "write"];

#[test]
fn no_bit_field_is_read_or_written_as_nginx_sys_would() {
    let names: Vec<&str> = bit_fields().map(|(_, name)| name).collect();
    let is_accessor = |method: &str| {
        let of = ["set_", ""].into_iter().find_map(|prefix| method.strip_prefix(prefix));
        let of = of.and_then(|name| name.strip_suffix("_raw").or(Some(name)));
        of.is_some_and(|name| names.contains(&name)) && !COMMON_NAMES.contains(&method)
    };
    let mut found = Vec::new();
    for path in sources("src".as_ref()).unwrap() {
        let source = fs::read_to_string(&path).unwrap();
        let accessors = methods(&source).filter(|method| is_accessor(method));
        found.extend(accessors.map(|method| format!("{} calls {method}()", path.display())));
    }
    assert!(names.contains(&"internal") && found.is_empty(), "{found:#?}");
}

#[test]
fn clippy_forbids_accessors_of_bit_fields_with_common_names() {
    let clippy = fs::read_to_string("clippy.toml").unwrap();
    for (structure, name) in bit_fields().filter(|(_, name)| COMMON_NAMES.contains(name)) {
        let path = format!("\"nginx_sys::{structure}::{name}\"");
        assert!(clippy.contains(&path), "clippy.toml does not have {path}");
    }
}

fn bit_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    BIT_FIELDS.lines().filter_map(|line| line.split(' ').next()?.split_once('.'))
}

/// The names of the methods that a source calls, of a value or of a type of NGINX.
fn methods(source: &str) -> impl Iterator<Item = &str> {
    let calls = [".", "_t::", "_s::"].into_iter().flat_map(|before| source.split(before).skip(1));
    calls.filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let (name, behind) = rest.split_at_checked(end)?;
        behind.starts_with('(').then_some(name)
    })
}

fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}
