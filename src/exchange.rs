//! Exchanges a token for its JWT: carries out what its [`Flow`] says.

use core::ptr::NonNull;

use phantom_token_core::bearer::OpaqueToken;
use phantom_token_core::cache::{Counter, Profile, Zone};
use phantom_token_core::flow::{self, Flow, Found, Grant, Here, Memory, Next, Question};
use phantom_token_core::refusal::Refusal;

use crate::access::Step;
use crate::flight;
use crate::grant::grant;
use crate::guard::Guard;
use crate::introspection;
use crate::log;
use crate::nginx::OfWorker;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::record::{Record, State};
use crate::refusal::refuse;
use crate::site::Site;
use crate::zone::CacheZone;

/// What this worker remembers of its requests.
static MEMORY: OfWorker<Memory> = OfWorker::new(Memory::new());

/// Gets the JWT for a token, or starts to.
pub fn exchange(
    request: Request,
    record: &Record,
    guard: &Guard,
    token: OpaqueToken<'_>,
    profile: Profile,
) -> Step {
    let token = token.as_bytes();
    let Some(zone) = guard.zone() else {
        if guard.lost_its_cache() {
            log::no_cache(request);
        }
        return carry_out(request, record, guard, record.flow.start_alone(token));
    };
    let key = zone.key(token, profile);
    if guard.is_bypassed(request) {
        return carry_out(request, record, guard, record.flow.start_afresh(key, token));
    }
    advance(request, record, guard, zone, |flow, here| flow.start(here, key, token))
}

/// Goes on when the answer to an introspection may be there.
#[inline(never)]
pub fn resume(request: Request, record: &Record, guard: &Guard) -> Step {
    if let State::Following = record.state.get() {
        let Some(zone) = guard.zone() else {
            return Ok(rc::INTERNAL_SERVER_ERROR);
        };
        let step = advance(request, record, guard, zone, Flow::look);
        if !matches!((&step, record.state.get()), (Ok(rc::AGAIN), State::Following)) {
            flight::leave(record);
        }
        return step;
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
    let refusal = match introspection.conclude(&captured) {
        Ok(jwt) => return grant(request, record, guard, jwt.as_bytes()),
        Err(refusal) => refusal,
    };
    match guard.zone() {
        Some(zone) => {
            advance(request, record, guard, zone, |flow, here| flow.failed(here, refusal))
        }
        None => refuse(request, record, Some(guard), &refusal),
    }
}

/// Has the flow of a request do something with what this worker has, and carries out what it says.
#[inline]
fn advance(
    request: Request,
    record: &Record,
    guard: &Guard,
    zone: &Zone,
    act: impl FnOnce(&Flow, &mut Here<'_, Site>) -> flow::Step,
) -> Step {
    let copies = guard.zone_with_copies();
    let mut cache = copies.map(CacheZone::take_local);
    let step = act(
        &record.flow,
        &mut Here {
            site: &Site(request),
            zone,
            cache: cache.as_deref_mut(),
            memory: MEMORY.get(),
            settings: &guard.settings,
        },
    );
    let granted = match &step {
        flow::Step::Grant(found) => {
            let grant = |jwt: &[u8]| grant(request, record, guard, jwt);
            match (found.jwt, &cache) {
                (Found::InWorker, Some(cache)) => grant(cache.served()),
                _ => MEMORY.get().with_jwt(|jwt| grant(jwt)),
            }
        }
        flow::Step::Other(_) => Ok(rc::AGAIN),
    };
    if let (Some(zone), Some(cache)) = (copies, cache) {
        zone.put_local(cache);
    }
    match step {
        flow::Step::Grant(Grant { renewal: None, instead_of: None, .. }) => {}
        flow::Step::Grant(Grant { renewal, instead_of, .. }) => {
            finish_grant(request, record, guard, renewal, instead_of);
        }
        flow::Step::Other(next) => return carry_out(request, record, guard, next),
    }
    granted
}

/// Goes on where there is no JWT.
#[inline(never)]
fn carry_out(request: Request, record: &Record, guard: &Guard, next: Next) -> Step {
    match next {
        Next::Ask(question) => ask(request, record, guard, question),
        Next::Wait => flight::wait(request, record, guard).map(|()| rc::AGAIN),
        Next::Refuse(refusal) => refuse(request, record, Some(guard), &refusal),
    }
}

/// Makes the introspection that the request waits for.
fn ask(request: Request, record: &Record, guard: &Guard, question: Question) -> Step {
    let authorization = record.authorization().ok_or(OutOfMemory)?;
    let introspection = introspection::start(request, guard, authorization, question)?;
    record.introspection.set(Some(NonNull::from(introspection)));
    record.state.set(State::Introspecting);
    Ok(rc::AGAIN)
}

/// What is to be done beside a grant that is not the usual one.
#[cold]
fn finish_grant(
    request: Request,
    record: &Record,
    guard: &Guard,
    renewal: Option<Question>,
    instead_of: Option<Refusal>,
) {
    if let Some(refusal) = instead_of {
        log::served_stale(request, guard, &refusal);
    }
    let (Some(question), Some(authorization)) = (renewal, record.authorization()) else {
        return;
    };
    guard.count(Counter::BackgroundUpdate);
    // The request at hand has a JWT; the next one tries again.
    _ = introspection::start(request, guard, authorization, question);
}
