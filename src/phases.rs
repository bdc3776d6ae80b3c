//! Where NGINX calls the module on the way of a request: the handlers in its phases.

use nginx_sys::{
    ngx_conf_t, ngx_http_phases_NGX_HTTP_ACCESS_PHASE as ACCESS,
    ngx_http_phases_NGX_HTTP_PREACCESS_PHASE as PREACCESS,
    ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE as PRECONTENT,
    ngx_http_phases_NGX_HTTP_REWRITE_PHASE as REWRITE, ngx_int_t,
};

use crate::introspect::subrequest;
use crate::nginx::handlers::{Handler, add_to_phase};
use crate::nginx::module::Open;
use crate::nginx::rc;
use crate::nginx::request::Request;
use crate::request::access;

/// Puts the handlers into NGINX's phases.
pub fn register(cf: &ngx_conf_t, open: Open) -> Option<()> {
    add_to_phase::<BeforeRewrite>(cf, open, REWRITE)?;
    add_to_phase::<Subrequest>(cf, open, PREACCESS)?;
    add_to_phase::<MainRequest>(cf, open, ACCESS)?;
    add_to_phase::<BeforeContent>(cf, open, PRECONTENT)
}

/// No phase of the location that a request comes to is before this one, and our handler is before
/// those of NGINX's own modules. `set`, `if` and `return` of the server come before it.
struct BeforeRewrite;

impl Handler for BeforeRewrite {
    fn handle(request: Request) -> ngx_int_t {
        match request.is_internal() {
            true => after_redirect(request),
            false => rc::DECLINED,
        }
    }
}

/// Not inlined: requests that come from a client are to pay for the question alone.
#[inline(never)]
fn after_redirect(request: Request) -> ngx_int_t {
    if subrequest::is_of_introspection(&request) {
        return subrequest::check_location(request);
    }
    access::withhold_after_redirect(request)
}

/// Subrequests, of SSI or `mirror` for example, skip the access phase. One that leads into a
/// protected location from a request without a grant is checked by itself.
struct Subrequest;

impl Handler for Subrequest {
    fn handle(request: Request) -> ngx_int_t {
        if request.is_main() {
            return rc::DECLINED;
        }
        if let Some(introspection) = subrequest::introspection_of(&request) {
            subrequest::show_body_length_to_content(request, introspection);
            return rc::DECLINED;
        }
        // The access phase goes on to the next one after a grant; in this phase the next handler is
        // to have its turn.
        match access::check(request) {
            code if code == rc::OK => rc::DECLINED,
            code => code,
        }
    }
}

/// The access phase, which NGINX has for main requests only.
struct MainRequest;

impl Handler for MainRequest {
    fn handle(request: Request) -> ngx_int_t {
        access::check(request)
    }
}

/// A request that gets here was let pass by another module if it was not by this one, by reason of
/// `satisfy any`.
struct BeforeContent;

impl Handler for BeforeContent {
    fn handle(request: Request) -> ngx_int_t {
        match request.is_main() {
            true => access::check_passed(request),
            false => rc::DECLINED,
        }
    }
}
