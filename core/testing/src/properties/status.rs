//! What the status of zones says.

use arbitrary::Arbitrary;
use phantom_token_core::status::{Build, Format, ZoneStatus, render};

use crate::TestZone;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    query_format: Option<&'a str>,
    names: [&'a str; 2],
    accept: &'a [u8],
}

/// The input is the names of two zones and what a client asks for.
pub fn check(input: &[u8]) {
    let Some(Input { query_format, names, accept }) = super::made_of(input) else { return };
    check_choice(query_format, accept);
    if names[0] == names[1] {
        return;
    }
    let zone = TestZone::new(24 * 1024);
    let zones = names.map(|name| ZoneStatus::new(name, &zone));
    let build = Build { version: "1.2.3", commit: names[0], nginx: "1.30.6" };
    check_json(&render(&build, &zones, Format::Json), names);
    check_prometheus(&render(&build, &zones, Format::Prometheus), names);
}

fn check_choice(query_format: Option<&str>, accept: &[u8]) {
    let format = Format::choose(query_format, Some(accept));
    assert!(query_format != Some("json") || format == Format::Json);
    assert!(query_format != Some("prometheus") || format == Format::Prometheus);
    let lower = accept.to_ascii_lowercase();
    let wants_text = lower.windows(4).any(|word| word == b"text");
    assert!(query_format == Some("prometheus") || wants_text || format == Format::Json);
}

fn check_json(text: &str, names: [&str; 2]) {
    let status: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(status["build"]["commit"], names[0]);
    let zones = status["zones"].as_object().unwrap();
    assert_eq!(zones.len(), 2);
    assert!(names.iter().all(|&name| zones[name]["size"] == 24 * 1024));
}

/// Each sample is one line, and its label `zone` is one of the names, after one of the build.
fn check_prometheus(text: &str, names: [&str; 2]) {
    let (_, empty) = text.rsplit_once('\n').unwrap();
    assert_eq!(empty, "");
    let mut seen = [false; 2];
    let mut samples = text.split_terminator('\n').filter(|line| !line.starts_with("# "));
    check_build(samples.next().unwrap(), names[0]);
    for sample in samples {
        let (metric, labels) = sample.split_once("{zone=\"").unwrap();
        assert!(metric.starts_with("nginx_phantom_token_") && metric.is_ascii());
        let (name, rest) = label(labels);
        let (_, value) = rest.rsplit_once("} ").unwrap();
        assert!(value.parse::<f64>().unwrap() >= 0.0);
        seen[names.iter().position(|&known| known == name).expect("the name of a zone")] = true;
    }
    assert_eq!(seen, [true; 2]);
}

fn check_build(sample: &str, commit: &str) {
    let start = "nginx_phantom_token_build_info{version=\"1.2.3\",commit=\"";
    let (value, rest) = label(sample.strip_prefix(start).unwrap());
    assert_eq!((value.as_str(), rest), (commit, ",nginx=\"1.30.6\"} 1"));
}

/// The value of a label, and what comes after it.
fn label(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next().expect("a closing quote") {
            '"' => return (value, characters.as_str()),
            '\\' => value.push(match characters.next() {
                Some('n') => '\n',
                Some(character @ ('\\' | '"')) => character,
                other => panic!("{other:?} after a backslash"),
            }),
            character => value.push(character),
        }
    }
}
