//! What a page in Markdown names.

/// A page, taken apart as far as it names something.
pub struct Page {
    path: String,
    /// What is between backquotes.
    spans: Vec<String>,
    /// The lines of blocks of code.
    code: Vec<String>,
    /// Where links and pictures lead, as they are written.
    targets: Vec<String>,
    /// Headings, as links name them.
    headings: Vec<String>,
}

impl Page {
    /// Reads a page, which is at this path in the repository.
    pub fn parse(path: &str, text: &str) -> Self {
        let (prose, code) = split(text);
        assert!(prose.matches('`').count().is_multiple_of(2), "{path}: a backquote is alone");
        let (spans, rest): (Vec<_>, Vec<_>) =
            prose.split('`').enumerate().partition(|(number, _)| number % 2 == 1);
        let rest: String = rest.into_iter().map(|(_, text)| text).collect();
        let targets = rest.split("](").skip(1).filter_map(|text| text.split([')', ' ']).next());
        Self {
            path: path.to_owned(),
            spans: spans.into_iter().map(|(_, span)| span.to_owned()).collect(),
            targets: targets.map(str::to_owned).collect(),
            headings: headings(&prose),
            code,
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tests that it names as `file::name`.
    pub fn tests(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_name = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
        };
        let parts = self.spans.iter().filter_map(|span| span.split_once("::"));
        parts.filter(move |(file, name)| is_name(file) && is_name(name))
    }

    /// The words of all code in it, some of which are paths.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let words = self.spans.iter().chain(&self.code).flat_map(|text| text.split_whitespace());
        words.map(|word| word.trim_start_matches("./"))
    }

    /// Where links lead inside the repository: a path, and perhaps a heading.
    pub fn links(&self) -> impl Iterator<Item = (String, Option<String>)> {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let inside = self.targets.iter().filter(|target| !target.contains("://"));
        inside.map(move |target| {
            let (file, heading) = match target.split_once('#') {
                Some((file, heading)) => (file, Some(heading.to_owned())),
                None => (target.as_str(), None),
            };
            if file.is_empty() {
                return (self.path.clone(), heading);
            }
            (resolved(folder, file), heading)
        })
    }

    pub fn has_heading(&self, name: &str) -> bool {
        self.headings.iter().any(|heading| heading == name)
    }
}

/// The text without blocks of code, and the lines of these.
fn split(text: &str) -> (String, Vec<String>) {
    let (mut prose, mut code) = (String::new(), Vec::new());
    let (mut is_fenced, mut may_be_indented) = (false, true);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced || (may_be_indented && line.starts_with("    ")) {
            code.push(line.to_owned());
        } else {
            may_be_indented = line.trim().is_empty();
            prose.extend([line, "\n"]);
        }
    }
    (prose, code)
}

/// Headings as GitHub names them: in lower case, without punctuation, with a number where one is repeated.
fn headings(prose: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in prose.lines().filter(|line| line.starts_with('#')) {
        let text = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let name: String =
            text.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        let earlier = names.iter().filter(|(other, _)| *other == name).count();
        let numbered = if earlier == 0 { name.clone() } else { format!("{name}-{earlier}") };
        names.push((name, numbered));
    }
    names.into_iter().map(|(_, numbered)| numbered).collect()
}

/// The path in the repository of what is at `path` seen from `folder`.
fn resolved(folder: &str, path: &str) -> String {
    let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}
