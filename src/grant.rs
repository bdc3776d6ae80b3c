//! Lets a request go on with the JWT in place of the token.

use core::ptr;

use nginx_sys::{
    NGX_OK, ngx_http_core_main_conf_t, ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t,
};
use ngx::http::{HttpModuleMainConf as _, NgxHttpCoreModule};

use crate::nginx::headers::HeadersIn;
use crate::nginx::request::{OutOfMemory, Request};
use crate::record::{Record, State};

/// The scheme that is put before a JWT.
pub const BEARER: &[u8] = b"Bearer ";

/// Grants a request: from here on its Authorization is `Bearer`, a space and the JWT.
///
/// # Errors
///
/// The request's memory is used up.
pub fn grant(request: Request, record: &Record, jwt: &[u8]) -> Result<ngx_int_t, OutOfMemory> {
    let authorization = request.join(&[BEARER, jwt])?;
    replace_authorization(request, authorization)?;
    record.state.set(State::Granted(authorization));
    Ok(NGX_OK as ngx_int_t)
}

/// Takes the token out of a request that goes on without a grant.
///
/// # Errors
///
/// The request's memory is used up.
pub fn withhold_token(request: Request) -> Result<(), OutOfMemory> {
    replace_authorization(request, ngx_str_t { len: 0, data: c"".as_ptr().cast::<u8>().cast_mut() })
}

fn replace_authorization(request: Request, value: ngx_str_t) -> Result<(), OutOfMemory> {
    if request.is_main() {
        request.set_authorization(value);
    } else {
        // The headers and the variables of a subrequest are those of its main request, which may
        // be meant for somebody else.
        HeadersIn::copy_with_authorization(request, value)?;
        copy_variables(request)?;
    }
    forget_variable(request);
    Ok(())
}

fn copy_variables(mut request: Request) -> Result<(), OutOfMemory> {
    let core: Option<&ngx_http_core_main_conf_t> = NgxHttpCoreModule::main_conf(request.raw());
    let count = core.map_or(0, |core| core.variables.nelts);
    let size = count.saturating_mul(size_of::<ngx_http_variable_value_t>());
    let inherited = request.raw().variables;
    // SAFETY: the pool is the request's.
    let copy = unsafe { ngx_pnalloc(request.pool(), size) }.cast::<ngx_http_variable_value_t>();
    if copy.is_null() {
        return Err(OutOfMemory);
    }
    // SAFETY: both have room for the variables of the configuration.
    unsafe { ptr::copy_nonoverlapping(inherited, copy, count) };
    request.raw_mut().variables = copy;
    Ok(())
}

/// `$http_authorization` may have been read before, and NGINX remembers what it was then.
fn forget_variable(request: Request) {
    let Some(index) = crate::variables::authorization_index(&request) else {
        return;
    };
    // SAFETY: NGINX gave us the index, and a request has a place for each indexed variable.
    unsafe {
        let variable = request.raw().variables.add(index);
        (*variable).set_valid(0);
        (*variable).set_not_found(0);
    }
}
