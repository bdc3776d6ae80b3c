//! The single flight: one leader at a time, and every follower's wait ends.

use crate::world::{Living, World, explore};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Flight, Follow, Join, Landing, Lookup, Ticket};
use phantom_token_core::introspection::{Failure, FailureCode};
use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const NOW: UnixTime = UnixTime(0);
const TOKEN: u64 = 5;
const JWT: &[u8] = b"header.payload.signature";
/// Some more accesses than a process of these models makes that leads at once.
const LIFE: u32 = 500;
/// No flight of these models is late, but for those that are meant to be, in milliseconds.
const TIMEOUT: u64 = 1_000_000;
/// More than a leader is left in peace before somebody asks whether it is alive.
const WHILE: u64 = 60;

#[test]
fn a_crowd_makes_one_introspection() {
    explore(|| {
        let airline = Airline::new(Landing::Stored);
        let told = airline.crowd(1..=4);

        assert!(told.iter().all(|told| matches!(told, Told::Found | Told::Led)), "{told:?}");
        assert_eq!(airline.introspections(), 1);
        airline.assert_all_ended();
    });
}

#[test]
fn a_failure_is_told_to_all_who_followed() {
    explore(|| {
        let airline = Airline::new(failed());
        let told = airline.crowd(1..=4);

        let led = told.iter().filter(|told| matches!(told, Told::Led)).count() as u64;
        let heard = told.iter().filter(|told| **told == Told::Heard(failed())).count() as u64;
        assert_eq!((led, led + heard), (airline.introspections(), 4), "{told:?}");
        airline.assert_all_ended();
    });
}

#[test]
fn an_answer_that_may_not_be_stored_lets_all_go_ahead() {
    explore(|| {
        let airline = Airline::new(Landing::NotStored);
        let first = airline.lead(&airline.process(1));
        let followers = [2, 3, 4].map(|id| airline.follower(&airline.process(id)));
        let waiting: Vec<_> = (2..)
            .zip(followers)
            .map(|(id, flight)| {
                let airline = Arc::clone(&airline);
                airline.world.clone().start(id, move |_, process| airline.wait(process, flight))
            })
            .collect();
        airline.world.zone.land(&airline.process(1), first, Landing::NotStored, 0);

        for follower in waiting {
            let told = follower.join().unwrap();
            assert!(matches!(told, Ended::Landed(Landing::NotStored)));
        }
        airline.assert_all_ended();
    });
}

#[test]
fn an_abandoned_flight_has_one_new_leader() {
    explore(|| {
        let airline = Airline::new(Landing::Stored);
        let first = airline.lead(&airline.process(1));
        let flight = airline.follower(&airline.process(2));
        let others: Vec<_> = (2..=4)
            .map(|id| {
                let airline = Arc::clone(&airline);
                airline.world.clone().start(id, move |_, process| airline.go_on(process, flight))
            })
            .collect();
        airline.world.zone.abandon(&airline.process(1), first);

        let told: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        assert!(told.iter().all(|told| matches!(told, Told::Found | Told::Led)), "{told:?}");
        assert_eq!(airline.introspections(), 1);
        assert_eq!(airline.world.zone.usage().flight_takeovers, 1);
        airline.assert_all_ended();
    });
}

#[test]
fn a_leader_that_dies_anywhere_is_replaced_by_one() {
    explore(|| {
        let airline = Airline::new(Landing::Stored);
        let mortal = {
            let airline = Arc::clone(&airline);
            airline.world.clone().start_mortal(1, LIFE, move |_, process| {
                airline.request(process);
            })
        };
        let told = airline.crowd(2..=3);
        mortal.join().unwrap();

        assert!(told.iter().all(|told| matches!(told, Told::Found | Told::Led)), "{told:?}");
        // Another one if the mortal's was lost with it, and no third.
        let lost = airline.world.deaths_with_lock();
        assert!(airline.introspections() <= 2 + lost, "{}", airline.introspections());
        airline.assert_all_ended();
    });
}

#[test]
fn a_leader_that_is_late_is_replaced_by_one_and_what_it_says_is_not_heard() {
    explore(|| {
        let airline = Airline::new(Landing::Stored);
        let late = airline.lead(&airline.process(1));
        let flight = airline.follower(&airline.process(2));
        airline.world.pass(TIMEOUT);
        let others: Vec<_> = (2..=3)
            .map(|id| {
                let airline = Arc::clone(&airline);
                airline.world.clone().start(id, move |_, process| airline.go_on(process, flight))
            })
            .collect();
        let second = airline.lead_again();
        airline.world.zone.land(&airline.process(1), late, failed(), TIMEOUT);

        let told: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        if second {
            assert!(told.iter().all(|told| *told == Told::Found), "{told:?}");
        }
        assert!(told.iter().all(|told| matches!(told, Told::Found | Told::Led)), "{told:?}");
        assert_eq!(airline.introspections(), 1);
        airline.assert_all_ended();
    });
}

#[test]
fn what_was_asked_before_a_purge_is_not_found_after_it() {
    explore(|| {
        let airline = Airline::new(Landing::Stored);
        let asking = [2, 3].map(|id| {
            let airline = Arc::clone(&airline);
            airline.world.clone().start(id, move |_, process| airline.request(process))
        });
        airline.era.store(1, SeqCst);
        airline.world.zone.purge_token(&airline.process(1), &TOKEN.to_le_bytes());
        for _ in 0..3 {
            let found = airline.find(&airline.process(1));
            assert!(found.is_none_or(|era| era == 1), "found what was purged");
        }

        asking.into_iter().for_each(|process| drop(process.join().unwrap()));
        let found = airline.find(&airline.process(1));
        assert!(found.is_none_or(|era| era == 1), "found what was purged");
        airline.assert_all_ended();
    });
}

/// Requests for one token, and how the authorization server answers.
struct Airline {
    world: Arc<World>,
    answer: Landing,
    /// What the authorization server knows; put at the end of the JWT.
    era: AtomicU64,
    /// The id of who leads, or 0.
    leader: AtomicU64,
    introspections: AtomicU64,
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Found,
    Led,
    Heard(Landing),
}

/// How a wait ended.
enum Ended {
    Landed(Landing),
    Lead(Ticket),
    Gone,
}

impl Airline {
    fn new(answer: Landing) -> Arc<Self> {
        let [era, leader, introspections] = Default::default();
        Arc::new(Self { world: World::new(), answer, era, leader, introspections })
    }

    fn process(&self, id: usize) -> Living {
        Living::new(id, &self.world)
    }

    /// Lets these processes make a request each, all at once.
    fn crowd(self: &Arc<Self>, ids: std::ops::RangeInclusive<usize>) -> Vec<Told> {
        let requests: Vec<_> = ids
            .map(|id| {
                let airline = Arc::clone(self);
                self.world.start(id, move |_, process| airline.request(process))
            })
            .collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    }

    /// What a request does until it is answered.
    fn request(&self, process: &Living) -> Told {
        loop {
            if self.find(process).is_some() {
                return Told::Found;
            }
            let joined =
                self.world.zone.join(process, &self.world.key(TOKEN), self.world.now(), TIMEOUT);
            match joined {
                Join::Lead(ticket) => return self.introspect(process, ticket),
                Join::Follow(flight) => match self.wait(process, flight) {
                    Ended::Landed(Landing::Stored) | Ended::Gone => {}
                    Ended::Landed(landing) => return Told::Heard(landing),
                    Ended::Lead(ticket) => return self.introspect(process, ticket),
                },
                Join::Alone => panic!("there was no room"),
            }
        }
    }

    /// What a request does that follows already.
    fn go_on(&self, process: &Living, flight: Flight) -> Told {
        match self.wait(process, flight) {
            Ended::Landed(Landing::Stored) | Ended::Gone => self.request(process),
            Ended::Landed(landing) => Told::Heard(landing),
            Ended::Lead(ticket) => self.introspect(process, ticket),
        }
    }

    fn wait(&self, process: &Living, flight: Flight) -> Ended {
        loop {
            let (key, now) = (self.world.key(TOKEN), self.world.now());
            match self.world.zone.follow(process, &key, flight, now, TIMEOUT) {
                Follow::Wait => self.pass_time(),
                Follow::Landed(landing) => return Ended::Landed(landing),
                Follow::Lead(ticket) => return Ended::Lead(ticket),
                Follow::Gone => return Ended::Gone,
            }
        }
    }

    /// Time goes by only if somebody has died: nobody else gains from asking later.
    fn pass_time(&self) {
        if (1..8).any(|id| self.world.is_dead(id)) {
            self.world.pass(WHILE);
        }
        thread::yield_now();
    }

    fn introspect(&self, process: &Living, ticket: Ticket) -> Told {
        self.show_leading(process);
        if self.find(process).is_some() {
            self.show_landing();
            self.world.zone.land(process, ticket, Landing::Stored, self.world.now());
            return Told::Found;
        }
        self.introspections.fetch_add(1, SeqCst);
        let asked = self.world.zone.ask();
        let era = self.era.load(SeqCst);
        thread::yield_now();
        if self.answer == Landing::Stored {
            let jwt = [JWT, &[era as u8]].concat();
            let entry = self.world.fresh(&jwt, asked);
            // Refused if there was a purge since.
            let _ = self.world.zone.insert(process, &self.world.key(TOKEN), entry, NOW);
        }
        self.show_landing();
        self.world.zone.land(process, ticket, self.answer, self.world.now());
        Told::Led
    }

    /// Nobody else may lead who is alive, unless a flight was lost with its shard or in a purge.
    fn show_leading(&self, process: &Living) {
        let other = self.leader.swap(process.number(), SeqCst);
        let lost = self.world.deaths_with_lock() > 0 || self.era.load(SeqCst) > 0;
        assert!(other == 0 || self.world.is_dead(other) || lost, "{other} leads already");
    }

    fn show_landing(&self) {
        self.leader.store(0, SeqCst);
    }

    /// The last byte of the JWT in the zone.
    fn find(&self, process: &Living) -> Option<u64> {
        let mut jwt = Vec::new();
        match self.world.zone.lookup(process, &self.world.key(TOKEN), NOW, &mut jwt) {
            Lookup::Fresh(_) => {
                assert_eq!(&jwt[..JWT.len()], JWT);
                jwt.last().map(|&era| era.into())
            }
            other => {
                assert_eq!(other, Lookup::Miss);
                None
            }
        }
    }

    fn lead(&self, process: &Living) -> Ticket {
        match self.world.zone.join(process, &self.world.key(TOKEN), 0, TIMEOUT) {
            Join::Lead(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    /// Joins when there is a leader already that is late, and introspects if it leads.
    fn lead_again(&self) -> bool {
        let process = self.process(4);
        let now = self.world.now();
        match self.world.zone.join(&process, &self.world.key(TOKEN), now, TIMEOUT) {
            Join::Lead(ticket) => self.introspect(&process, ticket) == Told::Led,
            _ => false,
        }
    }

    fn follower(&self, process: &Living) -> Flight {
        match self.world.zone.join(process, &self.world.key(TOKEN), 0, TIMEOUT) {
            Join::Follow(flight) => flight,
            other => panic!("{other:?}"),
        }
    }

    fn introspections(&self) -> u64 {
        self.introspections.load(SeqCst)
    }

    fn assert_all_ended(&self) {
        let zone = &self.world.zone;
        zone.check(&self.process(7)).unwrap();
        assert_eq!(zone.usage().corruptions, 0);
        assert_eq!(zone.usage().lock_timeouts, 0);
    }
}

fn failed() -> Landing {
    Landing::Failed(FailureCode::from(&Failure::Timeout))
}
