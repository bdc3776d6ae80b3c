//! The status in Prometheus's text exposition format, version 0.0.4.

use super::model::{Build, ZoneStatus};
use crate::cache::{Counter, Latency, Usage};
use crate::outcome::{CacheStatus, Outcome};
use std::fmt::{self, Display, Formatter};

pub(super) fn render(build: &Build<'_>, zones: &[ZoneStatus<'_>]) -> String {
    let Build { version, commit, nginx } = *build;
    let [version, commit, nginx] = [version, commit, nginx].map(Escaped);
    let labels = format!("version=\"{version}\",commit=\"{commit}\",nginx=\"{nginx}\"");
    format!("{BUILD}{PREFIX}{}{{{labels}}} 1\n{}", BUILD.name, Exposition(zones))
}

/// Family by family, as the format wants it: all samples of a name stand together.
struct Exposition<'a>(&'a [ZoneStatus<'a>]);

impl Display for Exposition<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.by_label(f, &REQUESTS, "result", Outcome::ALL.map(Counter::from))?;
        self.by_label(f, &CACHE_REQUESTS, "status", CacheStatus::ALL.map(Counter::from))?;
        for (family, counter) in &COUNTERS {
            self.plain(f, family, |zone| zone.counters.get(*counter))?;
        }
        self.latencies(f)?;
        self.plain(f, &FREE, |zone| zone.free())?;
        self.entries(f)?;
        for (family, value) in &USAGE {
            self.plain(f, family, |zone| value(&zone.usage))?;
        }
        Ok(())
    }
}

impl Exposition<'_> {
    fn plain(
        &self,
        f: &mut Formatter<'_>,
        family: &Family,
        value: impl Fn(&ZoneStatus<'_>) -> u64,
    ) -> fmt::Result {
        write!(f, "{family}")?;
        for zone in self.0 {
            let name = Escaped(zone.name);
            writeln!(f, "{PREFIX}{}{{zone=\"{name}\"}} {}", family.name, value(zone))?;
        }
        Ok(())
    }

    fn by_label(
        &self,
        f: &mut Formatter<'_>,
        family: &Family,
        label: &str,
        counters: [Counter; 8],
    ) -> fmt::Result {
        write!(f, "{family}")?;
        for zone in self.0 {
            for counter in counters {
                let (name, value) = (Escaped(zone.name), counter.name());
                write!(f, "{PREFIX}{}{{zone=\"{name}\",{label}=\"{value}\"}} ", family.name)?;
                writeln!(f, "{}", zone.counters.get(counter))?;
            }
        }
        Ok(())
    }

    fn entries(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{ENTRIES}")?;
        for zone in self.0 {
            let name = Escaped(zone.name);
            for (state, entries) in
                [("active", zone.usage.active), ("inactive", zone.usage.inactive)]
            {
                let family = ENTRIES.name;
                writeln!(f, "{PREFIX}{family}{{zone=\"{name}\",state=\"{state}\"}} {entries}")?;
            }
        }
        Ok(())
    }

    fn latencies(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{DURATION}")?;
        for zone in self.0 {
            histogram(f, DURATION.name, Escaped(zone.name), zone.counters.latency())?;
        }
        Ok(())
    }
}

/// One histogram, in seconds. A duration of so many whole milliseconds was a little longer than
/// that, so those in the buckets below `limit` are those that did not exceed it.
fn histogram(
    f: &mut Formatter<'_>,
    name: &str,
    zone: Escaped<'_>,
    latency: &Latency,
) -> fmt::Result {
    let count = latency.count();
    for (limit, shorter) in latency.shorter_than() {
        let limit = seconds(limit);
        writeln!(f, "{PREFIX}{name}_bucket{{zone=\"{zone}\",le=\"{limit}\"}} {shorter}")?;
    }
    writeln!(f, "{PREFIX}{name}_bucket{{zone=\"{zone}\",le=\"+Inf\"}} {count}")?;
    writeln!(f, "{PREFIX}{name}_sum{{zone=\"{zone}\"}} {}", seconds(latency.sum()))?;
    writeln!(f, "{PREFIX}{name}_count{{zone=\"{zone}\"}} {count}")
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// The text of a label's value.
#[derive(Clone, Copy)]
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            _ => f.write_char(character),
        })
    }
}

/// Samples of one name.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

impl Family {
    const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: "counter", help }
    }

    const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: "gauge", help }
    }
}

impl Display for Family {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, kind, help } = self;
        writeln!(f, "# HELP {PREFIX}{name} {help}")?;
        writeln!(f, "# TYPE {PREFIX}{name} {kind}")
    }
}

const PREFIX: &str = "nginx_phantom_token_";

const BUILD: Family = Family::gauge("build_info", "The build of the module that runs; always 1.");

const REQUESTS: Family = Family::counter("requests_total", "Requests by result.");

const CACHE_REQUESTS: Family =
    Family::counter("cache_requests_total", "Requests by where their answer came from.");

const COUNTERS: [(Family, Counter); 2] = [
    (
        Family::counter("introspections_total", "Introspection requests made."),
        Counter::Introspection,
    ),
    (
        Family::counter("background_updates_total", "Answers renewed without a request waiting."),
        Counter::BackgroundUpdate,
    ),
];

const DURATION: Family = Family {
    name: "introspection_duration_seconds",
    kind: "histogram",
    help: "How long introspection took.",
};

const FREE: Family = Family::gauge("zone_free_bytes", "Bytes that no entry takes.");

const ENTRIES: Family = Family::gauge("zone_entries", "Entries by what they say of their token.");

/// The value of a family in the usage of a zone.
type Value = fn(&Usage) -> u64;

const USAGE: [(Family, Value); 12] = [
    (Family::gauge("zone_size_bytes", "Bytes of the zone."), |usage| usage.len as u64),
    (Family::gauge("zone_capacity_bytes", "Bytes that entries can take."), |usage| usage.capacity),
    (Family::gauge("zone_used_bytes", "Bytes that entries take."), |usage| usage.used),
    (Family::gauge("zone_jwt_bytes", "Sum of the lengths of all JWTs."), |usage| usage.jwt_bytes),
    (
        Family::counter("zone_evictions_total", "Entries removed to make room for others."),
        |usage| usage.evictions,
    ),
    (
        Family::counter("zone_expirations_total", "Entries removed because their time was over."),
        |usage| usage.expirations,
    ),
    (
        Family::counter(
            "zone_refusals_total",
            "Answers not stored: too large, expired or outdated.",
        ),
        |usage| usage.refusals,
    ),
    (
        Family::counter("zone_takeovers_total", "Shards emptied because their lock's owner died."),
        |usage| usage.takeovers,
    ),
    (
        Family::counter("flight_takeovers_total", "Introspections whose leader was replaced."),
        |usage| usage.flight_takeovers,
    ),
    (
        Family::counter("zone_corruptions_total", "Shards emptied because they were corrupt."),
        |usage| usage.corruptions,
    ),
    (
        Family::counter("zone_lock_waits_total", "Times that a lock was held by another process."),
        |usage| usage.lock_waits,
    ),
    (
        Family::counter("zone_lock_timeouts_total", "Times that a lock was not to be had."),
        |usage| usage.lock_timeouts,
    ),
];
