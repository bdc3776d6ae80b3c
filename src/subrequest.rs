//! The subrequest of an introspection: what it says, and what its end leads to.

use core::ffi::c_void;
use core::ptr;

use nginx_sys::{
    NGX_HTTP_MAX_URI_CHANGES, NGX_HTTP_POST, NGX_HTTP_SUBREQUEST_BACKGROUND,
    NGX_HTTP_SUBREQUEST_WAITED, ngx_chain_t, ngx_event_t, ngx_http_post_request,
    ngx_http_post_subrequest_t, ngx_http_request_body_t, ngx_http_request_t, ngx_http_subrequest,
    ngx_int_t, ngx_uint_t, off_t,
};

use crate::guard::Guard;
use crate::introspection::Introspection;
use crate::nginx::bits::request::{BACKGROUND, HEADER_ONLY, SUBREQUEST_IN_MEMORY, URI_CHANGES};
use crate::nginx::event::Event;
use crate::nginx::headers::HeadersIn;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{self, buffers, location, pool};
use crate::variables;

/// Starts the subrequest of an introspection with this form.
///
/// # Errors
///
/// Memory, or the number of subrequests that NGINX allows, is used up.
pub fn start(
    request: Request,
    introspection: &Introspection,
    guard: &Guard,
    form: &str,
) -> Result<(), OutOfMemory> {
    let mut subrequest = make(request, introspection, &guard.endpoint)?;
    subrequest.raw_mut().method = NGX_HTTP_POST as ngx_uint_t;
    subrequest.raw_mut().method_name = nginx::string(b"POST");
    // The variables of a subrequest are its parent's: what one evaluates, the other would see.
    variables::hand_on(request, subrequest, introspection.authorization())?;
    let length = set_body(subrequest, form)?;
    set_headers(subrequest, request, guard, length)?;
    introspection.set_body_length(length);
    if !subrequest.is_active() {
        keep_nudging(subrequest, introspection);
    }
    Ok(())
}

/// A subrequest that waits for the connection's timer, as one delayed by `limit_req` does, is woken
/// by NGINX only while it is the active one. One in the background never is, nor is one of a part of
/// a page before which other parts are to be sent.
fn keep_nudging(subrequest: Request, introspection: &Introspection) {
    // SAFETY: subrequest, introspection and event are in one pool, and the event is cancelled
    // before that is gone; the log is the connection's.
    let event = unsafe { Event::new(nudge, subrequest.as_ptr().cast(), subrequest.log()) };
    introspection.nudge().get_or_init(|| event).after(NUDGE_MS);
}

unsafe extern "C" fn nudge(event: *mut ngx_event_t) {
    // SAFETY: `keep_nudging` gave the event a subrequest that lives as long as the event.
    let Some(subrequest) = (unsafe { Request::new((*event).data.cast()) }) else {
        return;
    };
    let Some(introspection) = introspection_of(&subrequest).filter(|one| !one.is_finished()) else {
        return;
    };
    if let Some(event) = introspection.nudge().get() {
        event.after(NUDGE_MS);
    }
    subrequest.run_write_handler();
}

/// The time between two nudges in milliseconds.
const NUDGE_MS: u64 = 50;

/// The introspection that a subrequest is made for.
pub fn introspection_of(request: &Request) -> Option<&Introspection> {
    if request.is_main() {
        return None;
    }
    // SAFETY: a subrequest's callback, if there is one, lives as long as the subrequest. Unlike its
    // contexts it is kept over an internal redirect.
    let callback = unsafe { request.raw().post_subrequest.as_ref() }?;
    let ours = done as unsafe extern "C" fn(_, _, _) -> _;
    if !callback.handler.is_some_and(|handler| ptr::fn_addr_eq(handler, ours)) {
        return None;
    }
    // SAFETY: `make` gave that callback an introspection, in the pool of the request.
    unsafe { callback.data.cast::<Introspection>().as_ref() }
}

/// Whether a request that is no introspection of ours may be in an introspection location: the question
/// that `auth_request` asks there. It has no body of the client's, and its answer goes to nobody.
pub fn may_enter_endpoint(request: Request) -> bool {
    !request.is_main()
        && HEADER_ONLY.is_set(request.raw())
        && !BACKGROUND.is_set(request.raw())
        && !is_redirected(request)
}

/// Whether an introspection was led into a location that it must not be served in.
pub fn is_astray(subrequest: Request, endpoint: &[u8]) -> bool {
    !subrequest.core_location().is_some_and(|core| location::may_serve(core, endpoint))
}

/// The introspection that a request is a copy of. NGINX makes one when it renews the introspection
/// location's own `proxy_cache` in the background. It has the token and the credential, but not our
/// callback.
fn original(request: Request) -> Option<Request> {
    let mut ancestor = request.parent()?;
    while introspection_of(&ancestor).is_none() {
        ancestor = ancestor.parent()?;
    }
    BACKGROUND.is_set(request.raw()).then_some(ancestor)
}

/// Whether a copy of an introspection was redirected: by an `error_page`, or by the authorization
/// server. What it starts as does not come through the phases.
pub fn is_astray_copy(subrequest: Request) -> bool {
    is_redirected(subrequest) && original(subrequest).is_some()
}

fn is_redirected(request: Request) -> bool {
    URI_CHANGES.get(request.raw()) <= NGX_HTTP_MAX_URI_CHANGES.into()
}

/// As [`Introspection::mark`], for a copy of an introspection.
///
/// # Errors
///
/// The request's memory is used up.
pub fn mark_copy(request: Request) -> Result<(), OutOfMemory> {
    match original(request).as_ref().and_then(introspection_of) {
        Some(introspection) => introspection.mark(request),
        None => Ok(()),
    }
}

fn make(
    request: Request,
    introspection: &Introspection,
    endpoint: &[u8],
) -> Result<Request, OutOfMemory> {
    // SAFETY: a pointer to a function and one to data.
    let callback: &mut ngx_http_post_subrequest_t = unsafe { pool::zeroed(request) }?;
    callback.handler = Some(done);
    callback.data = ptr::from_ref(introspection).cast_mut().cast();
    // A background subrequest never becomes the active one, so one of its own must not wait for
    // that. Of one whose output goes to memory, NGINX never looks whether others are to be sent first.
    let is_in_memory = SUBREQUEST_IN_MEMORY.is_set(request.raw());
    let is_never_active = BACKGROUND.is_set(request.raw()) || is_in_memory;
    let flags = if introspection.is_in_background() || is_never_active {
        NGX_HTTP_SUBREQUEST_BACKGROUND
    } else {
        NGX_HTTP_SUBREQUEST_WAITED
    };
    let mut uri = nginx::string(endpoint);
    let mut made: *mut ngx_http_request_t = ptr::null_mut();
    // NGINX lets no subrequest whose output goes to memory, as SSI's `include set=` has it, make
    // another one, for the sake of that one's output. Ours has none.
    let mut parent = request;
    SUBREQUEST_IN_MEMORY.set(parent.raw_mut(), 0);
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
    SUBREQUEST_IN_MEMORY.set(parent.raw_mut(), is_in_memory.into());
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
    // SAFETY: `make` registered this with an introspection, and NGINX calls with the
    // subrequest.
    let (Some(mut subrequest), Some(introspection)) =
        (unsafe { (Request::new(r), data.cast::<Introspection>().as_ref()) })
    else {
        return finalized;
    };
    if introspection.has_ended_upstream() {
        subrequest.has_its_client_after_all();
    }
    let handed_on = match introspection.is_stopped() {
        true => rc::OK,
        false => handed_on(subrequest, finalized),
    };
    if subrequest.has_lost_its_client() {
        subrequest.forbid_post_action();
    }
    if handed_on != rc::OK {
        introspection.note_error();
        hide_body_length(subrequest);
        return handed_on;
    }
    introspection.finish(subrequest, finalized);
    let wakes_nobody = BACKGROUND.is_set(subrequest.raw());
    if let Some(parent) = subrequest.parent().filter(|_| wakes_nobody)
        && !introspection.is_in_background()
    {
        // SAFETY: the parent is live, and waits for this in a background subrequest, which NGINX
        // does not wake.
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
        // Such a page is meant for clients. What makes it must not get the token, nor the credential.
        rc::SPECIAL_RESPONSE.. if subrequest.has_error_pages_of_server() => rc::OK,
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
    hide_body_length(subrequest);
    Ok(())
}

/// Has the body's length known where the body is sent, and not before: where NGINX looks for a
/// location, it would compare the length with what clients may send there (`client_max_body_size`).
pub fn show_body_length_to_content(mut subrequest: Request, introspection: &Introspection) {
    if let Some(handler) = subrequest.raw().content_handler {
        introspection.keep_content_handler(handler);
        subrequest.raw_mut().content_handler = Some(content);
    }
}

unsafe extern "C" fn content(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    let Some(mut subrequest) = (unsafe { Request::new(r) }) else {
        return rc::INTERNAL_SERVER_ERROR;
    };
    let this = subrequest;
    let Some((handler, length)) = introspection_of(&this).and_then(|introspection| {
        Some((introspection.content_handler()?, introspection.body_length()))
    }) else {
        return rc::INTERNAL_SERVER_ERROR;
    };
    subrequest.raw_mut().content_handler = Some(handler);
    subrequest.raw_mut().headers_in.content_length_n = off_t::try_from(length).unwrap_or_default();
    // SAFETY: the handler of the subrequest's location, called as NGINX would have called it.
    unsafe { handler(r) }
}

fn hide_body_length(mut subrequest: Request) {
    subrequest.raw_mut().headers_in.content_length_n = NO_LENGTH;
}

/// What NGINX takes for the length of a body that is not there.
const NO_LENGTH: off_t = -1;
