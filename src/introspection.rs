//! Asks the authorization server for the JWT behind a token, and reads its answer.

use core::cell::{Cell, OnceCell};
use core::ptr::NonNull;

use nginx_sys::{ngx_int_t, ngx_log_t, ngx_str_t, ngx_uint_t};
use phantom_token_core::UnixTime;
use phantom_token_core::bearer::{self, OpaqueToken};
use phantom_token_core::cache::{
    Answer, Asked, CacheKey, Counter, Entry, InsertError, Landing, Profile, Ticket, Zone,
};
use phantom_token_core::freshness::{self, NotStored, Remedy};
use phantom_token_core::introspection::{self as answers, Mark, Source, form_body, is_bound};
use phantom_token_core::jwt::Jwt;
use phantom_token_core::refusal::Refusal;
use zeroize::Zeroizing;

use crate::capture::{Capture, Captured};
use crate::guard::Guard;
use crate::nginx::event::{Event, monotonic_ms};
use crate::nginx::request::ContentHandler;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{self, pool, upstream_cache};
use crate::worker::{Worker, now};
use crate::{flight, log, subrequest};

/// An introspection: its question, its answer as it comes in, and who is to know of it. It is in the
/// pool of the request that asks.
pub struct Introspection {
    guard: NonNull<Guard>,
    log: *mut ngx_log_t,
    /// The Authorization that holds the token.
    authorization: ngx_str_t,
    /// Where in the cache its answer belongs.
    key: Option<CacheKey>,
    capture: Capture,
    /// When it was asked, and by the monotonic clock.
    asked: UnixTime,
    asked_ms: u64,
    /// Its place among all questions of the zone.
    order: Option<Asked>,
    /// What of the client's request decides whom it asks, and may be another thing here.
    unsettled: Option<Profile>,
    /// Whether it was another thing here: then it is not the question that its key stands for.
    is_other: Cell<bool>,
    /// For whom else it is asked.
    ticket: Cell<Option<Ticket>>,
    /// Nobody waits for it.
    background: bool,
    /// Whether the subrequest has got all that it needs.
    ready: Cell<bool>,
    error_noted: Cell<bool>,
    upstream_ended: Cell<bool>,
    /// Whether nothing more of it is to be sent anywhere.
    stopped: Cell<bool>,
    /// In bytes.
    body_length: Cell<usize>,
    content_handler: Cell<Option<ContentHandler>>,
    nudge: OnceCell<Event>,
}

/// Why and how an introspection is made.
pub struct Purpose {
    /// The token's Authorization, which lives as long as the request.
    pub authorization: ngx_str_t,
    /// Where in the cache its answer belongs; nowhere without one.
    pub key: Option<CacheKey>,
    /// The ticket of one that others follow.
    pub ticket: Option<Ticket>,
    /// Whether the request goes on meanwhile.
    pub background: bool,
}

/// Starts an introspection. Unless it is in the background, the request is woken when it is over.
///
/// # Errors
///
/// Memory, or the number of subrequests that NGINX allows, is used up.
pub fn start<'a>(
    request: Request,
    guard: &Guard,
    purpose: Purpose,
) -> Result<&'a Introspection, OutOfMemory> {
    let background = purpose.background;
    let introspection = Introspection {
        guard: NonNull::from(guard),
        log: request.log(),
        authorization: purpose.authorization,
        key: purpose.key,
        capture: Capture::new(guard.max_response_size),
        asked: now(),
        asked_ms: monotonic_ms(),
        order: guard.zone().map(Zone::ask),
        unsettled: guard.vary.unsettled(request)?,
        is_other: Cell::new(false),
        ticket: Cell::new(purpose.ticket),
        background,
        ready: Cell::new(false),
        error_noted: Cell::new(false),
        upstream_ended: Cell::new(false),
        stopped: Cell::new(false),
        body_length: Cell::new(0),
        content_handler: Cell::new(None),
        nudge: OnceCell::new(),
    };
    let introspection = pool::allocate(request, introspection)?;
    let token = introspection.token().ok_or(OutOfMemory)?;
    let form = Zeroizing::new(form_body(token));
    // The request may go on for long without it.
    subrequest::start(request, introspection, guard, &form)
        .inspect_err(|OutOfMemory| introspection.abandon())?;
    introspection.ready.set(true);
    guard.count(Counter::Introspection);
    Ok(introspection)
}

impl Introspection {
    /// Where the answer goes.
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// Takes the head of the answer, which the subrequest is about to send.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn take_head(&self, subrequest: Request) -> Result<(), OutOfMemory> {
        self.mark(subrequest)?;
        let status = subrequest.raw().headers_out.status;
        self.capture.take_head(subrequest, self.source(subrequest, status));
        Ok(())
    }

    /// Where an answer with this status comes from.
    fn source(&self, subrequest: Request, status: ngx_uint_t) -> Source {
        match upstream_cache::Entry::of(subrequest).filter(|entry| entry.is_source()) {
            Some(entry) if !self.owns(entry) => Source::UnboundCacheKey,
            _ if subrequest.has_answer_of_upstream(status) => Source::Upstream,
            _ => Source::Nginx,
        }
    }

    /// Marks an answer that NGINX is going to keep in its own cache as that of the token.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn mark(&self, subrequest: Request) -> Result<(), OutOfMemory> {
        match upstream_cache::Entry::of(subrequest).filter(|entry| !entry.is_source()) {
            Some(entry) => entry.keep_with_etag(Mark::of(self.authorization_bytes()).as_bytes()),
            None => Ok(()),
        }
    }

    fn owns(&self, entry: upstream_cache::Entry) -> bool {
        let authorization = self.authorization_bytes();
        is_bound(&entry.key(), authorization, self.guard().token_syntax)
            && Mark::of(authorization).admits(entry.etag())
    }

    /// The client's Authorization, which holds the token.
    pub fn authorization(&self) -> ngx_str_t {
        self.authorization
    }

    /// Where in the cache its answer belongs.
    pub fn key(&self) -> Option<CacheKey> {
        self.key
    }

    /// Whether the request goes on meanwhile.
    pub fn is_in_background(&self) -> bool {
        self.background
    }

    /// Takes the end of the subrequest, of which NGINX may tell twice. If nobody waits for the
    /// answer, this reads it.
    pub fn finish(&self, subrequest: Request, finalized: ngx_int_t) {
        if self.is_finished() {
            return;
        }
        if let Some(known) = self.unsettled {
            let is_same =
                matches!(self.guard().vary.unsettled(subrequest), Ok(Some(here)) if here == known);
            self.is_other.set(!is_same);
        }
        let status = ngx_uint_t::try_from(finalized).unwrap_or_default();
        self.capture.finish(finalized, self.source(subrequest, status));
        if !self.background {
            return;
        }
        if let Some(captured) = self.answer()
            && let Err(refusal) = self.conclude(&captured)
        {
            log::renewal_failed(subrequest, self.guard(), &refusal);
        }
    }

    /// Whether NGINX is to close the connection to an upstream of which nothing more is wanted. It does so
    /// on an error, which it takes for one of the client's connection.
    pub fn ends_upstream(&self, subrequest: Request) -> bool {
        let ends = subrequest.reads_from_upstream() && !subrequest.has_lost_its_client();
        self.upstream_ended.set(ends);
        ends
    }

    /// Whether an error of the connection is that of [`Introspection::ends_upstream`], asked once.
    pub fn has_ended_upstream(&self) -> bool {
        self.upstream_ended.take()
    }

    /// Notes that NGINX makes the response to an error, for which there may be an error page.
    pub fn note_error(&self) {
        self.error_noted.set(true);
    }

    /// Whether an error led the subrequest to where it is, asked once there.
    pub fn goes_to_error_page(&self) -> bool {
        self.error_noted.take()
    }

    /// Ends it where it is: no error page, and no other location, gets to see it.
    pub fn stop(&self) {
        self.stopped.set(true);
    }

    /// Whether it is to end where it is.
    pub fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// The length of the form in bytes.
    pub fn body_length(&self) -> usize {
        self.body_length.get()
    }

    pub fn set_body_length(&self, length: usize) {
        self.body_length.set(length);
    }

    /// What makes the answer where the subrequest is, in place of which [`subrequest`] is called.
    pub fn content_handler(&self) -> Option<ContentHandler> {
        self.content_handler.get()
    }

    pub fn keep_content_handler(&self, handler: ContentHandler) {
        self.content_handler.set(Some(handler));
    }

    /// Whether the subrequest is over.
    pub fn is_finished(&self) -> bool {
        self.capture.is_finished()
    }

    /// Where the event is kept that [`subrequest`] nudges a background subrequest with.
    pub fn nudge(&self) -> &OnceCell<Event> {
        &self.nudge
    }

    /// Whether the subrequest may go on. One that could not be given its own headers would send
    /// the client's.
    pub fn is_ready(&self) -> bool {
        self.ready.get()
    }

    /// The answer, once it is there.
    pub fn answer(&self) -> Option<Captured> {
        self.capture.take()
    }

    /// Reads the answer, stores it, and tells those who follow.
    ///
    /// # Errors
    ///
    /// Why a request with this token is refused.
    pub fn conclude<'a>(&'a self, captured: &'a Captured) -> Result<Jwt<'a>, Refusal> {
        let guard = self.guard();
        guard.record_latency(monotonic_ms().saturating_sub(self.asked_ms));
        let verdict = self.verdict(captured);
        let landing = match &verdict {
            _ if self.is_other.get() => {
                self.say_not_storable(NotStored::OtherQuestion, || None);
                Some(Landing::NotStored)
            }
            Ok(jwt) => self.store_active(captured, jwt),
            Err(Refusal::IntrospectionFailed(failure)) => Some(Landing::Failed(failure.into())),
            Err(refusal) => {
                self.store_inactive(captured, refusal);
                Some(Landing::Inactive)
            }
        };
        match landing {
            Some(landing) => self.land(landing),
            None => self.abandon(),
        }
        verdict
    }

    fn verdict<'a>(&'a self, captured: &'a Captured) -> Result<Jwt<'a>, Refusal> {
        let head = &captured.head;
        let answer = answers::Answer {
            token: bearer::text(self.authorization_bytes()),
            credential: self.guard().credential.as_deref(),
            source: head.source,
            status: head.status,
            headers: &head.headers,
            body: captured.body(),
        };
        answers::interpret(&answer, &self.guard().jwt_members, now())?.into_jwt()
    }

    /// Keeps a JWT for as long as its answer allows, counted from the question; what to tell those
    /// who follow. Nothing, if one of them should ask once more.
    fn store_active(&self, captured: &Captured, jwt: &Jwt<'_>) -> Option<Landing> {
        let guard = self.guard();
        let head = &captured.head;
        let (headers, policy) = (&head.headers, &guard.freshness);
        let (exp, upper_bound) = (jwt.expires(), head.valid_until);
        let fresh_until = freshness::fresh_until(headers, policy, exp, upper_bound, self.asked);
        let fresh_until = fresh_until.inspect_err(|&reason| {
            self.say_not_storable(reason, || {
                Remedy::find(headers, policy, exp, upper_bound, self.asked)
            });
        });
        let (Ok(fresh_until), Some(asked)) = (fresh_until, self.order) else {
            self.forget();
            return Some(Landing::NotStored);
        };
        let may_be_stale =
            guard.use_stale.is_on() && freshness::may_be_stale(&head.headers, &guard.freshness);
        let stored = self.store(Entry {
            answer: Answer::Active(jwt.as_bytes()),
            fresh_until,
            stale_until: jwt.expires().filter(|_| may_be_stale).unwrap_or(fresh_until),
            expires: jwt.expires(),
            asked,
        });
        match stored {
            Ok(()) => Some(Landing::Stored),
            Err(error) => (!error.is_transient()).then_some(Landing::NotStored),
        }
    }

    fn say_not_storable(&self, reason: NotStored, remedy: impl FnOnce() -> Option<Remedy>) {
        // Without a cache there is nothing to set.
        if self.guard().zone().is_some() {
            log::not_storable(self.log, self.guard(), reason, remedy);
        }
    }

    /// Remembers that a token is not active, perhaps not before something changes; a JWT that was
    /// stored for it is gone at once.
    fn store_inactive(&self, captured: &Captured, refusal: &Refusal) {
        self.forget();
        // The server vouches for an expired one: its next answer may bring a JWT that is fresh.
        if *refusal == Refusal::ExpiredToken {
            return;
        }
        let guard = self.guard();
        let head = &captured.head;
        let bound = head.valid_until.into_iter().chain(refusal.holds_until()).min();
        let fresh_until =
            freshness::inactive_until(&head.headers, &guard.freshness, bound, self.asked);
        if let (Some(fresh_until), Some(asked)) = (fresh_until, self.order) {
            let answer = Answer::Inactive;
            let stale_until = fresh_until;
            _ = self.store(Entry { answer, fresh_until, stale_until, expires: None, asked });
        }
    }

    fn store(&self, entry: Entry<'_>) -> Result<(), InsertError> {
        let (zone, key) = self.zone_and_key().ok_or(InsertError::Busy)?;
        self.guard().forget_local(&key);
        zone.insert(&Worker, &key, entry, now())
            .inspect_err(|error| log::not_stored(self.log, &key, error))
    }

    /// Drops what is stored for the token, in all workers.
    fn forget(&self) {
        if let (Some((zone, key)), Some(asked)) = (self.zone_and_key(), self.order) {
            zone.forget(&Worker, &key, asked);
        }
    }

    fn land(&self, landing: Landing) {
        if let (Some(ticket), Some((zone, key))) = (self.ticket.take(), self.zone_and_key()) {
            zone.land(&Worker, ticket, landing, monotonic_ms());
            flight::wake(&key);
        }
    }

    /// Lets one of those who follow lead.
    fn abandon(&self) {
        if let (Some(ticket), Some((zone, key))) = (self.ticket.take(), self.zone_and_key()) {
            zone.abandon(&Worker, ticket);
            flight::wake_first(&key);
        }
    }

    /// The location that it is made for.
    pub fn guard(&self) -> &Guard {
        // SAFETY: a guard lives as long as the configuration, which outlives its requests.
        unsafe { self.guard.as_ref() }
    }

    fn token(&self) -> Option<OpaqueToken<'_>> {
        bearer::parse(Some(self.authorization_bytes()), self.guard().token_syntax).ok()
    }

    fn authorization_bytes(&self) -> &[u8] {
        // SAFETY: `Purpose` says that it lives as long as the request.
        unsafe { nginx::bytes(self.authorization) }
    }

    fn zone_and_key(&self) -> Option<(&Zone, CacheKey)> {
        Some((self.guard().zone()?, self.key?))
    }
}

impl Drop for Introspection {
    fn drop(&mut self) {
        // The client hung up, or the request failed, before the answer was there.
        self.abandon();
    }
}
