//! Decides on a request: whether it needs a token, whether it has one, and what comes of it.

use nginx_sys::{
    NGX_HTTP_OPTIONS, ngx_array_push, ngx_conf_t, ngx_http_core_main_conf_t, ngx_http_handler_pt,
    ngx_http_phases_NGX_HTTP_ACCESS_PHASE as ACCESS,
    ngx_http_phases_NGX_HTTP_PREACCESS_PHASE as PREACCESS,
    ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE as PRECONTENT,
    ngx_http_phases_NGX_HTTP_REWRITE_PHASE as REWRITE, ngx_http_request_t, ngx_int_t, ngx_uint_t,
};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleMainConf as _, NgxHttpCoreModule};
use phantom_token_core::bearer;
use phantom_token_core::cache::Counter;
use phantom_token_core::refusal::Refusal;

use crate::conf::{OnOptions, Protection};
use crate::exchange::{exchange, resume};
use crate::guard::{Guard, Profiles};
use crate::introspection::Introspection;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{location, rc};
use crate::record::{Record, Refused, State};
use crate::refusal::{self, refuse};
use crate::{Module, grant, log, subrequest};

/// The status to return to NGINX's phase engine.
pub type Step = Result<ngx_int_t, OutOfMemory>;

/// Puts the handlers into NGINX's phases.
///
/// # Safety
///
/// `cf` is the parser that a module's `postconfiguration` was called with.
pub unsafe fn register(cf: *mut ngx_conf_t) -> Option<()> {
    // SAFETY: the caller's parser is live.
    let core: &mut ngx_http_core_main_conf_t =
        NgxHttpCoreModule::main_conf_mut(unsafe { cf.as_ref() }?)?;
    let handlers: [(u32, ngx_http_handler_pt); 4] = [
        (REWRITE, Some(before_rewrite)),
        (PREACCESS, Some(of_subrequest)),
        (ACCESS, Some(of_main_request)),
        (PRECONTENT, Some(before_content)),
    ];
    for (phase, handler) in handlers {
        let phase = core.phases.get_mut(usize::try_from(phase).ok()?)?;
        // SAFETY: a phase has an array of handlers, in which NGINX makes room for one more.
        let place = unsafe { ngx_array_push(&mut phase.handlers) }.cast::<ngx_http_handler_pt>();
        // SAFETY: as above.
        unsafe { core::ptr::NonNull::new(place)?.write(handler) };
    }
    Some(())
}

/// The access phase, which NGINX has for main requests only.
unsafe extern "C" fn of_main_request(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    unsafe { Request::new(r) }.map_or(rc::DECLINED, check)
}

/// Subrequests, of SSI or `mirror` for example, skip the access phase. One that leads into a
/// protected location from a request without a grant is checked by itself.
unsafe extern "C" fn of_subrequest(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    let Some(request) = (unsafe { Request::new(r) }) else {
        return rc::DECLINED;
    };
    if request.is_main() {
        return rc::DECLINED;
    }
    if let Some(introspection) = subrequest::introspection_of(&request) {
        subrequest::show_body_length_to_content(request, introspection);
        return rc::DECLINED;
    }
    // The access phase goes on to the next one after a grant; in this phase the next handler is
    // to have its turn.
    match check(request) {
        code if code == rc::OK => rc::DECLINED,
        code => code,
    }
}

/// No phase of the location that a request comes to is before this one, and our handler is before
/// those of NGINX's own modules. `set`, `if` and `return` of the server come before it.
unsafe extern "C" fn before_rewrite(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    match (unsafe { Request::new(r) }).filter(|request| request.is_internal()) {
        Some(request) => after_redirect(request),
        None => rc::DECLINED,
    }
}

/// Not inlined: requests that come from a client are to pay for the question alone.
#[inline(never)]
fn after_redirect(request: Request) -> ngx_int_t {
    if let Some(introspection) = subrequest::introspection_of(&request) {
        return check_introspection(request, introspection);
    }
    if subrequest::is_astray_copy(request) {
        log::astray_copy(request);
        return rc::INTERNAL_SERVER_ERROR;
    }
    withhold_after_redirect(request)
}

/// A request that was refused goes to its error page without its token, as does one whose client went
/// away before anything was decided to its `post_action`.
fn withhold_after_redirect(request: Request) -> ngx_int_t {
    let Some(record) = Record::of(&request) else {
        return rc::DECLINED;
    };
    record.stop_waiting();
    match record.state.get() {
        State::New | State::Refused(_) => withheld(request, grant::withhold_token(request)),
        _ => rc::DECLINED,
    }
}

/// A request that gets here was let pass by another module if it was not by this one, by reason of
/// `satisfy any`.
unsafe extern "C" fn before_content(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    let Some(request) = (unsafe { Request::new(r) }).filter(|request| request.is_main()) else {
        return rc::DECLINED;
    };
    match Module::location_conf(request.raw()).map(|conf| &conf.protection) {
        Some(Protection::On(_)) => {}
        Some(Protection::Endpoint(_)) => return keep_out_of_endpoint(request),
        _ => return rc::DECLINED,
    }
    let Some(record) = Record::of(&request) else {
        // Our handler was not even asked.
        return withheld(request, grant::withhold_opaque_token(request));
    };
    match record.state.get() {
        State::Refused(refused) => overrule(request, record, refused),
        _ => rc::DECLINED,
    }
}

#[cold]
fn overrule(request: Request, record: &Record, refused: Refused) -> ngx_int_t {
    record.state.set(State::Overruled(refused));
    refusal::take_challenge_back(request, record);
    withheld(request, grant::withhold_token(request))
}

/// A request from which the token could not be taken goes nowhere, and with a part of a page all of
/// it: any other status could lead to an error page, or to `post_action`.
#[cold]
fn withheld(request: Request, done: Result<(), OutOfMemory>) -> ngx_int_t {
    done.map_or_else(
        |OutOfMemory| {
            log::out_of_memory(request);
            rc::CLOSE
        },
        |()| rc::DECLINED,
    )
}

fn check_introspection(request: Request, introspection: &Introspection) -> ngx_int_t {
    if !introspection.is_ready() {
        introspection.stop();
        return rc::INTERNAL_SERVER_ERROR;
    }
    let to_error_page = introspection.goes_to_error_page();
    if request.was_redirected_by_upstream() && !to_error_page {
        log::redirected(request);
        introspection.stop();
        return rc::BAD_GATEWAY;
    }
    let endpoint = &introspection.guard().endpoint;
    if !to_error_page && subrequest::is_astray(request, endpoint) {
        log::astray(request, endpoint);
        introspection.stop();
        return rc::INTERNAL_SERVER_ERROR;
    }
    if request.core_location().is_some_and(location::is_open)
        && let Some(conf) = Module::location_conf(request.raw())
        && !matches!(conf.protection, Protection::Endpoint(_))
    {
        log::not_internal(request, conf, endpoint);
    }
    rc::DECLINED
}

fn check(request: Request) -> ngx_int_t {
    let Some(conf) = Module::location_conf(request.raw()) else {
        return rc::INTERNAL_SERVER_ERROR;
    };
    let step = match &conf.protection {
        Protection::Off => return rc::DECLINED,
        Protection::NotConfigured => Record::of_or_new(&request)
            .and_then(|record| refuse(request, record, None, &Refusal::NotConfigured)),
        Protection::On(guard) => check_guarded(request, guard),
        Protection::Endpoint(_) if !subrequest::may_enter_endpoint(request) => {
            return keep_out_of_endpoint(request);
        }
        Protection::Endpoint(None) => return rc::DECLINED,
        Protection::Endpoint(Some(guard)) => check_guarded(request, guard),
    };
    step.unwrap_or_else(|OutOfMemory| {
        log::out_of_memory(request);
        undecided(request, rc::INTERNAL_SERVER_ERROR)
    })
}

/// A request of a client in an introspection location would be asked by whatever means the gateway has
/// there, with its credential perhaps. Only a missing `internal`, a `rewrite` of the operator's, or an API
/// that redirects to it or includes it brings it there.
#[cold]
fn keep_out_of_endpoint(request: Request) -> ngx_int_t {
    log::client_in_endpoint(request);
    undecided(request, rc::FORBIDDEN)
}

/// Ends a request without a decision. There may be an error page for it, which is not to get what
/// the request has in its Authorization just now.
fn undecided(request: Request, status: ngx_int_t) -> ngx_int_t {
    match withheld(request, grant::withhold_token(request)) {
        code if code == rc::DECLINED => status,
        code => code,
    }
}

fn check_guarded(request: Request, guard: &Guard) -> Step {
    if !request.is_main() && inherits_grant(request, guard)? {
        return Ok(rc::OK);
    }
    let record = Record::of_or_new(&request)?;
    if let State::Introspecting | State::Following = record.state.get() {
        return resume(request, record, guard);
    }
    let Profiles { question, answer } = guard.profiles(request)?;
    match record.decided(question) {
        Some(State::Granted(_)) => return Ok(rc::OK),
        Some(State::Refused(refused)) => return refusal::repeat(request, record, refused),
        _ if request.is_error_page() => {
            if let Some(step) = keep_decision(request, record) {
                return step;
            }
        }
        _ => {}
    }
    // Where a redirect has led, another module may have added one since.
    if record.has_second_authorization()
        || request.is_internal() && request.has_second_authorization()
    {
        log::second_authorization(request);
        return Ok(undecided(request, rc::BAD_REQUEST));
    }
    record.begin(question);
    if request.raw().method == NGX_HTTP_OPTIONS as ngx_uint_t && guard.options != OnOptions::Check {
        return options(request, record, guard);
    }
    match bearer::parse(record.authorization_bytes(), guard.token_syntax) {
        Ok(token) => exchange(request, record, guard, token, answer),
        Err(error) => refuse(request, record, Some(guard), &error.into()),
    }
}

/// Whether a subrequest goes on with the JWT of the request that it was made by. One with a record was
/// authenticated by itself, and has its own Authorization.
#[inline(never)]
fn inherits_grant(request: Request, guard: &Guard) -> Result<bool, OutOfMemory> {
    if Record::of(&request).is_some() {
        return Ok(false);
    }
    let Some(inherited) = Record::inherited(&request) else {
        return Ok(false);
    };
    Ok(inherited.is_granted_for(guard.profiles(request)?.question))
}

/// A page for an error has the status of that error, and decides nothing anew: who answers for the page's
/// location would be asked about a token that is not his. A refusal stays as it was. A granted request gets
/// the error without the page.
#[cold]
fn keep_decision(request: Request, record: &Record) -> Option<Step> {
    match record.state.get() {
        State::Refused(refused) | State::Overruled(refused) => {
            Some(refusal::repeat(request, record, refused))
        }
        State::Granted(_) if request.error_status() >= rc::BAD_REQUEST => {
            Some(Ok(undecided(request, request.error_status())))
        }
        State::Granted(_)
        | State::New
        | State::Introspecting
        | State::Following
        | State::Options => None,
    }
}

/// A preflight request never has a token (Fetch standard, section 4.8).
fn options(request: Request, record: &Record, guard: &Guard) -> Step {
    guard.count(Counter::Options);
    record.state.set(State::Options);
    grant::withhold_token(request)?;
    match guard.options {
        OnOptions::Reply => Ok(rc::NO_CONTENT),
        OnOptions::Pass | OnOptions::Check => Ok(rc::DECLINED),
    }
}
