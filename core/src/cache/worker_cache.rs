//! The worker cache: JWTs that one worker process keeps for itself, in front of the zone.
//!
//! A hit takes no lock and writes nothing that another process reads. What it must not miss, a
//! purge, it sees by the zone's generation, which every lookup is told.

mod doorkeeper;

use super::key::CacheKey;
use super::{Generation, Lifetime};
use crate::UnixTime;
use doorkeeper::Doorkeeper;
use lru::LruCache;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroUsize;

/// The most recently used JWTs of one zone, in the memory of one worker process.
pub struct WorkerCache {
    entries: LruCache<CacheKey, WorkerEntry, BuildHasherDefault<KeyHasher>>,
    /// Sum of the lengths of all JWTs, no more than `limit`.
    bytes: usize,
    limit: usize,
    doorkeeper: Doorkeeper,
}

/// A JWT that is fresh.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WorkerHit<'a> {
    /// The JWT.
    pub jwt: &'a [u8],
    /// How long it may be used.
    pub lifetime: Lifetime,
    /// Whether the zone is to be told that the JWT is in use ([`Zone::touch`](super::Zone::touch)),
    /// so that it is not evicted there: true at most once in a second.
    pub touch: bool,
}

impl WorkerCache {
    /// An empty cache for so many entries, whose JWTs have so many bytes together. Memory is
    /// taken as entries come.
    pub fn new(entries: NonZeroUsize, bytes: usize) -> Self {
        let mut cache = LruCache::unbounded_with_hasher(BuildHasherDefault::default());
        cache.resize(entries);
        Self { entries: cache, bytes: 0, limit: bytes, doorkeeper: Doorkeeper::new(entries) }
    }

    /// Whether there is a JWT of `key` that is fresh at `now` and of which no purge came after it was
    /// asked for: that is of `generation`, which the zone has now. One that is not is dropped, and so
    /// is one that `is_wanted` says no to. From here on it is what [`served`](Self::served) gives.
    #[inline(always)]
    pub fn serve(
        &mut self,
        key: &CacheKey,
        generation: Generation,
        now: UnixTime,
        is_wanted: impl FnOnce(WorkerHit<'_>) -> bool,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(key) else {
            return false;
        };
        let is_served = entry.hit(generation, now).is_some_and(is_wanted);
        if !is_served {
            self.remove(key);
        }
        is_served
    }

    /// The JWT that was served last, if nothing was done to the cache since.
    #[must_use]
    pub fn served(&self) -> &[u8] {
        self.entries.peek_mru().map_or(&[], |(_, entry)| &entry.jwt)
    }

    /// Whether a JWT of `len` bytes is worth its place, to be asked each time that it could be
    /// [`put`](Self::put): as long as there is room every one is, and then one that was asked for
    /// lately. So neither a flood of tokens that come once, nor more tokens in turn than there is
    /// room for, cost a copy each.
    pub fn admits(&mut self, key: &CacheKey, len: usize) -> bool {
        self.has_room(len) || self.doorkeeper.knows(key)
    }

    /// Keeps a copy of the JWT of `key`, in place of the one there was, and drops others until it
    /// fits. It has just been read from, or written to, the zone of this `generation`, noted
    /// before that.
    ///
    /// A JWT that is not fresh, or for which there is no room or no memory, is not kept.
    pub fn put(
        &mut self,
        key: CacheKey,
        jwt: &[u8],
        lifetime: Lifetime,
        generation: Generation,
        now: UnixTime,
    ) {
        self.remove(&key);
        let mut copy = Vec::new();
        if jwt.len() > self.limit
            || !lifetime.is_fresh(now)
            || copy.try_reserve_exact(jwt.len()).is_err()
        {
            return;
        }
        copy.extend_from_slice(jwt);
        self.make_room(jwt.len());
        self.bytes = self.bytes.saturating_add(jwt.len());
        let entry = WorkerEntry { jwt: copy, lifetime, generation, touched: now };
        self.entries.put(key, entry);
    }

    /// Drops the JWT of `key`.
    pub fn remove(&mut self, key: &CacheKey) {
        let removed = self.entries.pop(key);
        self.forget(removed);
    }

    fn make_room(&mut self, bytes: usize) {
        while !self.has_room(bytes) && !self.entries.is_empty() {
            self.remove_oldest();
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.entries.len() < self.entries.cap().get()
            && self.bytes <= self.limit.saturating_sub(bytes)
    }

    fn remove_oldest(&mut self) {
        let removed = self.entries.pop_lru().map(|(_, entry)| entry);
        self.forget(removed);
    }

    fn forget(&mut self, removed: Option<WorkerEntry>) {
        let bytes = removed.map_or(0, |entry| entry.jwt.len());
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl fmt::Debug for WorkerHit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerHit")
            .field("jwt", &format_args!("{} bytes", self.jwt.len()))
            .field("lifetime", &self.lifetime)
            .field("touch", &self.touch)
            .finish()
    }
}

struct WorkerEntry {
    jwt: Vec<u8>,
    lifetime: Lifetime,
    generation: Generation,
    /// When the zone was last told that the entry is in use.
    touched: UnixTime,
}

impl WorkerEntry {
    fn hit(&mut self, generation: Generation, now: UnixTime) -> Option<WorkerHit<'_>> {
        if self.generation != generation || !self.lifetime.is_fresh(now) {
            return None;
        }
        let touch = std::mem::replace(&mut self.touched, now) != now;
        Some(WorkerHit { jwt: &self.jwt, lifetime: self.lifetime, touch })
    }
}

/// Takes a key as its own hash: it is one already, and keyed, so that nobody outside can make
/// two tokens meet.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write_u64(&mut self, half: u64) {
        self.0 ^= half;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
