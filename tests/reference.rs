//! The tests that the documentation of the directives says what their rows in `src/conf/` say.

use std::{env, fs, io};

/// Keeps of the rows what is documented, where `src/conf/directive.rs` has them make directives.
macro_rules! directives {
    ($(use $($segment:ident)::+;)* group: $group:ident, $($rows:tt)+) => {
        directives! { $($rows)+ }
    };
    ($(
        #[doc = $meaning:literal]
        $name:ident {
            syntax: $syntax:literal,
            arguments: $arguments:ident,
            contexts: [$($context:ident),+],
            $(default: $default:literal,)?
            $(variables: $variables:literal,)?
            $(repeatable: $repeatable:literal,)?
            since: $since:literal,
            $($setter:tt)+
        }
    )+) => {
        pub const ROWS: &[crate::Row] = &[$(crate::Row {
            name: stringify!($name),
            syntax: $syntax,
            contexts: &[$(stringify!($context)),+],
            default: &[$($default)?],
            variables: &[$($variables)?],
            repeatable: &[$($repeatable)?],
            since: $since,
            meaning: $meaning,
        }),+];
    };
}

#[path = "../src/conf/cache.rs"]
mod cache;
#[path = "../src/conf/challenge.rs"]
mod challenge;
#[path = "../src/conf/endpoints.rs"]
mod endpoints;
#[path = "../src/conf/introspection.rs"]
mod introspection;
#[path = "../src/conf/protect.rs"]
mod protect;

/// What a row says of a directive. What it need not say is in a slice.
struct Row {
    name: &'static str,
    syntax: &'static str,
    contexts: &'static [&'static str],
    default: &'static [&'static str],
    variables: &'static [bool],
    repeatable: &'static [bool],
    since: &'static str,
    meaning: &'static str,
}

const DOCUMENT: &str = "docs/directives.md";
const JSON: &str = "docs/directives.json";
/// If it is set, the tests write what they would compare.
const WRITE: &str = "PHANTOM_WRITE_REFERENCE";

#[test]
fn each_directive_has_one_heading_and_each_heading_a_directive() {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let mut headings: Vec<_> = document.lines().filter_map(names).flatten().collect();
    let mut rows: Vec<_> = rows().map(|row| row.name).collect();
    headings.sort_unstable();
    rows.sort_unstable();

    let without_heading: Vec<_> = rows.iter().filter(|name| !headings.contains(name)).collect();
    let without_row: Vec<_> = headings.iter().filter(|name| !rows.contains(name)).collect();

    assert!(without_heading.is_empty(), "{DOCUMENT} has no \"### name\" for {without_heading:?}");
    assert!(without_row.is_empty(), "src/conf/ has no row for {without_row:?} of {DOCUMENT}");
    assert_eq!(headings, rows, "{DOCUMENT} has a directive twice, or src/conf/ has");
}

#[test]
fn no_file_with_rows_is_left_out() {
    let sources = fs::read_dir("src/conf").unwrap().map(|entry| entry.unwrap().path());
    let with_rows = sources.filter(|path| {
        fs::read_to_string(path).unwrap().lines().any(|line| line == "directives! {")
    });

    assert_eq!(with_rows.count(), groups().len(), "groups() has to have the rows of each file");
}

#[test]
fn the_reference_below_each_heading_is_that_of_the_rows() {
    let document = fs::read_to_string(DOCUMENT).unwrap();

    compare(DOCUMENT, &document, &with_references(&document)).unwrap();
}

#[test]
fn the_file_for_editors_is_that_of_the_rows() {
    let json = json();

    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    compare(JSON, &fs::read_to_string(JSON).unwrap_or_default(), &json).unwrap();
}

fn groups() -> [&'static [Row]; 5] {
    [protect::ROWS, introspection::ROWS, challenge::ROWS, cache::ROWS, endpoints::ROWS]
}

fn rows() -> impl Iterator<Item = &'static Row> {
    groups().into_iter().flatten()
}

fn compare(path: &str, found: &str, expected: &str) -> io::Result<()> {
    if env::var_os(WRITE).is_some() {
        return fs::write(path, expected);
    }
    let differing = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{path} is not what the rows in src/conf/ say: {differing:?}. To write it anew: \
         {WRITE}=1 cargo test --features vendored --test reference"
    );
    Ok(())
}

/// The directives that a line of the document is the heading of.
fn names(line: &str) -> Option<Vec<&str>> {
    let heading = line.strip_prefix("### ").filter(|heading| heading.starts_with("phantom_token"));
    heading.map(|heading| heading.split(", ").collect())
}

/// The document with the reference in place of all indented lines between a heading and the text below.
fn with_references(document: &str) -> String {
    let mut written = String::new();
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        written += &format!("{line}\n");
        let Some(names) = names(line) else {
            continue;
        };
        for row in names.iter().flat_map(|name| rows().filter(move |row| row.name == *name)) {
            written += &format!("\n{}", row.reference());
        }
        written += "\n";
        while lines.next_if(|line| line.is_empty() || line.starts_with("    ")).is_some() {}
    }
    written
}

fn json() -> String {
    let rows: Vec<_> = rows().map(Row::json).collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

impl Row {
    fn contexts(&self) -> Vec<String> {
        self.contexts.iter().map(|context| context.to_lowercase()).collect()
    }

    /// As the documentation of NGINX has it.
    fn reference(&self) -> String {
        let Self { name, syntax, default, repeatable, since, .. } = self;
        let default = default.first().map_or("none".to_owned(), |value| format!("{name} {value};"));
        let repeated = if repeatable.contains(&true) { "; may be repeated" } else { "" };
        let space = if syntax.is_empty() { "" } else { " " };
        format!(
            "    Syntax:  {name}{space}{syntax};\n    Default: {default}\n    Context: \
             {}{repeated}\n    Since:   {since}\n",
            self.contexts().join(", ")
        )
    }

    fn json(&self) -> String {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let contexts: Vec<_> = self.contexts().iter().map(|context| text(context)).collect();
        let members = [
            ("name", text(self.name)),
            ("syntax", text(self.syntax)),
            ("default", self.default.first().map_or("null".to_owned(), |value| text(value))),
            ("contexts", format!("[{}]", contexts.join(", "))),
            ("since", text(self.since)),
            ("description", text(self.meaning.trim())),
            ("repeatable", self.repeatable.contains(&true).to_string()),
            ("variables", self.variables.contains(&true).to_string()),
        ];
        let members = members.map(|(name, value)| format!("    \"{name}\": {value}"));
        format!("  {{\n{}\n  }}", members.join(",\n"))
    }
}
