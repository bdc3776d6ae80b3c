//! What a process remembers of its requests.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use crate::UnixTime;
use crate::cache::{CacheKey, KeyHasher};

/// What a worker process keeps for itself, beside the JWTs in its own cache.
pub struct Memory {
    /// Where a JWT is copied to from a zone, used again and again.
    jwt: RefCell<Vec<u8>>,
    /// What it has tried to renew in a second.
    tried: Cell<Option<(UnixTime, Keys)>>,
}

type Keys = HashSet<CacheKey, BuildHasherDefault<KeyHasher>>;

impl Memory {
    /// That of a process which has had no request.
    #[must_use]
    pub const fn new() -> Self {
        Self { jwt: RefCell::new(Vec::new()), tried: Cell::new(None) }
    }

    /// Lends the JWT that was copied out of a zone last.
    pub fn with_jwt<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        // Nobody borrows it within `act`; a request that did would do without.
        let (mut borrowed, mut spare) = (self.jwt.try_borrow_mut(), Vec::new());
        let jwt = borrowed.as_deref_mut().unwrap_or(&mut spare);
        act(jwt)
    }

    /// Whether this is the first time in the present second that this process tries to renew a JWT. Where
    /// answers are fresh for less time than renewals come before, one would follow the other.
    pub(super) fn tries(&self, key: &CacheKey, now: UnixTime) -> bool {
        let (second, mut tried) = self.tried.take().unwrap_or_default();
        if second != now {
            tried.clear();
        }
        let is_first = tried.try_reserve(1).is_ok() && tried.insert(*key);
        self.tried.set(Some((now, tried)));
        is_first
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}
