//! What a zone should do, in plain terms.

use crate::{ALONE, TestZone};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, CacheKey, Entry, InsertError, Lifetime, Lookup, Profile};
use std::collections::HashMap;

/// Something to do with a zone. Times are seconds from now.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Inserts an answer.
    Insert {
        /// Whose answer it is.
        key: Key,
        /// The length of the JWT, if the token is active.
        len: Option<u16>,
        /// How long it is fresh.
        fresh: u8,
        /// How long it is stale after that.
        stale: u8,
        /// When the JWT expires, if that is known.
        expires: Option<u8>,
    },
    /// Looks the answer up.
    Lookup(Key),
    /// Says that the answer was used.
    Touch(Key),
    /// Removes the answer.
    Remove(Key),
    /// Purges a token, in all profiles.
    PurgeToken(u8),
    /// Purges all tokens.
    PurgeAll,
    /// Time goes by.
    Wait(u8),
    /// The clock is set back.
    SetBack(u8),
    /// Proves the invariants.
    Check,
}

/// A token and a profile.
pub type Key = (u8, u8);

/// A zone beside what it would know if it had room for everything. Panics if the zone finds
/// anything else, or misses something without having evicted as much.
pub struct Model {
    /// The zone.
    pub zone: TestZone,
    now: u64,
    /// The latest time that the zone has been told.
    latest: u64,
    known: HashMap<Key, Known>,
    /// Answers that should have been found and were not.
    pub lost: u64,
    inserted: u8,
}

struct Known {
    jwt: Option<Vec<u8>>,
    fresh_until: u64,
    stale_until: u64,
    expires: Option<u64>,
    /// It was over once, before the clock was set back: the zone may have noticed.
    was_over: bool,
}

impl Model {
    /// Of an empty zone of `len` bytes.
    pub fn new(len: usize) -> Self {
        let known = HashMap::new();
        Self { zone: TestZone::new(len), now: 1_000, latest: 1_000, known, lost: 0, inserted: 0 }
    }

    /// Does this with the zone, and compares what comes of it.
    pub fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Insert { key, len, fresh, stale, expires } => {
                self.inserted = self.inserted.wrapping_add(1);
                let fresh_until = self.now + u64::from(fresh);
                let known = Known {
                    jwt: len.map(|len| vec![self.inserted; len.into()]),
                    fresh_until,
                    stale_until: fresh_until + if len.is_some() { u64::from(stale) } else { 0 },
                    expires: expires.map(|expires| self.now + u64::from(expires)),
                    was_over: false,
                };
                self.insert(key, known);
            }
            Operation::Lookup(key) => self.lookup(key),
            Operation::Touch(key) => {
                let found =
                    self.zone.touch(&ALONE, &self.key(key), UnixTime(self.now)) == Some(true);
                assert!(!found || self.known.contains_key(&key));
            }
            Operation::Remove(key) => {
                self.zone.forget(&ALONE, &self.key(key), self.zone.ask());
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
            Operation::SetBack(seconds) => self.set_back(seconds.into()),
            Operation::Check => self.zone.assert_sound(),
        }
    }

    /// Nobody can tell how old an answer is when the clock is set back by more than a minute.
    fn set_back(&mut self, seconds: u64) {
        self.observe_clock();
        for known in self.known.values_mut() {
            known.was_over |= known.is_over(self.now);
        }
        self.now = self.now.saturating_sub(seconds);
        if self.latest - self.now > 60 {
            self.known.clear();
            self.latest = self.now;
        }
        self.observe_clock();
    }

    /// Lets the zone know the time, and what it has for no key at all.
    fn observe_clock(&mut self) {
        self.latest = self.latest.max(self.now);
        let found =
            self.zone.touch(&ALONE, &self.zone.key(b"", Profile::new(&[])), UnixTime(self.now));
        assert_ne!(found, Some(true));
    }

    fn insert(&mut self, key: Key, known: Known) {
        let entry = Entry {
            answer: known.jwt.as_deref().map_or(Answer::Inactive, Answer::Active),
            lifetime: known.lifetime(),
            asked: self.zone.ask(),
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
        if found == Lookup::Miss && known.was_over {
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

    fn lifetime(&self) -> Lifetime {
        Lifetime {
            fresh_until: UnixTime(self.fresh_until),
            stale_until: UnixTime(self.stale_until),
            expires: self.expires.map(UnixTime),
        }
    }

    fn as_found(&self, now: u64) -> Lookup {
        let lifetime = self.lifetime();
        if self.jwt.is_none() {
            return Lookup::Inactive(lifetime);
        }
        if now < self.fresh_until {
            return Lookup::Fresh(lifetime);
        }
        Lookup::Stale(lifetime)
    }
}
