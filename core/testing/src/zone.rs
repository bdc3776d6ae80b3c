//! Zones to test with.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{
    Answer, CacheKey, Entry, InsertError, Lifetime, Lookup, Profile, Zone,
};
use std::ops::Deref;

use crate::memory::Memory;
use crate::process::ALONE;

/// A zone in memory of its own, used by one process that never waits in vain.
pub struct TestZone {
    zone: Zone,
    /// Where it is.
    pub memory: Memory,
}

impl TestZone {
    /// In memory of `len` bytes.
    pub fn new(len: usize) -> Self {
        let memory = Memory::new(len);
        Self { zone: memory.create().unwrap(), memory }
    }

    /// The zone that is in `memory` already.
    pub fn take_up(memory: Memory) -> Self {
        Self { zone: memory.attach().unwrap(), memory }
    }

    /// The key of a token, whose profile has no parts.
    pub fn key_of(&self, token: &str) -> CacheKey {
        self.key(token.as_bytes(), Profile::new(&[]))
    }

    /// Looks a token up, and copies its JWT.
    pub fn find(&self, token: &str, now: u64) -> (Lookup, Vec<u8>) {
        let mut jwt = Vec::new();
        let lookup = self.lookup(&ALONE, &self.key_of(token), UnixTime(now), &mut jwt);
        (lookup, jwt)
    }

    /// Whether the token has a fresh answer at 0.
    pub fn has(&self, token: &str) -> bool {
        matches!(self.find(token, 0).0, Lookup::Fresh(_) | Lookup::Inactive(_))
    }

    /// Inserts an answer at 0.
    pub fn store(&self, token: &str, entry: Entry<'_>) -> Result<(), InsertError> {
        self.insert(&ALONE, &self.key_of(token), entry, UnixTime(0))
    }

    /// An entry that is fresh until 100.
    pub fn fresh<'a>(&self, answer: Answer<'a>) -> Entry<'a> {
        Entry { answer, ..fresh(self, &[]) }
    }

    /// Inserts a JWT at 0, fresh until 100.
    pub fn store_jwt(&self, token: &str, jwt: &[u8]) {
        self.store(token, self.fresh(Answer::Active(jwt))).unwrap();
    }

    /// Proves the invariants.
    pub fn assert_sound(&self) {
        self.check(&ALONE).unwrap();
    }
}

impl Deref for TestZone {
    type Target = Zone;

    fn deref(&self) -> &Zone {
        &self.zone
    }
}

/// Fresh until 100, and never stale.
pub const UNTIL_100: Lifetime =
    Lifetime { fresh_until: UnixTime(100), stale_until: UnixTime(100), expires: None };

/// An entry that is fresh until 100.
pub fn fresh<'a>(zone: &Zone, jwt: &'a [u8]) -> Entry<'a> {
    Entry { answer: Answer::Active(jwt), lifetime: UNTIL_100, asked: zone.ask() }
}
