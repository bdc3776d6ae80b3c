//! Purges, and what they promise.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Entry, InsertError, Lookup, Profile};
use phantom_token_core_testing::{ALONE, MEGABYTE, Random, TestProcess, TestZone, fresh};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

const NOW: UnixTime = UnixTime(0);

#[test]
fn a_purged_token_is_gone_for_all_profiles_and_others_stay() {
    let zone = TestZone::new(MEGABYTE);
    let profiles = [b"one", b"two"].map(|part| Profile::new(&[part]));
    for key in profiles.map(|profile| zone.key(b"purged", profile)) {
        zone.insert(&ALONE, &key, fresh(&zone, b"jwt"), NOW).unwrap();
    }
    zone.store_jwt("kept", b"jwt");

    zone.purge_token(&ALONE, b"purged");

    for key in profiles.map(|profile| zone.key(b"purged", profile)) {
        assert_eq!(zone.lookup(&ALONE, &key, NOW, &mut Vec::new()), Lookup::Miss);
    }
    assert!(zone.has("kept"));
    zone.assert_sound();
}

#[test]
fn a_purge_of_everything_leaves_nothing() {
    let zone = TestZone::new(4 * MEGABYTE);
    let tokens: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    tokens.iter().for_each(|token| zone.store_jwt(token, b"jwt"));

    zone.purge_all();

    let usage = zone.usage();
    assert_eq!((usage.active, usage.used, usage.jwt_bytes), (0, 0, 0));
    assert!(!tokens.iter().any(|token| zone.has(token)));
    zone.assert_sound();
}

#[test]
fn every_purge_of_a_token_begins_a_generation_of_it() {
    let zone = TestZone::new(MEGABYTE);
    let key = zone.key_of("token");
    let before = zone.generation(&key);

    zone.purge_token(&ALONE, b"token");
    let between = zone.generation(&key);
    zone.purge_all();

    assert_ne!(before, between);
    assert_ne!(between, zone.generation(&key));
}

#[test]
fn a_purge_leaves_the_copies_of_nearly_all_other_tokens_of_use() {
    let zone = TestZone::new(10 * MEGABYTE);
    let keys: Vec<_> = (0..10_000).map(|number| zone.key_of(&number.to_string())).collect();
    let before: Vec<_> = keys.iter().map(|key| zone.generation(key)).collect();

    zone.purge_token(&ALONE, b"purged");

    let changed = keys.iter().zip(before).filter(|(key, before)| zone.generation(key) != *before);
    assert!(changed.count() < 20);
}

#[test]
fn an_answer_to_a_question_from_before_a_purge_is_not_stored() {
    let zone = TestZone::new(MEGABYTE);
    let answers = [fresh(&zone, b"jwt"), fresh(&zone, b"jwt")];

    zone.purge_token(&ALONE, b"token");
    zone.purge_all();

    for (token, answer) in ["token", "other"].into_iter().zip(answers) {
        assert_eq!(zone.store(token, answer), Err(InsertError::Outdated), "{token}");
        assert!(!zone.has(token), "{token}");
    }
}

#[test]
fn purges_of_a_token_keep_hardly_an_answer_about_others_from_being_stored() {
    let zone = TestZone::new(10 * MEGABYTE);
    let tokens: Vec<_> = (0..2_000).map(|number| number.to_string()).collect();
    let answers: Vec<_> = tokens.iter().map(|_| fresh(&zone, b"jwt")).collect();

    for _ in 0..100 {
        zone.purge_token(&ALONE, b"purged");
    }

    let stored =
        tokens.iter().zip(answers).filter(|(token, answer)| zone.store(token, *answer).is_ok());
    assert!(stored.count() > 1_990);
}

#[test]
fn a_token_in_a_shard_that_is_kept_locked_is_purged_all_the_same() {
    let zone = TestZone::new(64 * 1024);
    zone.store_jwt("token", b"jwt");
    let lock = 128;
    zone.memory.overwrite(lock, &2_u64.to_le_bytes());

    zone.purge_token(&TestProcess { id: 1, living: 2 }, b"token");

    zone.memory.overwrite(lock, &0_u64.to_le_bytes());
    assert!(!zone.has("token"));
}

#[test]
fn nothing_from_before_a_purge_is_found_after_it_returned() {
    let zone = TestZone::new(64 * 1024);
    let key = zone.key_of("token");
    // The authorization server's answer, and the oldest that may be served now.
    let (current, oldest) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);

    let work = |id| {
        let process = TestProcess { id, living: 3 };
        let mut found = Vec::new();
        while !done.load(SeqCst) {
            let oldest = oldest.load(SeqCst);
            if let Lookup::Fresh(_) = zone.lookup(&process, &key, NOW, &mut found) {
                let version = u64::from_le_bytes(found[..].try_into().unwrap());
                assert!(version >= oldest, "found {version} after {oldest} was purged");
                continue;
            }
            let asked = zone.ask();
            let version = current.load(SeqCst).to_le_bytes();
            thread::yield_now();
            let entry = Entry { asked, ..fresh(&zone, &version) };
            let _ = zone.insert(&process, &key, entry, NOW);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| work(2));
        scope.spawn(|| work(3));
        let mut random = Random(1);
        for version in 1..=200_000 {
            current.store(version, SeqCst);
            match random.below(2) {
                0 => zone.purge_all(),
                _ => zone.purge_token(&TestProcess { id: 1, living: 3 }, b"token"),
            }
            oldest.store(version, SeqCst);
        }
        done.store(true, SeqCst);
    });
}
