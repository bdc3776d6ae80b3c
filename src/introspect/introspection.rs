//! An introspection under way: what is known of it until its answer is read.

use core::cell::{Cell, OnceCell};

use nginx_sys::{ngx_int_t, ngx_uint_t};
use phantom_token_core::cache::Profile;
use phantom_token_core::flow::{Ask, Inquiry, Reply, Unstored};
use phantom_token_core::introspection::{Answer, Mark, Source, is_bound};
use phantom_token_core::refusal::Refusal;
use phantom_token_core::token::jwt::Jwt;
use phantom_token_core::token::presented::Presented;

use crate::introspect::capture::{Capture, Captured};
use crate::log;
use crate::nginx::event::Event;
use crate::nginx::lasting::Lasting;
use crate::nginx::request::{ContentHandler, OutOfMemory, Request};
use crate::nginx::{pool, upstream_cache};
use crate::protection::Protection;
use crate::request::site::Site;
use crate::zone::CacheZone;

/// An introspection: its question, its answer as it comes in, and who is to know of it. It is in the
/// pool of the request that asks.
pub struct Introspection {
    protection: Lasting<Protection>,
    /// The one that asks.
    request: Request,
    /// The token. `'static` stands for the life of the request.
    presented: Presented<'static>,
    inquiry: Inquiry,
    capture: Capture,
    /// What of the client's request decides whom it asks, and may be another thing here.
    unsettled: Option<Profile>,
    /// Whether it was another thing here: then it is not the question that its key stands for.
    is_other: Cell<bool>,
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

impl Introspection {
    /// One that is to be started, for a request that presents a token.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn new(
        request: Request,
        protection: &Protection,
        presented: Presented<'static>,
        ask: Ask,
    ) -> Result<Lasting<Self>, OutOfMemory> {
        let inquiry = Inquiry::begin(ask, protection.zone(), &Site(request));
        let unsettled = protection.vary.unsettled(request).inspect_err(|OutOfMemory| {
            if let Some(zone) = protection.zone() {
                inquiry.abandon(&Site(request), zone);
            }
        })?;
        let introspection = Self {
            // SAFETY: a protection lives as long as the configuration, which outlives its requests.
            protection: unsafe { Lasting::new(protection) },
            request,
            presented,
            inquiry,
            capture: Capture::new(protection.max_response_size),
            unsettled,
            is_other: Cell::new(false),
            ready: Cell::new(false),
            error_noted: Cell::new(false),
            upstream_ended: Cell::new(false),
            stopped: Cell::new(false),
            body_length: Cell::new(0),
            content_handler: Cell::new(None),
            nudge: OnceCell::new(),
        };
        pool::allocate(request, introspection)
    }

    /// The subrequest has got all that it needs.
    pub fn be_ready(&self) {
        self.ready.set(true);
    }

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
            Some(entry) => entry.keep_with_etag(Mark::of(self.presented.token()).as_bytes()),
            None => Ok(()),
        }
    }

    fn owns(&self, entry: upstream_cache::Entry) -> bool {
        is_bound(&entry.key(), &self.presented, self.protection.token_syntax)
            && Mark::of(self.presented.token()).admits(entry.etag())
    }

    /// The token that is asked about.
    pub fn presented(&self) -> Presented<'static> {
        self.presented
    }

    /// Whether the request goes on meanwhile.
    pub fn is_in_background(&self) -> bool {
        self.inquiry.is_renewal()
    }

    /// Takes the end of the subrequest, of which NGINX may tell twice. If nobody waits for the
    /// answer, this reads it.
    pub fn finish(&self, subrequest: Request, finalized: ngx_int_t) {
        if self.is_finished() {
            return;
        }
        if let Some(known) = self.unsettled {
            let is_same = matches!(self.protection().vary.unsettled(subrequest), Ok(Some(here)) if here == known);
            self.is_other.set(!is_same);
        }
        let status = ngx_uint_t::try_from(finalized).unwrap_or_default();
        self.capture.finish(finalized, self.source(subrequest, status));
        if !self.is_in_background() {
            return;
        }
        if let Some(captured) = self.answer()
            && let Err(refusal) = self.conclude(&captured)
        {
            log::renewal_failed(subrequest, self.protection(), &refusal);
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

    /// What makes the answer where the subrequest is, in place of which [`subrequest`](super::subrequest) is called.
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

    /// Where the event is kept that [`subrequest`](super::subrequest) nudges a background subrequest with.
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
        let (site, protection, head) = (Site(self.request), self.protection(), &captured.head);
        protection.record_latency(self.inquiry.latency(&site));
        let reply = Reply {
            answer: Answer {
                token: self.presented.token().as_bytes(),
                credential: protection.question.credential.as_deref(),
                source: head.source,
                status: head.status,
                headers: &head.headers,
                body: captured.body(),
            },
            valid_until: head.valid_until,
            is_to_other: self.is_other.get(),
        };
        let copies = protection.zone_with_copies();
        let mut cache = copies.map(CacheZone::take_worker_cache);
        let zone = protection.zone().map(|zone| (zone, cache.as_deref_mut()));
        let members = &*protection.question.jwt_members;
        let conclusion = self.inquiry.conclude(&site, zone, &protection.settings, &reply, members);
        if let (Some(zone), Some(cache)) = (copies, cache) {
            zone.put_worker_cache(cache);
        }
        if let Some(unstored) = &conclusion.unstored {
            self.say_unstored(unstored, &reply, &conclusion.verdict);
        }
        if let Some(zone) = protection.zone() {
            self.inquiry.land(&site, zone, conclusion.ending);
        }
        conclusion.verdict
    }

    #[cold]
    fn say_unstored(
        &self,
        unstored: &Unstored,
        reply: &Reply<'_>,
        verdict: &Result<Jwt<'_>, Refusal>,
    ) {
        let (protection, log) = (self.protection(), self.request.log());
        match unstored {
            Unstored::Kind(reason) => log::not_storable(log, protection, *reason, || {
                let jwt = verdict.as_ref().ok().filter(|_| !reply.is_to_other)?;
                self.inquiry.remedy(&protection.settings, reply, jwt)
            }),
            Unstored::Refused(error) => {
                if let Some(key) = self.inquiry.key() {
                    log::not_stored(log, &key, error);
                }
            }
        }
    }

    /// Lets one of those who follow lead.
    pub fn abandon(&self) {
        if let Some(zone) = self.protection().zone() {
            self.inquiry.abandon(&Site(self.request), zone);
        }
    }

    /// The location that it is made for.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }
}

impl Drop for Introspection {
    fn drop(&mut self) {
        // The client hung up, or the request failed, before the answer was there.
        self.abandon();
    }
}
