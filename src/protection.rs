//! All that protects a location, resolved from its configuration.

use phantom_token_core::UnixTime;
use phantom_token_core::admit::Rules;
use phantom_token_core::cache::{Counter, Profile, Zone};
use phantom_token_core::challenge::Challenge;
use phantom_token_core::flow::Settings;
use phantom_token_core::introspection::Question;
use phantom_token_core::outcome::{CacheStatus, Outcome};
use phantom_token_core::token::bearer::TokenSyntax;

use crate::conf::values::OnOptions;
use crate::nginx::WorkerCell;
use crate::nginx::conf::Predicates;
use crate::nginx::lasting::Lasting;
use crate::nginx::request::{OutOfMemory, Request};
use crate::vary::Vary;
use crate::worker;
use crate::zone::CacheZone;

/// All that protects a location.
pub struct Protection {
    /// The location's name, for the error log.
    pub location: String,
    pub token_syntax: TokenSyntax,
    /// What the authorization server is asked.
    pub question: Question,
    /// The largest answer of the authorization server, in bytes.
    pub max_response_size: usize,
    pub cache_zone: Option<Lasting<CacheZone>>,
    pub options: OnOptions,
    pub challenge: Challenge,
    pub profiles: Profiles,
    /// What the profiles of a request depend on beside these: the `Host` that is sent, and the values
    /// of `phantom_token_cache_vary`.
    pub vary: Vary,
    /// Whether an introspection goes on when its client closes its connection.
    pub ignores_client_abort: bool,
    pub settings: Settings,
    pub rules: Rules,
    pub bypass: Option<Predicates>,
    pub uses_worker_cache: bool,
    /// When this worker said last why an answer is not cached.
    pub not_storable_said: WorkerCell<UnixTime>,
}

/// What the introspection of a token depends on, beside the token.
#[derive(Clone, Copy)]
pub struct Profiles {
    /// That alone: what was decided for one question is not decided for another.
    pub question: Profile,
    /// And how long its answer may be used: where answers of the same kind are in the cache.
    pub answer: Profile,
}

impl Profiles {
    fn map(self, change: impl Fn(Profile) -> Profile) -> Self {
        Self { question: change(self.question), answer: change(self.answer) }
    }
}

impl Protection {
    /// The cache; none if it is off, or if its memory cannot be used.
    pub fn zone(&self) -> Option<&Zone> {
        self.cache_zone.as_ref()?.memory()
    }

    /// The zone whose JWTs this worker keeps copies of, if it does.
    #[inline]
    pub fn zone_with_copies(&self) -> Option<&CacheZone> {
        self.cache_zone.as_deref().filter(|_| self.uses_worker_cache)
    }

    /// The profiles of a request.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    #[inline(always)]
    pub fn profiles(&self, request: Request) -> Result<Profiles, OutOfMemory> {
        if self.vary.is_empty() { Ok(self.profiles) } else { self.varied_profiles(request) }
    }

    #[inline(never)]
    fn varied_profiles(&self, request: Request) -> Result<Profiles, OutOfMemory> {
        self.vary.hashed(request, |values| {
            self.profiles.map(|profile| match self.zone() {
                Some(zone) => zone.profile(profile, values),
                // Without a cache it is compared with that of the same request alone.
                None => profile.and(values),
            })
        })
    }

    /// Adds the `Host` that is sent with each introspection to what that depends on.
    pub fn ask_as(&mut self, host: &[u8]) {
        self.profiles = self.profiles.map(|profile| profile.and(&[host]));
    }

    /// Takes the values of a request that its introspection depends on. What stands for one value in one
    /// location may stand for another in the next.
    pub fn ask_by(&mut self, vary: Vary) {
        if !vary.is_empty() {
            self.profiles = self.profiles.map(|profile| profile.and(&vary.texts()));
        }
        self.vary = vary;
    }

    /// Whether the request is one for which `phantom_token_cache_bypass` asks to introspect afresh.
    pub fn is_bypassed(&self, request: Request) -> bool {
        self.bypass.is_some_and(|predicates| predicates.any(request))
    }

    /// Counts an event in the zone.
    pub fn count(&self, counter: impl Into<Counter>) {
        if let Some(zone) = self.zone() {
            zone.counters().count(worker::line(), counter);
        }
    }

    /// Counts the result of a request in the zone, and where in the cache it was answered from.
    pub fn count_result(&self, outcome: Outcome, status: Option<CacheStatus>) {
        let Some(zone) = self.zone() else {
            return;
        };
        let (counters, line) = (zone.counters(), worker::line());
        counters.count(line, outcome);
        if let Some(status) = status {
            counters.count(line, status);
        }
    }

    /// Records how long an introspection took, in milliseconds.
    pub fn record_latency(&self, milliseconds: u64) {
        if let Some(zone) = self.zone() {
            zone.counters().record_latency(worker::line(), milliseconds);
        }
    }

    /// Whether the location is to have a cache, but its zone's memory could not be used.
    pub fn lost_its_cache(&self) -> bool {
        self.cache_zone.is_some() && self.zone().is_none()
    }
}
