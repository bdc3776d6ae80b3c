//! Renews JWTs in the background, before or after they go stale: an introspection that nobody waits
//! for, carried by a request that has its JWT already.

use std::collections::HashSet;
use std::sync::LazyLock;

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{CacheKey, Counter, Join, Ticket};

use crate::guard::Guard;
use crate::introspection::{self, Purpose};
use crate::nginx::WorkerCell;
use crate::nginx::event::monotonic_ms;
use crate::nginx::request::Request;
use crate::record::Record;
use crate::worker::Worker;

/// The JWTs that this worker has tried to renew in a second.
static TRIED: LazyLock<WorkerCell<Tried>> = LazyLock::new(WorkerCell::default);

type Tried = (UnixTime, HashSet<CacheKey>);

/// Renews a JWT in use that is about to go stale.
pub fn start_if_due(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: &CacheKey,
    fresh_until: UnixTime,
    now: UnixTime,
) {
    if !is_due(guard, fresh_until, now) || !may_start(request) || !is_first(key, now) {
        return;
    }
    let Some(zone) = guard.zone() else {
        return;
    };
    let joined = zone.join(&Worker, key, monotonic_ms(), guard.lock_timeout_ms);
    if let Join::Lead(ticket) = joined {
        start(request, record, guard, *key, ticket);
    }
}

/// Whether a request can carry a renewal, which holds its connection until it is over: one after
/// which the connection is closed would keep its client waiting, and one whose body is still on its
/// way may be ended by NGINX before the renewal is.
pub fn may_start(request: Request) -> bool {
    request.is_main() && !request.has_body() && !request.is_last_of_connection()
}

/// Whether a JWT that is fresh until then goes stale so soon that it is to be renewed.
pub fn is_due(guard: &Guard, fresh_until: UnixTime, now: UnixTime) -> bool {
    guard.background_update.is_some_and(|before| fresh_until.0.saturating_sub(now.0) <= before)
}

/// Whether this worker has not tried to renew a JWT in the present second. Where answers are fresh
/// for less time than renewals come before, one would follow the other.
pub fn is_first(key: &CacheKey, now: UnixTime) -> bool {
    let (second, mut tried) = TRIED.take();
    if second != now {
        tried.clear();
    }
    let is_first = tried.try_reserve(1).is_ok() && tried.insert(*key);
    TRIED.set((now, tried));
    is_first
}

/// Introspects for the others that the ticket stands for; nobody waits.
pub fn start(request: Request, record: &Record, guard: &Guard, key: CacheKey, ticket: Ticket) {
    let Some(authorization) = record.authorization() else {
        return;
    };
    guard.count(Counter::BackgroundUpdate);
    let purpose = Purpose { authorization, key: Some(key), ticket: Some(ticket), background: true };
    // The request at hand has a JWT; the next one tries again.
    _ = introspection::start(request, guard, purpose);
}
