//! Answers the client when its request does not go to the API.
//!
//! The access handler only returns a status. NGINX makes its own response of it, which keeps
//! `satisfy any`, `auth_delay`, `error_page`, HEAD and the request's body what they are for
//! `auth_request`; the filters here give NGINX's error page its JSON form.

use core::cell::Cell;

use http::StatusCode;
use nginx_sys::{ngx_chain_t, ngx_int_t, ngx_str_t};
use phantom_token_core::refusal::Refusal;

use crate::guard::Guard;
use crate::nginx::buffers::{self, Chain};
use crate::nginx::headers::{CACHE_CONTROL, Header, Name, RETRY_AFTER, WWW_AUTHENTICATE};
use crate::nginx::request::{OutOfMemory, Request};
use crate::record::{Record, Refused, State};
use crate::{log, nginx};

/// Refuses a request; the result is the status to return to NGINX.
///
/// # Errors
///
/// The request's memory is used up.
pub fn refuse(
    request: Request,
    record: &Record,
    guard: Option<&Guard>,
    refusal: &Refusal,
) -> Result<ngx_int_t, OutOfMemory> {
    log::refusal(request, guard, refusal);
    let result = refusal.counter();
    if let Some(guard) = guard {
        guard.count_result(result, record);
    }
    let join = |value: &[u8]| request.join(&[value]);
    // The guard lives as long as the configuration, which outlives its requests.
    let challenge = guard.and_then(|guard| guard.challenge.value(refusal)).map(nginx::string);
    let refused = Refused {
        status: refusal.status(),
        challenge,
        retry_after: refusal.retry_after().map(|value| join(value.as_bytes())).transpose()?,
        body: refusal.body(),
        result,
    };
    repeat(request, record, refused)
}

/// Refuses a request as it was refused before an internal redirect.
///
/// # Errors
///
/// The request's memory is used up.
pub fn repeat(
    request: Request,
    record: &Record,
    refused: Refused,
) -> Result<ngx_int_t, OutOfMemory> {
    if let Some(challenge) = refused.challenge {
        set_header(request, &record.challenge, &WWW_AUTHENTICATE, challenge)?;
    }
    if let Some(challenge) = present_challenge(request, record) {
        request.headers_out().set_www_authenticate(challenge);
    }
    if let Some(retry_after) = refused.retry_after {
        set_header(request, &record.retry_after, &RETRY_AFTER, retry_after)?;
    }
    record.state.set(State::Refused(refused));
    Ok(ngx_int_t::try_from(refused.status.as_u16()).unwrap_or_default())
}

/// Sets a header of the answer. An earlier refusal of the request may have set it, and NGINX may
/// have thrown all headers away since.
fn set_header(
    request: Request,
    place: &Cell<Option<Header>>,
    name: &'static Name,
    value: ngx_str_t,
) -> Result<(), OutOfMemory> {
    match place.get().filter(|header| request.headers_out().has(*header, name)) {
        Some(header) => {
            header.set_value(value);
            header.restore();
        }
        None => place.set(Some(request.headers_out().push(name, value)?)),
    }
    Ok(())
}

/// Takes the challenge of a refusal back that another module has overruled.
pub fn take_challenge_back(request: Request, record: &Record) {
    if let Some(challenge) = present_challenge(request, record) {
        challenge.take_back();
    }
}

fn present_challenge(request: Request, record: &Record) -> Option<Header> {
    record.challenge.get().filter(|header| request.headers_out().has(*header, &WWW_AUTHENTICATE))
}

/// Gives the header of a refused request's response what is ours.
///
/// # Errors
///
/// The request's memory is used up.
pub fn rewrite_header(mut request: Request) -> Result<(), OutOfMemory> {
    let this = request;
    let Some(record) = Record::of(&this) else {
        return Ok(());
    };
    let State::Refused(refused) = record.state.get() else {
        return Ok(());
    };
    set_header(request, &record.no_store, &CACHE_CONTROL, nginx::string(b"no-store"))?;
    if !is_built_in_page(&request, refused.status) {
        return Ok(());
    }
    let json = nginx::string(b"application/json");
    let out = &mut request.raw_mut().headers_out;
    out.content_type = json;
    out.content_type_len = json.len;
    out.content_type_lowcase = core::ptr::null_mut();
    out.content_length_n = i64::try_from(refused.body.len()).unwrap_or_default();
    record.body.set(Some(refused.body));
    Ok(())
}

/// The body in place of the page that NGINX sends, once.
///
/// # Errors
///
/// The request's memory is used up.
pub fn replace_body(
    request: Request,
    page: Chain,
) -> Result<Option<*mut ngx_chain_t>, OutOfMemory> {
    let Some(body) = Record::in_location(&request).and_then(|record| record.body.take()) else {
        return Ok(None);
    };
    page.buffers().for_each(drop);
    buffers::single(request, body).map(Some)
}

/// Whether the response is NGINX's own page for the status that we returned. A redirect to an error
/// page would have cleared the context.
fn is_built_in_page(request: &Request, status: StatusCode) -> bool {
    Record::in_location(request).is_some()
        && request.raw().err_status == usize::from(status.as_u16())
}
