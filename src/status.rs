//! `phantom_token_status`: what the zones hold, and what has happened.

use nginx_sys::{
    NGX_HTTP_GET, NGX_HTTP_HEAD, ngx_http_arg, ngx_http_request_t, ngx_int_t, ngx_str_t, ngx_uint_t,
};
use ngx::http::HttpModuleMainConf as _;
use phantom_token_core::status::{Format, ZoneStatus, render};

use crate::nginx::rc;
use crate::nginx::request::Request;
use crate::nginx::{self, headers, response};
use crate::version::BUILD;
use crate::{Module, zone::MainConf};

/// The content handler of the location.
pub unsafe extern "C" fn handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    let Some(request) = (unsafe { Request::new(r) }) else {
        return rc::NOT_ALLOWED;
    };
    if request.raw().method & (NGX_HTTP_GET | NGX_HTTP_HEAD) as ngx_uint_t == 0 {
        return rc::NOT_ALLOWED;
    }
    // SAFETY: a live request.
    let discarded = unsafe { nginx_sys::ngx_http_discard_request_body(r) };
    if discarded != rc::OK {
        return discarded;
    }
    let format = Format::choose(argument(request).as_deref(), accept(&request));
    let zones: Vec<ZoneStatus<'_>> = Module::main_conf(request.raw())
        .into_iter()
        .flat_map(MainConf::zones)
        .map(|(name, zone)| ZoneStatus::new(name, zone))
        .collect();
    let body = render(&BUILD, &zones, format);
    response::send(request, 200, format.content_type(), body.as_bytes())
}

/// The value of `?format=`.
fn argument(request: Request) -> Option<String> {
    let mut value = ngx_str_t::empty();
    let mut name = *b"format";
    // SAFETY: a live request, a name and a place for a value.
    let found =
        unsafe { ngx_http_arg(request.as_ptr(), name.as_mut_ptr(), name.len(), &mut value) };
    if found != rc::OK {
        return None;
    }
    // SAFETY: the value is a part of the request's URI.
    Some(String::from_utf8_lossy(unsafe { nginx::bytes(value) }).into_owned())
}

fn accept(request: &Request) -> Option<&[u8]> {
    headers::iter(&request.raw().headers_in.headers)
        .find(|header| headers::name(header).eq_ignore_ascii_case(b"accept"))
        .map(headers::value)
}
