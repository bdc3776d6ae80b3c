//! The module's output filter, which is the topmost.

use core::ops::ControlFlow;

use nginx_sys::ngx_int_t;

use crate::introspect::introspection::Introspection;
use crate::introspect::subrequest::{self, introspection_of};
use crate::nginx::bits::request::HEADER_SENT;
use crate::nginx::buffers::Chain;
use crate::nginx::handlers::Filter;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::request::refusal;

/// Takes the answers to introspections, and gives refusals their form.
pub struct Output;

impl Filter for Output {
    fn head(request: Request) -> ControlFlow<ngx_int_t> {
        let done = match introspection_of(&request) {
            Some(introspection) => return ControlFlow::Break(take_head(request, introspection)),
            None => subrequest::mark_copy(request).and_then(|()| refusal::rewrite_header(request)),
        };
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(OutOfMemory) => ControlFlow::Break(rc::ERROR),
        }
    }

    fn sees_body(request: Request) -> bool {
        !request.is_main() || request.raw().err_status != 0
    }

    #[inline(never)]
    fn body(request: Request, chain: Chain) -> ControlFlow<ngx_int_t, Chain> {
        if let Some(introspection) = introspection_of(&request) {
            let capture = introspection.capture();
            capture.take_body(chain);
            let ends_upstream = capture.is_given_up() && introspection.ends_upstream(request);
            return ControlFlow::Break(if ends_upstream { rc::ERROR } else { rc::OK });
        }
        match refusal::replace_body(request, chain) {
            Ok(chain) => ControlFlow::Continue(chain),
            Err(OutOfMemory) => ControlFlow::Break(rc::ERROR),
        }
    }
}

fn take_head(mut request: Request, introspection: &Introspection) -> ngx_int_t {
    if introspection.take_head(request).is_err() {
        return rc::ERROR;
    }
    HEADER_SENT.set(request.raw_mut(), 1);
    rc::OK
}
