//! Answers the client when its request does not go to the API.
//!
//! The access handler only returns a status. NGINX makes its own response of it, which keeps
//! `satisfy any`, `auth_delay`, `error_page`, HEAD and the request's body what they are for
//! `auth_request`; the filters here give NGINX's error page its JSON form.

use http::StatusCode;
use nginx_sys::ngx_int_t;
use phantom_token_core::refusal::Refusal;

use crate::nginx::buffers::Chain;
use crate::nginx::lasting::Lasting;
use crate::nginx::request::{OutOfMemory, Request};
use crate::protection::Protection;
use crate::request::context::{Context, State};
use crate::request::fields::Refused;
use crate::{log, nginx};

/// Refuses a request; the result is the status to return to NGINX.
///
/// # Errors
///
/// The request's memory is used up.
pub fn refuse(
    request: Request,
    context: &Context,
    protection: Option<&Protection>,
    refusal: &Refusal,
) -> Result<ngx_int_t, OutOfMemory> {
    log::refusal(request, protection, refusal);
    let outcome = refusal.outcome();
    if let Some(protection) = protection {
        protection.count_result(outcome, context.flow().status());
    }
    let challenge = protection.and_then(|protection| protection.challenge.value(refusal));
    let refused = Refused {
        status: refusal.status(),
        // SAFETY: the protection lives as long as the configuration, which outlives its requests.
        challenge: challenge.map(|value| unsafe { Lasting::new(value) }),
        retry_after: refusal
            .retry_after()
            .map(|value| request.join(&[value.as_bytes()]))
            .transpose()?,
        body: refusal.body(),
        outcome,
    };
    repeat(request, context, refused)
}

/// Refuses a request as it was refused before an internal redirect.
///
/// # Errors
///
/// The request's memory is used up.
pub fn repeat(
    request: Request,
    context: &Context,
    refused: Refused,
) -> Result<ngx_int_t, OutOfMemory> {
    context.fields().set(request, &refused)?;
    context.refuse(refused);
    Ok(ngx_int_t::try_from(refused.status.as_u16()).unwrap_or_default())
}

/// Gives the header of a refused request's response what is ours.
///
/// # Errors
///
/// The request's memory is used up.
pub fn rewrite_header(mut request: Request) -> Result<(), OutOfMemory> {
    let Some(context) = Context::of(&request) else {
        return Ok(());
    };
    let State::Refused(refused) = context.state() else {
        return Ok(());
    };
    context.fields().set_no_store(request)?;
    if !is_built_in_page(&request, refused.status) {
        return Ok(());
    }
    let json = nginx::string(b"application/json");
    let out = &mut request.raw_mut().headers_out;
    out.content_type = json;
    out.content_type_len = json.len;
    out.content_type_lowcase = core::ptr::null_mut();
    out.content_length_n = i64::try_from(refused.body.len()).unwrap_or_default();
    context.fields().keep_body(refused.body);
    Ok(())
}

/// The body in place of the page that NGINX sends, once.
///
/// # Errors
///
/// The request's memory is used up.
pub fn replace_body(request: Request, page: Chain) -> Result<Chain, OutOfMemory> {
    let body = Context::in_location(&request).and_then(|context| context.fields().take_body());
    let Some(body) = body else {
        return Ok(page);
    };
    page.buffers().for_each(drop);
    Chain::over(request, Lasting::of_static(body), true)
}

/// Whether the response is NGINX's own page for the status that we returned. A redirect to an error
/// page would have cleared the context.
fn is_built_in_page(request: &Request, status: StatusCode) -> bool {
    Context::in_location(request).is_some()
        && request.raw().err_status == usize::from(status.as_u16())
}
