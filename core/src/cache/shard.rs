//! One shard, locked: what can be done with its entries.
//!
//! Everything here works on checked views of the memory. An error is always [`Corrupt`]: what was
//! read cannot be. The caller then empties the shard.

use super::asked::AskedBits;
use super::flight::Table;
use super::key::{CacheKey, TokenHash};
use super::layout::{
    CHUNK, EntryHeader, Geometry, IN_USE, INACTIVE, ListHeader, RunHeader, ShardHeader,
    ShardOffsets, chunks_at_most,
};
use super::lifetime::Lifetime;
use super::region::{Corrupt, Region};
use super::runs::jwt_len;
use super::sync::{AtomicU32, AtomicU64};
use super::{Answer, Asked, Entry, Lookup};
use crate::UnixTime;
use std::sync::atomic::Ordering;

/// Entries in use that one eviction passes over before it takes whatever is next.
const SECOND_CHANCES: u32 = 32;

/// Buckets that each insert searches for expired entries.
const BUCKETS_SWEPT: u32 = 4;

/// A shard whose lock is held.
pub(super) struct Shard<'a> {
    pub(super) region: &'a Region,
    pub(super) geometry: &'a Geometry,
    pub(super) offsets: ShardOffsets,
    pub(super) header: &'a ShardHeader,
    /// The first entry of each bucket.
    pub(super) index: &'a [AtomicU32],
}

/// An answer that a shard had stored for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) is_inactive: bool,
    /// Whether it answers a later question than the one at hand, and is still there.
    pub(super) is_later: bool,
}

/// The number of the chunk that an entry begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryNumber(pub(super) u32);

impl<'a> Shard<'a> {
    pub(super) fn new(
        region: &'a Region,
        geometry: &'a Geometry,
        number: u32,
    ) -> Result<Self, Corrupt> {
        let offsets = geometry.shard(number);
        Ok(Self {
            region,
            geometry,
            offsets,
            header: region.view(offsets.header)?,
            index: region.slice(offsets.index, geometry.buckets as usize)?,
        })
    }

    /// Empties the shard whatever it holds; the counters stay. The epoch is written last: until
    /// then the shard counts as one that is to be emptied.
    pub(super) fn reset(&self, epoch: u64) -> Result<(), Corrupt> {
        self.header.epoch.store(0, Ordering::SeqCst);
        self.region.fill(self.offsets.index, size_of_val(self.index), 0)?;
        self.free_all_chunks()?;
        Table::of(self)?.clear();
        self.header.jwt_bytes.store(0, Ordering::Relaxed);
        self.header.hand.store(0, Ordering::Relaxed);
        for list in [&self.header.active, &self.header.inactive] {
            list.head.store(0, Ordering::Relaxed);
            list.tail.store(0, Ordering::Relaxed);
            list.entries.store(0, Ordering::Relaxed);
        }
        self.header.epoch.store(epoch, Ordering::SeqCst);
        Ok(())
    }

    /// Copies out the answer stored for `key`, if it may still be used, and marks it as in use.
    pub(super) fn lookup(
        &self,
        key: &CacheKey,
        now: UnixTime,
        jwt: &mut Vec<u8>,
    ) -> Result<Lookup, Corrupt> {
        let Some((number, entry)) = self.find(key)? else {
            return Ok(Lookup::Miss);
        };
        let lifetime = Lifetime::of(entry);
        if lifetime.is_over(now) {
            self.remove_entry(number)?;
            count(&self.header.expirations);
            return Ok(Lookup::Expired);
        }
        let flags = get(&entry.flags);
        if flags & IN_USE == 0 {
            set(&entry.flags, flags | IN_USE);
        }
        if flags & INACTIVE != 0 {
            return Ok(Lookup::Inactive(lifetime));
        }
        if !self.copy_jwt(number, entry, jwt)? {
            return Ok(Lookup::Miss);
        }
        if now < lifetime.fresh_until {
            return Ok(Lookup::Fresh(lifetime));
        }
        Ok(Lookup::Stale(lifetime))
    }

    /// Marks the entry of `key` as in use; whether there is one with a JWT.
    pub(super) fn touch(&self, key: &CacheKey) -> Result<bool, Corrupt> {
        let Some((_, entry)) = self.find(key)? else {
            return Ok(false);
        };
        let flags = get(&entry.flags);
        set(&entry.flags, flags | IN_USE);
        Ok(flags & INACTIVE == 0)
    }

    /// Stores `entry` for `key`, of which nothing is stored. The caller made sure that it fits.
    pub(super) fn insert(
        &self,
        key: &CacheKey,
        entry: &Entry<'_>,
        now: UnixTime,
    ) -> Result<(), Corrupt> {
        self.sweep(now)?;
        let jwt = entry.answer.jwt();
        let (list, flags) = match entry.answer {
            Answer::Active(_) => (&self.header.active, 0),
            Answer::Inactive => (&self.header.inactive, INACTIVE),
        };
        if flags == INACTIVE && get(&list.entries) >= self.geometry.inactive_limit() {
            self.evict(list, now)?;
        }
        let reserve = if flags == INACTIVE { 0 } else { self.reserve_for_inactive() };
        self.make_room(chunks_at_most(jwt.len()).saturating_add(reserve), now)?;

        let (number, header) = self.write_entry(jwt)?;
        set(&header.flags, flags);
        AskedBits::from(entry.asked).write(header);
        header.token[0].store(key.token().high, Ordering::Relaxed);
        header.token[1].store(key.token().low, Ordering::Relaxed);
        header.profile.store(key.profile().value(), Ordering::Relaxed);
        entry.stored_lifetime().write(header);
        self.add_jwt_bytes(jwt.len() as u64);
        self.link_in_bucket(key.token(), number, header)?;
        self.link_as_newest(list, number, header)
    }

    /// Removes the entry of `key`, unless it is the answer to a later question than this; what there
    /// was.
    pub(super) fn remove(&self, key: &CacheKey, asked: Asked) -> Result<Option<Stored>, Corrupt> {
        let Some((number, entry)) = self.find(key)? else {
            return Ok(None);
        };
        let is_later = AskedBits::of(entry).is_later_than(asked.into());
        let is_inactive = get(&entry.flags) & INACTIVE != 0;
        if !is_later {
            self.remove_entry(number)?;
        }
        Ok(Some(Stored { is_inactive, is_later }))
    }

    /// Removes the entries of `token` with any profile, and its flights, which may be about to
    /// tell what was known before.
    pub(super) fn remove_token(&self, token: TokenHash) -> Result<(), Corrupt> {
        while let Some((number, _)) = self.find_with(token, |_| true)? {
            self.remove_entry(number)?;
        }
        Table::of(self)?.forget(token);
        Ok(())
    }

    /// All entries. No more than there are chunks, so that walks end that are bounded by it.
    pub(super) fn entries(&self) -> u32 {
        let Self { header, .. } = self;
        let entries = get(&header.active.entries).saturating_add(get(&header.inactive.entries));
        entries.min(self.geometry.chunks)
    }

    /// The entry that begins with chunk `number`.
    pub(super) fn entry(&self, number: EntryNumber) -> Result<&'a EntryHeader, Corrupt> {
        self.region.view(self.chunk_offset(number.0)?)
    }

    /// The run that begins with chunk `number` and is not an entry's first.
    pub(super) fn run(&self, number: u32) -> Result<&'a RunHeader, Corrupt> {
        self.region.view(self.chunk_offset(number)?)
    }

    /// Follows a reference read from memory.
    pub(super) fn follow(&self, reference: &AtomicU32) -> Result<Option<EntryNumber>, Corrupt> {
        match get(reference).checked_sub(1) {
            None => Ok(None),
            Some(number) if number < self.geometry.chunks => Ok(Some(EntryNumber(number))),
            Some(_) => Err(Corrupt),
        }
    }

    pub(super) fn chunk_offset(&self, number: u32) -> Result<usize, Corrupt> {
        if number >= self.geometry.chunks {
            return Err(Corrupt);
        }
        let offset = (number as usize).wrapping_mul(CHUNK);
        Ok(self.offsets.chunks.wrapping_add(offset))
    }

    fn list_of(&self, entry: &EntryHeader) -> &'a ListHeader {
        if get(&entry.flags) & INACTIVE == 0 {
            return &self.header.active;
        }
        &self.header.inactive
    }

    /// The chunks that JWTs leave free, so that none has to go when a token turns out inactive.
    fn reserve_for_inactive(&self) -> u32 {
        self.geometry.inactive_limit().saturating_sub(get(&self.header.inactive.entries))
    }

    /// Evicts until `chunks` are free.
    fn make_room(&self, chunks: u32, now: UnixTime) -> Result<(), Corrupt> {
        while get(&self.header.free_chunks) < chunks {
            let active = &self.header.active;
            let list = if get(&active.tail) == 0 { &self.header.inactive } else { active };
            self.evict(list, now)?;
        }
        Ok(())
    }

    /// Removes the entry of `list` that was least recently stored or looked up, as far as one
    /// mark per entry tells: an entry that was looked up since it came to the head goes back
    /// there instead, once. A lookup need not touch the list this way, only the entry.
    fn evict(&self, list: &'a ListHeader, now: UnixTime) -> Result<(), Corrupt> {
        for _ in 0..SECOND_CHANCES {
            let number = self.follow(&list.tail)?.ok_or(Corrupt)?;
            let entry = self.entry(number)?;
            let flags = get(&entry.flags);
            if Lifetime::of(entry).is_over(now) {
                count(&self.header.expirations);
                return self.remove_entry(number);
            }
            if flags & IN_USE == 0 {
                break;
            }
            set(&entry.flags, flags & !IN_USE);
            self.unlink_from_list(list, number, entry)?;
            self.link_as_newest(list, number, entry)?;
        }
        let number = self.follow(&list.tail)?.ok_or(Corrupt)?;
        count(&self.header.evictions);
        self.remove_entry(number)
    }

    /// Removes the expired entries of the next few buckets, so that what has expired makes room
    /// before anything is evicted.
    fn sweep(&self, now: UnixTime) -> Result<(), Corrupt> {
        if self.entries() == 0 {
            return Ok(());
        }
        let mut bucket = get(&self.header.hand);
        for _ in 0..BUCKETS_SWEPT {
            bucket = bucket.checked_rem(self.geometry.buckets).unwrap_or(0);
            self.sweep_bucket(bucket, now)?;
            bucket = bucket.wrapping_add(1);
        }
        set(&self.header.hand, bucket);
        Ok(())
    }

    fn sweep_bucket(&self, bucket: u32, now: UnixTime) -> Result<(), Corrupt> {
        let mut reference = self.index.get(bucket as usize).ok_or(Corrupt)?;
        for _ in 0..=self.entries() {
            let Some(number) = self.follow(reference)? else {
                return Ok(());
            };
            let entry = self.entry(number)?;
            reference = &entry.bucket_next;
            if Lifetime::of(entry).is_over(now) {
                self.remove_entry(number)?;
                count(&self.header.expirations);
            }
        }
        Err(Corrupt)
    }

    fn remove_entry(&self, number: EntryNumber) -> Result<(), Corrupt> {
        let entry = self.entry(number)?;
        self.unlink_from_bucket(number, entry)?;
        self.unlink_from_list(self.list_of(entry), number, entry)?;
        let jwt_bytes = self.header.jwt_bytes.load(Ordering::Relaxed);
        let rest = jwt_bytes.checked_sub(u64::from(jwt_len(entry))).ok_or(Corrupt)?;
        self.header.jwt_bytes.store(rest, Ordering::Relaxed);
        self.free_runs(number, entry)
    }

    fn add_jwt_bytes(&self, len: u64) {
        let jwt_bytes = self.header.jwt_bytes.load(Ordering::Relaxed);
        self.header.jwt_bytes.store(jwt_bytes.wrapping_add(len), Ordering::Relaxed);
    }
}

pub(super) fn get(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed)
}

pub(super) fn set(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Relaxed);
}

/// Adds one to a counter that the shard's lock guards.
pub(super) fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
