//! Memory that lives as long as a request.

use core::ffi::c_void;

use nginx_sys::{ngx_pcalloc, ngx_pool_cleanup_add, ngx_pool_cleanup_pt};

use super::lasting::Lasting;
use super::request::{OutOfMemory, Request};

/// Moves a value into the request's pool, where it stays until it is dropped with the pool. A
/// main request and its subrequests share one.
///
/// # Errors
///
/// The request's memory is used up.
pub fn allocate<T>(request: Request, value: T) -> Result<Lasting<T>, OutOfMemory> {
    // A function that does nothing may be merged with another one that does nothing, and `find`
    // could then not tell them apart.
    const { assert!(core::mem::needs_drop::<T>()) };
    allocate_with(request, value, Some(drop_value::<T>))
}

/// As [`allocate`], with a function that drops the value, by which the value can be found.
///
/// # Errors
///
/// The request's memory is used up.
pub fn allocate_with<T>(
    request: Request,
    value: T,
    drop: ngx_pool_cleanup_pt,
) -> Result<Lasting<T>, OutOfMemory> {
    // SAFETY: the pool is the request's own; NGINX aligns the data of a cleanup for any type.
    let cleanup = unsafe { ngx_pool_cleanup_add(request.pool(), size_of::<T>()).as_mut() };
    let cleanup = cleanup.ok_or(OutOfMemory)?;
    let place = cleanup.data.cast::<T>();
    // SAFETY: NGINX gave us `size_of::<T>()` bytes, which live as long as the request.
    let value = unsafe {
        place.write(value);
        Lasting::new(&*place)
    };
    cleanup.handler = drop;
    Ok(value)
}

/// A C structure of pointers and numbers, all of them zero, in the request's pool.
///
/// # Errors
///
/// The request's memory is used up.
///
/// # Safety
///
/// Zero is a value of `T`.
pub unsafe fn zeroed<'a, T>(request: Request) -> Result<&'a mut T, OutOfMemory> {
    // SAFETY: the pool is the request's, and aligns for any type; the caller vouches for zero.
    unsafe { ngx_pcalloc(request.pool(), size_of::<T>()).cast::<T>().as_mut() }.ok_or(OutOfMemory)
}

/// The values in the request's pool that `drop` drops, the last one first.
///
/// # Safety
///
/// Whatever was put into the pool with `drop` is a `T`.
pub unsafe fn find<T>(
    request: Request,
    drop: unsafe extern "C" fn(*mut c_void),
) -> impl Iterator<Item = Lasting<T>> {
    // SAFETY: the pool of a live request.
    let mut cleanup = unsafe { (*request.pool()).cleanup };
    core::iter::from_fn(move || {
        // SAFETY: the list of a pool's cleanups ends with a null pointer.
        while let Some(current) = unsafe { cleanup.as_ref() } {
            cleanup = current.next;
            if current.handler.is_some_and(|handler| core::ptr::fn_addr_eq(handler, drop)) {
                // SAFETY: the caller vouches for the type.
                return unsafe {
                    current.data.cast::<T>().as_ref().map(|value| Lasting::new(value))
                };
            }
        }
        None
    })
}

unsafe extern "C" fn drop_value<T>(data: *mut c_void) {
    // SAFETY: `allocate` wrote a `T` there, and NGINX runs a cleanup once.
    unsafe { core::ptr::drop_in_place(data.cast::<T>()) };
}
