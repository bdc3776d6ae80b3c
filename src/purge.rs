//! `phantom_token_purge`: drops one token, or all, from the caches of all workers.

use nginx_sys::{
    NGX_HTTP_POST, NGX_LOG_NOTICE, ngx_http_finalize_request, ngx_http_read_client_request_body,
    ngx_http_request_t, ngx_int_t, ngx_uint_t,
};
use ngx::http::HttpModuleMainConf as _;
use ngx::ngx_log_error;
use phantom_token_core::purge::Purge;
use zeroize::Zeroizing;

use crate::nginx::bits::request::REQUEST_BODY_IN_SINGLE_BUF;
use crate::nginx::buffers::{Chain, Unreadable};
use crate::nginx::rc;
use crate::nginx::request::Request;
use crate::nginx::response;
use crate::worker::Worker;
use crate::{Module, zone::MainConf};

const JSON: &str = "application/json";
/// Longer than any token that fits into a header.
const LARGEST_FORM: usize = 256 << 10;

/// The content handler of the location.
pub unsafe extern "C" fn handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    let Some(mut request) = (unsafe { Request::new(r) }) else {
        return rc::NOT_ALLOWED;
    };
    if request.raw().method != NGX_HTTP_POST as ngx_uint_t {
        return rc::NOT_ALLOWED;
    }
    REQUEST_BODY_IN_SINGLE_BUF.set(request.raw_mut(), 1);
    // SAFETY: a live request; NGINX calls back when the body is there.
    let status = unsafe { ngx_http_read_client_request_body(r, Some(on_body)) };
    if status >= rc::SPECIAL_RESPONSE { status } else { rc::DONE }
}

unsafe extern "C" fn on_body(r: *mut ngx_http_request_t) {
    // SAFETY: NGINX calls back with the request whose body it has read.
    let Some(request) = (unsafe { Request::new(r) }) else {
        return;
    };
    let status = match body(request) {
        Ok(form) => match Purge::parse(&form) {
            Ok(purge) => {
                purge_zones(request, &purge);
                response::send(request, 200, JSON, br#"{"purged":true}"#)
            }
            Err(error) => {
                let body = format!(r#"{{"code":"invalid_request","message":"{error}"}}"#);
                response::send(request, 400, JSON, body.as_bytes())
            }
        },
        Err(NoForm::TooLarge) => response::send(
            request,
            413,
            JSON,
            br#"{"code":"invalid_request","message":"the body is too large"}"#,
        ),
        Err(NoForm::Unreadable) => rc::INTERNAL_SERVER_ERROR,
    };
    // SAFETY: the handler left the request to us.
    unsafe { ngx_http_finalize_request(r, status) };
}

fn purge_zones(request: Request, purge: &Purge<'_>) {
    let zones = Module::main_conf(request.raw()).into_iter().flat_map(MainConf::zones);
    for (name, zone) in zones {
        match purge {
            Purge::All => zone.purge_all(),
            Purge::Token(token) => zone.purge_token(&Worker, token.as_bytes()),
        }
        let what = if matches!(purge, Purge::All) { "all tokens" } else { "a token" };
        ngx_log_error!(
            NGX_LOG_NOTICE,
            request.log(),
            "phantom_token: purged {} from zone \"{}\"",
            what,
            name
        );
    }
}

/// Why there is no body to read.
enum NoForm {
    TooLarge,
    Unreadable,
}

impl From<Unreadable> for NoForm {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

fn body(request: Request) -> Result<Zeroizing<Vec<u8>>, NoForm> {
    let mut form = Zeroizing::new(Vec::new());
    for buffer in request.take_body().into_iter().flat_map(Chain::buffers) {
        if form.len().saturating_add(buffer.len()) > LARGEST_FORM {
            return Err(NoForm::TooLarge);
        }
        buffer.append_to(&mut form)?;
    }
    Ok(form)
}
