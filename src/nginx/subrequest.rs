//! Subrequests, and what is called when they end.

use core::ffi::c_void;
use core::ptr;

use nginx_sys::{
    NGX_HTTP_MAX_URI_CHANGES, ngx_http_post_request, ngx_http_post_subrequest_t,
    ngx_http_request_body_t, ngx_http_request_t, ngx_http_subrequest, ngx_int_t, ngx_uint_t,
};

use super::bits::request::{SUBREQUEST_IN_MEMORY, URI_CHANGES};
use super::buffers::Chain;
use super::lasting::Lasting;
use super::request::{OutOfMemory, Request};
use super::{pool, rc};

/// What NGINX calls when a subrequest is finalized. It is not generic, so that it has one address, by which
/// subrequests are known.
pub type Done = unsafe extern "C" fn(*mut ngx_http_request_t, *mut c_void, ngx_int_t) -> ngx_int_t;

/// Makes a subrequest; `flags` are `NGX_HTTP_SUBREQUEST_...`.
///
/// # Errors
///
/// Memory, or the number of subrequests that NGINX allows, is used up.
///
/// # Safety
///
/// `done` takes a `T`.
pub unsafe fn make<T>(
    parent: Request,
    uri: Lasting<[u8]>,
    flags: u32,
    done: Done,
    data: Lasting<T>,
) -> Result<Request, OutOfMemory> {
    // SAFETY: a pointer to a function and one to data.
    let callback: &mut ngx_http_post_subrequest_t = unsafe { pool::zeroed(parent) }?;
    callback.handler = Some(done);
    callback.data = data.as_ptr().cast();
    let mut uri = uri.string();
    let mut made: *mut ngx_http_request_t = ptr::null_mut();
    // NGINX lets no subrequest whose output goes to memory, as SSI's `include set=` has it, make
    // another one, for the sake of that one's output. Ours has none.
    let mut parent = parent;
    let is_in_memory = SUBREQUEST_IN_MEMORY.get(parent.raw());
    SUBREQUEST_IN_MEMORY.set(parent.raw_mut(), 0);
    // SAFETY: the parent is live; URI and callback live as long as it does.
    let status = unsafe {
        let flags = flags as ngx_uint_t;
        ngx_http_subrequest(parent.as_ptr(), &mut uri, ptr::null_mut(), &mut made, callback, flags)
    };
    SUBREQUEST_IN_MEMORY.set(parent.raw_mut(), is_in_memory);
    if status != rc::OK {
        return Err(OutOfMemory);
    }
    // SAFETY: NGINX made a subrequest, which lives as long as its main request.
    unsafe { Request::new(made) }.ok_or(OutOfMemory)
}

/// What `done` is called with for a request, if it is a subrequest that was made with that. Unlike its
/// contexts, a request keeps this over an internal redirect.
///
/// # Safety
///
/// `done` is only given to [`make`] with a `T`.
pub unsafe fn data<T>(request: &Request, done: Done) -> Option<&T> {
    // SAFETY: the callback of a subrequest, if there is one, lives as long as the subrequest.
    let callback = unsafe { request.raw().post_subrequest.as_ref() }?;
    if !callback.handler.is_some_and(|handler| ptr::fn_addr_eq(handler, done)) {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { callback.data.cast::<T>().as_ref() }
}

/// The subrequest and the data that [`Done`] is called with.
///
/// # Safety
///
/// NGINX calls so, and the data is a `T`.
pub unsafe fn arguments<'a, T>(
    r: *mut ngx_http_request_t,
    data: *mut c_void,
) -> Option<(Request, &'a T)> {
    // SAFETY: NGINX calls with the subrequest; the caller's promise.
    unsafe { Some((Request::new(r)?, data.cast::<T>().as_ref()?)) }
}

/// Whether a request was led to where it is by an internal redirect.
pub fn is_redirected(request: Request) -> bool {
    URI_CHANGES.get(request.raw()) <= NGX_HTTP_MAX_URI_CHANGES.into()
}

/// Gives a subrequest a body of its own.
///
/// # Errors
///
/// The request's memory is used up.
pub fn set_body(mut subrequest: Request, data: Lasting<[u8]>) -> Result<(), OutOfMemory> {
    // SAFETY: pointers, numbers and bits.
    let body: &mut ngx_http_request_body_t = unsafe { pool::zeroed(subrequest) }?;
    let chain = Chain::over(subrequest, data, false)?;
    body.bufs = chain.as_ptr();
    body.buf = chain.first();
    subrequest.raw_mut().request_body = body;
    Ok(())
}

/// Lets a request go on, which waits for a subrequest in the background: NGINX does not wake it.
pub fn wake(request: Request) {
    // SAFETY: the request is live.
    unsafe { ngx_http_post_request(request.as_ptr(), ptr::null_mut()) };
}
