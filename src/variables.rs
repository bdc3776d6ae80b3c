//! The variables of the module.

use nginx_sys::ngx_conf_t;
use phantom_token_core::outcome::{CacheStatus, Outcome};

use crate::nginx::handlers::{Variable, add_variable};
use crate::nginx::lasting::Lasting;
use crate::nginx::request::Request;
use crate::request::authorization::BEARER;
use crate::request::context::{Context, State};

/// Adds the variables to a configuration.
pub fn register(cf: &mut ngx_conf_t) -> Option<()> {
    add_variable::<Status>(cf, "phantom_token_cache_status")?;
    add_variable::<RequestResult>(cf, "phantom_token_result")?;
    add_variable::<Jwt>(cf, "phantom_token_jwt")
}

/// `$phantom_token_cache_status`
struct Status;

impl Variable for Status {
    fn value(request: Request) -> Option<Lasting<[u8]>> {
        let status = context(&request)?.flow().status();
        status.map(CacheStatus::as_str).map(literal)
    }
}

/// `$phantom_token_result`
struct RequestResult;

impl Variable for RequestResult {
    fn value(request: Request) -> Option<Lasting<[u8]>> {
        let outcome = match context(&request)?.state() {
            State::New | State::Introspecting(_) | State::Waiting(_) => return None,
            State::Granted(_) => Outcome::Granted,
            State::Refused(refused) | State::Overruled(refused) => refused.outcome,
            State::Options => Outcome::Options,
        };
        Some(literal(outcome.name()))
    }
}

/// `$phantom_token_jwt`
struct Jwt;

impl Variable for Jwt {
    fn value(request: Request) -> Option<Lasting<[u8]>> {
        match context(&request)?.state() {
            State::Granted(authorization) => authorization.behind(BEARER),
            _ => None,
        }
    }
}

/// A subrequest without a context of its own shows that of the request it was made by.
fn context(request: &Request) -> Option<Lasting<Context>> {
    Context::of(request).or_else(|| Context::inherited(request))
}

fn literal(text: &'static str) -> Lasting<[u8]> {
    Lasting::of_static(text.as_bytes())
}
