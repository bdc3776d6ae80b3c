//! What NGINX calls: each kind of handler is made a function of safe Rust here, once.
//!
//! A handler is a type, since NGINX is given the address of a function and no more.

use core::ops::ControlFlow;
use core::ptr::NonNull;

use nginx_sys::{
    NGX_HTTP_VAR_NOCACHEABLE, ngx_array_push, ngx_chain_t, ngx_conf_t, ngx_event_t,
    ngx_http_add_variable, ngx_http_core_main_conf_t, ngx_http_handler_pt,
    ngx_http_output_body_filter_pt, ngx_http_output_header_filter_pt, ngx_http_request_t,
    ngx_http_top_body_filter, ngx_http_top_header_filter, ngx_http_variable_value_t, ngx_int_t,
    ngx_uint_t,
};
use ngx::http::{HttpModuleMainConf as _, NgxHttpCoreModule};

use super::WorkerCell;
use super::buffers::Chain;
use super::lasting::Lasting;
use super::module::Open;
use super::rc;
use super::request::Request;
use super::variables;

/// Handles requests: in a phase, as what makes the answer of a location, or when an event comes.
pub trait Handler {
    /// The status to return to NGINX; an event has no use for it.
    fn handle(request: Request) -> ngx_int_t;
}

/// The function that NGINX calls for a [`Handler`] with a request.
pub unsafe extern "C" fn handler<H: Handler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a handler with a live request.
    unsafe { Request::new(r) }.map_or(rc::ERROR, H::handle)
}

/// The function that NGINX calls for a [`Handler`] when an event of a request comes.
pub(super) unsafe extern "C" fn event_handler<H: Handler>(event: *mut ngx_event_t) {
    // SAFETY: `Event::new` gave the event a request, and it is cancelled before that is gone.
    if let Some(request) = unsafe { Request::new((*event).data.cast()) } {
        H::handle(request);
    }
}

/// Puts a handler into a phase (`NGX_HTTP_..._PHASE`), before those of the modules before this one.
pub fn add_to_phase<H: Handler>(cf: &ngx_conf_t, _: Open, phase: u32) -> Option<()> {
    let core: &mut ngx_http_core_main_conf_t = NgxHttpCoreModule::main_conf_mut(cf)?;
    let phase = core.phases.get_mut(usize::try_from(phase).ok()?)?;
    // SAFETY: a phase has an array of handlers by then, in which NGINX makes room for one more.
    unsafe {
        let place = ngx_array_push(&mut phase.handlers).cast::<ngx_http_handler_pt>();
        NonNull::new(place)?.write(Some(handler::<H>));
    }
    Some(())
}

/// A variable.
pub trait Variable {
    /// The value in a request, if it has one.
    fn value(request: Request) -> Option<Lasting<[u8]>>;
}

/// Adds a variable that NGINX asks for each time it is read.
pub fn add_variable<V: Variable>(cf: &mut ngx_conf_t, name: &'static str) -> Option<()> {
    let mut name = super::string(name.as_bytes());
    // SAFETY: the parser is live. NGINX copies the name in lower case.
    let variable = unsafe {
        ngx_http_add_variable(cf, &mut name, NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t).as_mut()
    };
    variable?.get_handler = Some(get_variable::<V>);
    Some(())
}

unsafe extern "C" fn get_variable<V: Variable>(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    _: usize,
) -> ngx_int_t {
    // SAFETY: NGINX calls a getter with a live request and a place for the value.
    let (Some(request), Some(v)) = (unsafe { (Request::new(r), v.as_mut()) }) else {
        return rc::ERROR;
    };
    variables::write(v, V::value(request).map(Lasting::string));
    rc::OK
}

/// An output filter, above all that were there before.
pub trait Filter {
    /// The head of a response, which goes on to the next filter unless there is a status to return.
    fn head(request: Request) -> ControlFlow<ngx_int_t>;

    /// Whether [`Filter::body`] is to see the bodies of such a response. Most are those of an API.
    fn sees_body(request: Request) -> bool;

    /// A piece of the body, of which the filter may consume what it does not hand on.
    fn body(request: Request, chain: Chain) -> ControlFlow<ngx_int_t, Chain>;
}

static NEXT_HEADER: WorkerCell<ngx_http_output_header_filter_pt> = WorkerCell::new(None);
static NEXT_BODY: WorkerCell<ngx_http_output_body_filter_pt> = WorkerCell::new(None);

/// Puts the filter of this module on top of those registered before.
pub fn add_filter<F: Filter>(_: Open) {
    // SAFETY: NGINX has one thread while it reads its configuration.
    unsafe {
        NEXT_HEADER.set(ngx_http_top_header_filter);
        ngx_http_top_header_filter = Some(filter_head::<F>);
        NEXT_BODY.set(ngx_http_top_body_filter);
        ngx_http_top_body_filter = Some(filter_body::<F>);
    }
}

unsafe extern "C" fn filter_head<F: Filter>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX calls a filter with a live request.
    if let Some(request) = unsafe { Request::new(r) }
        && let ControlFlow::Break(code) = F::head(request)
    {
        return code;
    }
    // SAFETY: the filter registered before, with the arguments of NGINX.
    NEXT_HEADER.get().map_or(rc::OK, |next| unsafe { next(r) })
}

unsafe extern "C" fn filter_body<F: Filter>(
    r: *mut ngx_http_request_t,
    chain: *mut ngx_chain_t,
) -> ngx_int_t {
    // SAFETY: NGINX calls a filter with a live request.
    let Some(request) = (unsafe { Request::new(r) }) else {
        return rc::ERROR;
    };
    let mut chain = chain;
    if F::sees_body(request) {
        // SAFETY: NGINX gives a filter a live chain, which the filter consumes.
        match F::body(request, unsafe { Chain::new(chain) }) {
            ControlFlow::Continue(replaced) => chain = replaced.as_ptr(),
            ControlFlow::Break(code) => return code,
        }
    }
    // SAFETY: the filter registered before, with the arguments of NGINX or a chain of ours.
    NEXT_BODY.get().map_or(rc::OK, |next| unsafe { next(r, chain) })
}
