//! Random operations, beside a plain model of what they should do.

use crate::memory::{ALONE, TestZone};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, CacheKey, Entry, InsertError, Lookup, Profile};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{HashMap, VecDeque};

const TOKENS: u8 = 40;
const PROFILES: u8 = 2;

#[derive(Clone, Debug)]
enum Operation {
    Insert { key: Key, len: Option<u16>, fresh: u8, stale: u8, expires: Option<u8> },
    Lookup(Key),
    Touch(Key),
    Remove(Key),
    PurgeToken(u8),
    PurgeAll,
    Wait(u8),
    Check,
}

type Key = (u8, u8);

fn operation() -> impl Strategy<Value = Operation> {
    let key = || (0..TOKENS, 0..PROFILES);
    let insert = (key(), any::<Option<u16>>(), 0..50_u8, 0..50_u8, any::<Option<u8>>());
    let insert = insert.prop_map(|(key, len, fresh, stale, expires)| {
        let len = len.map(|len| len % 3_000);
        Operation::Insert { key, len, fresh, stale, expires }
    });
    prop_oneof![
        20 => insert,
        20 => key().prop_map(Operation::Lookup),
        3 => key().prop_map(Operation::Touch),
        3 => key().prop_map(Operation::Remove),
        1 => (0..TOKENS).prop_map(Operation::PurgeToken),
        1 => Just(Operation::PurgeAll),
        5 => (0..10_u8).prop_map(Operation::Wait),
        1 => Just(Operation::Check),
    ]
}

/// What a zone of any size would know.
struct Model {
    zone: TestZone,
    now: u64,
    known: HashMap<Key, Known>,
    /// Answers that should have been found and were not.
    lost: u64,
    inserted: u8,
}

struct Known {
    jwt: Option<Vec<u8>>,
    fresh_until: u64,
    stale_until: u64,
    expires: Option<u64>,
}

impl Model {
    fn new(len: usize) -> Self {
        let known = HashMap::new();
        Self { zone: TestZone::new(len), now: 1_000, known, lost: 0, inserted: 0 }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Insert { key, len, fresh, stale, expires } => {
                self.inserted = self.inserted.wrapping_add(1);
                let fresh_until = self.now + u64::from(fresh);
                let known = Known {
                    jwt: len.map(|len| vec![self.inserted; len.into()]),
                    fresh_until,
                    stale_until: fresh_until + if len.is_some() { u64::from(stale) } else { 0 },
                    expires: expires.map(|expires| self.now + u64::from(expires)),
                };
                self.insert(key, known);
            }
            Operation::Lookup(key) => self.lookup(key),
            Operation::Touch(key) => {
                let found = self.zone.touch(&ALONE, &self.key(key));
                assert!(!found || self.known.contains_key(&key));
            }
            Operation::Remove(key) => {
                let found = self.zone.remove(&ALONE, &self.key(key));
                assert!(!found || self.known.contains_key(&key));
                self.known.remove(&key);
            }
            Operation::PurgeToken(token) => {
                self.zone.purge_token(&ALONE, &[token]);
                self.known.retain(|key, _| key.0 != token);
            }
            Operation::PurgeAll => {
                self.zone.purge_all();
                self.known.clear();
            }
            Operation::Wait(seconds) => self.now += u64::from(seconds),
            Operation::Check => self.zone.assert_sound(),
        }
    }

    fn insert(&mut self, key: Key, known: Known) {
        let entry = Entry {
            answer: known.jwt.as_deref().map_or(Answer::Inactive, Answer::Active),
            fresh_until: UnixTime(known.fresh_until),
            stale_until: UnixTime(known.stale_until),
            expires: known.expires.map(UnixTime),
            generation: self.zone.generation(),
        };
        let inserted = self.zone.insert(&ALONE, &self.key(key), entry, UnixTime(self.now));
        if known.is_over(self.now) {
            assert_eq!(inserted, Err(InsertError::Expired));
            self.known.remove(&key);
            return;
        }
        assert_eq!(inserted, Ok(()));
        self.known.insert(key, known);
    }

    fn lookup(&mut self, key: Key) {
        let mut jwt = Vec::new();
        let found = self.zone.lookup(&ALONE, &self.key(key), UnixTime(self.now), &mut jwt);
        let Some(known) = self.known.get(&key) else {
            assert_eq!(found, Lookup::Miss);
            return;
        };
        if known.is_over(self.now) {
            assert!(matches!(found, Lookup::Expired | Lookup::Miss), "{found:?}");
            self.known.remove(&key);
            return;
        }
        if found == Lookup::Miss {
            self.lost += 1;
            assert!(self.lost <= self.zone.usage().evictions, "lost without an eviction");
            self.known.remove(&key);
            return;
        }
        assert_eq!(found, known.as_found(self.now));
        if let Some(known) = &known.jwt {
            assert_eq!(&jwt, known);
        }
    }

    fn key(&self, (token, profile): Key) -> CacheKey {
        self.zone.key(&[token], Profile::new(&[&[profile]]))
    }
}

impl Known {
    fn is_over(&self, now: u64) -> bool {
        now >= self.stale_until || self.expires.is_some_and(|expires| now >= expires)
    }

    fn as_found(&self, now: u64) -> Lookup {
        let fresh_until = UnixTime(self.fresh_until);
        let expires = self.expires.map(UnixTime);
        if self.jwt.is_none() {
            return Lookup::Inactive { fresh_until };
        }
        if now < self.fresh_until {
            return Lookup::Fresh { expires, fresh_until };
        }
        Lookup::Stale { expires, fresh_until }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_small_zone_finds_nothing_but_what_was_stored(operations in vec(operation(), 1..300)) {
        let mut model = Model::new(28 * 1024);
        operations.into_iter().for_each(|operation| model.apply(operation));
        model.zone.assert_sound();
        prop_assert_eq!(model.zone.usage().corruptions, 0);
    }

    #[test]
    fn a_zone_with_room_loses_nothing(operations in vec(operation(), 1..300)) {
        let mut model = Model::new(4 << 20);
        operations.into_iter().for_each(|operation| model.apply(operation));
        model.zone.assert_sound();
        prop_assert_eq!(model.lost, 0);
        prop_assert_eq!(model.zone.usage().evictions, 0);
    }

    #[test]
    fn the_least_recently_used_goes_first_but_for_those_in_use(
        operations in vec((any::<bool>(), 0..600_u16), 1_000..3_000),
    ) {
        let zone = TestZone::new(28 * 1024);
        let mut model = SecondChances::new(zone.usage().capacity as usize / 64);
        for (inserts, token) in operations {
            let name = token.to_string();
            prop_assert_eq!(zone.has(&name), model.lookup(token));
            if inserts {
                zone.store_jwt(&name, b"");
                model.insert(token);
            }
        }
    }
}

/// An LRU list in which a mark on an entry stands for its move to the front.
struct SecondChances {
    capacity: usize,
    entries: VecDeque<(u16, bool)>,
}

impl SecondChances {
    fn new(capacity: usize) -> Self {
        Self { capacity, entries: VecDeque::new() }
    }

    fn lookup(&mut self, token: u16) -> bool {
        let entry = self.entries.iter_mut().find(|entry| entry.0 == token);
        entry.map(|entry| entry.1 = true).is_some()
    }

    fn insert(&mut self, token: u16) {
        self.entries.retain(|entry| entry.0 != token);
        if self.entries.len() == self.capacity {
            self.evict();
        }
        self.entries.push_front((token, false));
    }

    fn evict(&mut self) {
        for _ in 0..32 {
            match self.entries.pop_back().unwrap() {
                (_, false) => return,
                (token, true) => self.entries.push_front((token, false)),
            }
        }
        self.entries.pop_back();
    }
}
