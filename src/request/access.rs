//! Decides on a request: whether it needs a token, whether it has one, and what comes of it.

use nginx_sys::{NGX_HTTP_OPTIONS, ngx_int_t, ngx_uint_t};
use phantom_token_core::outcome::Outcome;
use phantom_token_core::refusal::Refusal;

use crate::conf::location::Access;
use crate::conf::values::OnOptions;
use crate::introspect::subrequest;
use crate::log;
use crate::module::Module;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::protection::{Profiles, Protection};
use crate::request::authorization;
use crate::request::context::{Context, State};
use crate::request::flow::{self, Step};
use crate::request::refusal::{self, refuse};

/// Checks a request in its location. It is called again when what it waits for may be there.
pub fn check(request: Request) -> ngx_int_t {
    let Some(conf) = Module::location_of(&request) else {
        return rc::INTERNAL_SERVER_ERROR;
    };
    let step = match &conf.access {
        Access::Open => return rc::DECLINED,
        Access::NotConfigured => Context::of_or_new(&request)
            .and_then(|context| refuse(request, &context, None, &Refusal::NotConfigured)),
        Access::Protected(protection) => check_token(request, protection),
        Access::Endpoint(_) if !subrequest::may_enter_endpoint(request) => {
            return keep_out_of_endpoint(request);
        }
        Access::Endpoint(None) => return rc::DECLINED,
        Access::Endpoint(Some(protection)) => check_token(request, protection),
    };
    step.unwrap_or_else(|OutOfMemory| out_of_memory(request))
}

#[cold]
#[inline(never)]
fn out_of_memory(request: Request) -> ngx_int_t {
    log::out_of_memory(request);
    undecided(request, rc::INTERNAL_SERVER_ERROR)
}

fn check_token(request: Request, protection: &Protection) -> Step {
    if !request.is_main() && inherits_grant(request, protection)? {
        return flow::keep_grant(request, protection);
    }
    let context = &*Context::of_or_new(&request)?;
    if let State::Introspecting(_) | State::Waiting(_) = context.state() {
        return flow::resume(request, context, protection);
    }
    let Profiles { question, answer } = protection.profiles(request)?;
    match context.decided(question) {
        Some(State::Granted(_)) => return flow::keep_grant(request, protection),
        Some(State::Refused(refused)) => return refusal::repeat(request, context, refused),
        _ if request.is_error_page() => {
            if let Some(step) = keep_decision(request, context) {
                return step;
            }
        }
        _ => {}
    }
    // Where a redirect has led, another module may have added one since.
    if context.has_second_authorization()
        || request.is_internal() && request.has_second_authorization()
    {
        log::second_authorization(request);
        return Ok(undecided(request, rc::BAD_REQUEST));
    }
    context.begin(question);
    if request.raw().method == NGX_HTTP_OPTIONS as ngx_uint_t
        && protection.options != OnOptions::Check
    {
        return options(request, context, protection);
    }
    flow::start(request, context, protection, answer)
}

/// Whether a subrequest goes on with the JWT of the request that it was made by. One with a context was
/// authenticated by itself, and has its own Authorization.
#[inline(never)]
fn inherits_grant(request: Request, protection: &Protection) -> Result<bool, OutOfMemory> {
    if Context::of(&request).is_some() {
        return Ok(false);
    }
    let Some(inherited) = Context::inherited(&request) else {
        return Ok(false);
    };
    Ok(inherited.is_granted_for(protection.profiles(request)?.question))
}

/// A page for an error has the status of that error, and decides nothing anew: who answers for the page's
/// location would be asked about a token that is not his. A refusal stays as it was. A granted request gets
/// the error without the page.
#[cold]
fn keep_decision(request: Request, context: &Context) -> Option<Step> {
    match context.state() {
        State::Refused(refused) | State::Overruled(refused) => {
            Some(refusal::repeat(request, context, refused))
        }
        State::Granted(_) if request.error_status() >= rc::BAD_REQUEST => {
            Some(Ok(undecided(request, request.error_status())))
        }
        State::Granted(_)
        | State::New
        | State::Introspecting(_)
        | State::Waiting(_)
        | State::Options => None,
    }
}

/// A preflight request never has a token (Fetch standard, section 4.8).
fn options(request: Request, context: &Context, protection: &Protection) -> Step {
    protection.count(Outcome::Options);
    context.let_options_pass();
    authorization::withhold_token(request)?;
    match protection.options {
        OnOptions::Reply => Ok(rc::NO_CONTENT),
        OnOptions::Pass | OnOptions::Check => Ok(rc::DECLINED),
    }
}

/// Checks a request that the access phase has let pass: this module, or another one against it.
pub fn check_passed(request: Request) -> ngx_int_t {
    match Module::location_of(&request).map(|conf| &conf.access) {
        Some(Access::Protected(_)) => {}
        Some(Access::Endpoint(_)) => return keep_out_of_endpoint(request),
        _ => return rc::DECLINED,
    }
    match Context::of(&request) {
        Some(context) => match context.state() {
            State::Refused(_) => overrule(request, &context),
            _ => rc::DECLINED,
        },
        None => pass_unasked(request),
    }
}

/// Another module has let the request pass before this one was asked.
#[cold]
#[inline(never)]
fn pass_unasked(request: Request) -> ngx_int_t {
    withheld(request, authorization::withhold_opaque_token(request))
}

#[cold]
fn overrule(request: Request, context: &Context) -> ngx_int_t {
    context.overrule();
    context.fields().take_challenge_back(request);
    withheld(request, authorization::withhold_token(request))
}

/// A request that was refused goes to its error page without its token, as does one whose client went
/// away before anything was decided to its `post_action`.
pub fn withhold_after_redirect(request: Request) -> ngx_int_t {
    let Some(context) = Context::of(&request) else {
        return rc::DECLINED;
    };
    context.stop_waiting();
    match context.state() {
        State::New | State::Refused(_) => withheld(request, authorization::withhold_token(request)),
        _ => rc::DECLINED,
    }
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
    match withheld(request, authorization::withhold_token(request)) {
        code if code == rc::DECLINED => status,
        code => code,
    }
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
