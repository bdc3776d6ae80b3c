//! Asks the authorization server for the JWT behind a token, through a subrequest.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_HTTP_CLIENT_CLOSED_REQUEST, NGX_HTTP_CLOSE, NGX_HTTP_CREATED, NGX_HTTP_NO_CONTENT,
    NGX_HTTP_POST, NGX_HTTP_REQUEST_TIME_OUT, NGX_HTTP_SPECIAL_RESPONSE,
    NGX_HTTP_SUBREQUEST_BACKGROUND, NGX_HTTP_SUBREQUEST_WAITED, NGX_OK, ngx_chain_t,
    ngx_http_core_main_conf_t, ngx_http_post_request, ngx_http_post_subrequest_t,
    ngx_http_request_body_t, ngx_http_request_t, ngx_http_subrequest, ngx_http_variable_value_t,
    ngx_int_t, ngx_pcalloc, ngx_str_t, ngx_uint_t, off_t,
};
use ngx::http::{HttpModuleMainConf as _, NgxHttpCoreModule};
use phantom_token_core::bearer::OpaqueToken;
use phantom_token_core::introspection::form_body;

use crate::capture::Capture;
use crate::conf::Guard;
use crate::nginx::headers::HeadersIn;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{self, buffers};
use crate::record::Record;

/// Starts the introspection of a token; the request is woken when the answer is in the record.
///
/// # Errors
///
/// Memory, or the number of subrequests that NGINX allows, is used up.
pub fn start(
    request: Request,
    record: &Record,
    guard: &Guard,
    token: OpaqueToken<'_>,
) -> Result<(), OutOfMemory> {
    record.capture.start(guard.max_response_size);
    let mut subrequest = subrequest(request, record, &guard.endpoint)?;
    subrequest.raw_mut().method = NGX_HTTP_POST as ngx_uint_t;
    subrequest.raw_mut().method_name = nginx::string(b"POST");
    // The variables of a subrequest are its parent's: what one evaluates, the other would see.
    subrequest.raw_mut().variables = new_variables(request)?;
    let length = set_body(subrequest, &form_body(token))?;
    set_headers(subrequest, &Host::of(request), guard, length)
}

/// The capture that takes the answer of a request, if it is an introspection.
pub fn capture_of(request: &Request) -> Option<&Capture> {
    if request.is_main() {
        return None;
    }
    // SAFETY: a subrequest's callback, if there is one, lives as long as the subrequest. Unlike its
    // contexts it is kept over an internal redirect.
    let callback = unsafe { request.raw().post_subrequest.as_ref() }?;
    let ours =
        done as unsafe extern "C" fn(*mut ngx_http_request_t, *mut c_void, ngx_int_t) -> ngx_int_t;
    if !callback.handler.is_some_and(|handler| ptr::fn_addr_eq(handler, ours)) {
        return None;
    }
    // SAFETY: `subrequest` gave that callback a record, which lives as long as the main request.
    unsafe { callback.data.cast::<Record>().as_ref() }.map(|record| &record.capture)
}

/// Whether an introspection was led into a location that needs one itself, and is not the one that
/// the endpoint names: the API, most likely, which must not be asked.
pub fn is_astray(subrequest: Request, guard: &Guard) -> bool {
    let location = subrequest.location_name();
    !subrequest.is_in_internal_location()
        && !location.starts_with('@')
        && location.as_bytes() != &*guard.endpoint
}

fn subrequest(request: Request, record: &Record, endpoint: &[u8]) -> Result<Request, OutOfMemory> {
    let callback: &mut ngx_http_post_subrequest_t = allocate(request)?;
    callback.handler = Some(done);
    callback.data = ptr::from_ref(record).cast_mut().cast();
    // A background subrequest never becomes the active one, so one of its own must not wait for that.
    let flags = match request.raw().background() {
        0 => NGX_HTTP_SUBREQUEST_WAITED,
        _ => NGX_HTTP_SUBREQUEST_WAITED | NGX_HTTP_SUBREQUEST_BACKGROUND,
    };
    let mut uri = ngx_str_t { len: endpoint.len(), data: endpoint.as_ptr().cast_mut() };
    let mut made: *mut ngx_http_request_t = ptr::null_mut();
    // SAFETY: the request is live; the endpoint lives as long as the configuration, the callback
    // as long as the request.
    let status = unsafe {
        ngx_http_subrequest(
            request.as_ptr(),
            &mut uri,
            ptr::null_mut(),
            &mut made,
            callback,
            flags as ngx_uint_t,
        )
    };
    if status != NGX_OK as ngx_int_t {
        return Err(OutOfMemory);
    }
    // SAFETY: NGINX made a subrequest, which lives as long as its main request.
    unsafe { Request::new(made) }.ok_or(OutOfMemory)
}

/// NGINX calls this when the subrequest is finalized: more than once if an error has an error page
/// in the introspection location.
unsafe extern "C" fn done(
    r: *mut ngx_http_request_t,
    data: *mut c_void,
    status: ngx_int_t,
) -> ngx_int_t {
    // SAFETY: `subrequest` registered this with a record, and NGINX calls with the subrequest.
    let (Some(subrequest), Some(record)) =
        (unsafe { (Request::new(r), data.cast::<Record>().as_ref()) })
    else {
        return status;
    };
    record.capture.finish(status);
    let background = subrequest.raw().background() == 1;
    if let Some(parent) = subrequest.parent().filter(|_| background) {
        // SAFETY: the parent is live; NGINX wakes the parents of all but background subrequests.
        unsafe { ngx_http_post_request(parent.as_ptr(), ptr::null_mut()) };
    }
    handed_on(status)
}

/// What NGINX is to do with the subrequest: make the response to a status, or finish it. An error
/// of the subrequest is an answer to us, and must not end the client's request.
fn handed_on(status: ngx_int_t) -> ngx_int_t {
    const CLIENT_CLOSED_REQUEST: ngx_int_t = NGX_HTTP_CLIENT_CLOSED_REQUEST as ngx_int_t;
    const ENDING: [ngx_int_t; 2] =
        [NGX_HTTP_REQUEST_TIME_OUT as ngx_int_t, NGX_HTTP_CLOSE as ngx_int_t];
    const BODILESS: [ngx_int_t; 2] =
        [NGX_HTTP_CREATED as ngx_int_t, NGX_HTTP_NO_CONTENT as ngx_int_t];
    match status {
        CLIENT_CLOSED_REQUEST => status,
        _ if ENDING.contains(&status) => NGX_OK as ngx_int_t,
        _ if BODILESS.contains(&status) || status >= NGX_HTTP_SPECIAL_RESPONSE as ngx_int_t => {
            status
        }
        _ => NGX_OK as ngx_int_t,
    }
}

fn new_variables(request: Request) -> Result<*mut ngx_http_variable_value_t, OutOfMemory> {
    let core: Option<&ngx_http_core_main_conf_t> = NgxHttpCoreModule::main_conf(request.raw());
    let count = core.map_or(0, |core| core.variables.nelts);
    let size = count.saturating_mul(size_of::<ngx_http_variable_value_t>());
    // SAFETY: the pool is the request's; zeroed, as NGINX makes them, no variable has a value yet.
    NonNull::new(unsafe { ngx_pcalloc(request.pool(), size) }.cast())
        .map(NonNull::as_ptr)
        .ok_or(OutOfMemory)
}

fn set_body(mut subrequest: Request, form: &str) -> Result<usize, OutOfMemory> {
    let data = subrequest.join(&[form.as_bytes()])?;
    let body: &mut ngx_http_request_body_t = allocate(subrequest)?;
    // SAFETY: `join` put the data into the request's pool.
    let chain: *mut ngx_chain_t = unsafe { buffers::over(subrequest, nginx::bytes(data), false) }?;
    body.bufs = chain;
    // SAFETY: `over` made a chain of one buffer.
    body.buf = unsafe { (*chain).buf };
    subrequest.raw_mut().request_body = body;
    Ok(data.len)
}

/// The host that the client asked for, as a header and as NGINX chose the server by it.
struct Host {
    header: Option<ngx_str_t>,
    server: ngx_str_t,
}

impl Host {
    fn of(request: Request) -> Self {
        let headers = &request.raw().headers_in;
        // SAFETY: a parsed header lives as long as the request.
        let header = unsafe { headers.host.as_ref() }.map(|host| host.value);
        Self { header, server: headers.server }
    }
}

fn set_headers(
    subrequest: Request,
    host: &Host,
    guard: &Guard,
    length: usize,
) -> Result<(), OutOfMemory> {
    let mut headers = HeadersIn::clear(subrequest)?;
    headers.fields().server = host.server;
    if let Some(value) = host.header {
        headers.fields().host = headers.push("host", value)?.as_ptr();
    }
    // SAFETY: the guard lives as long as the configuration, which outlives its requests.
    let configured = |text: &str| ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    headers.push("accept", configured(&guard.accept))?;
    if let Some(credential) = &guard.credential {
        headers.fields().authorization =
            headers.push("authorization", configured(credential.header_value()))?.as_ptr();
    }
    let form = nginx::string(b"application/x-www-form-urlencoded");
    headers.fields().content_type = headers.push("content-type", form)?.as_ptr();
    let digits = subrequest.join(&[length.to_string().as_bytes()])?;
    headers.fields().content_length = headers.push("content-length", digits)?.as_ptr();
    headers.fields().content_length_n = off_t::try_from(length).unwrap_or_default();
    Ok(())
}

/// A zeroed C structure in the request's pool.
fn allocate<'a, T>(request: Request) -> Result<&'a mut T, OutOfMemory> {
    // SAFETY: the pool is the request's, and aligns for any type; the structures made here are of
    // pointers and numbers, for which zero is a value.
    unsafe { ngx_pcalloc(request.pool(), size_of::<T>()).cast::<T>().as_mut() }.ok_or(OutOfMemory)
}
