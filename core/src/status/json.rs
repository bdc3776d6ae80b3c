//! The status as JSON.

use super::model::{Build, ZoneStatus};
use crate::cache::{Counter, Latency, Snapshot, Usage};
use crate::outcome::{CacheStatus, Outcome};
use serde::{Serialize, Serializer};

pub(super) fn render(build: &Build<'_>, zones: &[ZoneStatus<'_>]) -> String {
    let Build { version, commit, nginx } = *build;
    let build = BuildObject { version, commit, nginx };
    // Numbers and texts under names: there is nothing in it that could fail.
    serde_json::to_string(&Status { build, zones: Zones(zones) }).unwrap_or_default()
}

#[derive(Serialize)]
struct Status<'a> {
    build: BuildObject<'a>,
    zones: Zones<'a>,
}

#[derive(Serialize)]
struct BuildObject<'a> {
    version: &'a str,
    commit: &'a str,
    nginx: &'a str,
}

/// An object with a member for each zone, named like it.
struct Zones<'a>(&'a [ZoneStatus<'a>]);

impl Serialize for Zones<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|zone| (zone.name, ZoneObject::from(zone))))
    }
}

/// All sizes are in bytes.
#[derive(Serialize)]
struct ZoneObject<'a> {
    size: usize,
    capacity: u64,
    used: u64,
    free: u64,
    jwt_bytes: u64,
    entries: Entries,
    requests: Counts<'a>,
    cache: Counts<'a>,
    introspection: Introspection,
    evictions: u64,
    expirations: u64,
    refusals: u64,
    takeovers: u64,
    flight_takeovers: u64,
    corruptions: u64,
    lock_waits: u64,
    lock_timeouts: u64,
}

#[derive(Serialize)]
struct Entries {
    active: u64,
    inactive: u64,
}

#[derive(Serialize)]
struct Introspection {
    introspections: u64,
    background_updates: u64,
    latency_ms: LatencyObject,
}

/// In milliseconds; the percentiles are `null` as long as there is nothing to take them from.
#[derive(Serialize)]
struct LatencyObject {
    count: u64,
    sum: u64,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
}

/// An object with a member for each of some counters.
struct Counts<'a>(&'a Snapshot, [Counter; 8]);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot, counters) = *self;
        let counts = counters.iter().map(|&counter| (counter.name(), snapshot.get(counter)));
        serializer.collect_map(counts)
    }
}

impl<'a> From<&'a ZoneStatus<'_>> for ZoneObject<'a> {
    fn from(zone: &'a ZoneStatus<'_>) -> Self {
        let Usage { len, capacity, used, jwt_bytes, active, inactive, .. } = zone.usage;
        let Usage { evictions, expirations, refusals, takeovers, corruptions, .. } = zone.usage;
        let Usage { flight_takeovers, lock_waits, lock_timeouts, .. } = zone.usage;
        Self {
            size: len,
            capacity,
            used,
            free: zone.free(),
            jwt_bytes,
            entries: Entries { active, inactive },
            requests: Counts(&zone.counters, Outcome::ALL.map(Counter::from)),
            cache: Counts(&zone.counters, CacheStatus::ALL.map(Counter::from)),
            introspection: Introspection::from(&zone.counters),
            evictions,
            expirations,
            refusals,
            takeovers,
            flight_takeovers,
            corruptions,
            lock_waits,
            lock_timeouts,
        }
    }
}

impl From<&Snapshot> for Introspection {
    fn from(counters: &Snapshot) -> Self {
        Self {
            introspections: counters.get(Counter::Introspection),
            background_updates: counters.get(Counter::BackgroundUpdate),
            latency_ms: LatencyObject::from(counters.latency()),
        }
    }
}

impl From<&Latency> for LatencyObject {
    fn from(latency: &Latency) -> Self {
        Self {
            count: latency.count(),
            sum: latency.sum(),
            p50: latency.percentile(50),
            p90: latency.percentile(90),
            p99: latency.percentile(99),
        }
    }
}
