//! The lock of a shard: one process at a time, and no death of one holds up the others.

use crate::world::{Living, World, explore};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, Entry, InsertError, Lifetime, Lookup, Zone};
use phantom_token_core_testing::{assert_whole, value};
use std::sync::Arc;

const NOW: UnixTime = UnixTime(0);
/// Some more accesses than a process of these models makes.
const LIFE: u32 = 400;

#[test]
fn one_process_at_a_time_changes_a_shard() {
    explore(|| {
        let world = World::new();
        let processes: Vec<_> = (1..=3)
            .map(|id| {
                world.start(id, |world, process| {
                    for _ in 0..3 {
                        refuse(world, process);
                    }
                })
            })
            .collect();
        processes.into_iter().for_each(|process| process.join().unwrap());

        // Counted by a load and a store, which lose counts when they are not alone.
        assert_eq!(world.zone.usage().refusals, 9);
        assert_sound(&world);
    });
}

#[test]
fn every_value_found_is_whole_and_of_its_token() {
    explore(|| {
        let world = World::new();
        let processes: Vec<_> = (1..=3).map(|id| world.start(id, store_and_find)).collect();
        processes.into_iter().for_each(|process| process.join().unwrap());

        assert_sound(&world);
        assert_eq!(world.zone.usage().takeovers, 0);
    });
}

#[test]
fn a_process_that_dies_anywhere_is_taken_over_once_and_holds_up_nobody() {
    explore(|| {
        let world = World::new();
        let mortal = world.start_mortal(1, LIFE, store_and_find);
        let others: Vec<_> = (2..=3).map(|id| world.start(id, store_and_find)).collect();
        mortal.join().unwrap();
        others.into_iter().for_each(|process| process.join().unwrap());
        // Had it died as the last one.
        store_and_find(&world, &last(&world));

        assert_sound(&world);
        assert_eq!(world.zone.usage().takeovers, world.deaths_with_lock());
    });
}

#[test]
fn a_process_that_dies_taking_over_is_taken_over_too() {
    explore(|| {
        let world = World::new();
        let mortals = [1, 2].map(|id| world.start_mortal(id, LIFE, store_and_find));
        let other = world.start(3, store_and_find);
        mortals.into_iter().for_each(|process| process.join().unwrap());
        other.join().unwrap();
        store_and_find(&world, &last(&world));

        assert_sound(&world);
        // Who dies between taking over and counting it is not counted.
        let deaths = world.deaths_with_lock();
        let takeovers = world.zone.usage().takeovers;
        assert!(takeovers <= deaths && (takeovers > 0) == (deaths > 0), "{takeovers} of {deaths}");
    });
}

#[test]
fn what_was_stored_before_a_death_is_gone_or_whole() {
    explore(|| {
        let world = World::new();
        let first = last(&world);
        let long = value(7, 1, 900);
        world.insert(&first, 7, &long).unwrap();
        let mortal = world.start_mortal(1, LIFE, |world, process| {
            world.zone.forget(process, &world.key(7), world.zone.ask());
            store(world, process, 7, 500);
        });
        let other = world.start(2, |world, process| find(world, process, 7));
        mortal.join().unwrap();
        other.join().unwrap();

        find(&world, &first, 7);
        assert_sound(&world);
    });
}

/// Stores a JWT for a token that all share, and one for its own, and looks for both.
fn store_and_find(world: &Arc<World>, process: &Living) {
    let own = process.number();
    store(world, process, 0, 100);
    find(world, process, 0);
    store(world, process, own, 200);
    find(world, process, own);
}

fn store(world: &World, process: &Living, token: u64, len: usize) {
    let jwt = value(token, process.number(), len);
    // Another process may have asked later, and stored before.
    let stored = world.insert(process, token, &jwt);
    assert!(matches!(stored, Ok(()) | Err(InsertError::Outdated)), "{stored:?}");
}

fn find(world: &World, process: &Living, token: u64) {
    let mut jwt = Vec::new();
    match world.zone.lookup(process, &world.key(token), NOW, &mut jwt) {
        Lookup::Fresh(_) => assert_whole(token, &jwt),
        other => assert_eq!(other, Lookup::Miss),
    }
}

/// Asks to store an answer that has expired, which is refused under the lock.
fn refuse(world: &World, process: &Living) {
    let lifetime = Lifetime::fresh_until(NOW);
    let expired = Entry { answer: Answer::Inactive, lifetime, asked: world.zone.ask() };
    let refused = world.zone.insert(process, &world.key(0), expired, NOW);
    assert_eq!(refused, Err(InsertError::Expired));
}

fn last(world: &Arc<World>) -> Living {
    Living::new(4, world)
}

fn assert_sound(world: &Arc<World>) {
    let zone: &Zone = &world.zone;
    zone.check(&last(world)).unwrap();
    assert_eq!(zone.usage().corruptions, 0);
    assert_eq!(zone.usage().lock_timeouts, 0);
}
