//! Where everything is in a zone.
//!
//! ```text
//! ZoneHeader | ShardHeader x shards | CounterLine x lines | generations | floors | shard 0 | ...
//!   shard: flights | chunks | index | map of free chunks | summary of the map
//! ```
//!
//! An entry is one or more runs of neighbouring chunks. The first run begins with an
//! [`EntryHeader`], which fills one chunk, each further one with a [`RunHeader`]; the JWT follows.
//! Most entries are one run. When the free chunks lie apart, the entry is made of several, so
//! that any free chunks serve any insert.
//!
//! References between chunks are chunk numbers plus one; 0 is none.

use super::error::RegionError;
use super::latency::BUCKETS;
use super::sync::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use std::mem::size_of;

/// Bytes of a chunk, the unit of allocation: a cache line.
pub(super) const CHUNK: usize = 64;

/// "phantom" and a NUL, read as a little-endian number.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"phantom\0");

/// Changes with every change to this file that moves or redefines a byte.
pub(super) const LAYOUT_VERSION: u64 = 6;

/// The smallest region taken, in bytes. NGINX's smallest zone is 8 pages, some of them the slab
/// allocator's.
pub(super) const MINIMUM_LEN: usize = 24 * 1024;

/// A shard is at least this large, in bytes, unless it is the only one: four JWTs of 64 KB and
/// more.
const MINIMUM_SHARD_LEN: usize = 512 * 1024;
const MAXIMUM_SHARDS: usize = 128;

/// Bytes of a JWT in a run of one chunk.
const CHUNK_PAYLOAD: usize = CHUNK - size_of::<RunHeader>();

/// Chunks for each bucket of the index. A JWT of 512 bytes takes 9 chunks.
const CHUNKS_PER_BUCKET: usize = 8;

/// At most one chunk in this many holds an inactive answer.
const CHUNKS_PER_INACTIVE: u32 = 32;

/// A shard has a flight for each of this many of its lines of memory: 78 flights in a shard of
/// the default zone, which has 16 shards.
const LINES_PER_FLIGHT: usize = 128;
const MINIMUM_FLIGHTS: usize = 8;
const MAXIMUM_FLIGHTS: usize = 128;

/// Room for counters in a line: some more than there are now.
pub(super) const COUNTERS: usize = 24;

/// A zone has a line of counters for each of this many bytes, and at least one: about half a
/// percent of it.
const BYTES_PER_COUNTER_LINE: usize = 128 * 1024;
const MAXIMUM_COUNTER_LINES: usize = 64;

/// A zone has a stripe for each of this many bytes, up to a bound: 4,096 from `4m` on.
const BYTES_PER_STRIPE: usize = 1024;
const MINIMUM_STRIPES: usize = 16;
const MAXIMUM_STRIPES: usize = 4096;

/// At most one chunk in this many goes to one entry.
const ENTRIES_AT_LEAST: u32 = 4;

/// The head of a zone.
#[repr(C, align(64))]
pub(super) struct ZoneHeader {
    /// [`MAGIC`], written last when a zone is created.
    pub(super) magic: AtomicU64,
    /// [`LAYOUT_VERSION`].
    pub(super) version: AtomicU64,
    /// Bytes of the region.
    pub(super) len: AtomicU64,
    /// Key of the hash that makes cache keys.
    pub(super) secret: [AtomicU64; 2],
    /// Counts the questions to authorization servers.
    pub(super) questions: AtomicU64,
    /// The last question before everything was purged.
    pub(super) floor: AtomicU64,
    pub(super) unused: [AtomicU64; 1],
    /// Changed by a purge of everything: a shard of another epoch counts as empty. Never 0. On a
    /// cache line of its own kind: read often, written once a second.
    pub(super) epoch: AtomicU64,
    /// The latest time at which the zone was used, in seconds since the Unix epoch.
    pub(super) clock: AtomicU64,
    pub(super) unused_too: [AtomicU64; 6],
}

/// Where one worker counts. Its last cache line is seldom written, so that a processor that
/// fetches lines in pairs seldom takes one from the next worker.
#[repr(C, align(64))]
pub(super) struct CounterLine {
    pub(super) counters: [AtomicU64; COUNTERS],
    pub(super) latencies: [AtomicU64; BUCKETS],
    /// In milliseconds.
    pub(super) latency_sum: AtomicU64,
    pub(super) unused: [AtomicU64; 2],
}

/// The head of a shard: everything but `lock` and the counters is guarded by `lock`.
#[repr(C, align(64))]
pub(super) struct ShardHeader {
    /// The owner's id, or 0.
    pub(super) lock: AtomicU64,
    /// The zone's epoch when the shard was last emptied.
    pub(super) epoch: AtomicU64,
    /// Sum of the lengths of all JWTs.
    pub(super) jwt_bytes: AtomicU64,
    pub(super) free_chunks: AtomicU32,
    /// Where the search for free chunks begins.
    pub(super) cursor: AtomicU32,
    /// The bucket where the search for expired entries goes on.
    pub(super) hand: AtomicU32,
    pub(super) active: ListHeader,
    pub(super) inactive: ListHeader,
    /// No place from this one on has a flight.
    pub(super) flights_end: AtomicU32,

    pub(super) evictions: AtomicU64,
    pub(super) expirations: AtomicU64,
    pub(super) refusals: AtomicU64,
    pub(super) takeovers: AtomicU64,
    pub(super) corruptions: AtomicU64,
    pub(super) lock_waits: AtomicU64,
    pub(super) lock_timeouts: AtomicU64,
    pub(super) flight_takeovers: AtomicU64,
}

/// The ends of an LRU list: `head` is the most recent.
#[repr(C)]
pub(super) struct ListHeader {
    pub(super) head: AtomicU32,
    pub(super) tail: AtomicU32,
    pub(super) entries: AtomicU32,
}

/// The head of an entry: one chunk.
#[repr(C, align(64))]
pub(super) struct EntryHeader {
    pub(super) token: [AtomicU64; 2],
    pub(super) profile: AtomicU64,
    /// Seconds since the epoch, as are the two below.
    pub(super) fresh_until: AtomicU32,
    pub(super) stale_until: AtomicU32,
    /// `u32::MAX` is never.
    pub(super) expires: AtomicU32,
    /// Length of the JWT, and above [`LEN_BITS`] the high bits of the question's number.
    pub(super) len: AtomicU32,
    /// [`INACTIVE`], [`IN_USE`], and above [`FLAG_BITS`] the low bits of the question's number.
    pub(super) flags: AtomicU32,
    /// The next entry in the bucket.
    pub(super) bucket_next: AtomicU32,
    pub(super) newer: AtomicU32,
    pub(super) older: AtomicU32,
    /// The first run.
    pub(super) run: RunHeader,
}

/// The head of a run of chunks.
#[repr(C)]
pub(super) struct RunHeader {
    pub(super) chunks: AtomicU32,
    /// The first chunk of the entry's next run.
    pub(super) next: AtomicU32,
}

/// A flight: one introspection that many requests may be waiting for.
#[repr(C, align(64))]
pub(super) struct FlightHeader {
    pub(super) token: [AtomicU64; 2],
    pub(super) profile: AtomicU64,
    /// Counts the flights that this memory was used for.
    pub(super) number: AtomicU64,
    /// The leader's id.
    pub(super) leader: AtomicU64,
    /// When its present leader set out, or when it landed, in milliseconds.
    pub(super) since: AtomicU64,
    /// Why it failed, if it did.
    pub(super) failure: AtomicU64,
    /// The low half of the time when somebody last asked whether the leader is alive.
    pub(super) asked: AtomicU32,
    /// Counts the leaders that the flight had before.
    pub(super) term: AtomicU16,
    pub(super) state: AtomicU8,
    /// 1 if somebody has followed it.
    pub(super) followed: AtomicU8,
}

/// Flag of an entry: the token is inactive.
pub(super) const INACTIVE: u32 = 1;
/// Flag of an entry: looked up since it was put at the head of its list.
pub(super) const IN_USE: u32 = 2;
/// Bits of `flags` that are flags.
pub(super) const FLAG_BITS: u32 = 2;
/// Bits of `len` that are the length.
pub(super) const LEN_BITS: u32 = 26;

/// The largest number that fits into the bits of a length.
const LONGEST_LEN: usize = (1 << LEN_BITS) - 1;

const _: () = assert!(size_of::<ZoneHeader>() == 128);
const _: () = assert!(size_of::<CounterLine>() == 11 * CHUNK);
const _: () = assert!(size_of::<ShardHeader>() == 128);
const _: () = assert!(size_of::<EntryHeader>() == CHUNK);
const _: () = assert!(size_of::<RunHeader>() == 8);
const _: () = assert!(size_of::<FlightHeader>() == CHUNK);

/// How a region of a given length is divided. It follows from the length alone and lives in
/// private memory, so that no corruption can change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) shards: u32,
    /// Chunks of a shard.
    pub(super) chunks: u32,
    /// Buckets of a shard's index.
    pub(super) buckets: u32,
    /// Flights of a shard.
    pub(super) flights: u32,
    /// A power of two.
    pub(super) counter_lines: usize,
    /// Where they begin.
    pub(super) first_counter_line: usize,
    /// A power of two.
    pub(super) stripes: usize,
    /// Where the generations of the stripes begin.
    pub(super) generations: usize,
    /// Where the floors of the stripes begin.
    pub(super) floors: usize,
    first_shard: usize,
    shard_len: usize,
    first_chunk: usize,
    index: usize,
    map: usize,
    summary: usize,
}

/// Offsets of one shard's parts.
#[derive(Clone, Copy)]
pub(super) struct ShardOffsets {
    pub(super) header: usize,
    pub(super) flights: usize,
    pub(super) chunks: usize,
    pub(super) index: usize,
    pub(super) map: usize,
    pub(super) summary: usize,
}

impl Geometry {
    pub(super) fn new(len: usize) -> Result<Self, RegionError> {
        if len < MINIMUM_LEN {
            return Err(RegionError::TooSmall { len, minimum: MINIMUM_LEN });
        }
        let shards = (len / MINIMUM_SHARD_LEN).clamp(1, MAXIMUM_SHARDS);
        let shards = 1_usize << shards.ilog2();
        Self::divide(len, shards).ok_or(RegionError::TooLarge { len })
    }

    fn divide(len: usize, shards: usize) -> Option<Self> {
        let headers = shards.checked_mul(size_of::<ShardHeader>())?;
        let first_counter_line = headers.checked_add(size_of::<ZoneHeader>())?;
        let counter_lines = counter_lines(len);
        let generations =
            counter_lines.checked_mul(size_of::<CounterLine>())?.checked_add(first_counter_line)?;
        let stripes = stripes(len);
        let floors = stripes.checked_mul(size_of::<AtomicU64>())?.checked_add(generations)?;
        let first_shard = stripes.checked_mul(size_of::<AtomicU64>())?.checked_add(floors)?;
        let shard_len = len.checked_sub(first_shard)?.checked_div(shards)? & !(CHUNK - 1);
        let lines = shard_len / CHUNK;
        let flights = (lines / LINES_PER_FLIGHT).clamp(MINIMUM_FLIGHTS, MAXIMUM_FLIGHTS);
        let first_chunk = flights.checked_mul(size_of::<FlightHeader>())?;
        let mut chunks = lines.checked_sub(flights)?;
        let (index, map, summary) = loop {
            let index = chunks.checked_mul(CHUNK)?.checked_add(first_chunk)?;
            let map = index.checked_add(buckets(chunks).checked_mul(4)?)?.next_multiple_of(8);
            let summary = map.checked_add(words(chunks).checked_mul(8)?)?;
            let end = summary.checked_add(words(words(chunks)).checked_mul(8)?)?;
            if end <= shard_len {
                break (index, map, summary);
            }
            let excess = end.checked_sub(shard_len)?;
            chunks = chunks.checked_sub(excess.div_ceil(CHUNK.checked_mul(2)?))?;
        };
        let count = |count: usize| u32::try_from(count).ok();
        let buckets = count(buckets(chunks))?;
        let chunks = count(chunks).filter(|&chunks| chunks < u32::MAX / 2)?;
        let (shards, flights) = (count(shards)?, count(flights)?);
        Some(Self {
            shards,
            chunks,
            buckets,
            flights,
            counter_lines,
            first_counter_line,
            stripes,
            generations,
            floors,
            first_shard,
            shard_len,
            first_chunk,
            index,
            map,
            summary,
        })
    }

    /// Where shard `number` is. The number is less than `shards`.
    pub(super) fn shard(&self, number: u32) -> ShardOffsets {
        let number = number as usize;
        let header = number.wrapping_mul(size_of::<ShardHeader>());
        let flights = self.first_shard.wrapping_add(number.wrapping_mul(self.shard_len));
        ShardOffsets {
            header: header.wrapping_add(size_of::<ZoneHeader>()),
            flights,
            chunks: flights.wrapping_add(self.first_chunk),
            index: flights.wrapping_add(self.index),
            map: flights.wrapping_add(self.map),
            summary: flights.wrapping_add(self.summary),
        }
    }

    /// Words of the map of free chunks.
    pub(super) fn map_words(&self) -> usize {
        words(self.chunks as usize)
    }

    /// Words of the map's summary.
    pub(super) fn summary_words(&self) -> usize {
        words(self.map_words())
    }

    /// Most entries of a shard that may say 'inactive'.
    pub(super) fn inactive_limit(&self) -> u32 {
        (self.chunks / CHUNKS_PER_INACTIVE).max(1)
    }

    /// The longest JWT taken, in bytes: a quarter of a shard, and as many as can be counted.
    pub(super) fn longest_jwt(&self) -> usize {
        let chunks = (self.chunks / ENTRIES_AT_LEAST).saturating_sub(1);
        (chunks as usize).saturating_mul(CHUNK_PAYLOAD).min(LONGEST_LEN)
    }
}

/// Chunks that surely hold an entry with a JWT of `len` bytes, however the free chunks lie: a
/// header, and runs of one chunk each.
pub(super) fn chunks_at_most(len: usize) -> u32 {
    let chunks = len.div_ceil(CHUNK_PAYLOAD);
    u32::try_from(chunks).unwrap_or(u32::MAX).saturating_add(1)
}

fn counter_lines(len: usize) -> usize {
    let lines = (len / BYTES_PER_COUNTER_LINE).clamp(1, MAXIMUM_COUNTER_LINES);
    1 << lines.ilog2()
}

fn stripes(len: usize) -> usize {
    let stripes = (len / BYTES_PER_STRIPE).clamp(MINIMUM_STRIPES, MAXIMUM_STRIPES);
    1 << stripes.ilog2()
}

fn buckets(chunks: usize) -> usize {
    chunks.div_ceil(CHUNKS_PER_BUCKET)
}

fn words(bits: usize) -> usize {
    bits.div_ceil(64)
}
