//! Exchanges a token for its JWT: out of the worker's cache, out of the zone, or by introspection,
//! which requests for the same token make once.

use phantom_token_core::UnixTime;
use phantom_token_core::bearer::{self, OpaqueToken};
use phantom_token_core::cache::{CacheKey, Follow, Join, Landing, Lookup, Profile, Ticket};
use phantom_token_core::refusal::Refusal;

use crate::access::Step;
use crate::flight::{self, Waited, Waiting};
use crate::grant::grant;
use crate::guard::Guard;
use crate::introspection::{self, Purpose};
use crate::log;
use crate::nginx::WorkerCell;
use crate::nginx::event::monotonic_ms;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::record::{CacheStatus, Record, State};
use crate::refusal::refuse;
use crate::renewal;
use crate::worker::{Worker, now};

/// Where a JWT is copied to from the zone, used again and again.
static JWT: WorkerCell<Vec<u8>> = WorkerCell::new(Vec::new());

/// Gets the JWT for a token, or starts to.
pub fn exchange(
    request: Request,
    record: &Record,
    guard: &Guard,
    token: OpaqueToken<'_>,
    profile: Profile,
) -> Step {
    let Some(zone) = guard.zone() else {
        if guard.lost_its_cache() {
            log::no_cache(request);
        }
        return introspect_alone(request, record, guard, None);
    };
    let key = zone.key(token.as_bytes(), profile);
    if guard.is_bypassed(request) {
        record.cache_status.set(Some(CacheStatus::Bypass));
        return introspect_alone(request, record, guard, Some(key));
    }
    look_up(request, record, guard, key)
}

fn look_up(request: Request, record: &Record, guard: &Guard, key: CacheKey) -> Step {
    match use_cached(request, record, guard, &key) {
        Found::Used(step) => step,
        Found::Nothing => introspect(request, record, guard, key, false),
        Found::Stale => introspect(request, record, guard, key, true),
    }
}

/// Goes on where the cache has no answer, or only a stale one. A misspelt JWT has none, since it is never
/// introspected, so a hit need not look for that.
#[inline(never)]
fn introspect(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: CacheKey,
    has_stale: bool,
) -> Step {
    if is_misspelt(record) {
        return refuse(request, record, Some(guard), &Refusal::MisspeltJwt);
    }
    if has_stale && guard.use_stale.while_updating() {
        return board_with_stale(request, record, guard, key);
    }
    board(request, record, guard, key)
}

/// Goes on where the cache is not asked.
#[inline(never)]
fn introspect_alone(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: Option<CacheKey>,
) -> Step {
    if is_misspelt(record) {
        return refuse(request, record, Some(guard), &Refusal::MisspeltJwt);
    }
    ask(request, record, guard, key, None)
}

fn is_misspelt(record: &Record) -> bool {
    let token = record.authorization_bytes().map(bearer::text).unwrap_or_default();
    bearer::is_misspelt_jwt(token)
}

/// Goes on when the answer to an introspection may be there.
#[inline(never)]
pub fn resume(request: Request, record: &Record, guard: &Guard) -> Step {
    if let State::Following = record.state.get() {
        return follow(request, record, guard);
    }
    // SAFETY: an introspection lives in the pool of the record's request.
    let introspection =
        record.introspection.get().map(|introspection| unsafe { introspection.as_ref() });
    let Some((introspection, captured)) =
        introspection.and_then(|introspection| Some((introspection, introspection.answer()?)))
    else {
        return Ok(rc::AGAIN);
    };
    record.introspection.set(None);
    record.state.set(State::New);
    match introspection.conclude(&captured) {
        Ok(jwt) => grant(request, record, guard, jwt.as_bytes()),
        Err(refusal) => fail(request, record, guard, introspection.key(), &refusal),
    }
}

/// What a look into the cache led to.
enum Found {
    Used(Step),
    Stale,
    Nothing,
}

fn use_cached(request: Request, record: &Record, guard: &Guard, key: &CacheKey) -> Found {
    let now = now();
    if let Some(step) = use_local(request, record, guard, key, now) {
        return Found::Used(step);
    }
    let mut jwt = JWT.take();
    let found = use_zone(request, record, guard, key, now, &mut jwt);
    JWT.set(jwt);
    found
}

fn use_local(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: &CacheKey,
    now: UnixTime,
) -> Option<Step> {
    let (zone, cell) = (guard.zone()?, guard.worker_cache()?);
    let mut cache = cell.take()?;
    let step = cache.serve(key, zone.generation(key), now, |hit| {
        // One that is about to go stale may have been renewed: the zone knows. The zone may also
        // have dropped what turned out to be inactive.
        if renewal::is_due(guard, hit.fresh_until, now)
            || hit.touch && zone.touch(&Worker, key, now) == Some(false)
        {
            return None;
        }
        record.cache_status.set(Some(CacheStatus::LocalHit));
        Some(grant(request, record, guard, hit.jwt))
    });
    cell.set(Some(cache));
    step
}

fn use_zone(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: &CacheKey,
    now: UnixTime,
    jwt: &mut Vec<u8>,
) -> Found {
    let Some(zone) = guard.zone() else {
        return Found::Nothing;
    };
    let generation = zone.generation(key);
    let found = zone.lookup(&Worker, key, now, jwt);
    let status = match found {
        Lookup::Fresh { .. } | Lookup::Inactive { .. } => CacheStatus::ZoneHit,
        Lookup::Stale { .. } | Lookup::Expired => CacheStatus::Expired,
        Lookup::Miss => CacheStatus::Miss,
    };
    record.cache_status.set(Some(status));
    match found {
        Lookup::Fresh { expires, fresh_until } => {
            if !renewal::is_due(guard, fresh_until, now) {
                guard.keep_local(*key, jwt, fresh_until, expires, generation);
            }
            let step = grant(request, record, guard, jwt);
            renewal::start_if_due(request, record, guard, key, fresh_until, now);
            Found::Used(step)
        }
        Lookup::Inactive { .. } => {
            Found::Used(refuse(request, record, Some(guard), &Refusal::InactiveToken))
        }
        Lookup::Stale { .. } => Found::Stale,
        Lookup::Expired | Lookup::Miss => Found::Nothing,
    }
}

/// Introspects, unless another request does so for the same token.
fn board(request: Request, record: &Record, guard: &Guard, key: CacheKey) -> Step {
    match join(guard, &key) {
        Join::Alone => ask(request, record, guard, Some(key), None),
        Join::Lead(ticket) => lead(request, record, guard, key, ticket),
        Join::Follow(flight) => match flight::wait(request, record, guard, key, flight)? {
            Waiting::Begun => Ok(rc::AGAIN),
            Waiting::TooLong => ask(request, record, guard, Some(key), None),
        },
    }
}

/// Introspects, unless another request has done so between the look into the cache and now.
fn lead(request: Request, record: &Record, guard: &Guard, key: CacheKey, ticket: Ticket) -> Step {
    let step = use_stored_meanwhile(request, record, guard, &key);
    let (Some(step), Some(zone)) = (step, guard.zone()) else {
        return ask(request, record, guard, Some(key), Some(ticket));
    };
    zone.land(&Worker, ticket, Landing::Stored, monotonic_ms());
    flight::wake(&key);
    step
}

/// Takes what another request has stored since this one looked into the cache.
fn use_stored_meanwhile(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: &CacheKey,
) -> Option<Step> {
    let zone = guard.zone()?;
    let mut jwt = JWT.take();
    let found = zone.lookup(&Worker, key, now(), &mut jwt);
    let is_used = matches!(found, Lookup::Fresh { .. } | Lookup::Inactive { .. });
    let step = is_used.then(|| {
        record.cache_status.set(Some(CacheStatus::Coalesced));
        match found {
            Lookup::Inactive { .. } => {
                refuse(request, record, Some(guard), &Refusal::InactiveToken)
            }
            _ => grant(request, record, guard, &jwt),
        }
    });
    JWT.set(jwt);
    step
}

/// As [`board`], but with a stale JWT that spares the waiting.
fn board_with_stale(request: Request, record: &Record, guard: &Guard, key: CacheKey) -> Step {
    let may_renew = guard.background_update.is_some() && renewal::may_start(request);
    if may_renew && !renewal::is_first(&key, now()) {
        return serve_updating(request, record, guard, key);
    }
    match join(guard, &key) {
        Join::Alone => ask(request, record, guard, Some(key), None),
        Join::Lead(ticket) if !may_renew => ask(request, record, guard, Some(key), Some(ticket)),
        Join::Lead(ticket) => {
            renewal::start(request, record, guard, key, ticket);
            serve_updating(request, record, guard, key)
        }
        Join::Follow(_) => serve_updating(request, record, guard, key),
    }
}

fn serve_updating(request: Request, record: &Record, guard: &Guard, key: CacheKey) -> Step {
    match serve_stale(request, record, guard, &key, CacheStatus::Updating) {
        Some(step) => step,
        None => ask(request, record, guard, Some(key), None),
    }
}

fn join(guard: &Guard, key: &CacheKey) -> Join {
    match guard.zone().filter(|_| guard.lock) {
        Some(zone) => zone.join(&Worker, key, monotonic_ms(), guard.lock_timeout_ms),
        None => Join::Alone,
    }
}

fn follow(request: Request, record: &Record, guard: &Guard) -> Step {
    let (Some(zone), Some(key)) = (guard.zone(), flight::key(record)) else {
        return ask(request, record, guard, None, None);
    };
    match flight::look(record, zone, guard) {
        Waited::Again | Waited::Over(Follow::Wait) => Ok(rc::AGAIN),
        Waited::TimedOut => ask(request, record, guard, Some(key), None),
        Waited::Over(Follow::Gone) => look_up(request, record, guard, key),
        Waited::Over(Follow::Lead(ticket)) => lead(request, record, guard, key, ticket),
        Waited::Over(Follow::Landed(landing)) => landed(request, record, guard, key, landing),
    }
}

fn landed(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: CacheKey,
    landing: Landing,
) -> Step {
    let refusal = match landing {
        Landing::NotStored => return ask(request, record, guard, Some(key), None),
        Landing::Stored => {
            return match use_stored_meanwhile(request, record, guard, &key) {
                Some(step) => step,
                // It is gone again: one of those who waited for it asks once more.
                None => look_up(request, record, guard, key),
            };
        }
        Landing::Inactive => Refusal::InactiveToken,
        Landing::Failed(code) => Refusal::IntrospectionFailed(code.into()),
    };
    record.cache_status.set(Some(CacheStatus::Coalesced));
    fail(request, record, guard, Some(key), &refusal)
}

/// Makes the introspection that the request waits for. Without a key its answer is not stored.
fn ask(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: Option<CacheKey>,
    ticket: Option<Ticket>,
) -> Step {
    let authorization = record.authorization().ok_or(OutOfMemory)?;
    let purpose = Purpose { authorization, key, ticket, background: false };
    let introspection = introspection::start(request, guard, purpose)?;
    record.introspection.set(Some(core::ptr::NonNull::from(introspection)));
    record.state.set(State::Introspecting);
    Ok(rc::AGAIN)
}

/// Refuses a request, or serves it a stale JWT where that is allowed. Who asks for a fresh answer,
/// with `phantom_token_cache_bypass`, has no use for a stale one; `proxy_cache` has it so too.
fn fail(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: Option<CacheKey>,
    refusal: &Refusal,
) -> Step {
    if let Refusal::IntrospectionFailed(failure) = refusal
        && guard.use_stale.allows(failure)
        && !matches!(record.cache_status.get(), Some(CacheStatus::Bypass))
        && let Some(key) = key
        && let Some(step) = serve_stale(request, record, guard, &key, CacheStatus::Stale)
    {
        log::served_stale(request, guard, refusal);
        return step;
    }
    refuse(request, record, Some(guard), refusal)
}

fn serve_stale(
    request: Request,
    record: &Record,
    guard: &Guard,
    key: &CacheKey,
    status: CacheStatus,
) -> Option<Step> {
    let zone = guard.zone()?;
    let mut jwt = JWT.take();
    let found = zone.lookup(&Worker, key, now(), &mut jwt);
    let step = matches!(found, Lookup::Stale { .. } | Lookup::Fresh { .. }).then(|| {
        record.cache_status.set(Some(status));
        grant(request, record, guard, &jwt)
    });
    JWT.set(jwt);
    step
}
