//! What is counted in a zone.

use phantom_token_core::cache::{Counter, WorkerLine};
use phantom_token_core::outcome::{CacheStatus, Outcome};
use phantom_token_core_testing::{MEGABYTE, TestZone};
use std::thread;

#[test]
fn a_new_zone_has_counted_nothing() {
    let zone = TestZone::new(MEGABYTE);

    assert_eq!(zone.counters().snapshot().get(Outcome::Granted), 0);
    assert_eq!(zone.counters().snapshot().latency().count(), 0);
}

#[test]
fn counting_goes_on_after_a_reload() {
    let zone = TestZone::new(MEGABYTE);
    zone.counters().count(WorkerLine::of(0), Outcome::Granted);
    zone.counters().record_latency(WorkerLine::of(0), 12);

    let zone = TestZone::take_up(zone.memory);
    zone.counters().count(WorkerLine::of(0), Outcome::Granted);

    let snapshot = zone.counters().snapshot();
    assert_eq!(snapshot.get(Outcome::Granted), 2);
    assert_eq!(snapshot.latency().sum(), 12);
}

#[test]
fn a_purge_leaves_what_was_counted() {
    let zone = TestZone::new(MEGABYTE);
    zone.counters().count(WorkerLine::of(0), Outcome::Granted);

    zone.purge_all();

    assert_eq!(zone.counters().snapshot().get(Outcome::Granted), 1);
}

#[test]
fn nothing_counted_is_lost_when_workers_share_a_line() {
    let zone = TestZone::new(24 * 1024);

    thread::scope(|scope| {
        for worker in 0..3 {
            let counters = zone.counters();
            scope.spawn(move || {
                for millis in 0..1000 {
                    counters.count(WorkerLine::of(worker), CacheStatus::WorkerHit);
                    counters.record_latency(WorkerLine::of(worker), millis);
                }
            });
        }
    });

    let snapshot = zone.counters().snapshot();
    assert_eq!(snapshot.get(CacheStatus::WorkerHit), 3000);
    assert_eq!(snapshot.latency().count(), 3000);
}

#[test]
fn counting_changes_nothing_else_in_the_zone() {
    let zone = TestZone::new(10 * MEGABYTE);
    zone.store_jwt("token", b"jwt");
    let usage = zone.usage();

    for worker in 0..200 {
        let statuses = CacheStatus::ALL.map(Counter::from);
        for counter in Outcome::ALL.map(Counter::from).into_iter().chain(statuses) {
            zone.counters().count(WorkerLine::of(worker), counter);
        }
        zone.counters().record_latency(WorkerLine::of(worker), u64::MAX);
    }

    assert_eq!(zone.usage(), usage);
    assert!(zone.has("token"));
    zone.assert_sound();
}
