//! A clock that is set back.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, Entry, Lifetime, Lookup};
use phantom_token_core_testing::{ALONE, MEGABYTE, TestZone};

const NOON: u64 = 1_000_000;

#[test]
fn an_answer_is_not_kept_for_longer_when_the_clock_is_set_back() {
    for answer in [Answer::Active(b"jwt"), Answer::Inactive] {
        let zone = TestZone::new(MEGABYTE);
        store_at(&zone, NOON, "token", answer);

        let (lookup, _) = zone.find("token", NOON - 3600);

        assert_eq!(lookup, Lookup::Miss, "{answer:?}");
    }
}

#[test]
fn copies_are_not_kept_for_longer_either_when_the_clock_is_set_back() {
    let zone = TestZone::new(MEGABYTE);
    store_at(&zone, NOON, "token", Answer::Active(b"jwt"));
    let key = zone.key_of("token");
    let generation = zone.generation(&key);

    zone.find("other", NOON - 3600);

    assert_ne!(zone.generation(&key), generation);
}

#[test]
fn a_copy_in_use_is_given_up_when_the_clock_is_set_back() {
    let zone = TestZone::new(MEGABYTE);
    store_at(&zone, NOON, "token", Answer::Active(b"jwt"));
    let key = zone.key_of("token");
    let generation = zone.generation(&key);

    let is_there = zone.touch(&ALONE, &key, UnixTime(NOON - 3600));

    assert_eq!(is_there, Some(false));
    assert_ne!(zone.generation(&key), generation);
}

#[test]
fn what_is_stored_after_the_clock_was_set_back_is_found() {
    let zone = TestZone::new(MEGABYTE);
    store_at(&zone, NOON, "token", Answer::Active(b"jwt"));
    zone.find("token", NOON - 3600);

    store_at(&zone, NOON - 3600, "token", Answer::Active(b"jwt"));

    assert_eq!(zone.find("token", NOON - 3600).1, b"jwt");
}

#[test]
fn a_clock_that_is_set_right_by_seconds_costs_nothing() {
    let zone = TestZone::new(MEGABYTE);
    store_at(&zone, NOON, "token", Answer::Active(b"jwt"));

    assert_eq!(zone.find("token", NOON - 2).1, b"jwt");
}

fn store_at(zone: &TestZone, now: u64, token: &str, answer: Answer<'_>) {
    let lifetime = Lifetime::fresh_until(UnixTime(now + 60));
    let entry = Entry { lifetime, ..zone.fresh(answer) };
    zone.insert(&ALONE, &zone.key_of(token), entry, UnixTime(now)).unwrap();
}
