//! The status of zones, as its readers parse it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

use phantom_token_core::cache::{Counter, Usage, WorkerLine, Zone};
use phantom_token_core::outcome::{CacheStatus, Outcome};
use phantom_token_core::status::{Build, Format, ZoneStatus, render};
use phantom_token_core_testing::{MEGABYTE, TestZone};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

const BUILD: Build<'_> = Build { version: "1.2.3", commit: "0a1b2c3d4e5f", nginx: "1.30.6" };

#[test]
fn json_has_what_is_in_use_and_what_was_counted() {
    let zone = ZoneStatus { usage: usage(), ..zone("api", used) };

    let zone = &json(&[zone])["zones"]["api"];

    assert_eq!(zone["size"], 10_000);
    assert_eq!(zone["free"], 3_000);
    assert_eq!(zone["entries"], json!({"active": 5, "inactive": 2}));
    assert_eq!(zone["evictions"], 9);
    assert_eq!(zone["requests"]["granted"], 2);
    assert_eq!(zone["requests"]["missing_token"], 0);
    assert_eq!(zone["cache"]["local_hit"], 1);
    assert_eq!(zone["introspection"]["introspections"], 4);
}

#[test]
fn json_has_percentiles_of_the_latency() {
    let zone = zone("api", used);

    let latency = &json(&[zone])["zones"]["api"]["introspection"]["latency_ms"];

    assert_eq!(*latency, json!({"count": 3, "sum": 105, "p50": 3, "p90": 111, "p99": 111}));
}

#[test]
fn json_has_no_percentile_of_nothing() {
    let zone = zone("api", |_| {});

    let latency = &json(&[zone])["zones"]["api"]["introspection"]["latency_ms"];

    assert_eq!(*latency, json!({"count": 0, "sum": 0, "p50": null, "p90": null, "p99": null}));
}

#[test]
fn json_has_each_zone_whatever_its_name() {
    let zones = [zone("a", |_| {}), zone("\"\\\n\u{e9}", used)];

    let zones = json(&zones)["zones"].clone();

    assert_eq!(zones["a"]["requests"]["granted"], 0);
    assert_eq!(zones["\"\\\n\u{e9}"]["requests"]["granted"], 2);
}

#[test]
fn without_zones_both_formats_have_the_build_alone() {
    let build = json!({"version": "1.2.3", "commit": "0a1b2c3d4e5f", "nginx": "1.30.6"});
    assert_eq!(json(&[]), json!({"build": build, "zones": {}}));
    let sample = "nginx_phantom_token_build_info{version=1.2.3,commit=0a1b2c3d4e5f,nginx=1.30.6}";
    assert_eq!(prometheus(&[]), BTreeMap::from([(sample.to_owned(), 1.0)]));
}

#[test]
fn prometheus_has_what_is_in_use_and_what_was_counted() {
    let zone = ZoneStatus { usage: usage(), ..zone("api", used) };

    let samples = prometheus(&[zone]);

    for (series, value) in [
        ("requests_total{zone=api,result=granted}", 2.0),
        ("requests_total{zone=api,result=options}", 0.0),
        ("cache_requests_total{zone=api,status=local_hit}", 1.0),
        ("introspections_total{zone=api}", 4.0),
        ("background_updates_total{zone=api}", 0.0),
        ("zone_size_bytes{zone=api}", 10_000.0),
        ("zone_free_bytes{zone=api}", 3_000.0),
        ("zone_entries{zone=api,state=inactive}", 2.0),
        ("zone_evictions_total{zone=api}", 9.0),
    ] {
        let series = format!("nginx_phantom_token_{series}");
        assert_eq!(samples.get(&series), Some(&value), "{series}");
    }
}

#[test]
fn prometheus_has_the_latency_in_seconds() {
    let samples = prometheus(&[zone("api", used)]);

    let duration = "nginx_phantom_token_introspection_duration_seconds";
    for (series, value) in [
        ("_bucket{zone=api,le=0.002}", 0.0),
        ("_bucket{zone=api,le=0.004}", 2.0),
        ("_bucket{zone=api,le=0.064}", 2.0),
        ("_bucket{zone=api,le=0.128}", 3.0),
        ("_bucket{zone=api,le=65.536}", 3.0),
        ("_bucket{zone=api,le=+Inf}", 3.0),
        ("_count{zone=api}", 3.0),
        ("_sum{zone=api}", 0.105),
    ] {
        assert_eq!(samples.get(&format!("{duration}{series}")), Some(&value), "{series}");
    }
}

#[test]
fn prometheus_counts_latencies_beyond_the_last_bucket() {
    let zone = zone("api", |zone| zone.counters().record_latency(FIRST, 1_000_000));

    let samples = prometheus(&[zone]);

    let duration = "nginx_phantom_token_introspection_duration_seconds";
    assert_eq!(samples[&format!("{duration}_bucket{{zone=api,le=65.536}}")], 0.0);
    assert_eq!(samples[&format!("{duration}_bucket{{zone=api,le=+Inf}}")], 1.0);
}

#[test]
fn prometheus_has_each_zone_whatever_its_name() {
    let zones = [zone("a", |_| {}), zone("\"\\\n\u{e9}", used)];

    let samples = prometheus(&zones);

    let requests =
        |zone| format!("nginx_phantom_token_requests_total{{zone={zone},result=granted}}");
    assert_eq!(samples[&requests("a")], 0.0);
    assert_eq!(samples[&requests("\"\\\n\u{e9}")], 2.0);
}

#[test]
fn the_content_types_are_those_of_the_formats() {
    assert_eq!(Format::Json.content_type(), "application/json");
    assert!(Format::Prometheus.content_type().starts_with("text/plain; version=0.0.4"));
}

const FIRST: WorkerLine = WorkerLine::of(0);

/// Two granted requests, one of them a hit; four introspections, of which three came to an end.
fn used(zone: &Zone) {
    let counters = zone.counters();
    counters.count(FIRST, Outcome::Granted);
    counters.count(WorkerLine::of(1), Outcome::Granted);
    counters.count(FIRST, CacheStatus::WorkerHit);
    (0..4).for_each(|_| counters.count(FIRST, Counter::Introspection));
    for millis in [2, 3, 100] {
        counters.record_latency(FIRST, millis);
    }
}

fn usage() -> Usage {
    Usage {
        len: 10_000,
        capacity: 8_000,
        used: 5_000,
        active: 5,
        inactive: 2,
        evictions: 9,
        ..Usage::default()
    }
}

/// The status of a zone that was used like that.
fn zone(name: &str, used: impl FnOnce(&Zone)) -> ZoneStatus<'_> {
    let zone = TestZone::new(MEGABYTE);
    used(&zone);
    ZoneStatus::new(name, &zone)
}

fn json(zones: &[ZoneStatus<'_>]) -> Value {
    serde_json::from_str(&render(&BUILD, zones, Format::Json)).unwrap()
}

/// The samples, by name and labels, of a text that is strictly what the format allows.
fn prometheus(zones: &[ZoneStatus<'_>]) -> BTreeMap<String, f64> {
    let text = render(&BUILD, zones, Format::Prometheus);
    assert!(text.ends_with('\n'));
    let mut families = HashSet::new();
    let mut samples = BTreeMap::new();
    let mut family = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(!help.is_empty() && is_name(name), "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let kind = kind.and_then(|kind| kind.strip_prefix(name)).unwrap().trim_start();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            family = Some((name.to_owned(), kind.to_owned()));
            continue;
        }
        let (name, series, value) = sample(line);
        assert_belongs_to(&name, family.as_ref().expect("no sample without a family"));
        assert!(samples.insert(series, value).is_none(), "{line} comes twice");
    }
    samples
}

fn assert_belongs_to(name: &str, (family, kind): &(String, String)) {
    let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{name}, {family}"));
    let suffixes: &[_] = match kind.as_str() {
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    assert!(suffixes.contains(&suffix), "{name}");
}

/// `name{label="value",...} number`.
fn sample(line: &str) -> (String, String, f64) {
    let (name, rest) = line.split_once('{').unwrap();
    assert!(is_name(name), "{line}");
    let mut series = format!("{name}{{");
    let mut rest = rest;
    loop {
        let (label, value) = rest.split_once("=\"").unwrap();
        assert!(is_name(label), "{line}");
        let (value, end) = unescape(value);
        series += &format!("{label}={value}");
        rest = end;
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
        series.push(',');
    }
    let value = rest.strip_prefix("} ").unwrap();
    assert!(value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{line}");
    (name.to_owned(), series + "}", value.parse().unwrap())
}

/// A label's value, and what comes after its closing quote.
fn unescape(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next().expect("a closing quote") {
            '"' => return (value, characters.as_str()),
            '\\' => value.push(match characters.next() {
                Some('n') => '\n',
                Some(escaped @ ('"' | '\\')) => escaped,
                other => panic!("{other:?} is no escape"),
            }),
            character => value.push(character),
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
