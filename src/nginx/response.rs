//! A response that a content handler makes.

use nginx_sys::{ngx_http_output_filter, ngx_http_send_header, ngx_int_t, ngx_uint_t};

use super::bits::request::HEADER_ONLY;
use super::buffers::Chain;
use super::headers::CACHE_CONTROL;
use super::rc;
use super::request::{OutOfMemory, Request};

/// Sends a whole response; the result is what the content handler returns.
pub fn send(request: Request, status: u16, content_type: &'static str, body: &[u8]) -> ngx_int_t {
    try_send(request, status, content_type, body).unwrap_or(rc::INTERNAL_SERVER_ERROR)
}

fn try_send(
    mut request: Request,
    status: u16,
    content_type: &'static str,
    body: &[u8],
) -> Result<ngx_int_t, OutOfMemory> {
    let body = request.join(&[body])?;
    let chain = Chain::over(request, body, true)?;
    request.headers_out().push(&CACHE_CONTROL, super::string(b"no-store"))?;
    let out = &mut request.raw_mut().headers_out;
    out.status = ngx_uint_t::from(status);
    out.content_type = super::string(content_type.as_bytes());
    out.content_type_len = content_type.find(';').unwrap_or(content_type.len());
    out.content_type_lowcase = core::ptr::null_mut();
    out.content_length_n = i64::try_from(body.len()).unwrap_or_default();
    // SAFETY: a live request with a header that was not sent yet.
    let sent = unsafe { ngx_http_send_header(request.as_ptr()) };
    if sent == rc::ERROR || sent > rc::OK || HEADER_ONLY.is_set(request.raw()) {
        return Ok(sent);
    }
    // SAFETY: as above, with a chain in the request's pool.
    Ok(unsafe { ngx_http_output_filter(request.as_ptr(), chain.as_ptr()) })
}
