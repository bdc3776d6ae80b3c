//! Single flight: of any number of requests for one uncached token, over all processes, one
//! introspects.
//!
//! A flight is one introspection. Its leader introspects; its followers ask now and then what
//! has become of it, for there is no way to wake a request in another process. The leader tells
//! them how it landed, never with what: an answer that was stored is looked up in the zone.
//!
//! A flight never hangs on its leader. It gets another one as soon as a follower asks and finds
//! that the leader gave it up, that its process has died, or that it has taken too long. Should a
//! flight itself be lost, with its shard or in a purge, its followers start over.

mod table;

use super::key::CacheKey;
use super::lock::{OwnerId, Process};
use super::region::Corrupt;
use super::zone::Zone;
use crate::introspection::FailureCode;
use table::Attempt;

pub(super) use table::{State, Table};

/// What a request that needs an introspection is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Join {
    /// Introspect, for whoever follows too. But look into the cache first: another leader may have
    /// landed since the last look.
    Lead(Ticket),
    /// Wait for another request's introspection.
    Follow(Flight),
    /// Introspect on its own: there is no room for more flights, or the zone cannot be used.
    Alone,
}

/// What a follower is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Follow {
    /// Wait, and ask again within a second: a landed flight is not known for longer.
    Wait,
    /// The flight has landed.
    Landed(Landing),
    /// Introspect: the flight has lost its leader.
    Lead(Ticket),
    /// Start over, with a look into the cache: the flight is not known any more.
    Gone,
}

/// How an introspection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// The token is active, and its JWT is in the zone.
    Stored,
    /// The token is active, but its JWT may not be stored: each request has to introspect.
    NotStored,
    /// The token is inactive.
    Inactive,
    /// Introspection failed.
    Failed(FailureCode),
}

/// Obliges a leader to end its flight with [`Zone::land`] or [`Zone::abandon`]. Until it does,
/// or is replaced, others wait.
#[must_use = "others wait for the leader"]
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket {
    key: CacheKey,
    flight: Flight,
    /// The flight's leaders before this one.
    term: u16,
}

/// Names a flight to its followers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The place in the shard's table.
    place: u32,
    number: u64,
}

/// Times are milliseconds of a monotonic clock common to all processes, which may lag behind
/// each other by some seconds.
impl Zone {
    /// Finds the flight for `key`, or begins one.
    ///
    /// A flight that waits for its leader is followed, unless it has to be taken over, as
    /// [`Zone::follow`] says. One that has landed tells only those who followed it before: for how
    /// long an answer may be reused is for the cache to decide.
    pub fn join(
        &self,
        process: &impl Process,
        key: &CacheKey,
        now_ms: u64,
        timeout_ms: u64,
    ) -> Join {
        let request = Request { process: process.id(), key, now_ms, timeout_ms };
        self.attempt(process, key, |table| table.join(&request)).unwrap_or(Join::Alone)
    }

    /// What has become of a flight.
    ///
    /// The flight is taken over if its leader abandoned it, has been at it for `timeout_ms`, or is
    /// dead. Whether it is alive is asked at most every 50 ms for all flights of a shard with the
    /// same leader.
    pub fn follow(
        &self,
        process: &impl Process,
        key: &CacheKey,
        flight: Flight,
        now_ms: u64,
        timeout_ms: u64,
    ) -> Follow {
        let request = Request { process: process.id(), key, now_ms, timeout_ms };
        self.attempt(process, key, |table| table.follow(&request, flight)).unwrap_or(Follow::Gone)
    }

    /// Tells the followers how the flight ended. Nothing happens if it was taken over.
    ///
    /// A JWT is stored before this is called, not after.
    pub fn land(&self, process: &impl Process, ticket: Ticket, landing: Landing, now_ms: u64) {
        // A shard that cannot be locked keeps the flight until somebody takes it over.
        let _ = self.with_shard_of(&ticket.key, process, |shard| {
            Table::of(shard)?.land(&ticket, landing, now_ms)
        });
    }

    /// Gives up a flight: the next follower that asks becomes its leader.
    pub fn abandon(&self, process: &impl Process, ticket: Ticket) {
        // As above.
        let _ =
            self.with_shard_of(&ticket.key, process, |shard| Table::of(shard)?.abandon(&ticket));
    }

    /// Attempts something that may turn on whether a leader is alive. Finding that out takes
    /// system calls, so it is done while the shard is not locked. `None` if the shard cannot be
    /// used.
    fn attempt<T>(
        &self,
        process: &impl Process,
        key: &CacheKey,
        act: impl Fn(&Table<'_>) -> Result<Attempt<T>, Corrupt>,
    ) -> Option<T> {
        let first = self.with_shard_of(key, process, |shard| act(&Table::of(shard)?)).ok()?;
        let Some(dead) = first.unless_dead.filter(|&leader| !process.is_alive(leader)) else {
            return Some(first.outcome);
        };
        let second = self.with_shard_of(key, process, |shard| {
            let table = Table::of(shard)?;
            table.abandon_all_of(dead)?;
            act(&table)
        });
        second.ok().map(|attempt| attempt.outcome)
    }
}

/// A request that asks for a flight.
struct Request<'k> {
    process: OwnerId,
    key: &'k CacheKey,
    now_ms: u64,
    timeout_ms: u64,
}
