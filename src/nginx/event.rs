//! Events of NGINX's loop: timers, and what is to run before the loop waits again.

use core::cell::UnsafeCell;

use nginx_sys::{
    ngx_current_msec, ngx_event_t, ngx_handle_read_event, ngx_http_block_reading,
    ngx_http_test_reading, ngx_msec_t,
};

use super::bits::event::{POSTED, READY, TIMER_SET};
use super::handlers::{Handler, event_handler};
use super::rc;
use super::request::{OutOfMemory, Request};

// In `inlines.c`.
unsafe extern "C" {
    fn phantom_token_add_timer(event: *mut ngx_event_t, timer: ngx_msec_t);
    fn phantom_token_del_timer(event: *mut ngx_event_t);
    fn phantom_token_post_event(event: *mut ngx_event_t);
    fn phantom_token_delete_posted_event(event: *mut ngx_event_t);
}

/// Runs the handler of an event of NGINX's as soon as the present event is done with.
///
/// # Safety
///
/// The event is live until then, or until it is deleted.
pub(super) unsafe fn post(event: *mut ngx_event_t) {
    // SAFETY: the caller's promise.
    unsafe { phantom_token_post_event(event) };
}

/// Milliseconds of a clock that only goes forwards and is common to all workers.
pub fn monotonic_ms() -> u64 {
    // SAFETY: NGINX writes it between events, in the same thread.
    unsafe { ngx_current_msec as u64 }
}

/// An event, which must not move once it was used: NGINX links it by its address. It is cancelled
/// when dropped.
pub struct Event(UnsafeCell<ngx_event_t>);

impl Event {
    /// An event of a request, to be kept in the request's pool.
    pub fn new<H: Handler>(request: Request) -> Self {
        // SAFETY: the structure holds pointers, numbers and bits, for all of which zero is a value.
        let mut event: ngx_event_t = unsafe { core::mem::zeroed() };
        event.handler = Some(event_handler::<H>);
        event.data = request.as_ptr().cast();
        event.log = request.log();
        Self(UnsafeCell::new(event))
    }

    /// Runs the handler after some milliseconds, whatever was asked for before.
    pub fn after(&self, milliseconds: u64) {
        self.cancel();
        // SAFETY: the event is not linked any more, and does not move.
        unsafe { phantom_token_add_timer(self.0.get(), milliseconds as ngx_msec_t) };
    }

    /// Runs the handler as soon as the present event is done with.
    pub fn soon(&self) {
        // SAFETY: the event is ours.
        if POSTED.is_set(unsafe { &*self.0.get() }) {
            return;
        }
        self.cancel();
        // SAFETY: the event is not linked any more, and does not move.
        unsafe { post(self.0.get()) };
    }

    /// Runs the handler no more.
    pub fn cancel(&self) {
        let event = self.0.get();
        // SAFETY: the event is ours, and linked exactly where its bits say.
        unsafe {
            if TIMER_SET.is_set(&*event) {
                phantom_token_del_timer(event);
            }
            if POSTED.is_set(&*event) {
                phantom_token_delete_posted_event(event);
            }
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl Request {
    /// Ends the request when its client hangs up while it waits, as `limit_req` does.
    ///
    /// # Errors
    ///
    /// The connection cannot be watched.
    pub fn notice_hang_up(&mut self) -> Result<(), OutOfMemory> {
        // SAFETY: a live request has a connection, and that a read event.
        unsafe {
            let read = (*self.raw().connection).read;
            if READY.is_set(&*read) {
                // It will not be reported again.
                post(read);
            } else if ngx_handle_read_event(read, 0) != rc::OK {
                return Err(OutOfMemory);
            }
        }
        self.raw_mut().read_event_handler = Some(ngx_http_test_reading);
        Ok(())
    }

    /// Ends the request no more when its client hangs up.
    pub fn ignore_hang_up(&mut self) {
        self.raw_mut().read_event_handler = Some(ngx_http_block_reading);
    }
}
