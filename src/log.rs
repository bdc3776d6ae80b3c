//! What the error log says.

use nginx_sys::{NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_WARN, ngx_log_t};
use ngx::ngx_log_error;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{CacheKey, InsertError};
use phantom_token_core::freshness::{NotStored, Remedy};
use phantom_token_core::refusal::Refusal;

use crate::conf::location::LocationConf;
use crate::nginx::request::Request;
use crate::nginx::{self, WorkerCell, location};
use crate::protection::Protection;
use crate::worker::now;

/// One line for a refused request. NGINX adds the client, the server and the request.
pub fn refusal(request: Request, protection: Option<&Protection>, refusal: &Refusal) {
    let level = level(refusal);
    set_action(request.log());
    ngx_log_error!(
        level,
        request.log(),
        "phantom_token: refused in location \"{}\": {}",
        request.location_name(),
        refusal.reason(protection.map(|protection| protection.question.asked()))
    );
}

/// A request that could not be handled.
#[cold]
pub fn out_of_memory(request: Request) {
    ngx_log_error!(
        NGX_LOG_ERR,
        request.log(),
        "phantom_token: out of memory, or too many subrequests, in location \"{}\"",
        request.location_name()
    );
}

/// A request that NGINX refuses itself, and that comes in by its error page for that.
#[cold]
pub fn second_authorization(request: Request) {
    ngx_log_error!(
        NGX_LOG_INFO,
        request.log(),
        "phantom_token: refused in location \"{}\": the request has two Authorization headers",
        request.location_name()
    );
}

/// The endpoint's name leads somewhere else.
#[cold]
pub fn astray(subrequest: Request, endpoint: &[u8]) {
    ngx_log_error!(
        NGX_LOG_ERR,
        subrequest.log(),
        "phantom_token: introspection endpoint \"{}\" leads to location \"{}\": declare a location of \
         that name, with \"internal\", and let no \"rewrite\" lead out of it",
        String::from_utf8_lossy(endpoint),
        subrequest.location_name()
    );
}

/// A page that is meant for clients, or a place that the authorization server chose.
#[cold]
pub fn astray_copy(subrequest: Request) {
    ngx_log_error!(
        NGX_LOG_ERR,
        subrequest.log(),
        "phantom_token: an introspection that renews the proxy_cache of its location was redirected to \
         location \"{}\", and is not sent there",
        subrequest.location_name()
    );
}

/// A client that got into an introspection location.
#[cold]
pub fn client_in_endpoint(request: Request) {
    let mend = if request.core_location().is_some_and(location::is_internal) {
        "let no \"rewrite\", \"error_page\", \"try_files\", \"mirror\", SSI or X-Accel-Redirect lead there"
    } else {
        "add \"internal\" to it"
    };
    ngx_log_error!(
        NGX_LOG_ERR,
        request.log(),
        "phantom_token: a request of a client is refused in introspection location \"{}\": {}",
        request.location_name(),
        mend
    );
}

/// Clients can ask the authorization server through the introspection location, with its credential.
/// The administrator may want that, with `allow` and `deny`, so a worker says it once of a location.
#[cold]
pub fn not_internal(subrequest: Request, conf: &LocationConf, endpoint: &[u8]) {
    if conf.has_warned_of_clients.replace(true) {
        return;
    }
    ngx_log_error!(
        NGX_LOG_WARN,
        subrequest.log(),
        "phantom_token: introspection endpoint \"{0}\" leads to location \"{1}\", which is open to \
         clients, too: declare \"location = {0}\" with \"internal\"",
        String::from_utf8_lossy(endpoint),
        subrequest.location_name()
    );
}

/// The authorization server must not choose who gets the token.
#[cold]
pub fn redirected(subrequest: Request) {
    ngx_log_error!(
        NGX_LOG_ERR,
        subrequest.log(),
        "phantom_token: the authorization server sent X-Accel-Redirect to location \"{}\": set \
         proxy_ignore_headers X-Accel-Redirect in the introspection location",
        subrequest.location_name()
    );
}

/// An answer that did not go into the cache. One that is too large for the zone will be so each time,
/// so this is said once a minute.
pub fn not_stored(log: *mut ngx_log_t, key: &CacheKey, error: &InsertError) {
    if matches!(error, InsertError::Expired | InsertError::Outdated) || !is_due(&NOT_STORED, MINUTE)
    {
        return;
    }
    let key = key.log_prefix();
    set_action(log);
    ngx_log_error!(
        NGX_LOG_WARN,
        log,
        "phantom_token: the answer for key {} is not cached: {}",
        key,
        error
    );
}

/// An answer that must not be stored, as those of its kind. A location where nothing is ever cached
/// works, so this is said once an hour.
pub fn not_storable(
    log: *mut ngx_log_t,
    protection: &Protection,
    reason: NotStored,
    remedy: impl FnOnce() -> Option<Remedy>,
) {
    if !is_due(&protection.not_storable_said, HOUR) {
        return;
    }
    set_action(log);
    let remedy = remedy().map(|remedy| format!(": to cache it, set {remedy}")).unwrap_or_default();
    ngx_log_error!(
        NGX_LOG_WARN,
        log,
        "phantom_token: an introspection answer is not cached in location \"{}\", since {}{}",
        protection.location,
        reason,
        remedy
    );
}

/// A client was served although introspection failed.
pub fn served_stale(request: Request, protection: &Protection, refusal: &Refusal) {
    ngx_log_error!(
        NGX_LOG_WARN,
        request.log(),
        "phantom_token: served a stale JWT in location \"{}\": {}",
        request.location_name(),
        refusal.reason(Some(protection.question.asked()))
    );
}

/// A JWT in use could not be renewed.
pub fn renewal_failed(request: Request, protection: &Protection, refusal: &Refusal) {
    ngx_log_error!(
        NGX_LOG_WARN,
        request.log(),
        "phantom_token: not renewed in the background for location \"{}\": {}",
        protection.location,
        refusal.reason(Some(protection.question.asked()))
    );
}

/// A location does without its cache, whose zone could not be used.
#[cold]
pub fn no_cache(request: Request) {
    if !is_due(&NO_CACHE, MINUTE) {
        return;
    }
    ngx_log_error!(
        NGX_LOG_WARN,
        request.log(),
        "phantom_token: no cache in location \"{}\", its zone could not be used",
        request.location_name()
    );
}

static NOT_STORED: WorkerCell<UnixTime> = WorkerCell::new(UnixTime(0));
static NO_CACHE: WorkerCell<UnixTime> = WorkerCell::new(UnixTime(0));
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

fn is_due(last: &WorkerCell<UnixTime>, seconds: u64) -> bool {
    let now = now();
    let due = last.get().is_over(seconds, now);
    if due {
        last.set(now);
    }
    due
}

/// What NGINX says that it was doing, behind "while". After a proxied introspection it would be
/// "sending to client", which ends the sentence badly.
fn set_action(log: *mut ngx_log_t) {
    nginx::set_log_action(log, c"checking the token");
}

/// What an operator can mend is an error. A refused client alone is none, nor is one that a limit of the
/// operator's keeps out.
fn level(refusal: &Refusal) -> u32 {
    match refusal {
        Refusal::IntrospectionFailed(failure) if failure.is_by_limit() => NGX_LOG_INFO,
        _ if refusal.status().is_client_error() => NGX_LOG_INFO,
        _ => NGX_LOG_ERR,
    }
}
