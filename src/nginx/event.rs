//! Events of NGINX's loop: timers, and what is to run before the loop waits again.

use core::cell::UnsafeCell;

use nginx_sys::{ngx_current_msec, ngx_event_t, ngx_msec_t};

use super::bits::event::{POSTED, TIMER_SET};
use super::handlers::{Handler, event_handler};
use super::request::Request;

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
