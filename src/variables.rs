//! The variables of the module.

use core::ffi::CStr;

use nginx_sys::{
    NGX_HTTP_VAR_NOCACHEABLE, ngx_conf_t, ngx_http_add_variable, ngx_http_get_variable_index,
    ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_str_t, ngx_uint_t,
};
use ngx::http::HttpModuleMainConf as _;

use crate::grant::BEARER;
use phantom_token_core::outcome::CacheStatus;

use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::variables::OfClient;
use crate::record::{Record, State};
use crate::{Module, nginx};

type Getter = unsafe extern "C" fn(
    *mut ngx_http_request_t,
    *mut ngx_http_variable_value_t,
    usize,
) -> ngx_int_t;

const VARIABLES: [(&CStr, Getter); 3] = [
    (c"phantom_token_cache_status", cache_status),
    (c"phantom_token_result", result),
    (c"phantom_token_jwt", jwt),
];

/// Adds the variables to a configuration, and finds the place of `$http_authorization`.
///
/// # Safety
///
/// `cf` is the parser that a module's `preconfiguration` was called with.
pub unsafe fn register(cf: *mut ngx_conf_t) -> Option<()> {
    for (name, get_handler) in VARIABLES {
        let mut name = nginx::string(name.to_bytes());
        // SAFETY: the caller's parser is live. NGINX copies the name in lower case.
        let variable = unsafe {
            ngx_http_add_variable(cf, &mut name, NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t).as_mut()
        };
        variable?.get_handler = Some(get_handler);
    }
    let mut name = nginx::string(b"http_authorization");
    // SAFETY: as above.
    let index = unsafe { ngx_http_get_variable_index(cf, &mut name) };
    // SAFETY: as above.
    Module::main_conf_mut(unsafe { cf.as_ref() }?)?.authorization_index =
        Some(usize::try_from(index).ok()?);
    Some(())
}

/// Gives the subrequest of an introspection its own variables, but for those that speak of the client's
/// request. The Authorization that holds the token is the client's, whatever it is by now.
///
/// # Errors
///
/// The request's memory is used up.
pub fn hand_on(
    client: Request,
    subrequest: Request,
    authorization: ngx_str_t,
) -> Result<(), OutOfMemory> {
    let main = Module::main_conf(client.raw()).ok_or(OutOfMemory)?;
    let of_client = main.of_client.get_or_init(|| OfClient::of(&client));
    // SAFETY: the header that holds the token lives as long as the request.
    unsafe { of_client.hand_on(client, subrequest, authorization) }
}

/// The place of `$http_authorization` among a request's variables.
pub fn authorization_index(request: &Request) -> Option<usize> {
    Module::main_conf(request.raw())?.authorization_index
}

unsafe extern "C" fn cache_status(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    _: usize,
) -> ngx_int_t {
    // SAFETY: NGINX calls a getter with a live request and a place for the value.
    unsafe {
        get(r, v, |record| {
            record.flow.status().map(CacheStatus::as_str).map(str::as_bytes).map(nginx::string)
        })
    }
}

unsafe extern "C" fn result(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    _: usize,
) -> ngx_int_t {
    let result = |record: &Record| match record.state.get() {
        State::New | State::Introspecting | State::Following => None,
        State::Granted(_) => Some(nginx::string(b"granted")),
        State::Refused(refused) | State::Overruled(refused) => {
            Some(nginx::string(refused.result.name().as_bytes()))
        }
        State::Options => Some(nginx::string(b"options")),
    };
    // SAFETY: NGINX calls a getter with a live request and a place for the value.
    unsafe { get(r, v, result) }
}

unsafe extern "C" fn jwt(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    _: usize,
) -> ngx_int_t {
    let jwt = |record: &Record| {
        let State::Granted(authorization) = record.state.get() else {
            return None;
        };
        // SAFETY: the value lives as long as the request.
        let value = unsafe { nginx::bytes(authorization) };
        value.strip_prefix(BEARER).map(nginx::string)
    };
    // SAFETY: NGINX calls a getter with a live request and a place for the value.
    unsafe { get(r, v, jwt) }
}

/// Sets a variable to what `value` makes of the request's record. A subrequest that has none shows
/// that of the request it was made by.
///
/// # Safety
///
/// `r` is a live request and `v` a place for a value.
unsafe fn get(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    value: impl FnOnce(&Record) -> Option<ngx_str_t>,
) -> ngx_int_t {
    // SAFETY: the caller's promise.
    let (Some(request), Some(v)) = (unsafe { (Request::new(r), v.as_mut()) }) else {
        return rc::ERROR;
    };
    let record = Record::of(&request).or_else(|| Record::inherited(&request));
    nginx::variables::write(v, record.and_then(value));
    rc::OK
}
