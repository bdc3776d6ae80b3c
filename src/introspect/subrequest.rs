//! The subrequest of an introspection: what it says, and what its end leads to.

use core::ffi::c_void;

use nginx_sys::{
    NGX_HTTP_POST, NGX_HTTP_SUBREQUEST_BACKGROUND, NGX_HTTP_SUBREQUEST_WAITED, ngx_http_request_t,
    ngx_int_t, ngx_uint_t, off_t,
};

use phantom_token_core::introspection::Question;

use crate::conf::location::Access;
use crate::introspect::introspection::Introspection;
use crate::log;
use crate::module::Module;
use crate::nginx::bits::request::{BACKGROUND, HEADER_ONLY, SUBREQUEST_IN_MEMORY};
use crate::nginx::event::Event;
use crate::nginx::handlers::{Handler, handler};
use crate::nginx::headers::HeadersIn;
use crate::nginx::lasting::Lasting;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::variables::OfClient;
use crate::nginx::{self, location, rc};

/// Starts the subrequest of an introspection, with this question.
///
/// # Errors
///
/// Memory, or the number of subrequests that NGINX allows, is used up.
pub fn start(
    request: Request,
    introspection: Lasting<Introspection>,
    question: &Question,
) -> Result<(), OutOfMemory> {
    let mut subrequest = make(request, introspection, &question.endpoint)?;
    subrequest.raw_mut().method = NGX_HTTP_POST as ngx_uint_t;
    subrequest.raw_mut().method_name = nginx::string(b"POST");
    // The variables of a subrequest are its parent's: what one evaluates, the other would see.
    let presented = introspection.presented();
    // SAFETY: what a request presents lives as long as the request.
    let authorization = unsafe { Lasting::new(presented.authorization()) };
    hand_on_variables(request, subrequest, authorization)?;
    let body = subrequest.join(&[question.form(presented.token()).as_bytes()])?;
    nginx::subrequest::set_body(subrequest, body)?;
    set_headers(subrequest, request, question, body.len())?;
    introspection.set_body_length(body.len());
    if !subrequest.is_active() {
        keep_nudging(subrequest, &introspection);
    }
    Ok(())
}

/// Gives the subrequest its own variables, but for those that speak of the client's request. The
/// Authorization that holds the token is the client's, whatever it is by now.
fn hand_on_variables(
    client: Request,
    subrequest: Request,
    authorization: Lasting<[u8]>,
) -> Result<(), OutOfMemory> {
    let main = Module::main_of(&client).ok_or(OutOfMemory)?;
    let of_client = main.of_client.get_or_init(|| OfClient::of(&client));
    of_client.hand_on(client, subrequest, authorization)
}

/// A subrequest that waits for the connection's timer, as one delayed by `limit_req` does, is woken
/// by NGINX only while it is the active one. One in the background never is, nor is one of a part of
/// a page before which other parts are to be sent.
fn keep_nudging(subrequest: Request, introspection: &Introspection) {
    introspection.nudge().get_or_init(|| Event::new::<Nudge>(subrequest)).after(NUDGE_MS);
}

struct Nudge;

impl Handler for Nudge {
    fn handle(subrequest: Request) -> ngx_int_t {
        if let Some(introspection) = introspection_of(&subrequest)
            && !introspection.is_finished()
            && let Some(event) = introspection.nudge().get()
        {
            event.after(NUDGE_MS);
            subrequest.run_write_handler();
        }
        rc::OK
    }
}

/// The time between two nudges in milliseconds.
const NUDGE_MS: u64 = 50;

/// The introspection that a subrequest is made for.
pub fn introspection_of(request: &Request) -> Option<&Introspection> {
    if request.is_main() {
        return None;
    }
    // SAFETY: `make` alone gives subrequests this callback, and an introspection with it.
    unsafe { nginx::subrequest::data(request, done) }
}

/// Whether a request is an introspection of ours, or a copy of one.
pub fn is_of_introspection(request: &Request) -> bool {
    introspection_of(request).is_some() || is_astray_copy(*request)
}

/// Checks the location that an introspection, or a copy of one, has come to.
pub fn check_location(subrequest: Request) -> ngx_int_t {
    match introspection_of(&subrequest) {
        Some(introspection) => check_introspection(subrequest, introspection),
        None => {
            log::astray_copy(subrequest);
            rc::INTERNAL_SERVER_ERROR
        }
    }
}

fn check_introspection(subrequest: Request, introspection: &Introspection) -> ngx_int_t {
    if !introspection.is_ready() {
        introspection.stop();
        return rc::INTERNAL_SERVER_ERROR;
    }
    let to_error_page = introspection.goes_to_error_page();
    if subrequest.was_redirected_by_upstream() && !to_error_page {
        log::redirected(subrequest);
        introspection.stop();
        return rc::BAD_GATEWAY;
    }
    let endpoint = &introspection.protection().question.endpoint;
    if !to_error_page && is_astray(subrequest, endpoint) {
        log::astray(subrequest, endpoint);
        introspection.stop();
        return rc::INTERNAL_SERVER_ERROR;
    }
    if subrequest.core_location().is_some_and(location::is_open)
        && let Some(conf) = Module::location_of(&subrequest)
        && !matches!(conf.access, Access::Endpoint(_))
    {
        log::not_internal(subrequest, conf, endpoint);
    }
    rc::DECLINED
}

/// Whether a request that is no introspection of ours may be in an introspection location: the question
/// that `auth_request` asks there. It has no body of the client's, and its answer goes to nobody.
pub fn may_enter_endpoint(request: Request) -> bool {
    !request.is_main()
        && HEADER_ONLY.is_set(request.raw())
        && !BACKGROUND.is_set(request.raw())
        && !nginx::subrequest::is_redirected(request)
}

/// Whether an introspection was led into a location that it must not be served in.
fn is_astray(subrequest: Request, endpoint: &[u8]) -> bool {
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
fn is_astray_copy(subrequest: Request) -> bool {
    nginx::subrequest::is_redirected(subrequest) && original(subrequest).is_some()
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
    introspection: Lasting<Introspection>,
    endpoint: &[u8],
) -> Result<Request, OutOfMemory> {
    // A background subrequest never becomes the active one, so one of its own must not wait for
    // that. Of one whose output goes to memory, NGINX never looks whether others are to be sent first.
    let is_never_active =
        BACKGROUND.is_set(request.raw()) || SUBREQUEST_IN_MEMORY.is_set(request.raw());
    let flags = if introspection.is_in_background() || is_never_active {
        NGX_HTTP_SUBREQUEST_BACKGROUND
    } else {
        NGX_HTTP_SUBREQUEST_WAITED
    };
    // SAFETY: the endpoint lives as long as the configuration, and `done` takes an introspection.
    unsafe {
        let endpoint = Lasting::new(endpoint);
        nginx::subrequest::make(request, endpoint, flags, done, introspection)
    }
}

/// NGINX calls this when the subrequest is finalized: more than once if an error has an error page
/// in the introspection location.
unsafe extern "C" fn done(
    r: *mut ngx_http_request_t,
    data: *mut c_void,
    finalized: ngx_int_t,
) -> ngx_int_t {
    // SAFETY: `make` registered this with an introspection.
    let arguments = unsafe { nginx::subrequest::arguments::<Introspection>(r, data) };
    let Some((mut subrequest, introspection)) = arguments else {
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
        nginx::subrequest::wake(parent);
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

fn set_headers(
    subrequest: Request,
    request: Request,
    question: &Question,
    length: usize,
) -> Result<(), OutOfMemory> {
    let mut headers = HeadersIn::clear(subrequest)?;
    headers.fields().server = request.raw().headers_in.server;
    if let Some(host) = request.host() {
        headers.fields().host = headers.push("host", host.string())?.as_ptr();
    }
    // The question lives as long as the configuration, which outlives its requests.
    headers.push("accept", nginx::string(question.accept.as_bytes()))?;
    if let Some(value) = question.authorization() {
        let header = headers.push("authorization", nginx::string(value.as_bytes()))?;
        headers.fields().authorization = header.as_ptr();
    }
    let form = nginx::string(Question::CONTENT_TYPE.as_bytes());
    headers.fields().content_type = headers.push("content-type", form)?.as_ptr();
    let digits = subrequest.join(&[length.to_string().as_bytes()])?.string();
    headers.fields().content_length = headers.push("content-length", digits)?.as_ptr();
    hide_body_length(subrequest);
    Ok(())
}

/// Has the body's length known where the body is sent, and not before: where NGINX looks for a
/// location, it would compare the length with what clients may send there (`client_max_body_size`).
pub fn show_body_length_to_content(mut subrequest: Request, introspection: &Introspection) {
    if let Some(former) = subrequest.raw().content_handler {
        introspection.keep_content_handler(former);
        subrequest.raw_mut().content_handler = Some(handler::<Content>);
    }
}

struct Content;

impl Handler for Content {
    fn handle(mut subrequest: Request) -> ngx_int_t {
        let this = subrequest;
        let Some((handler, length)) = introspection_of(&this).and_then(|introspection| {
            Some((introspection.content_handler()?, introspection.body_length()))
        }) else {
            return rc::INTERNAL_SERVER_ERROR;
        };
        subrequest.raw_mut().content_handler = Some(handler);
        subrequest.raw_mut().headers_in.content_length_n =
            off_t::try_from(length).unwrap_or_default();
        subrequest.answer_by(handler)
    }
}

fn hide_body_length(mut subrequest: Request) {
    subrequest.raw_mut().headers_in.content_length_n = NO_LENGTH;
}

/// What NGINX takes for the length of a body that is not there.
const NO_LENGTH: off_t = -1;
