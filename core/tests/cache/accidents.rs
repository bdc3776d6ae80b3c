//! Many users at once, owners that die, memory that is overwritten.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{
    Answer, CacheKey, InsertError, Join, Landing, Lookup, Profile, WorkerLine, Zone,
};
use phantom_token_core::outcome::{CacheStatus, Outcome};
use phantom_token_core_testing::{
    ALONE, Random, TestProcess, TestZone, assert_whole, fresh, value,
};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

const NOW: UnixTime = UnixTime(0);

#[test]
fn threads_that_share_a_zone_find_only_whole_values_of_their_token() {
    let zone = TestZone::new(256 * 1024);

    thread::scope(|scope| {
        let start = |id| {
            let zone = &zone;
            scope.spawn(move || use_at_random(zone, &TestProcess { id, living: 4 }, 20_000))
        };
        let users: Vec<_> = (1..=4).map(start).collect();
        users.into_iter().for_each(|user| user.join().unwrap());
    });

    zone.assert_sound();
    assert_eq!(zone.usage().corruptions, 0);
    assert_eq!(zone.usage().takeovers, 0);
}

#[test]
fn threads_do_everything_at_once_while_others_die_with_the_lock() {
    let zone = TestZone::new(64 * 1024);
    assert!(die_with_lock(&zone));
    let mut deaths = 1;

    thread::scope(|scope| {
        let users: Vec<_> = (1..=4)
            .map(|id| {
                let zone = &zone;
                scope.spawn(move || do_everything(zone, &TestProcess { id, living: 4 }, 3_000))
            })
            .collect();
        while users.iter().any(|user| !user.is_finished()) {
            deaths += u64::from(die_with_lock(&zone));
            thread::sleep(Duration::from_millis(5));
        }
        users.into_iter().for_each(|user| user.join().unwrap());
    });

    zone.assert_sound();
    let usage = zone.usage();
    assert_eq!(usage.takeovers, deaths, "{usage:?}");
    assert_eq!(usage.corruptions, 0);
}

#[test]
fn a_shard_whose_owner_died_is_emptied_and_used_again() {
    let zone = TestZone::new(64 * 1024);
    zone.store_jwt("token", b"jwt");
    zone.memory.overwrite(FIRST_LOCK, &DEAD.to_le_bytes());

    assert_eq!(zone.find("token", 0).0, Lookup::Miss);
    assert_eq!(zone.usage().takeovers, 1);

    zone.store_jwt("token", b"jwt");
    assert!(zone.has("token"));
    zone.assert_sound();
}

#[test]
fn a_shard_that_is_kept_locked_is_given_up_and_not_robbed() {
    let zone = TestZone::new(64 * 1024);
    zone.store_jwt("token", b"jwt");
    zone.memory.overwrite(FIRST_LOCK, &2_u64.to_le_bytes());
    let process = TestProcess { id: 1, living: 2 };
    let key = zone.key_of("token");

    assert_eq!(zone.lookup(&process, &key, NOW, &mut Vec::new()), Lookup::Miss);
    let refusal = zone.insert(&process, &key, zone.fresh(Answer::Inactive), NOW);
    assert_eq!(refusal, Err(InsertError::Busy));
    assert_eq!(zone.usage().lock_timeouts, 2);

    zone.memory.overwrite(FIRST_LOCK, &0_u64.to_le_bytes());
    assert!(zone.has("token"));
}

#[test]
fn flipped_bits_are_survived() {
    for seed in 0..300 {
        let zone = TestZone::new(64 * 1024);
        let mut random = Random(seed);
        fill(&zone);
        for _ in 0..=random.below(64) {
            zone.memory.flip(random.below(zone.memory.len() * 8));
        }
        use_whatever_it_holds(&zone, &mut random);
        assert_usable_once_purged(&zone);
    }
}

#[test]
fn flipped_bits_in_the_headers_are_survived() {
    for bit in 0..256 * 8 {
        let zone = TestZone::new(64 * 1024);
        fill(&zone);
        zone.memory.flip(bit);
        use_whatever_it_holds(&zone, &mut Random(bit as u64));
        assert_usable_once_purged(&zone);
    }
}

#[test]
fn overwritten_memory_is_survived() {
    for seed in 0..100 {
        let zone = TestZone::new(64 * 1024);
        let mut random = Random(seed);
        fill(&zone);
        let noise: Vec<u8> = (0..random.below(20_000)).map(|_| random.next() as u8).collect();
        let at = 256 + random.below(zone.memory.len() - 256 - noise.len());
        zone.memory.overwrite(at, &noise);
        use_whatever_it_holds(&zone, &mut random);
        assert_usable_once_purged(&zone);
    }
}

#[test]
fn what_does_not_fit_together_is_noticed_and_counted() {
    let zone = TestZone::new(64 * 1024);
    fill(&zone);
    let chunks = 256..zone.memory.len();
    zone.memory.overwrite(chunks.start, &vec![0xff; chunks.len()]);

    assert!(zone.check(&ALONE).is_err());
    assert_eq!(zone.find("0", 0).0, Lookup::Miss);

    assert_eq!(zone.usage().corruptions, 1);
    zone.assert_sound();
}

#[test]
fn a_purge_empties_a_zone_whose_epoch_was_set_back() {
    let zone = TestZone::new(64 * 1024);
    zone.store_jwt("token", b"jwt");
    zone.memory.overwrite(EPOCH, &0_u64.to_le_bytes());

    zone.purge_all();

    assert!(!zone.has("token"));
}

/// Where the zone counts its purges.
const EPOCH: usize = 64;

/// Where the lock of the first shard is.
const FIRST_LOCK: usize = 128;
const DEAD: u64 = 77;

fn fill(zone: &TestZone) {
    for number in 0..100 {
        let jwt = value(number, number, 16 + number as usize * 10);
        zone.insert(&ALONE, &key(zone, number), fresh(zone, &jwt), NOW).unwrap();
    }
}

fn use_whatever_it_holds(zone: &TestZone, random: &mut Random) {
    let mut jwt = Vec::new();
    let _ = zone.check(&ALONE);
    for _ in 0..200 {
        let number = random.below(100) as u64;
        let key = key(zone, number);
        let value = value(number, 1, 16 + random.below(3_000));
        let answer = if random.below(4) == 0 { Answer::Inactive } else { Answer::Active(&value) };
        match random.below(4) {
            0 => drop(zone.insert(&ALONE, &key, zone.fresh(answer), NOW)),
            1 => zone.forget(&ALONE, &key, zone.ask()),
            _ => drop(zone.lookup(&ALONE, &key, NOW, &mut jwt)),
        }
    }
}

fn assert_usable_once_purged(zone: &TestZone) {
    zone.purge_all();
    assert!(!zone.has("new"));
    zone.store_jwt("new", b"jwt");
    assert_eq!(zone.find("new", 0).1, b"jwt");
    zone.assert_sound();
}

fn use_at_random(zone: &Zone, process: &TestProcess, operations: u32) {
    let mut random = Random(process.id);
    for _ in 0..operations {
        let token = random.below(200) as u64;
        store_or_find(zone, process, token, &mut random);
    }
}

fn store_or_find(zone: &Zone, process: &TestProcess, token: u64, random: &mut Random) {
    let key = key(zone, token);
    let mut jwt = Vec::new();
    if random.below(3) == 0 {
        let jwt = value(token, random.next(), random.below(8_000));
        // On a loaded machine the lock's owner may have to wait for a processor for long.
        let inserted = zone.insert(process, &key, fresh(zone, &jwt), NOW);
        let accepted = matches!(inserted, Ok(()) | Err(InsertError::Busy | InsertError::Outdated));
        assert!(accepted, "{inserted:?}");
    } else if let Lookup::Fresh(_) = zone.lookup(process, &key, NOW, &mut jwt) {
        assert_whole(token, &jwt);
    }
}

/// As `use_at_random`, with purges, flights and counters.
fn do_everything(zone: &Zone, process: &TestProcess, operations: u32) {
    let mut random = Random(process.id);
    for _ in 0..operations {
        let token = random.below(20) as u64;
        let key = key(zone, token);
        match random.below(8) {
            0 => zone.forget(process, &key, zone.ask()),
            1 => zone.purge_token(process, &token.to_le_bytes()),
            2 => drop(zone.touch(process, &key, NOW)),
            3 => zone.counters().count(WorkerLine::of(process.id as usize), CacheStatus::Miss),
            4 => fly(zone, process, &key),
            _ => store_or_find(zone, process, token, &mut random),
        }
    }
    assert_eq!(zone.counters().snapshot().get(Outcome::Granted), 0);
}

/// Leads a flight or follows one, until it hears of it once.
fn fly(zone: &Zone, process: &TestProcess, key: &CacheKey) {
    match zone.join(process, key, 0, 1_000) {
        Join::Lead(ticket) => zone.land(process, ticket, Landing::NotStored, 0),
        Join::Follow(flight) => drop(zone.follow(process, key, flight, 0, 1_000)),
        Join::Alone => {}
    }
}

/// Takes the lock of the zone's only shard in the name of a process that is dead; whether it was
/// free.
fn die_with_lock(zone: &TestZone) -> bool {
    let lock = zone.memory.word(FIRST_LOCK);
    lock.compare_exchange(0, DEAD, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

fn key(zone: &Zone, token: u64) -> CacheKey {
    zone.key(&token.to_le_bytes(), Profile::new(&[]))
}
