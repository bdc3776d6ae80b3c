//! How full a zone is, and whether it is sound.

use super::chunks::Run;
use super::flight::{State, Table};
use super::layout::{CHUNK, EntryHeader, Geometry, INACTIVE, ListHeader, RunHeader, ShardHeader};
use super::links::token_of;
use super::region::Corrupt;
use super::runs::jwt_len;
use super::shard::{EntryNumber, Shard, get};
use super::sync::{AtomicU32, AtomicU64};
use std::collections::HashSet;
use std::mem::size_of;
use std::sync::atomic::Ordering;

/// What is in use in a zone, and what has happened since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of the region.
    pub len: usize,
    /// Number of shards.
    pub shards: u32,
    /// Bytes that entries can take.
    pub capacity: u64,
    /// Bytes that entries do take, all included.
    pub used: u64,
    /// Sum of the lengths of all JWTs in the zone, in bytes.
    pub jwt_bytes: u64,
    /// Entries with a JWT.
    pub active: u64,
    /// Entries that say that a token is inactive.
    pub inactive: u64,
    /// Entries removed to make room for others.
    pub evictions: u64,
    /// Entries removed because their time was over.
    pub expirations: u64,
    /// Answers not stored: too large, expired or outdated.
    pub refusals: u64,
    /// Shards emptied because a process died holding their lock.
    pub takeovers: u64,
    /// Shards emptied because of what was found in them.
    pub corruptions: u64,
    /// Introspections whose leader was replaced, because it died, took too long or gave up.
    pub flight_takeovers: u64,
    /// Times that a lock was held by another process.
    pub lock_waits: u64,
    /// Times that the wait for a lock was given up.
    pub lock_timeouts: u64,
}

impl Usage {
    pub(super) fn new(len: usize, geometry: &Geometry) -> Self {
        Self { len, shards: geometry.shards, ..Self::default() }
    }

    pub(super) fn add(&mut self, shard: UsageOfShard) {
        let UsageOfShard(shard) = shard;
        let add = |sum: &mut u64, value: u64| *sum = sum.saturating_add(value);
        add(&mut self.capacity, shard.capacity);
        add(&mut self.used, shard.used);
        add(&mut self.jwt_bytes, shard.jwt_bytes);
        add(&mut self.active, shard.active);
        add(&mut self.inactive, shard.inactive);
        add(&mut self.evictions, shard.evictions);
        add(&mut self.expirations, shard.expirations);
        add(&mut self.refusals, shard.refusals);
        add(&mut self.takeovers, shard.takeovers);
        add(&mut self.corruptions, shard.corruptions);
        add(&mut self.flight_takeovers, shard.flight_takeovers);
        add(&mut self.lock_waits, shard.lock_waits);
        add(&mut self.lock_timeouts, shard.lock_timeouts);
    }
}

/// The part of one shard.
pub(super) struct UsageOfShard(Usage);

impl UsageOfShard {
    pub(super) fn read(header: &ShardHeader, epoch: u64, geometry: &Geometry) -> Self {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let bytes = |chunks: u32| u64::from(chunks).saturating_mul(CHUNK as u64);
        let counters = Usage {
            capacity: bytes(geometry.chunks),
            evictions: load(&header.evictions),
            expirations: load(&header.expirations),
            refusals: load(&header.refusals),
            takeovers: load(&header.takeovers),
            corruptions: load(&header.corruptions),
            flight_takeovers: load(&header.flight_takeovers),
            lock_waits: load(&header.lock_waits),
            lock_timeouts: load(&header.lock_timeouts),
            ..Usage::default()
        };
        if load(&header.epoch) != epoch {
            return Self(counters);
        }
        let used = geometry.chunks.saturating_sub(get(&header.free_chunks));
        Self(Usage {
            used: bytes(used),
            jwt_bytes: load(&header.jwt_bytes),
            active: u64::from(get(&header.active.entries)),
            inactive: u64::from(get(&header.inactive.entries)),
            ..counters
        })
    }
}

/// Proves the invariants of shard `number`; an error names the one that does not hold.
pub(super) fn check_shard(shard: &Shard<'_>, number: u32) -> Result<(), &'static str> {
    let mut walk = Walk { shard, owned: vec![false; shard.geometry.chunks as usize], jwt_bytes: 0 };
    walk.list(&shard.header.active, 0)?;
    walk.list(&shard.header.inactive, INACTIVE)?;
    walk.buckets()?;
    walk.chunks()?;
    if walk.jwt_bytes != shard.header.jwt_bytes.load(Ordering::Relaxed) {
        return Err("the lengths of the JWTs do not add up");
    }
    check_flights(shard, number)
}

fn check_flights(shard: &Shard<'_>, number: u32) -> Result<(), &'static str> {
    let mut joinable = HashSet::new();
    let end = get(&shard.header.flights_end);
    for (place, flight) in (0..).zip(Table::of(shard).map_err(out_of_bounds)?.iter()) {
        let state = flight.state().map_err(|Corrupt| "a flight has no state there is")?;
        if state == State::Free {
            continue;
        }
        if place >= end {
            return Err("a flight is where none is looked for");
        }
        let token = flight.token();
        if token.shard(shard.geometry.shards) != number {
            return Err("a flight is in another token's shard");
        }
        flight.leader().map_err(|Corrupt| "a flight has no leader")?;
        let landed = matches!(state, State::Landed(_));
        if (landed || state == State::Abandoned) && !flight.is_followed() {
            return Err("a flight is kept for nobody");
        }
        let key = (token, flight.profile.load(Ordering::Relaxed));
        if !landed && !joinable.insert(key) {
            return Err("a token has two flights that can be joined");
        }
    }
    Ok(())
}

struct Walk<'a> {
    shard: &'a Shard<'a>,
    /// The chunks met in entries so far.
    owned: Vec<bool>,
    jwt_bytes: u64,
}

impl<'a> Walk<'a> {
    fn list(&mut self, list: &ListHeader, flag: u32) -> Result<(), &'static str> {
        let mut entries = 0_u32;
        let mut newer = None;
        let mut next = follow(self.shard, &list.head)?;
        while let Some(number) = next {
            let entry = self.entry(number)?;
            if get(&entry.flags) & INACTIVE != flag {
                return Err("an entry is in the other list");
            }
            if follow(self.shard, &entry.newer)? != newer {
                return Err("a list's links do not agree");
            }
            self.runs(number, entry)?;
            self.jwt_bytes = self.jwt_bytes.saturating_add(u64::from(jwt_len(entry)));
            entries = entries.saturating_add(1);
            newer = next;
            next = follow(self.shard, &entry.older)?;
        }
        if follow(self.shard, &list.tail)? != newer {
            return Err("a list does not end at its tail");
        }
        if entries != get(&list.entries) {
            return Err("a list has another number of entries than it says");
        }
        Ok(())
    }

    /// Takes the chunks of an entry, which nobody has taken yet: this is also what ends a walk
    /// along a list that goes in circles.
    fn runs(&mut self, number: EntryNumber, entry: &EntryHeader) -> Result<(), &'static str> {
        let mut header = size_of::<EntryHeader>();
        let mut run = Run { first: number.0, chunks: get(&entry.run.chunks) };
        let mut link = &entry.run.next;
        let mut left = jwt_len(entry) as usize;
        loop {
            let (_, room) = self.shard.payload(run, header).map_err(out_of_bounds)?;
            self.own(run)?;
            left = left.saturating_sub(room);
            let Some(EntryNumber(first)) = follow(self.shard, link)? else {
                break;
            };
            if left == 0 {
                return Err("an entry has a run too many");
            }
            let next = self.shard.run(first).map_err(out_of_bounds)?;
            run = Run { first, chunks: get(&next.chunks) };
            header = size_of::<RunHeader>();
            link = &next.next;
        }
        if left != 0 {
            return Err("an entry's runs are shorter than its JWT");
        }
        Ok(())
    }

    fn own(&mut self, run: Run) -> Result<(), &'static str> {
        let chunks = self.owned.iter_mut().skip(run.first as usize).take(run.chunks as usize);
        for owned in chunks {
            if std::mem::replace(owned, true) {
                return Err("a chunk is owned twice");
            }
        }
        Ok(())
    }

    fn buckets(&self) -> Result<(), &'static str> {
        let mut entries = 0_u32;
        for first in self.shard.index {
            let mut next = follow(self.shard, first)?;
            while let Some(number) = next {
                let entry = self.entry(number)?;
                let bucket = self.shard.bucket(token_of(entry)).map_err(out_of_bounds)?;
                if !std::ptr::eq(bucket, first) {
                    return Err("an entry is in another token's bucket");
                }
                if self.owned.get(number.0 as usize) != Some(&true) {
                    return Err("an entry is in the index and in no list");
                }
                entries = entries.saturating_add(1);
                if entries > self.shard.entries() {
                    return Err("the index has more entries than the lists");
                }
                next = follow(self.shard, &entry.bucket_next)?;
            }
        }
        if entries != self.shard.entries() {
            return Err("the index has fewer entries than the lists");
        }
        Ok(())
    }

    fn chunks(&self) -> Result<(), &'static str> {
        let free_chunks = self.shard.free_chunks().map_err(out_of_bounds)?;
        let mut free = 0_u32;
        for (chunk, &owned) in (0_u32..).zip(&self.owned) {
            if free_chunks.is_free(chunk) == owned {
                return Err("a chunk is both free and owned, or neither");
            }
            free = free.saturating_add(u32::from(!owned));
        }
        if free != get(&self.shard.header.free_chunks) {
            return Err("there is another number of free chunks than the shard says");
        }
        if !free_chunks.is_summed_up() {
            return Err("the map of free chunks and its summary do not agree");
        }
        Ok(())
    }

    fn entry(&self, number: EntryNumber) -> Result<&'a EntryHeader, &'static str> {
        self.shard.entry(number).map_err(out_of_bounds)
    }
}

fn follow(shard: &Shard<'_>, reference: &AtomicU32) -> Result<Option<EntryNumber>, &'static str> {
    shard.follow(reference).map_err(out_of_bounds)
}

fn out_of_bounds(Corrupt: Corrupt) -> &'static str {
    "a reference is out of bounds"
}
