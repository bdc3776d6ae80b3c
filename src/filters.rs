//! Our place in the chains of output filters, which is their top.

use core::ops::ControlFlow;

use nginx_sys::{
    ngx_chain_t, ngx_http_output_body_filter_pt, ngx_http_output_header_filter_pt,
    ngx_http_request_t, ngx_http_top_body_filter, ngx_http_top_header_filter, ngx_int_t,
};

use crate::nginx::WorkerCell;
use crate::nginx::bits::request::HEADER_SENT;
use crate::nginx::buffers::Chain;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::refusal;
use crate::subrequest::{self, introspection_of};

static NEXT_HEADER: WorkerCell<ngx_http_output_header_filter_pt> = WorkerCell::new(None);
static NEXT_BODY: WorkerCell<ngx_http_output_body_filter_pt> = WorkerCell::new(None);

/// Puts our filters on top of those registered before.
///
/// # Safety
///
/// Called once for a configuration, from a module's `postconfiguration`.
pub unsafe fn register() {
    // SAFETY: NGINX has one thread while it reads its configuration.
    unsafe {
        NEXT_HEADER.set(ngx_http_top_header_filter);
        ngx_http_top_header_filter = Some(header);
        NEXT_BODY.set(ngx_http_top_body_filter);
        ngx_http_top_body_filter = Some(body);
    }
}

unsafe extern "C" fn header(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a filter with a live request.
    if let Some(mut request) = unsafe { Request::new(r) } {
        if let Some(introspection) = introspection_of(&request) {
            if introspection.take_head(request).is_err() {
                return rc::ERROR;
            }
            HEADER_SENT.set(request.raw_mut(), 1);
            return rc::OK;
        }
        if subrequest::mark_copy(request).is_err() || refusal::rewrite_header(request).is_err() {
            return rc::ERROR;
        }
    }
    // SAFETY: the filter registered before ours, with the arguments of NGINX.
    NEXT_HEADER.get().map_or(rc::OK, |next| unsafe { next(r) })
}

unsafe extern "C" fn body(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: NGINX calls a filter with a live request.
    let Some(request) = (unsafe { Request::new(r) }) else {
        return rc::ERROR;
    };
    // Most bodies are those of an API, which is soon seen.
    let chain = if request.is_main() && request.raw().err_status == 0 {
        chain
    } else {
        // SAFETY: NGINX gives a filter a live chain, which the filter consumes.
        match unsafe { take_or_replace(request, chain) } {
            ControlFlow::Continue(chain) => chain,
            ControlFlow::Break(code) => return code,
        }
    };
    // SAFETY: the filter registered before ours, with the arguments of NGINX or our own chain.
    NEXT_BODY.get().map_or(rc::OK, |next| unsafe { next(r, chain) })
}

/// What goes to the next filter, or what ours returns.
///
/// # Safety
///
/// The caller may consume the buffers of the chain.
#[inline(never)]
unsafe fn take_or_replace(
    request: Request,
    chain: *mut ngx_chain_t,
) -> ControlFlow<ngx_int_t, *mut ngx_chain_t> {
    if let Some(introspection) = introspection_of(&request) {
        let capture = introspection.capture();
        // SAFETY: the caller's promise.
        capture.take_body(unsafe { Chain::new(chain) });
        let ends_upstream = capture.is_given_up() && introspection.ends_upstream(request);
        return ControlFlow::Break(if ends_upstream { rc::ERROR } else { rc::OK });
    }
    // SAFETY: the caller's promise.
    match refusal::replace_body(request, unsafe { Chain::new(chain) }) {
        Ok(replaced) => ControlFlow::Continue(replaced.unwrap_or(chain)),
        Err(OutOfMemory) => ControlFlow::Break(rc::ERROR),
    }
}
