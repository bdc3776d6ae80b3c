//! Answers the client when its request does not go to the API.
//!
//! The access handler only returns a status. NGINX makes its own response of it, which keeps
//! `satisfy any`, `auth_delay`, `error_page`, HEAD and the request's body what they are for
//! `auth_request`; the filters here give NGINX's error page its JSON form.

use nginx_sys::{ngx_chain_t, ngx_int_t};
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
    log::refusal(request, refusal);
    if let Some(guard) = guard {
        guard.count_refusal(refusal);
    }
    if let Some(challenge) = guard.and_then(|guard| guard.challenge.value(refusal)) {
        let header = set_header(request, record.challenge.get(), &WWW_AUTHENTICATE, challenge)?;
        request.headers_out().set_www_authenticate(header);
        record.challenge.set(Some(header));
    }
    if let Some(retry_after) = refusal.retry_after() {
        let header =
            set_header(request, record.retry_after.get(), &RETRY_AFTER, retry_after.as_bytes())?;
        record.retry_after.set(Some(header));
    }
    let status = ngx_int_t::try_from(refusal.status().as_u16()).unwrap_or_default();
    record.state.set(State::Refused(Refused {
        status,
        body: refusal.body(),
        result: refusal.result(),
    }));
    Ok(status)
}

/// Sets a header of the answer, which another refusal of the request may have set before.
fn set_header(
    request: Request,
    header: Option<Header>,
    name: &'static Name,
    value: &[u8],
) -> Result<Header, OutOfMemory> {
    let value = request.join(&[value])?;
    let Some(header) = header else {
        return request.headers_out().push(name, value);
    };
    header.set_value(value);
    header.restore();
    Ok(header)
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
    if !record.no_store.replace(true) {
        request.headers_out().push(&CACHE_CONTROL, nginx::string(b"no-store"))?;
    }
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
    buffers::single(request, body, true).map(Some)
}

/// Whether the response is NGINX's own page for the status that we returned. A redirect to an error
/// page would have cleared the context.
fn is_built_in_page(request: &Request, status: ngx_int_t) -> bool {
    Record::in_location(request).is_some()
        && ngx_int_t::try_from(request.raw().err_status) == Ok(status)
}
