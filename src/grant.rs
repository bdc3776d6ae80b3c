//! Lets a request go on with the JWT in place of the token.

use nginx_sys::{ngx_int_t, ngx_str_t};
use phantom_token_core::bearer::{self, TokenSyntax};
use phantom_token_core::cache::Counter;
use phantom_token_core::jwt::Jwt;

use crate::guard::Guard;
use crate::nginx::bits::variable_value::{NOT_FOUND, VALID};
use crate::nginx::headers::HeadersIn;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{self, variables};
use crate::record::{Record, State};

/// The scheme that is put before a JWT.
pub const BEARER: &[u8] = b"Bearer ";

/// Grants a request: from here on its Authorization is `Bearer`, a space and the JWT.
///
/// # Errors
///
/// The request's memory is used up.
pub fn grant(
    request: Request,
    record: &Record,
    guard: &Guard,
    jwt: &[u8],
) -> Result<ngx_int_t, OutOfMemory> {
    let authorization = request.join(&[BEARER, jwt])?;
    replace_authorization(request, authorization)?;
    record.state.set(State::Granted(authorization));
    guard.count_result(Counter::Granted, record);
    Ok(rc::OK)
}

/// Takes whatever the client sent as a bearer token out of a request that goes on without a grant.
///
/// # Errors
///
/// The request's memory is used up.
pub fn withhold_token(request: Request) -> Result<(), OutOfMemory> {
    let is_there = authorization(&request).is_some_and(bearer::is_hinted_at);
    match is_there || request.has_second_authorization() {
        true => remove_authorization(request),
        false => Ok(()),
    }
}

/// As [`withhold_token`], but for a JWT, which is not of our kind: another module, of which we do
/// not know, may have accepted it.
///
/// # Errors
///
/// The request's memory is used up.
pub fn withhold_opaque_token(request: Request) -> Result<(), OutOfMemory> {
    let token = bearer::parse(authorization(&request), TokenSyntax::B64token);
    if token.is_ok_and(|token| Jwt::parse(token.as_bytes()).is_ok()) {
        return Ok(());
    }
    withhold_token(request)
}

fn authorization(request: &Request) -> Option<&[u8]> {
    // SAFETY: the value lives as long as the request.
    request.authorization_value().map(|value| unsafe { nginx::bytes(value) })
}

fn remove_authorization(request: Request) -> Result<(), OutOfMemory> {
    HeadersIn::copy_with_authorization(request, None)?;
    forget_variable(request, shares_headers(request))
}

fn replace_authorization(request: Request, value: ngx_str_t) -> Result<(), OutOfMemory> {
    let is_shared = shares_headers(request);
    if is_shared {
        HeadersIn::copy_with_authorization(request, Some(value))?;
    } else {
        HeadersIn::set_authorization(request, value)?;
    }
    forget_variable(request, is_shared)
}

/// Whether the headers of a request may be those of others, too, to whom they go as they are: those of
/// a subrequest are its main request's, and a main request that comes from a redirect may have made
/// subrequests where it was before.
fn shares_headers(request: Request) -> bool {
    !request.is_main() || request.is_internal()
}

/// `$http_authorization` may have been read before, and NGINX remembers what it was then. Those that
/// share headers share that memory, unless one gets its own.
fn forget_variable(mut request: Request, is_shared: bool) -> Result<(), OutOfMemory> {
    if is_shared {
        request.raw_mut().variables = variables::copy(request)?;
    }
    let Some(index) = crate::variables::authorization_index(&request) else {
        return Ok(());
    };
    // SAFETY: NGINX gave us the index, and a request has a place for each indexed variable.
    unsafe {
        let variable = &mut *request.raw().variables.add(index);
        VALID.set(variable, 0);
        NOT_FOUND.set(variable, 0);
    }
    Ok(())
}
