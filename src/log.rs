//! What the error log says.

use nginx_sys::{NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_WARN, ngx_time, time_t};
use ngx::ngx_log_error;
use phantom_token_core::cache::{CacheKey, InsertError};
use phantom_token_core::refusal::{Refusal, Severity};

use crate::conf::Guard;
use crate::nginx::WorkerCell;
use crate::nginx::request::Request;

/// One line for a refused request. NGINX adds the client, the server and the request.
pub fn refusal(request: Request, refusal: &Refusal) {
    let level = match refusal.severity() {
        Severity::Error => NGX_LOG_ERR,
        Severity::Warn => NGX_LOG_WARN,
        Severity::Info => NGX_LOG_INFO,
    };
    let location = request.location_name();
    ngx_log_error!(
        level,
        request.log(),
        "phantom_token: refused in location \"{}\": {}",
        location,
        refusal
    );
}

/// The endpoint's name leads somewhere else.
pub fn astray(subrequest: Request, guard: &Guard) {
    let endpoint = String::from_utf8_lossy(&guard.endpoint);
    ngx_log_error!(
        NGX_LOG_ERR,
        subrequest.log(),
        "phantom_token: introspection endpoint \"{}\" leads to location \"{}\", which is itself protected: \
         declare a location of that name, with \"internal\"",
        endpoint,
        subrequest.location_name()
    );
}

/// A JWT that did not go into the cache. One that is too large for the zone will be so each time,
/// so this is said once a minute.
pub fn not_stored(request: Request, key: &CacheKey, error: &InsertError) {
    let level = match error {
        InsertError::TooLarge { .. } | InsertError::Busy | InsertError::Corrupt => NGX_LOG_WARN,
        InsertError::Expired | InsertError::Purged => return,
    };
    if !is_due(&NOT_STORED) {
        return;
    }
    let location = request.location_name();
    let key = key.log_prefix();
    ngx_log_error!(
        level,
        request.log(),
        "phantom_token: not cached in location \"{}\", key {}: {}",
        location,
        key,
        error
    );
}

/// A location does without its cache, whose zone could not be used.
pub fn no_cache(request: Request) {
    if !is_due(&NO_CACHE) {
        return;
    }
    let location = request.location_name();
    ngx_log_error!(
        NGX_LOG_WARN,
        request.log(),
        "phantom_token: no cache in location \"{}\", its zone could not be used",
        location
    );
}

static NOT_STORED: WorkerCell<time_t> = WorkerCell::new(0);
static NO_CACHE: WorkerCell<time_t> = WorkerCell::new(0);

fn is_due(last: &WorkerCell<time_t>) -> bool {
    let now = ngx_time();
    let due = now.saturating_sub(last.get()) >= 60;
    if due {
        last.set(now);
    }
    due
}
