//! Many threads, each as a process of its own, that want the same.

use super::*;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Lookup, Zone};
use phantom_token_core_testing::fresh;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const CROWD: u64 = 16;
const ROUNDS: u64 = 100;
/// Far longer than anybody should have to wait, on a loaded machine, too.
const HANG: Duration = Duration::from_secs(60);

#[test]
fn a_crowd_makes_one_introspection_for_each_new_token() {
    let zone = TestZone::new(SMALL);
    let start = Barrier::new(CROWD as usize);
    let introspections = AtomicU64::new(0);

    as_a_crowd(|process| {
        for round in 0..ROUNDS {
            start.wait();
            let token = round.to_string();
            get_jwt(&zone, process, &token, &introspections);
        }
    });

    assert_eq!(introspections.load(SeqCst), ROUNDS);
    assert_eq!(zone.usage().flight_takeovers, 0);
    zone.assert_sound();
}

#[test]
fn a_flight_never_has_two_leaders_however_it_ends() {
    let zone = TestZone::new(SMALL);
    let leaders = AtomicU64::new(0);

    as_a_crowd(|process| {
        for round in 0..ROUNDS * 10 {
            let Some(ticket) = wait_to_lead(&zone, process) else {
                continue;
            };
            assert_eq!(leaders.fetch_add(1, SeqCst), 0);
            thread::yield_now();
            leaders.fetch_sub(1, SeqCst);
            match (process.0 + round) % 4 {
                0 => zone.abandon(process, ticket),
                1 => zone.land(process, ticket, Landing::Stored, NOW),
                2 => zone.land(process, ticket, Landing::NotStored, NOW),
                _ => zone.land(process, ticket, failed(), NOW),
            }
        }
    });

    zone.assert_sound();
}

#[test]
fn an_abandoned_flight_has_exactly_one_new_leader() {
    for _ in 0..ROUNDS {
        let zone = TestZone::new(SMALL);
        let ticket = zone.lead(&ONE, "token", NOW);
        let flight = zone.follower(&ONE, "token", NOW);
        let start = Barrier::new(CROWD as usize);
        let leaders = AtomicU64::new(0);
        zone.abandon(&ONE, ticket);

        as_a_crowd(|process| {
            start.wait();
            match zone.ask(process, "token", flight, NOW) {
                Follow::Lead(_) => assert_eq!(leaders.fetch_add(1, SeqCst), 0),
                other => assert_eq!(other, Follow::Wait),
            }
        });

        assert_eq!(leaders.load(SeqCst), 1);
    }
}

fn as_a_crowd(act: impl Fn(&Patient) + Sync) {
    thread::scope(|scope| {
        let start = |id| {
            let act = &act;
            scope.spawn(move || act(&Patient(id)))
        };
        let crowd: Vec<_> = (1..=CROWD).map(start).collect();
        crowd.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// What a request does, from its first look into the zone until it has a JWT.
fn get_jwt(zone: &Zone, process: &Patient, token: &str, introspections: &AtomicU64) {
    let key = zone.key(token.as_bytes(), Profile::new(&[]));
    let start = Instant::now();
    let has_jwt = || {
        let lookup = zone.lookup(process, &key, UnixTime(0), &mut Vec::new());
        matches!(lookup, Lookup::Fresh(_))
    };
    while !has_jwt() {
        assert!(start.elapsed() < HANG, "still waiting");
        match zone.join(process, &key, NOW, TIMEOUT) {
            Join::Lead(ticket) => {
                // Another leader may have landed since the look into the zone.
                if !has_jwt() {
                    introspections.fetch_add(1, SeqCst);
                    thread::yield_now();
                    zone.insert(process, &key, fresh(zone, b"jwt"), UnixTime(0)).unwrap();
                }
                zone.land(process, ticket, Landing::Stored, NOW);
            }
            Join::Follow(flight) => {
                while zone.follow(process, &key, flight, NOW, TIMEOUT) == Follow::Wait {
                    thread::yield_now();
                }
            }
            Join::Alone => panic!("there was no room"),
        }
    }
}

/// Joins or follows until it leads, or until the flight lands with somebody else.
fn wait_to_lead(zone: &TestZone, process: &Patient) -> Option<Ticket> {
    let flight = match zone.join_as(process, "token", NOW) {
        Join::Lead(ticket) => return Some(ticket),
        Join::Follow(flight) => flight,
        Join::Alone => panic!("there was no room"),
    };
    loop {
        match zone.ask(process, "token", flight, NOW) {
            Follow::Wait => thread::yield_now(),
            Follow::Lead(ticket) => return Some(ticket),
            Follow::Landed(_) | Follow::Gone => return None,
        }
    }
}

/// A thread that stands for a process. It leaves a lock's owner so much time between its looks that
/// it does not give up, however long the owner has to wait for a processor.
struct Patient(u64);

impl Process for Patient {
    fn id(&self) -> OwnerId {
        OwnerId(NonZeroU64::new(self.0).unwrap())
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        id.0.get() <= CROWD
    }

    fn relax(&self) {
        thread::sleep(Duration::from_millis(10));
    }
}
