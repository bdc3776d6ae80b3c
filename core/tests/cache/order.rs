//! Answers that come in another order than they were asked for.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, Asked, Entry, InsertError};
use phantom_token_core_testing::{ALONE, MEGABYTE, TestProcess, TestZone};

const NOW: UnixTime = UnixTime(0);

#[test]
fn an_older_answer_does_not_take_the_place_of_a_newer_one() {
    for newer in [Answer::Active(b"newer"), Answer::Inactive] {
        for older in [Answer::Active(b"older"), Answer::Inactive] {
            let zone = TestZone::new(MEGABYTE);
            let (first, second) = (zone.ask(), zone.ask());
            zone.store("token", answer(&zone, newer, second)).unwrap();
            let before = zone.find("token", 0);

            assert_eq!(
                zone.store("token", answer(&zone, older, first)),
                Err(InsertError::Outdated)
            );

            assert_eq!(zone.find("token", 0), before, "{older:?} after {newer:?}");
        }
    }
}

#[test]
fn an_older_answer_that_cannot_be_stored_leaves_a_newer_one_where_it_is() {
    let zone = TestZone::new(MEGABYTE);
    let first = zone.ask();
    zone.store_jwt("token", b"newer");
    let too_large = vec![b'j'; zone.longest_jwt() + 1];

    assert!(zone.store("token", answer(&zone, Answer::Active(&too_large), first)).is_err());

    assert_eq!(zone.find("token", 0).1, b"newer");
}

#[test]
fn an_older_answer_is_not_stored_once_a_newer_one_had_the_token_forgotten() {
    let zone = TestZone::new(MEGABYTE);
    let (first, second) = (zone.ask(), zone.ask());

    zone.forget(&ALONE, &zone.key_of("token"), second);

    let late = answer(&zone, Answer::Active(b"jwt"), first);
    assert_eq!(zone.store("token", late), Err(InsertError::Outdated));
    assert!(!zone.has("token"));
}

#[test]
fn an_answer_that_was_asked_for_after_a_token_was_forgotten_is_stored() {
    let zone = TestZone::new(MEGABYTE);
    let forgotten = zone.ask();
    let later = zone.ask();

    zone.forget(&ALONE, &zone.key_of("token"), forgotten);

    zone.store("token", answer(&zone, Answer::Active(b"jwt"), later)).unwrap();
    assert!(zone.has("token"));
}

#[test]
fn the_answer_that_had_a_token_forgotten_can_be_stored_itself() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt("token", b"jwt");
    let asked = zone.ask();

    zone.forget(&ALONE, &zone.key_of("token"), asked);
    zone.store("token", answer(&zone, Answer::Inactive, asked)).unwrap();

    assert!(zone.has("token"));
}

#[test]
fn an_older_answer_has_nothing_forgotten_that_was_asked_for_later() {
    for newer in [Answer::Active(b"newer"), Answer::Inactive] {
        let zone = TestZone::new(MEGABYTE);
        let first = zone.ask();
        zone.store("token", zone.fresh(newer)).unwrap();

        zone.forget(&ALONE, &zone.key_of("token"), first);

        assert!(zone.has("token"));
    }
}

#[test]
fn copies_of_a_jwt_go_though_a_later_one_took_its_place_before_the_token_was_forgotten() {
    let zone = TestZone::new(MEGABYTE);
    let key = zone.key_of("token");
    zone.store_jwt("token", b"copied");
    let generation = zone.generation(&key);
    let asked = zone.ask();
    zone.store_jwt("token", b"later");

    zone.forget(&ALONE, &key, asked);

    assert_ne!(zone.generation(&key), generation);
}

#[test]
fn copies_of_a_forgotten_token_are_of_no_use_even_if_the_zone_had_evicted_it() {
    let zone = TestZone::new(MEGABYTE);
    let key = zone.key_of("token");
    let generation = zone.generation(&key);

    zone.forget(&ALONE, &key, zone.ask());

    assert_ne!(zone.generation(&key), generation);
}

#[test]
fn a_token_that_is_known_to_be_inactive_disturbs_nobody_when_it_is_asked_for_again() {
    let zone = TestZone::new(MEGABYTE);
    let key = zone.key_of("token");
    zone.store("token", zone.fresh(Answer::Inactive)).unwrap();
    let generation = zone.generation(&key);

    zone.forget(&ALONE, &key, zone.ask());

    assert_eq!(zone.generation(&key), generation);
}

#[test]
fn a_token_in_a_shard_that_is_kept_locked_is_forgotten_all_the_same() {
    let zone = TestZone::new(64 * 1024);
    zone.store_jwt("token", b"jwt");
    let key = zone.key_of("token");
    let generation = zone.generation(&key);
    let lock = 128;
    zone.memory.overwrite(lock, &2_u64.to_le_bytes());

    zone.forget(&TestProcess { id: 1, living: 2 }, &key, zone.ask());

    zone.memory.overwrite(lock, &0_u64.to_le_bytes());
    assert!(!zone.has("token"));
    assert_ne!(zone.generation(&key), generation);
}

#[test]
fn forgetting_a_token_keeps_hardly_an_answer_about_others_from_being_stored() {
    let zone = TestZone::new(10 * MEGABYTE);
    let tokens: Vec<_> = (0..2_000).map(|number| number.to_string()).collect();
    let asked: Vec<_> = tokens.iter().map(|_| zone.ask()).collect();
    for number in 0..10 {
        zone.forget(&ALONE, &zone.key_of(&format!("ended {number}")), zone.ask());
    }

    let stored = tokens.iter().zip(asked).filter(|(token, asked)| {
        let entry = answer(&zone, Answer::Active(b"jwt"), *asked);
        zone.insert(&ALONE, &zone.key_of(token), entry, NOW).is_ok()
    });

    assert!(stored.count() > 1_980);
}

#[test]
fn memory_that_was_overwritten_does_not_keep_answers_out_for_ever() {
    const FLOOR: usize = 48;
    let zone = TestZone::new(MEGABYTE);
    zone.memory.overwrite(FLOOR, &u64::MAX.to_le_bytes());

    assert_eq!(zone.store("token", zone.fresh(Answer::Active(b"jwt"))), Err(InsertError::Outdated));

    zone.store_jwt("token", b"jwt");
}

fn answer<'a>(zone: &TestZone, answer: Answer<'a>, asked: Asked) -> Entry<'a> {
    Entry { asked, ..zone.fresh(answer) }
}
