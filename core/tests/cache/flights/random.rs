//! Random operations, beside a model of who may lead; and random memory.

use super::*;
use phantom_token_core_testing::Random;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashMap;

const TOKENS: u8 = 4;
const PROCESSES: u8 = 4;

#[derive(Clone, Debug)]
enum Operation {
    Join {
        process: u8,
        token: u8,
    },
    /// Asks for the latest flight of the token that anybody follows.
    Follow {
        process: u8,
        token: u8,
    },
    Land {
        ticket: usize,
        landing: u8,
    },
    Abandon {
        ticket: usize,
    },
    Kill {
        process: u8,
    },
    Purge {
        token: u8,
    },
    Wait {
        ms: u16,
    },
}

proptest! {
    #[test]
    fn a_flight_has_another_leader_only_for_cause(operations in vec(operation(), 1..200)) {
        let mut model = Model::new();
        for operation in operations {
            model.apply(operation);
            model.zone.assert_sound();
        }
        prop_assert_eq!(model.zone.usage().corruptions, 0);
    }
}

#[test]
fn flights_in_memory_that_is_overwritten_are_survived() {
    for seed in 0..300 {
        let zone = TestZone::new(SMALL);
        let mut random = Random(seed);
        let tickets = zone.fill(&ONE, NOW);
        let flight = zone.follower(&TWO, "0", NOW);
        for _ in 0..=random.below(64) {
            // Past the headers, where the flights are.
            zone.memory.flip(8 * 256 + random.below(8 * 8 * 1024));
        }

        let _ = zone.check(&ALONE);
        for (number, ticket) in tickets.into_iter().enumerate() {
            zone.join_as(&TWO, &number.to_string(), NOW + random.below(6_000) as u64);
            zone.ask(&TWO, "0", flight, NOW + random.below(6_000) as u64);
            zone.land(&ONE, ticket, failed(), NOW);
        }

        zone.purge_all();
        let _ticket = zone.lead(&ONE, "0", NOW);
        zone.assert_sound();
    }
}

#[test]
fn flights_that_cannot_be_cost_the_shard_and_are_counted() {
    let zone = TestZone::new(SMALL);
    let _ticket = zone.lead(&ONE, "token", NOW);
    zone.memory.overwrite(256, &vec![0xff; zone.memory.len() - 256]);

    assert!(zone.check(&ALONE).is_err());
    assert_eq!(zone.join_as(&TWO, "token", NOW), Join::Alone);

    assert_eq!(zone.usage().corruptions, 1);
    let _ticket = zone.lead(&TWO, "token", NOW);
    zone.assert_sound();
}

fn operation() -> impl Strategy<Value = Operation> {
    let both = || (0..PROCESSES, 0..TOKENS);
    let ticket = 0..64_usize;
    prop_oneof![
        8 => both().prop_map(|(process, token)| Operation::Join { process, token }),
        8 => both().prop_map(|(process, token)| Operation::Follow { process, token }),
        4 => (ticket.clone(), 0..4_u8)
            .prop_map(|(ticket, landing)| Operation::Land { ticket, landing }),
        2 => ticket.prop_map(|ticket| Operation::Abandon { ticket }),
        1 => (0..PROCESSES).prop_map(|process| Operation::Kill { process }),
        1 => (0..TOKENS).prop_map(|token| Operation::Purge { token }),
        4 => (0..2_000_u16).prop_map(|ms| Operation::Wait { ms }),
    ]
}

/// A zone beside who leads in it.
struct Model {
    zone: TestZone,
    now: u64,
    /// The present id of each process: one that is killed comes back under another.
    ids: [u64; PROCESSES as usize],
    tickets: Vec<Led>,
    followed: HashMap<u8, Flight>,
    leaders: HashMap<u8, Leader>,
    serial: u64,
}

struct Led {
    ticket: Ticket,
    token: u8,
    serial: u64,
}

struct Leader {
    id: u64,
    since: u64,
    serial: u64,
}

/// A process among those that live.
struct Alive<'a> {
    id: u64,
    ids: &'a [u64],
}

impl Model {
    fn new() -> Self {
        Self {
            zone: TestZone::new(SMALL),
            now: NOW,
            ids: [1, 2, 3, 4],
            tickets: Vec::new(),
            followed: HashMap::new(),
            leaders: HashMap::new(),
            serial: 10,
        }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Join { process, token } => self.join(process, token),
            Operation::Follow { process, token } => self.follow(process, token),
            Operation::Land { ticket, landing } => self.land(ticket, landing),
            Operation::Abandon { ticket } => {
                if let Some(led) = self.take(ticket) {
                    self.zone.abandon(&ALONE, led.ticket);
                }
            }
            Operation::Kill { process } => {
                self.serial += 1;
                self.ids[usize::from(process)] = self.serial;
            }
            Operation::Purge { token } => {
                self.zone.purge_token(&ALONE, token.to_string().as_bytes());
                self.leaders.remove(&token);
            }
            Operation::Wait { ms } => self.now += u64::from(ms),
        }
    }

    fn join(&mut self, process: u8, token: u8) {
        let process = self.process(process);
        let id = process.id;
        match self.zone.join_as(&process, &token.to_string(), self.now) {
            Join::Lead(ticket) => self.lead(id, token, ticket),
            Join::Follow(flight) => drop(self.followed.insert(token, flight)),
            // The model's few tokens always find a flight that landed, and that makes room.
            Join::Alone => panic!("there was no room"),
        }
    }

    fn follow(&mut self, process: u8, token: u8) {
        let Some(&flight) = self.followed.get(&token) else {
            return;
        };
        let process = self.process(process);
        let id = process.id;
        match self.zone.ask(&process, &token.to_string(), flight, self.now) {
            Follow::Lead(ticket) => self.lead(id, token, ticket),
            Follow::Wait => assert!(self.leaders.contains_key(&token), "waits for nobody"),
            Follow::Landed(_) => {}
            Follow::Gone => drop(self.followed.remove(&token)),
        }
    }

    fn land(&mut self, ticket: usize, landing: u8) {
        if let Some(led) = self.take(ticket) {
            self.zone.land(&ALONE, led.ticket, landings()[usize::from(landing)], self.now);
        }
    }

    fn lead(&mut self, id: u64, token: u8, ticket: Ticket) {
        if let Some(former) = self.leaders.get(&token) {
            let overdue = self.now - former.since >= TIMEOUT;
            assert!(overdue || !self.ids.contains(&former.id), "there is a leader");
        }
        self.serial += 1;
        let serial = self.serial;
        self.tickets.push(Led { ticket, token, serial });
        self.leaders.insert(token, Leader { id, since: self.now, serial });
    }

    fn take(&mut self, ticket: usize) -> Option<Led> {
        let led = ticket.checked_rem(self.tickets.len()).map(|at| self.tickets.remove(at))?;
        if self.leaders.get(&led.token).is_some_and(|leader| leader.serial == led.serial) {
            self.leaders.remove(&led.token);
        }
        Some(led)
    }

    fn process(&self, process: u8) -> Alive<'_> {
        Alive { id: self.ids[usize::from(process)], ids: &self.ids }
    }
}

impl Process for Alive<'_> {
    fn id(&self) -> OwnerId {
        OwnerId(NonZeroU64::new(self.id).unwrap())
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        self.ids.contains(&id.0.get())
    }

    fn relax(&self) {}
}
