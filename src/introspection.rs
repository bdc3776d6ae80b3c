//! Asks the authorization server for the JWT behind a token, through a subrequest.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_HTTP_POST, NGX_HTTP_SUBREQUEST_BACKGROUND, NGX_HTTP_SUBREQUEST_WAITED, ngx_chain_t,
    ngx_http_post_request, ngx_http_post_subrequest_t, ngx_http_request_body_t, ngx_http_request_t,
    ngx_http_subrequest, ngx_int_t, ngx_log_t, ngx_str_t, ngx_uint_t, off_t,
};
use phantom_token_core::UnixTime;
use phantom_token_core::bearer::{self, OpaqueToken};
use phantom_token_core::cache::{
    Answer, CacheKey, Counter, Entry, Generation, Landing, Ticket, Zone,
};
use phantom_token_core::freshness;
use phantom_token_core::introspection::{self as answers, Verdict, form_body};
use phantom_token_core::jwt::Jwt;
use phantom_token_core::refusal::Refusal;
use zeroize::Zeroizing;

use crate::capture::{Capture, Captured};
use crate::conf::Guard;
use crate::nginx::event::monotonic_ms;
use crate::nginx::headers::HeadersIn;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{self, buffers, pool, variables};
use crate::worker::{Worker, now};
use crate::{flight, log};

/// An introspection: its question, its answer as it comes in, and who is to know of it. It is in the
/// pool of the request that asks.
pub struct Introspection {
    guard: NonNull<Guard>,
    log: *mut ngx_log_t,
    /// The Authorization that holds the token.
    authorization: ngx_str_t,
    capture: Capture,
    /// When it was asked, and by the monotonic clock.
    asked: UnixTime,
    asked_ms: u64,
    /// The generation of the zone before that.
    generation: Generation,
    /// For whom else it is asked.
    ticket: Cell<Option<Ticket>>,
    /// Nobody waits for it.
    background: bool,
    /// Whether the subrequest has got all that it needs.
    ready: Cell<bool>,
}

/// Why and how an introspection is made.
pub struct Purpose {
    /// The token's Authorization, which lives as long as the request.
    pub authorization: ngx_str_t,
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
        capture: Capture::new(guard.max_response_size),
        asked: now(),
        asked_ms: monotonic_ms(),
        generation: guard.zone().map(Zone::generation).unwrap_or_default(),
        ticket: Cell::new(purpose.ticket),
        background,
        ready: Cell::new(false),
    };
    let introspection = pool::allocate(request, introspection)?;
    let token = introspection.token().ok_or(OutOfMemory)?;
    let form = Zeroizing::new(form_body(token));
    let mut subrequest = subrequest(request, introspection, &guard.endpoint)?;
    subrequest.raw_mut().method = NGX_HTTP_POST as ngx_uint_t;
    subrequest.raw_mut().method_name = nginx::string(b"POST");
    // The variables of a subrequest are its parent's: what one evaluates, the other would see.
    subrequest.raw_mut().variables = variables::fresh(request)?;
    let length = set_body(subrequest, &form)?;
    set_headers(subrequest, request, guard, length)?;
    introspection.ready.set(true);
    guard.count(Counter::Introspection);
    Ok(introspection)
}

impl Introspection {
    /// The introspection that a subrequest is made for.
    pub fn of(request: &Request) -> Option<&Self> {
        if request.is_main() {
            return None;
        }
        // SAFETY: a subrequest's callback, if there is one, lives as long as the subrequest. Unlike
        // its contexts it is kept over an internal redirect.
        let callback = unsafe { request.raw().post_subrequest.as_ref() }?;
        let ours = done as unsafe extern "C" fn(_, _, _) -> _;
        if !callback.handler.is_some_and(|handler| ptr::fn_addr_eq(handler, ours)) {
            return None;
        }
        // SAFETY: `subrequest` gave that callback an introspection, in the pool of the request.
        unsafe { callback.data.cast::<Self>().as_ref() }
    }

    /// Where the answer goes.
    pub fn capture(&self) -> &Capture {
        &self.capture
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
    pub fn conclude<'a>(&self, captured: &'a Captured) -> Result<Jwt<'a>, Refusal> {
        let guard = self.guard();
        guard.record_latency(monotonic_ms().saturating_sub(self.asked_ms));
        let verdict = self.verdict(captured);
        let stored = match &verdict {
            Ok(jwt) => self.store_active(captured, jwt),
            Err(Refusal::InactiveToken | Refusal::ExpiredToken) => self.store_inactive(captured),
            Err(_) => false,
        };
        self.land(match &verdict {
            Ok(_) if stored => Landing::Stored,
            Ok(_) => Landing::NotStored,
            Err(Refusal::IntrospectionFailed(failure)) => Landing::Failed(failure.into()),
            Err(_) => Landing::Inactive,
        });
        verdict
    }

    fn verdict<'a>(&self, captured: &'a Captured) -> Result<Jwt<'a>, Refusal> {
        let head = &captured.head;
        let answer =
            answers::Answer { status: head.status, headers: &head.headers, body: captured.body() };
        match answers::interpret(&answer, &self.guard().jwt_members, now())? {
            Verdict::Active(jwt) => Ok(jwt),
            Verdict::Inactive => Err(Refusal::InactiveToken),
            Verdict::Expired => Err(Refusal::ExpiredToken),
        }
    }

    /// Keeps a JWT for as long as its answer allows, counted from the question.
    fn store_active(&self, captured: &Captured, jwt: &Jwt<'_>) -> bool {
        let guard = self.guard();
        let head = &captured.head;
        let fresh_until = freshness::fresh_until(
            &head.headers,
            &guard.freshness,
            jwt.expires(),
            head.valid_until,
            self.asked,
        );
        let Some(fresh_until) = fresh_until else {
            return self.forget_and(None);
        };
        let may_be_stale =
            guard.use_stale.is_on() && freshness::may_be_stale(&head.headers, &guard.freshness);
        self.store(Entry {
            answer: Answer::Active(jwt.as_bytes()),
            fresh_until,
            stale_until: jwt.expires().filter(|_| may_be_stale).unwrap_or(fresh_until),
            expires: jwt.expires(),
            generation: self.generation,
        })
    }

    /// Remembers that a token is not active; a JWT that was stored for it is gone at once.
    fn store_inactive(&self, captured: &Captured) -> bool {
        let guard = self.guard();
        let head = &captured.head;
        let fresh_until = freshness::inactive_until(
            &head.headers,
            &guard.freshness,
            head.valid_until,
            self.asked,
        );
        self.forget_and(fresh_until.map(|fresh_until| Entry {
            answer: Answer::Inactive,
            fresh_until,
            stale_until: fresh_until,
            expires: None,
            generation: self.generation,
        }))
    }

    fn store(&self, entry: Entry<'_>) -> bool {
        let Some((zone, key)) = self.zone_and_key() else {
            return false;
        };
        match zone.insert(&Worker, &key, entry, now()) {
            Ok(()) => true,
            Err(error) => {
                log::not_stored(self.log, &key, &error);
                false
            }
        }
    }

    /// Drops what is stored for the token, in all workers, and stores an entry in its place.
    fn forget_and(&self, entry: Option<Entry<'_>>) -> bool {
        let Some((zone, key)) = self.zone_and_key() else {
            return false;
        };
        let had_one = zone.remove(&Worker, &key);
        let stored = entry.is_some_and(|entry| self.store(entry));
        if had_one {
            zone.forget_copies();
        }
        stored
    }

    fn land(&self, landing: Landing) {
        if let (Some(ticket), Some((zone, key))) = (self.ticket.take(), self.zone_and_key()) {
            zone.land(&Worker, ticket, landing, monotonic_ms());
            flight::wake(&key);
        }
    }

    fn guard(&self) -> &Guard {
        // SAFETY: a guard lives as long as the configuration, which outlives its requests.
        unsafe { self.guard.as_ref() }
    }

    fn token(&self) -> Option<OpaqueToken<'_>> {
        // SAFETY: `Purpose` says that it lives as long as the request.
        bearer::parse(Some(unsafe { nginx::bytes(self.authorization) })).ok()
    }

    fn zone_and_key(&self) -> Option<(&Zone, CacheKey)> {
        let zone = self.guard().zone()?;
        Some((zone, zone.key(self.token()?.as_bytes(), self.guard().profile)))
    }
}

impl Drop for Introspection {
    fn drop(&mut self) {
        // The client hung up, or the request failed, before the answer was there.
        if let (Some(ticket), Some((zone, key))) = (self.ticket.take(), self.zone_and_key()) {
            zone.abandon(&Worker, ticket);
            flight::wake(&key);
        }
    }
}

/// Whether an introspection was led into a location that needs one itself, and is not the one that
/// the endpoint names: the API, most likely, which must not be asked.
pub fn is_astray(subrequest: Request, guard: &Guard) -> bool {
    let location = subrequest.location_name();
    !subrequest.is_in_internal_location()
        && !location.starts_with('@')
        && location.as_bytes() != &*guard.endpoint
}

fn subrequest(
    request: Request,
    introspection: &Introspection,
    endpoint: &[u8],
) -> Result<Request, OutOfMemory> {
    // SAFETY: a pointer to a function and one to data.
    let callback: &mut ngx_http_post_subrequest_t = unsafe { pool::zeroed(request) }?;
    callback.handler = Some(done);
    callback.data = ptr::from_ref(introspection).cast_mut().cast();
    // A background subrequest never becomes the active one, so one of its own must not wait for
    // that.
    let flags = if introspection.background || request.raw().background() == 1 {
        NGX_HTTP_SUBREQUEST_BACKGROUND
    } else {
        NGX_HTTP_SUBREQUEST_WAITED
    };
    let mut uri = nginx::string(endpoint);
    let mut made: *mut ngx_http_request_t = ptr::null_mut();
    // SAFETY: the request is live; the endpoint lives as long as the configuration, the callback
    // as long as the request.
    let status = unsafe {
        ngx_http_subrequest(
            request.as_ptr(),
            &mut uri,
            ptr::null_mut(),
            &mut made,
            callback,
            flags as ngx_uint_t,
        )
    };
    if status != rc::OK {
        return Err(OutOfMemory);
    }
    // SAFETY: NGINX made a subrequest, which lives as long as its main request.
    unsafe { Request::new(made) }.ok_or(OutOfMemory)
}

/// NGINX calls this when the subrequest is finalized: more than once if an error has an error page
/// in the introspection location.
unsafe extern "C" fn done(
    r: *mut ngx_http_request_t,
    data: *mut c_void,
    finalized: ngx_int_t,
) -> ngx_int_t {
    // SAFETY: `subrequest` registered this with an introspection, and NGINX calls with the
    // subrequest.
    let (Some(subrequest), Some(introspection)) =
        (unsafe { (Request::new(r), data.cast::<Introspection>().as_ref()) })
    else {
        return finalized;
    };
    let handed_on = handed_on(subrequest, finalized);
    if handed_on != rc::OK {
        return handed_on;
    }
    introspection.capture.finish(finalized);
    if introspection.background {
        if let Some(captured) = introspection.answer()
            && let Err(refusal) = introspection.conclude(&captured)
        {
            log::renewal_failed(subrequest, &refusal);
        }
    } else if subrequest.raw().background() == 1
        && let Some(parent) = subrequest.parent()
    {
        // SAFETY: the parent is live; NGINX wakes the parents of all but background subrequests.
        unsafe { ngx_http_post_request(parent.as_ptr(), ptr::null_mut()) };
    }
    handed_on
}

/// What NGINX is to do with the subrequest: make the response to a status, after which it is
/// finalized again, or finish it. An error of the subrequest is an answer to us, and must not end
/// the client's request.
fn handed_on(subrequest: Request, finalized: ngx_int_t) -> ngx_int_t {
    match finalized {
        rc::CLIENT_CLOSED_REQUEST if subrequest.has_lost_its_client() => finalized,
        rc::CLIENT_CLOSED_REQUEST | rc::REQUEST_TIME_OUT | rc::CLOSE => rc::OK,
        rc::CREATED | rc::NO_CONTENT | rc::SPECIAL_RESPONSE.. => finalized,
        _ => rc::OK,
    }
}

fn set_body(mut subrequest: Request, form: &str) -> Result<usize, OutOfMemory> {
    let data = subrequest.join(&[form.as_bytes()])?;
    // SAFETY: pointers, numbers and bits.
    let body: &mut ngx_http_request_body_t = unsafe { pool::zeroed(subrequest) }?;
    // SAFETY: `join` put the data into the request's pool.
    let chain: *mut ngx_chain_t = unsafe { buffers::over(subrequest, nginx::bytes(data), false) }?;
    body.bufs = chain;
    // SAFETY: `over` made a chain of one buffer.
    body.buf = unsafe { (*chain).buf };
    subrequest.raw_mut().request_body = body;
    Ok(data.len)
}

fn set_headers(
    subrequest: Request,
    request: Request,
    guard: &Guard,
    length: usize,
) -> Result<(), OutOfMemory> {
    let mut headers = HeadersIn::clear(subrequest)?;
    headers.fields().server = request.raw().headers_in.server;
    if let Some(host) = request.host() {
        headers.fields().host = headers.push("host", host)?.as_ptr();
    }
    // The guard lives as long as the configuration, which outlives its requests.
    headers.push("accept", nginx::string(guard.accept.as_bytes()))?;
    if let Some(credential) = &guard.credential {
        headers.fields().authorization = headers
            .push("authorization", nginx::string(credential.header_value().as_bytes()))?
            .as_ptr();
    }
    let form = nginx::string(b"application/x-www-form-urlencoded");
    headers.fields().content_type = headers.push("content-type", form)?.as_ptr();
    let digits = subrequest.join(&[length.to_string().as_bytes()])?;
    headers.fields().content_length = headers.push("content-length", digits)?.as_ptr();
    headers.fields().content_length_n = off_t::try_from(length).unwrap_or_default();
    Ok(())
}
