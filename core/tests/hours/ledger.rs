//! What may be served.

use crate::location::Location;
use crate::server::{Promise, Stated, serial_of};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// All that the server ever promised, and all that was purged. Numbers the questions and the
/// purges, so that it is known which came first.
#[derive(Default)]
pub struct Ledger {
    last: u64,
    /// By serial number.
    answers: HashMap<u64, Written>,
    purged: HashMap<u64, u64>,
    all_purged: u64,
    dropped: HashMap<Holder, u64>,
    /// The last question whose answer was stored.
    kept: HashMap<Holder, u64>,
}

/// A token, and the number of the location in which it was introspected.
pub type Holder = (u64, usize);

/// When something happened, in relation to other things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order(u64);

/// What has to be newer than what, in order to be served.
#[derive(Clone, Copy)]
pub struct Floor {
    /// The token's last purge: the question is later.
    purged: u64,
    /// The last question that had it dropped as inactive or not storable: it was asked for later.
    dropped: u64,
}

/// How a JWT came to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is the answer to the request's own question. A purge while it was asked comes too late for
    /// this request, but not for the cache.
    Own,
    /// It was in a cache, and fresh.
    Fresh,
    /// It was in a cache, and others could not be had.
    Stale,
}

/// A JWT on its way to the API.
pub struct Serving<'a> {
    pub jwt: &'a [u8],
    pub holder: Holder,
    pub way: Way,
    /// In Unix time, as the worker has it.
    pub now: u64,
    pub floor: Floor,
}

/// An answer with a JWT.
#[derive(Debug)]
struct Written {
    holder: Holder,
    asked: Order,
    /// The first second at which it is not fresh, unless it must not be stored.
    fresh_until: Option<u64>,
    may_be_stale: bool,
    exp: Option<u64>,
    digest: u64,
}

impl Ledger {
    /// Now.
    pub fn next(&mut self) -> Order {
        self.last += 1;
        Order(self.last)
    }

    /// Notes the answer to a question that was asked at `asked`, which was `asked_at` in Unix time.
    pub fn write(
        &mut self,
        promise: &Promise,
        holder: Holder,
        location: &Location,
        (asked, asked_at): (Order, u64),
    ) {
        let may_be_stale = location.settings.use_stale.is_on()
            && !promise.must_revalidate
            && promise.exp.is_some();
        let written = Written {
            holder,
            asked,
            fresh_until: fresh_until(promise, location, asked_at),
            may_be_stale,
            exp: promise.exp,
            digest: digest(&promise.jwt),
        };
        self.answers.insert(promise.serial, written);
    }

    /// Notes that the purge of a token has returned.
    pub fn purged(&mut self, token: u64) {
        let Order(purged) = self.next();
        self.purged.insert(token, purged);
    }

    /// Notes that the purge of everything has returned.
    pub fn all_purged(&mut self) {
        Order(self.all_purged) = self.next();
    }

    /// Notes that the answer to a question had the JWT of its token dropped.
    pub fn dropped(&mut self, holder: Holder, Order(asked): Order) {
        let dropped = self.dropped.entry(holder).or_default();
        *dropped = asked.max(*dropped);
    }

    /// Notes that the answer to a question is in the zone.
    pub fn kept(&mut self, holder: Holder, Order(asked): Order) {
        let kept = self.kept.entry(holder).or_default();
        *kept = asked.max(*kept);
    }

    /// Whether something has happened to a token since the question was asked.
    pub fn is_outdated(&self, holder: Holder, Order(asked): Order) -> bool {
        let Floor { purged, .. } = self.floor(holder);
        // In whichever location: the zone knows floors by token.
        let of_token = self.dropped.iter().filter(|((token, _), _)| *token == holder.0);
        let dropped = of_token.map(|(_, &asked)| asked).max().unwrap_or_default();
        let kept = self.kept.get(&holder).copied().unwrap_or_default();
        asked <= purged.max(kept) || asked < dropped
    }

    /// What binds a request that looks into the cache now.
    pub fn floor(&self, holder: Holder) -> Floor {
        let purged = self.purged.get(&holder.0).copied().unwrap_or_default();
        Floor {
            purged: purged.max(self.all_purged),
            dropped: self.dropped.get(&holder).copied().unwrap_or_default(),
        }
    }

    /// Panics if the JWT must not be served.
    pub fn allow(&self, serving: &Serving<'_>) {
        let Serving { jwt, holder, way, now, floor } = serving;
        let written = &self.answers[&serial_of(jwt)];
        let context = format_args!("{way:?} at {now} to {holder:?}: {written:?}");
        assert_eq!(written.holder, *holder, "another's JWT: {context}");
        assert_eq!(written.digest, digest(jwt), "a torn JWT: {context}");
        assert!(written.exp.is_none_or(|exp| *now < exp), "past its exp: {context}");
        assert!(written.asked.0 > floor.purged, "after its purge: {context}");
        if *way == Way::Own {
            return;
        }
        assert!(written.asked.0 > floor.dropped, "older than what had it dropped: {context}");
        let fresh_until = written.fresh_until.expect("stored against the server's will");
        let is_fresh = *now < fresh_until;
        assert!(is_fresh || *way == Way::Stale, "past its freshness: {context}");
        assert!(is_fresh || written.may_be_stale, "stale against the server's will: {context}");
    }
}

fn fresh_until(promise: &Promise, location: &Location, asked_at: u64) -> Option<u64> {
    let lifetime = match promise.stated {
        Stated::Nothing => location.settings.freshness.valid?.as_secs(),
        Stated::Lifetime(lifetime) => lifetime,
        Stated::NotStorable => return None,
    };
    let max_valid =
        location.settings.freshness.max_valid.map_or(u64::MAX, |max_valid| max_valid.as_secs());
    let fresh_until = asked_at + lifetime.min(max_valid);
    Some(fresh_until.min(promise.exp.unwrap_or(u64::MAX)))
}

fn digest(jwt: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    jwt.hash(&mut hasher);
    hasher.finish()
}
