//! The cache: answers to introspection, in memory shared by all worker processes.
//!
//! A [`Zone`] is a flat region of memory, split into shards by token. A shard has a lock, an
//! index, fixed-size chunks and two LRU lists, one of JWTs and one of tokens known to be inactive,
//! which have a bounded share so that a flood of made-up tokens evicts only its own kind. It also
//! has a table of flights: introspections under way, which any number of requests wait for.
//!
//! What may go wrong with shared memory costs cached answers, never a wrong one: a process killed
//! while it holds a shard's lock makes the next one empty that shard, and so does anything found
//! in the memory that cannot be.

mod asked;
mod check;
mod chunks;
mod counters;
mod error;
mod flight;
mod key;
mod latency;
mod layout;
mod lifetime;
mod links;
mod lock;
mod region;
mod runs;
mod shard;
mod sync;
mod worker_cache;
mod zone;

pub use asked::Asked;
pub use check::Usage;
pub use counters::{Counter, Counters, Snapshot, WorkerLine};
pub use error::{CheckError, InsertError, RegionError};
pub use flight::{Flight, Follow, Join, Landing, Ticket};
pub use key::{CacheKey, Profile};
pub use latency::Latency;
pub use lifetime::Lifetime;
pub use lock::{OwnerId, Process};
#[cfg(shuttle)]
pub use sync::watch;
pub(crate) use worker_cache::KeyHasher;
pub use worker_cache::{WorkerCache, WorkerHit};
pub use zone::Zone;

/// An answer to store, and how long it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What introspection said.
    pub answer: Answer<'a>,
    /// How long it may be used. An inactive answer is never stale.
    pub lifetime: Lifetime,
    /// When introspection began.
    pub asked: Asked,
}

impl Entry<'_> {
    /// How long it may be used, as it is stored.
    fn stored_lifetime(&self) -> Lifetime {
        match self.answer {
            Answer::Active(_) => self.lifetime,
            Answer::Inactive => {
                Lifetime { stale_until: self.lifetime.fresh_until, ..self.lifetime }
            }
        }
    }
}

/// What introspection said of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It is active, and this is the JWT behind it.
    Active(&'a [u8]),
    /// It is not active.
    Inactive,
}

impl<'a> Answer<'a> {
    fn jwt(&self) -> &'a [u8] {
        match self {
            Self::Active(jwt) => jwt,
            Self::Inactive => &[],
        }
    }
}

impl std::fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Active(jwt) => write!(f, "Active({} bytes)", jwt.len()),
            Self::Inactive => f.write_str("Inactive"),
        }
    }
}

/// What a zone knows of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing.
    Miss,
    /// It had an answer, which may not be used any more and has been removed.
    Expired,
    /// The token is active, and its JWT was copied out.
    Fresh(Lifetime),
    /// The token was active when last asked for, and its JWT was copied out. Only of use to those
    /// who may serve stale answers.
    Stale(Lifetime),
    /// The token is not active.
    Inactive(Lifetime),
}

/// A state of a part of the zone between two purges; see [`Zone::generation`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u64);
