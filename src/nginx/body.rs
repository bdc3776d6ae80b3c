//! The body of a client's request, for content handlers.

use nginx_sys::{
    ngx_http_discard_request_body, ngx_http_finalize_request, ngx_http_read_client_request_body,
    ngx_http_request_t, ngx_int_t,
};

use super::bits::request::REQUEST_BODY_IN_SINGLE_BUF;
use super::handlers::Handler;
use super::rc;
use super::request::Request;

/// Reads the body, and has `H` make the response when it is there; gives what the content handler
/// returns.
pub fn read<H: Handler>(mut request: Request) -> ngx_int_t {
    REQUEST_BODY_IN_SINGLE_BUF.set(request.raw_mut(), 1);
    // SAFETY: a live request; NGINX calls back when the body is there.
    let status = unsafe { ngx_http_read_client_request_body(request.as_ptr(), Some(on_body::<H>)) };
    if status >= rc::SPECIAL_RESPONSE { status } else { rc::DONE }
}

/// Takes no notice of the body; gives a status that is not OK if the request is over.
pub fn discard(request: Request) -> ngx_int_t {
    // SAFETY: a live request.
    unsafe { ngx_http_discard_request_body(request.as_ptr()) }
}

unsafe extern "C" fn on_body<H: Handler>(r: *mut ngx_http_request_t) {
    // SAFETY: NGINX calls back with the request whose body it has read, and `read` left the request
    // to this.
    unsafe {
        if let Some(request) = Request::new(r) {
            ngx_http_finalize_request(r, H::handle(request));
        }
    }
}
