//! The flights of one shard, which is locked.

use super::super::key::{CacheKey, TokenHash};
use super::super::layout::FlightHeader;
use super::super::lock::OwnerId;
use super::super::region::Corrupt;
use super::super::shard::{Shard, count, get, set};
use super::{Flight, Follow, Join, Landing, Request, Ticket};
use crate::introspection::FailureCode;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering::Relaxed;

/// How long a flight is known after it landed, in milliseconds.
const LANDED_FOR: u64 = 1_000;
/// How long a leader is left in peace between two questions whether it is alive, in milliseconds.
const PATIENCE: i32 = 50;
/// How far clocks may lag behind each other, in milliseconds: NGINX reads its clock only when a
/// worker wakes up. A time further ahead than that is no time at all.
const LAG: u64 = 10_000;

/// All flights of a shard.
pub(in super::super) struct Table<'a> {
    shard: &'a Shard<'a>,
    flights: &'a [FlightHeader],
}

/// Something done to a table, and on whose life it depends.
pub(super) struct Attempt<T> {
    pub(super) outcome: T,
    /// If this leader is dead, its flights are to be abandoned, and the attempt is to be repeated.
    pub(super) unless_dead: Option<OwnerId>,
}

/// What a flight waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum State {
    /// There is no flight here.
    Free,
    /// For its leader.
    Pending,
    /// For another leader: somebody follows it.
    Abandoned,
    /// For its followers to ask.
    Landed(Landing),
}

impl<'a> Table<'a> {
    pub(in super::super) fn of(shard: &'a Shard<'a>) -> Result<Self, Corrupt> {
        let count = shard.geometry.flights as usize;
        let flights = shard.region.slice(shard.offsets.flights, count)?;
        Ok(Self { shard, flights })
    }

    /// Forgets all flights, whatever the memory holds. The numbers go on.
    pub(in super::super) fn clear(&self) {
        self.flights.iter().for_each(FlightHeader::free);
        set(&self.shard.header.flights_end, 0);
    }

    /// Forgets the flights of `token` with any profile.
    pub(in super::super) fn forget(&self, token: TokenHash) {
        let flights = self.flights.iter().filter(|flight| flight.token() == token);
        flights.for_each(FlightHeader::free);
    }

    pub(in super::super) fn iter(&self) -> impl Iterator<Item = &'a FlightHeader> {
        self.flights.iter()
    }

    pub(super) fn join(&self, request: &Request<'_>) -> Result<Attempt<Join>, Corrupt> {
        let Some((place, flight)) = self.find(request)? else {
            return self.begin(request);
        };
        let Attempt { outcome, unless_dead } = self.ask(place, flight, request)?;
        let outcome = match outcome {
            Follow::Lead(ticket) => Join::Lead(ticket),
            Follow::Wait => {
                flight.followed.store(1, Relaxed);
                Join::Follow(Flight { place, number: flight.number.load(Relaxed) })
            }
            Follow::Landed(_) | Follow::Gone => return Err(Corrupt),
        };
        Ok(Attempt { outcome, unless_dead })
    }

    pub(super) fn follow(
        &self,
        request: &Request<'_>,
        Flight { place, number }: Flight,
    ) -> Result<Attempt<Follow>, Corrupt> {
        let flight = self.flights.get(place as usize);
        match flight.filter(|flight| flight.is(request.key, number)) {
            Some(flight) => self.ask(place, flight, request),
            None => Ok(Follow::Gone.into()),
        }
    }

    pub(super) fn land(
        &self,
        ticket: &Ticket,
        landing: Landing,
        now_ms: u64,
    ) -> Result<(), Corrupt> {
        let Some(flight) = self.led_with(ticket)? else {
            return Ok(());
        };
        if !flight.is_followed() {
            flight.free();
            return Ok(());
        }
        flight.since.store(now_ms, Relaxed);
        flight.set_state(State::Landed(landing));
        Ok(())
    }

    pub(super) fn abandon(&self, ticket: &Ticket) -> Result<(), Corrupt> {
        if let Some(flight) = self.led_with(ticket)? {
            flight.abandon();
        }
        Ok(())
    }

    /// Abandons the flights of a leader that is dead.
    pub(super) fn abandon_all_of(&self, leader: OwnerId) -> Result<(), Corrupt> {
        for flight in self.flights {
            if flight.is_led_by(leader)? {
                flight.abandon();
            }
        }
        Ok(())
    }

    /// What there is to know of a flight, which is taken over if need be.
    fn ask(
        &self,
        place: u32,
        flight: &FlightHeader,
        request: &Request<'_>,
    ) -> Result<Attempt<Follow>, Corrupt> {
        match flight.state()? {
            State::Free => Ok(Follow::Gone.into()),
            State::Landed(landing) => Ok(Follow::Landed(landing).into()),
            State::Pending if flight.age(request.now_ms) < request.timeout_ms => {
                let unless_dead = self.doubt(flight, request)?;
                Ok(Attempt { outcome: Follow::Wait, unless_dead })
            }
            State::Pending | State::Abandoned => {
                count(&self.shard.header.flight_takeovers);
                flight.term.store(flight.term.load(Relaxed).wrapping_add(1), Relaxed);
                Ok(Follow::Lead(flight.set_out(place, request)).into())
            }
        }
    }

    /// The leader of `flight`, if it is time to ask whether it is alive.
    fn doubt(
        &self,
        flight: &FlightHeader,
        request: &Request<'_>,
    ) -> Result<Option<OwnerId>, Corrupt> {
        let leader = flight.leader()?;
        // Negative if this process's clock lags behind that of the one that asked.
        let unasked = (request.now_ms as u32).wrapping_sub(flight.asked.load(Relaxed)) as i32;
        if leader == request.process || unasked < PATIENCE {
            return Ok(None);
        }
        for flight in self.flights {
            if flight.is_led_by(leader)? {
                flight.asked.store(request.now_ms as u32, Relaxed);
            }
        }
        Ok(Some(leader))
    }

    /// The flight for the key that has not landed. Forgets, in passing, those that landed long ago.
    fn find(&self, request: &Request<'_>) -> Result<Option<(u32, &'a FlightHeader)>, Corrupt> {
        let mut found = None;
        let mut end = 0;
        for (place, flight) in (0_u32..).zip(self.places_in_use()) {
            match flight.state()? {
                State::Free => continue,
                State::Landed(_) if flight.age(request.now_ms) >= LANDED_FOR => {
                    flight.free();
                    continue;
                }
                State::Pending | State::Abandoned if flight.is_for(request.key) => {
                    found = Some((place, flight));
                }
                _ => {}
            }
            end = place.saturating_add(1);
        }
        set(&self.shard.header.flights_end, end);
        Ok(found)
    }

    /// The places up to the last one with a flight, and perhaps some more. As new flights begin in the
    /// first place that is free, these are few.
    fn places_in_use(&self) -> &'a [FlightHeader] {
        let end = get(&self.shard.header.flights_end) as usize;
        self.flights.get(..end).unwrap_or(self.flights)
    }

    fn begin(&self, request: &Request<'_>) -> Result<Attempt<Join>, Corrupt> {
        let Some((place, flight)) = self.vacancy(request)? else {
            let unless_dead = self.doubt_any(request)?;
            return Ok(Attempt { outcome: Join::Alone, unless_dead });
        };
        let end = &self.shard.header.flights_end;
        set(end, get(end).max(place.saturating_add(1)));
        let (token, profile) = (request.key.token(), request.key.profile());
        flight.token[0].store(token.high, Relaxed);
        flight.token[1].store(token.low, Relaxed);
        flight.profile.store(profile.value(), Relaxed);
        flight.number.store(flight.number.load(Relaxed).wrapping_add(1), Relaxed);
        flight.term.store(0, Relaxed);
        flight.followed.store(0, Relaxed);
        Ok(Join::Lead(flight.set_out(place, request)).into())
    }

    /// Where a new flight may begin: where there is none, else where the fewest will miss the one
    /// there is.
    fn vacancy(&self, request: &Request<'_>) -> Result<Option<(u32, &'a FlightHeader)>, Corrupt> {
        let mut best = None;
        let mut least = (u8::MAX, 0);
        for (place, flight) in (0..).zip(self.flights) {
            let age = flight.age(request.now_ms);
            let class = match flight.state()? {
                State::Free => return Ok(Some((place, flight))),
                State::Landed(_) => 0,
                State::Abandoned => 1,
                State::Pending if age >= request.timeout_ms => 2,
                State::Pending => continue,
            };
            // Of one class, the oldest.
            let loss = (class, u64::MAX.wrapping_sub(age));
            if loss < least {
                least = loss;
                best = Some((place, flight));
            }
        }
        Ok(best)
    }

    /// Any leader of whom it is time to ask whether it is alive.
    fn doubt_any(&self, request: &Request<'_>) -> Result<Option<OwnerId>, Corrupt> {
        for flight in self.flights {
            if let Some(leader) = self.doubt(flight, request)? {
                return Ok(Some(leader));
            }
        }
        Ok(None)
    }

    /// The flight of a ticket that is still valid.
    fn led_with(&self, ticket: &Ticket) -> Result<Option<&'a FlightHeader>, Corrupt> {
        let Ticket { key, flight: Flight { place, number }, term } = ticket;
        let flight = self.flights.get(*place as usize);
        let flight = flight.filter(|flight| flight.is(key, *number));
        let Some(flight) = flight.filter(|flight| flight.term.load(Relaxed) == *term) else {
            return Ok(None);
        };
        Ok((flight.state()? == State::Pending).then_some(flight))
    }
}

impl FlightHeader {
    pub(in super::super) fn token(&self) -> TokenHash {
        let [high, low] = &self.token;
        TokenHash { high: high.load(Relaxed), low: low.load(Relaxed) }
    }

    pub(in super::super) fn leader(&self) -> Result<OwnerId, Corrupt> {
        NonZeroU64::new(self.leader.load(Relaxed)).map(OwnerId).ok_or(Corrupt)
    }

    pub(in super::super) fn is_followed(&self) -> bool {
        self.followed.load(Relaxed) != 0
    }

    pub(in super::super) fn state(&self) -> Result<State, Corrupt> {
        Ok(match self.state.load(Relaxed) {
            FREE => State::Free,
            PENDING => State::Pending,
            ABANDONED => State::Abandoned,
            STORED => State::Landed(Landing::Stored),
            NOT_STORED => State::Landed(Landing::NotStored),
            INACTIVE => State::Landed(Landing::Inactive),
            FAILED => {
                let failure = FailureCode::from_bits(self.failure.load(Relaxed));
                State::Landed(Landing::Failed(failure))
            }
            _ => return Err(Corrupt),
        })
    }

    fn set_state(&self, state: State) {
        let code = match state {
            State::Free => FREE,
            State::Pending => PENDING,
            State::Abandoned => ABANDONED,
            State::Landed(Landing::Stored) => STORED,
            State::Landed(Landing::NotStored) => NOT_STORED,
            State::Landed(Landing::Inactive) => INACTIVE,
            State::Landed(Landing::Failed(failure)) => {
                self.failure.store(failure.bits(), Relaxed);
                FAILED
            }
        };
        self.state.store(code, Relaxed);
    }

    fn free(&self) {
        self.set_state(State::Free);
    }

    /// Makes the request's process the leader.
    fn set_out(&self, place: u32, request: &Request<'_>) -> Ticket {
        self.leader.store(request.process.0.get(), Relaxed);
        self.since.store(request.now_ms, Relaxed);
        self.asked.store(request.now_ms as u32, Relaxed);
        self.set_state(State::Pending);
        Ticket {
            key: *request.key,
            flight: Flight { place, number: self.number.load(Relaxed) },
            term: self.term.load(Relaxed),
        }
    }

    /// Leaves the flight to its followers, if it has any.
    fn abandon(&self) {
        self.set_state(if self.is_followed() { State::Abandoned } else { State::Free });
    }

    fn is_for(&self, key: &CacheKey) -> bool {
        self.token() == key.token() && self.profile.load(Relaxed) == key.profile().value()
    }

    fn is(&self, key: &CacheKey, number: u64) -> bool {
        self.number.load(Relaxed) == number && self.is_for(key)
    }

    fn is_led_by(&self, leader: OwnerId) -> Result<bool, Corrupt> {
        Ok(self.state()? == State::Pending && self.leader()? == leader)
    }

    /// Milliseconds since its leader set out, or since it landed.
    fn age(&self, now_ms: u64) -> u64 {
        let since = self.since.load(Relaxed);
        if since.saturating_sub(now_ms) > LAG {
            return u64::MAX;
        }
        now_ms.saturating_sub(since)
    }
}

impl<T> From<T> for Attempt<T> {
    fn from(outcome: T) -> Self {
        Self { outcome, unless_dead: None }
    }
}

const FREE: u8 = 0;
const PENDING: u8 = 1;
const ABANDONED: u8 = 2;
const STORED: u8 = 3;
const NOT_STORED: u8 = 4;
const INACTIVE: u8 = 5;
const FAILED: u8 = 6;
