//! The way of a request from its token to a JWT: what is decided on it, and in which order the cache is
//! asked, told and waited for.
//!
//! A [`Flow`] is one request's. It does no I/O, and waits for nothing: it is told what happens, and says
//! which [`Step`] comes next. NGINX carries the steps out, and so does the simulation of
//! `core/tests/hours`.
//!
//! ```text
//! start, look, failed  ->  Grant         the JWT is in hand
//!                          Next::Ask     an introspection; `failed`, if it brings no JWT
//!                          Next::Wait    for another's; `look` once it may be over
//!                          Next::Refuse
//! ```
//!
//! An [`Inquiry`] is one introspection: what its answer does to the cache, and to those who wait for it.

mod inquiry;
mod memory;

use std::cell::Cell;

use crate::UnixTime;
use crate::cache::{
    CacheKey, Flight, Follow, Join, Landing, Lifetime, Lookup, Process, Ticket, WorkerCache,
    WorkerHit, Zone,
};
use crate::freshness;
use crate::outcome::CacheStatus;
use crate::refusal::Refusal;
use crate::stale::UseStale;
use crate::token::bearer::OpaqueToken;

pub use inquiry::{Conclusion, Ending, Inquiry, Reply, Unstored};
pub use memory::Memory;

/// The longest time between two looks at another's introspection, in milliseconds.
const LONGEST_PAUSE: u64 = 8;

/// What a location says of the way to a JWT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// For how long answers may be used.
    pub freshness: freshness::Settings,
    /// Whether requests for one token wait for one introspection (`phantom_token_cache_lock`).
    pub lock: bool,
    /// For how long they do, in milliseconds.
    pub lock_timeout_ms: u64,
    /// When a JWT is served past its freshness.
    pub use_stale: UseStale,
    /// How many seconds before its end a JWT in use is renewed, if at all
    /// (`phantom_token_cache_background_update`).
    pub background_update: Option<u64>,
}

impl Settings {
    /// Whether a fresh JWT goes stale so soon that it is to be renewed.
    #[inline]
    fn has_to_renew(&self, lifetime: Lifetime, now: UnixTime) -> bool {
        let left = lifetime.fresh_until.0.saturating_sub(now.0);
        self.background_update.is_some_and(|before| left <= before)
    }
}

/// What a flow needs to know of the request and of the process that it is in.
pub trait Site {
    /// The process, as the locks know it.
    type Process: Process;

    /// This process.
    fn process(&self) -> &Self::Process;

    /// The time.
    fn now(&self) -> UnixTime;

    /// Milliseconds of a clock that never jumps.
    fn now_ms(&self) -> u64;

    /// Whether the request can carry a renewal in the background.
    fn may_renew(&self) -> bool;

    /// Lets those of this process look that wait for a key.
    fn wake(&self, key: &CacheKey, whom: Wake);

    /// Comes where it matters that other processes may do something just then. A simulation has them do
    /// so.
    #[inline(always)]
    fn meanwhile(&self) {}
}

/// Which of those who wait for a key are to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// All: the introspection is over.
    All,
    /// One, who is to lead.
    First,
}

/// Where a flow is: whose token it is about, and what it may use there.
pub struct Here<'a, S> {
    /// The request and its process.
    pub site: &'a S,
    /// The token.
    pub token: OpaqueToken<'a>,
    /// Where in the cache the answer about it belongs.
    pub key: &'a CacheKey,
    /// The cache that all processes share.
    pub zone: &'a Zone,
    /// This process's own cache in front of that, if the location uses it.
    pub cache: Option<&'a mut WorkerCache>,
    /// What else this process remembers.
    pub memory: &'a Memory,
    /// The location's settings.
    pub settings: &'a Settings,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The request goes on with a JWT out of the cache.
    Grant(Grant),
    /// It has none, or not yet.
    Other(Next),
}

/// A JWT out of the cache.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where it is.
    pub jwt: Found,
    /// A renewal to be started, once the request goes on.
    pub renewal: Option<Ask>,
    /// What the request would have been refused for, had it not been served this one stale.
    pub instead_of: Option<Refusal>,
}

/// Where a JWT is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In the cache of this process: [`WorkerCache::served`].
    InWorker,
    /// Copied out of the zone: [`Memory::with_jwt`].
    InZone,
}

/// What comes next for a request that has no JWT.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// The authorization server is to be asked. Its JWT is a grant, anything else is for
    /// [`Flow::failed`].
    Ask(Ask),
    /// Another request's introspection is waited for; [`Flow::look`] goes on, after
    /// [`Flow::pause`] at the latest.
    Wait,
    /// The request has no access.
    Refuse(Refusal),
}

/// An introspection to be made.
#[derive(Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where in the cache its answer belongs; nowhere without one.
    pub key: Option<CacheKey>,
    /// The obligation to those who follow it.
    pub ticket: Option<Ticket>,
    /// Whether the request goes on meanwhile.
    pub is_renewal: bool,
}

/// One request on its way.
#[derive(Default)]
pub struct Flow {
    status: Cell<Option<CacheStatus>>,
    follows: Cell<Option<Following>>,
    /// Until when it waits for others, in milliseconds, once it has begun to.
    waits_until: Cell<Option<u64>>,
}

/// A wait for another's introspection.
#[derive(Clone, Copy)]
struct Following {
    flight: Flight,
    deadline: u64,
    /// Until the next look, in milliseconds.
    pause: u64,
}

impl Flow {
    /// Where in the cache the request was answered from, as far as that is known.
    pub fn status(&self) -> Option<CacheStatus> {
        self.status.get()
    }

    /// Gets the JWT for a token, or begins to.
    #[inline(always)]
    pub fn start<S: Site>(&self, here: &mut Here<'_, S>) -> Step {
        self.waits_until.set(None);
        self.use_caches(here)
    }

    /// The same, without a look into the cache (`phantom_token_cache_bypass`).
    pub fn start_afresh(&self, token: OpaqueToken<'_>, key: &CacheKey) -> Next {
        self.status.set(Some(CacheStatus::Bypass));
        ask_unless_misspelt(token, Some(key))
    }

    /// The same, without a cache at all.
    pub fn start_alone(&self, token: OpaqueToken<'_>) -> Next {
        ask_unless_misspelt(token, None)
    }

    /// Goes on when the introspection that the request waits for may be over.
    pub fn look<S: Site>(&self, here: &mut Here<'_, S>) -> Step {
        let Some(Following { flight, deadline, .. }) = self.follows.get() else {
            return ask(here, None);
        };
        let now = here.site.now_ms();
        let timeout = here.settings.lock_timeout_ms;
        let found = here.zone.follow(here.site.process(), here.key, flight, now, timeout);
        if found == Follow::Wait && now < deadline {
            return Next::Wait.into();
        }
        self.follows.set(None);
        // Those of this process who wait as well are to know.
        if let Follow::Landed(_) | Follow::Gone = found {
            here.site.wake(here.key, Wake::All);
        }
        match found {
            Follow::Wait => ask(here, None),
            // What was waited for is not known any more.
            Follow::Gone => self.use_caches(here),
            Follow::Lead(ticket) => self.lead(here, ticket),
            Follow::Landed(landing) => self.landed(here, landing),
        }
    }

    /// How long to wait before the next look, in milliseconds. One of those who wait in a process looks
    /// more often than at its deadline.
    pub fn pause(&self, now_ms: u64, is_first: bool) -> u64 {
        let Some(mut following) = self.follows.get() else {
            return 0;
        };
        let left = following.deadline.saturating_sub(now_ms);
        if !is_first {
            return left;
        }
        let pause = following.pause;
        following.pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        self.follows.set(Some(following));
        pause.min(left)
    }

    /// Waits no more.
    pub fn give_up(&self) {
        self.follows.set(None);
    }

    #[inline(always)]
    fn use_caches<S: Site>(&self, here: &mut Here<'_, S>) -> Step {
        if self.use_worker_cache(here) {
            return Grant::of(Found::InWorker).into();
        }
        self.use_zone(here)
    }

    #[inline(always)]
    fn use_worker_cache<S: Site>(&self, here: &mut Here<'_, S>) -> bool {
        let Here { site, zone, settings, key, .. } = here;
        let Some(cache) = &mut here.cache else {
            return false;
        };
        let now = site.now();
        let is_used = cache.serve(key, zone.generation(key), now, |hit: WorkerHit<'_>| {
            // One that is about to go stale may have been renewed: the zone knows. The zone may also
            // have dropped what turned out to be inactive.
            !settings.has_to_renew(hit.lifetime, now)
                && (!hit.touch || zone.touch(site.process(), key, now) != Some(false))
        });
        if is_used {
            self.status.set(Some(CacheStatus::WorkerHit));
        }
        is_used
    }

    /// Goes on where this process has no JWT.
    #[inline(never)]
    fn use_zone<S: Site>(&self, here: &mut Here<'_, S>) -> Step {
        let Here { site, key, zone, cache, memory, settings, .. } = here;
        let now = site.now();
        let generation = zone.generation(key);
        site.meanwhile();
        let found = memory.with_jwt(|jwt| {
            let found = zone.lookup(site.process(), key, now, jwt);
            site.meanwhile();
            if let Lookup::Fresh(lifetime) = found
                && let Some(cache) = cache
                && !settings.has_to_renew(lifetime, now)
                && cache.admits(key, jwt.len())
            {
                cache.put(**key, jwt, lifetime, generation, now);
            }
            found
        });
        self.status.set(Some(match found {
            Lookup::Fresh(_) | Lookup::Inactive(_) => CacheStatus::ZoneHit,
            Lookup::Stale(_) | Lookup::Expired => CacheStatus::Expired,
            Lookup::Miss => CacheStatus::Miss,
        }));
        match found {
            Lookup::Fresh(lifetime) if settings.has_to_renew(lifetime, now) => {
                let renewal = renew(here, now);
                Grant { renewal, ..Grant::of(Found::InZone) }.into()
            }
            Lookup::Fresh(_) => Grant::of(Found::InZone).into(),
            Lookup::Inactive(_) => Next::Refuse(Refusal::InactiveToken).into(),
            // The cache has nothing for a misspelt JWT, so a hit need not look for that.
            _ if here.token.is_misspelt_jwt() => Next::Refuse(Refusal::MisspeltJwt).into(),
            Lookup::Stale(_) => self.board(here, true),
            Lookup::Expired | Lookup::Miss => self.board(here, false),
        }
    }

    /// Introspects, unless another request does so for the same token.
    #[inline(never)]
    fn board<S: Site>(&self, here: &mut Here<'_, S>, has_stale: bool) -> Step {
        here.site.meanwhile();
        if has_stale && here.settings.use_stale.while_updating() && here.settings.lock {
            return self.board_with_stale(here);
        }
        match join(here, here.settings.lock) {
            Join::Alone => ask(here, None),
            Join::Lead(ticket) => self.lead(here, ticket),
            Join::Follow(flight) => {
                let now = here.site.now_ms();
                let longest = now.saturating_add(here.settings.lock_timeout_ms);
                let deadline = self.waits_until.get().unwrap_or(longest);
                if now >= deadline {
                    return ask(here, None);
                }
                self.waits_until.set(Some(deadline));
                self.follows.set(Some(Following { flight, deadline, pause: 1 }));
                Next::Wait.into()
            }
        }
    }

    /// As [`Flow::board`], but with a stale JWT that spares the waiting.
    fn board_with_stale<S: Site>(&self, here: &mut Here<'_, S>) -> Step {
        let may_renew = here.settings.background_update.is_some() && here.site.may_renew();
        if may_renew && !here.memory.tries(here.key, here.site.now()) {
            return self.serve_updating(here, None);
        }
        match join(here, true) {
            Join::Alone => ask(here, None),
            Join::Lead(ticket) if !may_renew => ask(here, Some(ticket)),
            Join::Lead(ticket) => self.serve_updating(here, Some(ticket)),
            Join::Follow(_) => self.serve_updating(here, None),
        }
    }

    fn serve_updating<S: Site>(&self, here: &mut Here<'_, S>, ticket: Option<Ticket>) -> Step {
        if !self.finds_stale(here, CacheStatus::Updating) {
            return ask(here, ticket);
        }
        let renewal = ticket.map(|ticket| Ask::renewal(*here.key, ticket));
        Grant { renewal, ..Grant::of(Found::InZone) }.into()
    }

    /// Introspects, unless another request has done so between the look into the cache and now.
    fn lead<S: Site>(&self, here: &mut Here<'_, S>, ticket: Ticket) -> Step {
        let Some(step) = self.use_stored_meanwhile(here) else {
            return ask(here, Some(ticket));
        };
        here.zone.land(here.site.process(), ticket, Landing::Stored, here.site.now_ms());
        here.site.wake(here.key, Wake::All);
        step
    }

    fn landed<S: Site>(&self, here: &mut Here<'_, S>, landing: Landing) -> Step {
        let refusal = match landing {
            Landing::NotStored => return ask(here, None),
            Landing::Stored => {
                let step = self.use_stored_meanwhile(here);
                // It is gone again: one of those who waited for it asks once more.
                return step.unwrap_or_else(|| self.use_caches(here));
            }
            Landing::Inactive => Refusal::InactiveToken,
            Landing::Failed(code) => Refusal::IntrospectionFailed(code.into()),
        };
        self.status.set(Some(CacheStatus::Coalesced));
        self.failed(here, refusal)
    }

    /// Takes what another request has stored since this one looked into the cache.
    fn use_stored_meanwhile<S: Site>(&self, here: &Here<'_, S>) -> Option<Step> {
        let step = match look_up(here) {
            Lookup::Fresh(_) => Grant::of(Found::InZone).into(),
            Lookup::Inactive(_) => Next::Refuse(Refusal::InactiveToken).into(),
            Lookup::Stale(_) | Lookup::Expired | Lookup::Miss => return None,
        };
        self.status.set(Some(CacheStatus::Coalesced));
        Some(step)
    }

    /// Refuses a request whose introspection brought no JWT, or serves it a stale one where that is
    /// allowed. Who asks for a fresh answer, with `phantom_token_cache_bypass`, has no use for a stale
    /// one; `proxy_cache` has it so too.
    pub fn failed<S: Site>(&self, here: &mut Here<'_, S>, refusal: Refusal) -> Step {
        let may_be_stale = matches!(&refusal, Refusal::IntrospectionFailed(failure)
            if here.settings.use_stale.allows(failure));
        if may_be_stale
            && self.status.get() != Some(CacheStatus::Bypass)
            && self.finds_stale(here, CacheStatus::Stale)
        {
            return Grant { instead_of: Some(refusal), ..Grant::of(Found::InZone) }.into();
        }
        Next::Refuse(refusal).into()
    }

    fn finds_stale<S: Site>(&self, here: &Here<'_, S>, status: CacheStatus) -> bool {
        let is_there = matches!(look_up(here), Lookup::Stale(_) | Lookup::Fresh(_));
        if is_there {
            self.status.set(Some(status));
        }
        is_there
    }
}

impl Grant {
    fn of(jwt: Found) -> Self {
        Self { jwt, renewal: None, instead_of: None }
    }
}

impl From<Grant> for Step {
    fn from(grant: Grant) -> Self {
        Self::Grant(grant)
    }
}

impl From<Next> for Step {
    fn from(next: Next) -> Self {
        Self::Other(next)
    }
}

impl Ask {
    fn renewal(key: CacheKey, ticket: Ticket) -> Self {
        Self { key: Some(key), ticket: Some(ticket), is_renewal: true }
    }
}

/// The next step of a request without a cache, or without a look into it.
fn ask_unless_misspelt(token: OpaqueToken<'_>, key: Option<&CacheKey>) -> Next {
    if token.is_misspelt_jwt() {
        return Next::Refuse(Refusal::MisspeltJwt);
    }
    Next::Ask(Ask { key: key.copied(), ticket: None, is_renewal: false })
}

fn ask<S>(here: &Here<'_, S>, ticket: Option<Ticket>) -> Step {
    Next::Ask(Ask { key: Some(*here.key), ticket, is_renewal: false }).into()
}

/// A renewal of a JWT in use that is about to go stale, if this request is to start it. There is one at a
/// time, whatever `phantom_token_cache_lock` says: nobody would wait for a second one.
fn renew<S: Site>(here: &Here<'_, S>, now: UnixTime) -> Option<Ask> {
    if !here.site.may_renew() || !here.memory.tries(here.key, now) {
        return None;
    }
    match join(here, true) {
        Join::Lead(ticket) => Some(Ask::renewal(*here.key, ticket)),
        Join::Follow(_) | Join::Alone => None,
    }
}

fn join<S: Site>(here: &Here<'_, S>, lock: bool) -> Join {
    if !lock {
        return Join::Alone;
    }
    let Here { site, zone, settings, key, .. } = here;
    zone.join(site.process(), key, site.now_ms(), settings.lock_timeout_ms)
}

fn look_up<S: Site>(here: &Here<'_, S>) -> Lookup {
    let Here { site, zone, memory, key, .. } = here;
    let now = site.now();
    site.meanwhile();
    let found = memory.with_jwt(|jwt| zone.lookup(site.process(), key, now, jwt));
    site.meanwhile();
    found
}
