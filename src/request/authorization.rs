//! The Authorization of a request: the token is taken out of it, and the JWT put in.

use phantom_token_core::admit::Admission;
use phantom_token_core::token::bearer::{self, TokenSyntax};
use phantom_token_core::token::jwt::Jwt;

use crate::module::Module;
use crate::nginx::headers::HeadersIn;
use crate::nginx::lasting::Lasting;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::variables;

/// The scheme that is put before a JWT.
pub const BEARER: &[u8] = b"Bearer ";

/// Gives a request that was admitted `Bearer`, a space and the JWT for its Authorization, which is the
/// result.
///
/// # Errors
///
/// The request's memory is used up.
pub fn put_jwt(request: Request, jwt: &[u8], _: Admission) -> Result<Lasting<[u8]>, OutOfMemory> {
    let authorization = request.join(&[BEARER, jwt])?;
    let is_shared = shares_headers(request);
    if is_shared {
        HeadersIn::copy_with_authorization(request, Some(authorization.string()))?;
    } else {
        HeadersIn::set_authorization(request, authorization.string())?;
    }
    forget_variable(request, is_shared)?;
    Ok(authorization)
}

/// Takes whatever the client sent as a bearer token out of a request that goes on without a grant.
///
/// # Errors
///
/// The request's memory is used up.
pub fn withhold_token(request: Request) -> Result<(), OutOfMemory> {
    let authorization = request.authorization();
    let is_there = authorization.is_some_and(|value| bearer::is_hinted_at(&value));
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
    let authorization = request.authorization();
    let token = bearer::parse(authorization.as_deref(), TokenSyntax::B64token);
    if token.is_ok_and(|token| Jwt::parse(token.as_bytes()).is_ok()) {
        return Ok(());
    }
    withhold_token(request)
}

fn remove_authorization(request: Request) -> Result<(), OutOfMemory> {
    HeadersIn::copy_with_authorization(request, None)?;
    forget_variable(request, shares_headers(request))
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
    if let Some(index) = Module::main_of(&request).and_then(|main| main.authorization_index) {
        variables::forget(request, index);
    }
    Ok(())
}
