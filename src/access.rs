//! Decides on a request: whether it needs a token, whether it has one, and what comes of it.

use nginx_sys::{
    NGX_AGAIN, NGX_DECLINED, NGX_HTTP_BAD_REQUEST, NGX_HTTP_INTERNAL_SERVER_ERROR,
    NGX_HTTP_NO_CONTENT, NGX_HTTP_OPTIONS, NGX_LOG_ERR, NGX_OK, ngx_array_push, ngx_conf_t,
    ngx_http_core_main_conf_t, ngx_http_handler_pt,
    ngx_http_phases_NGX_HTTP_ACCESS_PHASE as ACCESS,
    ngx_http_phases_NGX_HTTP_PREACCESS_PHASE as PREACCESS,
    ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE as PRECONTENT, ngx_http_request_t, ngx_int_t,
    ngx_time, ngx_uint_t,
};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleMainConf as _, NgxHttpCoreModule};
use ngx::ngx_log_error;
use phantom_token_core::UnixTime;
use phantom_token_core::bearer::{self, OpaqueToken};
use phantom_token_core::cache::{Answer, Entry, Lookup};
use phantom_token_core::freshness;
use phantom_token_core::introspection::{self as answers, Verdict};
use phantom_token_core::jwt::Jwt;
use phantom_token_core::refusal::Refusal;

use crate::capture::Captured;
use crate::conf::{Guard, OnOptions, Protection};
use crate::grant::{self, grant};
use crate::nginx::WorkerCell;
use crate::nginx::request::{OutOfMemory, Request};
use crate::record::{CacheStatus, Record, State};
use crate::refusal::refuse;
use crate::worker::Worker;
use crate::{Module, introspection, log};

/// The status to return to NGINX's phase engine.
type Step = Result<ngx_int_t, OutOfMemory>;

/// Where a JWT is copied to from the cache, used again and again.
static JWT: WorkerCell<Vec<u8>> = WorkerCell::new(Vec::new());

const AGAIN: ngx_int_t = NGX_AGAIN as ngx_int_t;
const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;

/// Puts the handlers into NGINX's phases.
///
/// # Safety
///
/// `cf` is the parser that a module's `postconfiguration` was called with.
pub unsafe fn register(cf: *mut ngx_conf_t) -> Option<()> {
    // SAFETY: the caller's parser is live.
    let core: &mut ngx_http_core_main_conf_t =
        NgxHttpCoreModule::main_conf_mut(unsafe { cf.as_ref() }?)?;
    let handlers: [(u32, ngx_http_handler_pt); 3] = [
        (PREACCESS, Some(of_subrequest)),
        (ACCESS, Some(of_main_request)),
        (PRECONTENT, Some(before_content)),
    ];
    for (phase, handler) in handlers {
        let phase = core.phases.get_mut(usize::try_from(phase).ok()?)?;
        // SAFETY: a phase has an array of handlers.
        unsafe { ngx_array_push(&mut phase.handlers).cast::<ngx_http_handler_pt>().as_mut() }?
            .clone_from(&handler);
    }
    Some(())
}

/// The access phase, which NGINX has for main requests only.
unsafe extern "C" fn of_main_request(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    unsafe { Request::new(r) }.map_or(DECLINED, check)
}

/// Subrequests, of SSI or `mirror` for example, skip the access phase. One that leads into a
/// protected location from a request without a grant is checked by itself.
unsafe extern "C" fn of_subrequest(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    let Some(request) = (unsafe { Request::new(r) }) else {
        return DECLINED;
    };
    if request.is_main() {
        return DECLINED;
    }
    if introspection::capture_of(&request).is_some() {
        return check_introspection(request);
    }
    // The access phase goes on to the next one after a grant; in this phase the next handler is
    // to have its turn.
    match check(request) {
        code if code == NGX_OK as ngx_int_t => DECLINED,
        code => code,
    }
}

/// With `satisfy any`, another module may have let a request pass whose token was refused.
unsafe extern "C" fn before_content(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    let Some(request) = (unsafe { Request::new(r) }) else {
        return DECLINED;
    };
    let overruled = Record::in_location(&request).filter(|record| record.is_overruled());
    if overruled.is_some_and(Record::has_bearer_token) && grant::withhold_token(request).is_err() {
        return out_of_memory(request);
    }
    DECLINED
}

fn check_introspection(subrequest: Request) -> ngx_int_t {
    let conf = Module::location_conf(subrequest.raw());
    let Some(Protection::On(guard)) = conf.map(|conf| &conf.protection) else {
        return DECLINED;
    };
    if !introspection::is_astray(subrequest, guard) {
        return DECLINED;
    }
    log::astray(subrequest, guard);
    NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t
}

fn check(request: Request) -> ngx_int_t {
    let Some(conf) = Module::location_conf(request.raw()) else {
        return DECLINED;
    };
    let step = match &conf.protection {
        Protection::Off => return DECLINED,
        Protection::NotConfigured => Record::of_or_new(&request)
            .and_then(|record| refuse(request, record, None, &Refusal::NotConfigured)),
        Protection::On(guard) => check_guarded(request, guard),
    };
    step.unwrap_or_else(|OutOfMemory| out_of_memory(request))
}

fn out_of_memory(request: Request) -> ngx_int_t {
    let location = request.location_name();
    ngx_log_error!(
        NGX_LOG_ERR,
        request.log(),
        "phantom_token: out of memory or subrequests in location \"{}\"",
        location
    );
    NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t
}

fn check_guarded(request: Request, guard: &Guard) -> Step {
    let inherited = Record::inherited(&request);
    if inherited.is_some_and(|record| record.is_granted_for(guard)) {
        return Ok(NGX_OK as ngx_int_t);
    }
    let record = Record::of_or_new(&request)?;
    if let State::Introspecting = record.state.get() {
        return match record.capture.take() {
            None => Ok(AGAIN),
            Some(captured) => conclude(request, record, guard, &captured),
        };
    }
    if let Some(step) = record.decided(guard) {
        return Ok(step);
    }
    if request.has_second_authorization() {
        return Ok(NGX_HTTP_BAD_REQUEST as ngx_int_t);
    }
    record.profile.set(Some(guard.profile));
    if request.raw().method == NGX_HTTP_OPTIONS as ngx_uint_t && guard.options != OnOptions::Check {
        return options(request, record, guard);
    }
    match bearer::parse(record.authorization()) {
        Ok(token) => exchange(request, record, guard, token),
        Err(error) => refuse(request, record, Some(guard), &error.into()),
    }
}

/// A preflight request never has a token (Fetch standard, section 4.8).
fn options(request: Request, record: &Record, guard: &Guard) -> Step {
    if guard.options == OnOptions::Reply {
        record.state.set(State::Options(NGX_HTTP_NO_CONTENT as ngx_int_t));
        return Ok(NGX_HTTP_NO_CONTENT as ngx_int_t);
    }
    if record.has_bearer_token() {
        grant::withhold_token(request)?;
    }
    record.state.set(State::Options(DECLINED));
    Ok(DECLINED)
}

/// Gets the JWT for a token from the cache, or asks for it.
fn exchange(request: Request, record: &Record, guard: &Guard, token: OpaqueToken<'_>) -> Step {
    if let Some(zone) = guard.zone() {
        let mut jwt = JWT.take();
        let key = zone.key(token.as_bytes(), guard.profile);
        let found = zone.lookup(&Worker, &key, now(), &mut jwt);
        let step = use_cached(request, record, guard, found, &jwt);
        JWT.set(jwt);
        if let Some(step) = step {
            return step;
        }
        record.generation.set(zone.generation());
    } else if guard.lost_its_cache() {
        log::no_cache(request);
    }
    record.asked.set(now());
    introspection::start(request, record, guard, token)?;
    record.state.set(State::Introspecting);
    Ok(AGAIN)
}

fn use_cached(
    request: Request,
    record: &Record,
    guard: &Guard,
    found: Lookup,
    jwt: &[u8],
) -> Option<Step> {
    let (status, step) = match found {
        Lookup::Fresh { .. } => (CacheStatus::Hit, Some(grant(request, record, jwt))),
        Lookup::Inactive { .. } => {
            (CacheStatus::Hit, Some(refuse(request, record, Some(guard), &Refusal::InactiveToken)))
        }
        Lookup::Expired | Lookup::Stale { .. } => (CacheStatus::Expired, None),
        Lookup::Miss => (CacheStatus::Miss, None),
    };
    record.cache_status.set(Some(status));
    step
}

/// Reads the authorization server's answer.
fn conclude(request: Request, record: &Record, guard: &Guard, captured: &Captured) -> Step {
    let answer = answers::Answer {
        status: captured.head.status,
        headers: &captured.head.headers,
        body: captured.body(),
    };
    let refusal = match answers::interpret(&answer, &guard.jwt_members, now()) {
        Ok(Verdict::Active(jwt)) => {
            store(request, record, guard, captured, &jwt);
            return grant(request, record, jwt.as_bytes());
        }
        Ok(Verdict::Inactive) => Refusal::InactiveToken,
        Ok(Verdict::Expired) => Refusal::ExpiredToken,
        Err(failure) => failure.into(),
    };
    refuse(request, record, Some(guard), &refusal)
}

/// Keeps a JWT for as long as its answer allows, counted from the question.
fn store(request: Request, record: &Record, guard: &Guard, captured: &Captured, jwt: &Jwt<'_>) {
    let (Some(zone), Ok(token)) = (guard.zone(), bearer::parse(record.authorization())) else {
        return;
    };
    let head = &captured.head;
    let asked = record.asked.get();
    let fresh_until = freshness::fresh_until(
        &head.headers,
        &guard.freshness,
        jwt.expires(),
        head.valid_until,
        asked,
    );
    let Some(fresh_until) = fresh_until else {
        return;
    };
    let entry = Entry {
        answer: Answer::Active(jwt.as_bytes()),
        fresh_until,
        stale_until: fresh_until,
        expires: jwt.expires(),
        generation: record.generation.get(),
    };
    let key = zone.key(token.as_bytes(), guard.profile);
    if let Err(error) = zone.insert(&Worker, &key, entry, now()) {
        log::not_stored(request, &key, &error);
    }
}

fn now() -> UnixTime {
    UnixTime(u64::try_from(ngx_time()).unwrap_or_default())
}
