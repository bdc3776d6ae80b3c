//! An introspection: its place among the others, and what its answer does to the cache.

use std::cell::Cell;

use super::{Ask, Settings, Site, Wake};
use crate::UnixTime;
use crate::cache::{
    Answer, Asked, CacheKey, Entry, InsertError, Landing, Lifetime, Ticket, WorkerCache, Zone,
};
use crate::freshness::{self, NotStored, Remedy};
use crate::introspection::{self, Verdict, interpret};
use crate::refusal::Refusal;
use crate::token::jwt::Jwt;

/// An introspection under way. It ends with [`Inquiry::land`], or is abandoned.
pub struct Inquiry {
    key: Option<CacheKey>,
    ticket: Cell<Option<Ticket>>,
    is_renewal: bool,
    asked: UnixTime,
    asked_ms: u64,
    /// Its place among all questions of the zone.
    order: Option<Asked>,
}

/// An answer, and what is known of it beside what it says.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The answer.
    pub answer: introspection::Answer<'a>,
    /// Until when NGINX's own cache holds it for valid, if it comes from there.
    pub valid_until: Option<UnixTime>,
    /// Whether it answers another question than the one that the key stands for.
    pub is_to_other: bool,
}

/// What an answer says, and what has become of it.
#[derive(Debug)]
pub struct Conclusion<'a> {
    /// The JWT, or why a request with this token is refused.
    pub verdict: Result<Jwt<'a>, Refusal>,
    /// Why the answer is not in the cache.
    pub unstored: Option<Unstored>,
    /// What those who follow are told.
    pub ending: Ending,
}

/// Why an answer is not in the cache.
#[derive(Debug, PartialEq, Eq)]
pub enum Unstored {
    /// Answers of its kind must not be.
    Kind(NotStored),
    /// The cache did not take this one.
    Refused(InsertError),
}

/// What those who follow an introspection are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// How it ended.
    Landed(Landing),
    /// That one of them is to ask once more.
    Abandoned,
}

impl Inquiry {
    /// Begins one, before the authorization server is asked.
    pub fn begin<S: Site>(ask: Ask, zone: Option<&Zone>, site: &S) -> Self {
        let Ask { key, ticket, is_renewal } = ask;
        Self {
            key,
            ticket: Cell::new(ticket),
            is_renewal,
            asked: site.now(),
            asked_ms: site.now_ms(),
            order: zone.map(Zone::ask),
        }
    }

    /// Where in the cache the answer belongs.
    pub fn key(&self) -> Option<CacheKey> {
        self.key
    }

    /// Whether its request goes on meanwhile.
    pub fn is_renewal(&self) -> bool {
        self.is_renewal
    }

    /// How long it takes until now, in milliseconds.
    pub fn latency<S: Site>(&self, site: &S) -> u64 {
        site.now_ms().saturating_sub(self.asked_ms)
    }

    /// Reads the answer, and stores it. [`Inquiry::land`] is to follow.
    pub fn conclude<'a, S: Site>(
        &self,
        site: &S,
        cache: Option<(&Zone, Option<&mut WorkerCache>)>,
        settings: &Settings,
        reply: &Reply<'a>,
        jwt_members: &[impl AsRef<str>],
    ) -> Conclusion<'a> {
        let verdict = interpret(&reply.answer, jwt_members, site.now());
        let verdict = verdict.map_err(Refusal::from).and_then(jwt_of);
        let (Some((zone, copies)), Some(key), Some(order)) = (cache, self.key, self.order) else {
            return Conclusion { verdict, unstored: None, ending: Ending::Abandoned };
        };
        let mut place = Place { site, zone, copies, key, order };
        let (unstored, ending) = match &verdict {
            _ if reply.is_to_other => {
                (Some(NotStored::OtherQuestion.into()), Ending::Landed(Landing::NotStored))
            }
            Ok(jwt) => self.store_active(&mut place, settings, reply, jwt),
            Err(Refusal::IntrospectionFailed(failure)) => {
                (None, Ending::Landed(Landing::Failed(failure.into())))
            }
            Err(refusal) => {
                let unstored = self.store_inactive(&mut place, settings, reply, refusal);
                (unstored, Ending::Landed(Landing::Inactive))
            }
        };
        Conclusion { verdict, unstored, ending }
    }

    /// Tells those who follow, after the answer is stored.
    pub fn land<S: Site>(&self, site: &S, zone: &Zone, ending: Ending) {
        match ending {
            Ending::Landed(landing) => {
                if let (Some(ticket), Some(key)) = (self.ticket.take(), self.key) {
                    zone.land(site.process(), ticket, landing, site.now_ms());
                    site.wake(&key, Wake::All);
                }
            }
            Ending::Abandoned => self.abandon(site, zone),
        }
    }

    /// Lets one of those who follow lead, if they were not told yet.
    pub fn abandon<S: Site>(&self, site: &S, zone: &Zone) {
        if let (Some(ticket), Some(key)) = (self.ticket.take(), self.key) {
            zone.abandon(site.process(), ticket);
            site.wake(&key, Wake::First);
        }
    }

    /// What would have an answer of this kind stored.
    pub fn remedy(&self, settings: &Settings, reply: &Reply<'_>, jwt: &Jwt<'_>) -> Option<Remedy> {
        let (headers, of_location) = (reply.answer.headers, &settings.freshness);
        Remedy::find(headers, of_location, jwt.expires(), reply.valid_until, self.asked)
    }

    /// Keeps a JWT for as long as its answer allows, counted from the question.
    fn store_active<S: Site>(
        &self,
        place: &mut Place<'_, S>,
        settings: &Settings,
        reply: &Reply<'_>,
        jwt: &Jwt<'_>,
    ) -> (Option<Unstored>, Ending) {
        let (headers, of_location) = (reply.answer.headers, &settings.freshness);
        let (expires, uses_stale) = (jwt.expires(), settings.use_stale.is_on());
        let lifetime = freshness::active_lifetime(
            headers,
            of_location,
            expires,
            reply.valid_until,
            self.asked,
            uses_stale,
        );
        let lifetime = match lifetime {
            Ok(lifetime) => lifetime,
            Err(reason) => {
                place.forget();
                return (Some(reason.into()), Ending::Landed(Landing::NotStored));
            }
        };
        let stored = place.store(Answer::Active(jwt.as_bytes()), lifetime);
        match stored {
            Ok(()) => (None, Ending::Landed(Landing::Stored)),
            Err(error) if error.is_transient() => (Some(error.into()), Ending::Abandoned),
            Err(error) => (Some(error.into()), Ending::Landed(Landing::NotStored)),
        }
    }

    /// Remembers that a token is not active, perhaps not before something changes; a JWT that was
    /// stored for it is gone at once.
    fn store_inactive<S: Site>(
        &self,
        place: &mut Place<'_, S>,
        settings: &Settings,
        reply: &Reply<'_>,
        refusal: &Refusal,
    ) -> Option<Unstored> {
        place.forget();
        // The server vouches for an expired one: its next answer may bring a JWT that is fresh.
        if *refusal == Refusal::ExpiredToken {
            return None;
        }
        let bound = reply.valid_until.into_iter().chain(refusal.holds_until()).min();
        let headers = reply.answer.headers;
        let lifetime =
            freshness::inactive_lifetime(headers, &settings.freshness, bound, self.asked)?;
        let stored = place.store(Answer::Inactive, lifetime);
        stored.err().map(Unstored::from)
    }
}

/// The JWT with which a request goes on, or why it does not.
fn jwt_of(verdict: Verdict<'_>) -> Result<Jwt<'_>, Refusal> {
    match verdict {
        Verdict::Active(jwt) => Ok(jwt),
        Verdict::Inactive => Err(Refusal::InactiveToken),
        Verdict::NoAccessToken(other) => Err(Refusal::NoAccessToken(other)),
        Verdict::NotYetValid(valid_from) => Err(Refusal::NotYetValid { valid_from }),
        Verdict::Expired => Err(Refusal::ExpiredToken),
    }
}

/// Where an answer belongs.
struct Place<'a, S> {
    site: &'a S,
    zone: &'a Zone,
    copies: Option<&'a mut WorkerCache>,
    key: CacheKey,
    order: Asked,
}

impl<S: Site> Place<'_, S> {
    fn store(&mut self, answer: Answer<'_>, lifetime: Lifetime) -> Result<(), InsertError> {
        // This process's own copy has another one in the zone from here on.
        if let Some(copies) = &mut self.copies {
            copies.remove(&self.key);
        }
        let entry = Entry { answer, lifetime, asked: self.order };
        self.zone.insert(self.site.process(), &self.key, entry, self.site.now())
    }

    /// Drops what is stored for the token, in all processes.
    fn forget(&self) {
        self.zone.forget(self.site.process(), &self.key, self.order);
        self.site.meanwhile();
    }
}

impl From<NotStored> for Unstored {
    fn from(reason: NotStored) -> Self {
        Self::Kind(reason)
    }
}

impl From<InsertError> for Unstored {
    fn from(error: InsertError) -> Self {
        Self::Refused(error)
    }
}
