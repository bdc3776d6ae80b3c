//! Who leads a flight, who follows it, and what they learn.

mod crowd;
mod random;
mod room;
mod takeover;

use http::StatusCode;
use phantom_token_core::cache::{
    Answer, Flight, Follow, Join, Landing, OwnerId, Process, Profile, Ticket,
};
use phantom_token_core::introspection::{Failure, FailureCode};
use phantom_token_core_testing::{ALONE, TestProcess, TestZone};
use std::cell::Cell;
use std::num::NonZeroU64;

/// Milliseconds, as are all times here.
const TIMEOUT: u64 = 5_000;
const NOW: u64 = 1_000_000;

/// One shard, with the fewest flights that a shard has.
const SMALL: usize = 64 * 1024;
const FLIGHTS: usize = 8;
/// Where the lock of the first shard is.
const FIRST_LOCK: usize = 128;

const ONE: TestProcess = TestProcess { id: 1, living: 9 };
const TWO: TestProcess = TestProcess { id: 2, living: 9 };
const THREE: TestProcess = TestProcess { id: 3, living: 9 };
/// The second process after the death of the first.
const SURVIVOR: Mortal = Mortal { id: 2, dead: 1 };

#[test]
fn the_first_request_leads_and_others_follow() {
    let zone = TestZone::new(SMALL);
    let _ticket = zone.lead(&ONE, "token", NOW);

    let flight = zone.follower(&TWO, "token", NOW);

    assert_eq!(zone.ask(&TWO, "token", flight, NOW + 10), Follow::Wait);
    assert_eq!(zone.follower(&ONE, "token", NOW), flight);
    zone.assert_sound();
}

#[test]
fn each_token_has_a_flight_of_its_own() {
    let zone = TestZone::new(SMALL);
    let _ticket = zone.lead(&ONE, "token", NOW);

    let _other = zone.lead(&ONE, "another", NOW);

    zone.assert_sound();
}

#[test]
fn each_profile_has_a_flight_of_its_own() {
    let zone = TestZone::new(SMALL);
    let _ticket = zone.lead(&ONE, "token", NOW);

    let other = zone.key(b"token", Profile::new(&[b"other"]));

    assert!(matches!(zone.join(&ONE, &other, NOW, TIMEOUT), Join::Lead(_)));
}

#[test]
fn followers_learn_how_their_flight_landed() {
    for landing in landings() {
        let zone = TestZone::new(SMALL);
        let ticket = zone.lead(&ONE, "token", NOW);
        let flight = zone.follower(&TWO, "token", NOW);

        zone.land(&ONE, ticket, landing, NOW + 100);

        assert_eq!(zone.ask(&TWO, "token", flight, NOW + 100), Follow::Landed(landing));
        assert_eq!(zone.ask(&THREE, "token", flight, NOW + 900), Follow::Landed(landing));
        zone.assert_sound();
    }
}

#[test]
fn a_failure_reaches_the_followers_whole() {
    let zone = TestZone::new(SMALL);
    let retry_after = Some("30".parse().unwrap());
    let status = StatusCode::TOO_MANY_REQUESTS;
    let failure = Failure::Unavailable { status, retry_after };
    let ticket = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);

    zone.land(&ONE, ticket, Landing::Failed(FailureCode::from(&failure)), NOW);

    let Follow::Landed(Landing::Failed(code)) = zone.ask(&TWO, "token", flight, NOW) else {
        panic!("the flight did not fail");
    };
    assert_eq!(Failure::from(code), failure);
}

#[test]
fn a_request_after_a_landing_leads_and_the_followers_from_before_still_learn_of_it() {
    for landing in landings() {
        let zone = TestZone::new(SMALL);
        let ticket = zone.lead(&ONE, "token", NOW);
        let flight = zone.follower(&TWO, "token", NOW);
        zone.land(&ONE, ticket, landing, NOW + 100);

        let _next = zone.lead(&THREE, "token", NOW + 101);

        assert_eq!(zone.ask(&TWO, "token", flight, NOW + 102), Follow::Landed(landing));
        zone.assert_sound();
    }
}

#[test]
fn a_landing_is_known_for_a_second() {
    let zone = TestZone::new(SMALL);
    let ticket = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);
    zone.land(&ONE, ticket, failed(), NOW);

    let _other = zone.lead(&ONE, "another", NOW + 999);
    assert_eq!(zone.ask(&TWO, "token", flight, NOW + 999), Follow::Landed(failed()));

    let _other = zone.lead(&ONE, "one more", NOW + 1_000);
    assert_eq!(zone.ask(&TWO, "token", flight, NOW + 1_000), Follow::Gone);
}

#[test]
fn a_purge_ends_the_flights_of_the_token() {
    let zone = TestZone::new(SMALL);
    let ticket = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);
    let _other = zone.lead(&ONE, "another", NOW);

    zone.purge_token(&ALONE, b"token");

    assert_eq!(zone.ask(&TWO, "token", flight, NOW), Follow::Gone);
    zone.land(&ONE, ticket, Landing::Inactive, NOW);
    let _ticket = zone.lead(&TWO, "token", NOW);
    zone.follower(&TWO, "another", NOW);
}

#[test]
fn nobody_learns_after_a_purge_what_was_known_before() {
    for landing in landings() {
        let zone = TestZone::new(SMALL);
        let ticket = zone.lead(&ONE, "token", NOW);
        let flight = zone.follower(&TWO, "token", NOW);
        zone.land(&ONE, ticket, landing, NOW);

        zone.purge_token(&ALONE, b"token");

        assert_eq!(zone.ask(&TWO, "token", flight, NOW), Follow::Gone);
    }
}

#[test]
fn a_purge_of_everything_ends_all_flights() {
    let zone = TestZone::new(SMALL);
    let ticket = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);

    zone.purge_all();

    assert_eq!(zone.ask(&TWO, "token", flight, NOW), Follow::Gone);
    zone.land(&ONE, ticket, Landing::Inactive, NOW);
    let _ticket = zone.lead(&TWO, "token", NOW);
    zone.assert_sound();
}

#[test]
fn a_flight_lost_with_its_shard_is_gone() {
    let zone = TestZone::new(SMALL);
    let _lost = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);
    zone.lock_first_shard(77);

    assert_eq!(zone.ask(&TWO, "token", flight, NOW), Follow::Gone);

    let _ticket = zone.lead(&TWO, "token", NOW);
    assert_eq!(zone.usage().takeovers, 1);
    zone.assert_sound();
}

#[test]
fn a_zone_that_is_kept_locked_coordinates_nobody() {
    let zone = TestZone::new(SMALL);
    let _ticket = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);
    zone.lock_first_shard(3);

    assert_eq!(zone.join_as(&TWO, "token", NOW), Join::Alone);
    assert_eq!(zone.ask(&TWO, "token", flight, NOW), Follow::Gone);
}

#[test]
fn an_answer_that_was_stored_is_found_once_its_flight_has_landed() {
    let zone = TestZone::new(SMALL);
    let ticket = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);

    zone.store("token", zone.fresh(Answer::Active(b"jwt"))).unwrap();
    zone.land(&ONE, ticket, Landing::Stored, NOW);

    assert_eq!(zone.ask(&TWO, "token", flight, NOW), Follow::Landed(Landing::Stored));
    assert_eq!(zone.find("token", 0).1, b"jwt");
}

fn landings() -> [Landing; 4] {
    [Landing::Stored, Landing::NotStored, Landing::Inactive, failed()]
}

fn failed() -> Landing {
    Landing::Failed(FailureCode::from(&Failure::Timeout))
}

/// Flights of a zone by the names of their tokens.
trait Flights {
    fn join_as(&self, process: &impl Process, token: &str, now: u64) -> Join;

    fn lead(&self, process: &impl Process, token: &str, now: u64) -> Ticket;

    fn follower(&self, process: &impl Process, token: &str, now: u64) -> Flight;

    fn ask(&self, process: &impl Process, token: &str, flight: Flight, now: u64) -> Follow;

    /// Has a process hold the lock that guards the flights.
    fn lock_first_shard(&self, process: u64);

    /// As many flights as there is room for: for the tokens 0, 1, 2 ...
    fn fill(&self, process: &impl Process, now: u64) -> Vec<Ticket>;
}

impl Flights for TestZone {
    fn join_as(&self, process: &impl Process, token: &str, now: u64) -> Join {
        self.join(process, &self.key_of(token), now, TIMEOUT)
    }

    fn lead(&self, process: &impl Process, token: &str, now: u64) -> Ticket {
        match self.join_as(process, token, now) {
            Join::Lead(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn follower(&self, process: &impl Process, token: &str, now: u64) -> Flight {
        match self.join_as(process, token, now) {
            Join::Follow(flight) => flight,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&self, process: &impl Process, token: &str, flight: Flight, now: u64) -> Follow {
        self.follow(process, &self.key_of(token), flight, now, TIMEOUT)
    }

    fn lock_first_shard(&self, process: u64) {
        self.memory.overwrite(FIRST_LOCK, &process.to_le_bytes());
    }

    fn fill(&self, process: &impl Process, now: u64) -> Vec<Ticket> {
        (0..FLIGHTS).map(|token| self.lead(process, &token.to_string(), now)).collect()
    }
}

/// A process that knows that another is dead.
struct Mortal {
    id: u64,
    dead: u64,
}

impl Process for Mortal {
    fn id(&self) -> OwnerId {
        OwnerId(NonZeroU64::new(self.id).unwrap())
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        id.0.get() != self.dead
    }

    fn relax(&self) {}
}

/// Counts how often it asks.
#[derive(Default)]
struct Curious {
    questions: Cell<u32>,
}

impl Process for Curious {
    fn id(&self) -> OwnerId {
        TWO.id()
    }

    fn is_alive(&self, _: OwnerId) -> bool {
        self.questions.set(self.questions.get() + 1);
        true
    }

    fn relax(&self) {}
}
