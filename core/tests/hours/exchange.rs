//! Exchanges a token for its JWT, in the order in which the module does.

use crate::ledger::Way;
use crate::simulation::{Follower, Request, Simulation, Worker};
use crate::tally::What;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Follow, Join, Landing, Lookup, Ticket};
use phantom_token_core::refusal::Refusal;

/// What a look into the cache led to.
enum Found {
    Used,
    Stale,
    Nothing,
}

impl Simulation {
    /// Gets the JWT for a token, or starts to.
    pub fn exchange(&mut self, request: Request) {
        if request.is_bypassed {
            self.tally.add(What::Bypassed);
            return self.ask(request, None);
        }
        match self.use_cached(&request) {
            Found::Used => {}
            Found::Stale if self.locations[request.location].use_stale.while_updating() => {
                self.board_with_stale(request);
            }
            Found::Stale | Found::Nothing => self.board(request),
        }
    }

    /// Goes on when a flight may be over.
    pub fn follow(&mut self, id: u64) {
        let Some(follower) = self.followers.remove(&id) else {
            return;
        };
        let Follower { request, flight, deadline, .. } = follower;
        let (zone, process, key) = self.shared(&request);
        let now = self.monotonic_ms(request.worker);
        let timeout = self.locations[request.location].lock_timeout_ms;
        let request = Request { waits_until: Some(deadline), ..request };
        match zone.follow(&*process, &key, flight, now, timeout) {
            Follow::Wait if now < deadline => self.wait(follower),
            Follow::Wait => {
                self.tally.add(What::TimedOut);
                self.ask(request, None);
            }
            Follow::Gone => {
                self.tally.add(What::FlightGone);
                self.exchange(request);
            }
            Follow::Lead(ticket) => {
                self.tally.add(What::TookOver);
                self.lead(request, ticket);
            }
            Follow::Landed(landing) => self.landed(request, landing),
        }
    }

    /// Refuses a request, or serves it a stale JWT where that is allowed.
    pub fn fail(&mut self, request: &Request, refusal: &Refusal) {
        let is_served = matches!(refusal, Refusal::IntrospectionFailed(failure)
            if self.locations[request.location].use_stale.allows(failure))
            && !request.is_bypassed
            && self.serve_stale(request, What::StaleAfterFailure);
        if !is_served {
            self.tally.add(What::Refused);
        }
    }

    fn use_cached(&mut self, request: &Request) -> Found {
        let now = self.now(request.worker);
        if self.locations[request.location].worker_cache && self.use_local(request, now) {
            return Found::Used;
        }
        self.use_zone(request, now)
    }

    fn use_local(&mut self, request: &Request, now: UnixTime) -> bool {
        let (zone, process, key) = self.shared(request);
        let floor = self.ledger.floor(request.holder());
        let location = &self.locations[request.location];
        let cache = &mut self.workers.get_mut(&request.worker).unwrap().cache;
        let jwt = cache.serve(&key, zone.generation(&key), now, |hit| {
            let is_out_of_date = location.is_to_be_renewed(hit.fresh_until, now)
                || hit.touch && zone.touch(&*process, &key, now) == Some(false);
            (!is_out_of_date).then(|| hit.jwt.to_vec())
        });
        if let Some(jwt) = &jwt {
            self.grant(request, jwt, Way::Fresh, floor, What::LocalHit);
        }
        jwt.is_some()
    }

    fn use_zone(&mut self, request: &Request, now: UnixTime) -> Found {
        let (zone, process, key) = self.shared(request);
        let floor = self.ledger.floor(request.holder());
        let generation = zone.generation(&key);
        self.purge_in_between(request);
        let mut jwt = Vec::new();
        let found = zone.lookup(&*process, &key, now, &mut jwt);
        self.purge_in_between(request);
        match found {
            Lookup::Fresh { expires, fresh_until } => {
                let location = &self.locations[request.location];
                if location.worker_cache && !location.is_to_be_renewed(fresh_until, now) {
                    let Worker { cache, .. } = self.workers.get_mut(&request.worker).unwrap();
                    if cache.admits(&key, jwt.len()) {
                        cache.put(key, &jwt, fresh_until, expires, generation, now);
                    }
                }
                self.grant(request, &jwt, Way::Fresh, floor, What::ZoneHit);
                self.renew_soon(request, fresh_until, now);
                Found::Used
            }
            Lookup::Inactive { .. } => {
                self.tally.add(What::Refused);
                Found::Used
            }
            Lookup::Stale { .. } => Found::Stale,
            Lookup::Expired => {
                self.tally.add(What::Expired);
                Found::Nothing
            }
            Lookup::Miss => Found::Nothing,
        }
    }

    /// Introspects, unless another request does so for the same token.
    fn board(&mut self, request: Request) {
        self.land_in_between(&request);
        match self.join(&request) {
            Join::Alone => self.ask(request, None),
            Join::Lead(ticket) => self.lead(request, ticket),
            Join::Follow(flight) => {
                self.tally.add(What::Followed);
                let timeout = self.locations[request.location].lock_timeout_ms;
                let now = self.monotonic_ms(request.worker);
                let deadline = request.waits_until.unwrap_or(now + timeout);
                if now >= deadline {
                    self.tally.add(What::TimedOut);
                    return self.ask(request, None);
                }
                self.wait(Follower { request, flight, deadline, pause: 1 });
            }
        }
    }

    /// Introspects, unless another request has done so between the look into the cache and now.
    fn lead(&mut self, request: Request, ticket: Ticket) {
        self.tally.add(What::Led);
        if !self.use_stored_meanwhile(&request, What::HitOfLeader) {
            return self.ask(request, Some(ticket));
        }
        let (zone, process, _) = self.shared(&request);
        let now = self.monotonic_ms(request.worker);
        zone.land(&*process, ticket, Landing::Stored, now);
    }

    /// Takes what another request has stored since this one looked into the cache.
    fn use_stored_meanwhile(&mut self, request: &Request, what: What) -> bool {
        let (zone, process, key) = self.shared(request);
        let floor = self.ledger.floor(request.holder());
        let mut jwt = Vec::new();
        let found = zone.lookup(&*process, &key, self.now(request.worker), &mut jwt);
        self.purge_in_between(request);
        match found {
            Lookup::Fresh { .. } => self.grant(request, &jwt, Way::Fresh, floor, what),
            Lookup::Inactive { .. } => self.tally.add(What::Refused),
            _ => return false,
        }
        true
    }

    /// As `board`, but with a stale JWT that spares the waiting.
    fn board_with_stale(&mut self, request: Request) {
        let may_renew = self.locations[request.location].background_update.is_some();
        if may_renew && !self.is_first(&request) {
            return self.serve_updating(request);
        }
        match self.join(&request) {
            Join::Alone => return self.ask(request, None),
            Join::Lead(ticket) if !may_renew => return self.ask(request, Some(ticket)),
            Join::Lead(ticket) => self.renew(request, ticket),
            Join::Follow(_) => {}
        }
        self.serve_updating(request);
    }

    fn serve_updating(&mut self, request: Request) {
        if !self.serve_stale(&request, What::StaleWhileUpdating) {
            self.ask(request, None);
        }
    }

    fn join(&mut self, request: &Request) -> Join {
        let location = &self.locations[request.location];
        if !location.lock {
            self.tally.add(What::Alone);
            return Join::Alone;
        }
        let (zone, process, key) = self.shared(request);
        let now = self.monotonic_ms(request.worker);
        zone.join(&*process, &key, now, location.lock_timeout_ms)
    }

    fn landed(&mut self, request: Request, landing: Landing) {
        match landing {
            Landing::NotStored => self.ask(request, None),
            Landing::Stored => {
                if !self.use_stored_meanwhile(&request, What::HitOfFollower) {
                    self.exchange(request);
                }
            }
            Landing::Inactive => self.fail(&request, &Refusal::InactiveToken),
            Landing::Failed(code) => {
                self.fail(&request, &Refusal::IntrospectionFailed(code.into()));
            }
        }
    }

    fn serve_stale(&mut self, request: &Request, what: What) -> bool {
        let (zone, process, key) = self.shared(request);
        let floor = self.ledger.floor(request.holder());
        let mut jwt = Vec::new();
        let found = zone.lookup(&*process, &key, self.now(request.worker), &mut jwt);
        self.purge_in_between(request);
        let is_there = matches!(found, Lookup::Stale { .. } | Lookup::Fresh { .. });
        if is_there {
            self.grant(request, &jwt, Way::Stale, floor, what);
        }
        is_there
    }

    /// Renews a JWT in use that is about to go stale.
    fn renew_soon(&mut self, request: &Request, fresh_until: UnixTime, now: UnixTime) {
        let is_due = self.locations[request.location].is_to_be_renewed(fresh_until, now);
        if !is_due || !self.is_first(request) {
            return;
        }
        if let Join::Lead(ticket) = self.join(request) {
            self.renew(*request, ticket);
        }
    }

    /// Whether this worker has not tried to renew the JWT in the present second.
    fn is_first(&mut self, request: &Request) -> bool {
        let (_, _, key) = self.shared(request);
        let now = self.now(request.worker);
        let (second, tried) = &mut self.workers.get_mut(&request.worker).unwrap().tried;
        if *second != now.0 {
            tried.clear();
        }
        *second = now.0;
        tried.insert(key)
    }
}
