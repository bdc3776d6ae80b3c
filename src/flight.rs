//! Waits for an introspection that another request makes, in this worker or in another.
//!
//! Requests of this worker that wait for the same token are in a queue. Its first one looks at the
//! shared zone now and then, for a leader in another worker; all are woken when the leader is in
//! this worker, or when the first one has found the introspection over. There may be thousands, so
//! to come and to go takes the same time however many there are.

use core::cell::Cell;
use core::ptr::NonNull;
use std::collections::HashMap;

use nginx_sys::{
    ngx_event_t, ngx_handle_read_event, ngx_http_block_reading, ngx_http_test_reading,
};
use phantom_token_core::cache::CacheKey;
use phantom_token_core::flow::Flow;

use crate::guard::Guard;
use crate::nginx::bits::event::READY;
use crate::nginx::event::{self, Event, monotonic_ms};
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{WorkerCell, pool};
use crate::record::{Record, State};

type Queues = HashMap<CacheKey, Vec<NonNull<Waiter>>>;

static QUEUES: WorkerCell<Option<Queues>> = WorkerCell::new(None);

/// A request that waits, in the pool of that request.
pub struct Waiter {
    request: Request,
    key: CacheKey,
    /// Where it is in the queue.
    place: Cell<Option<usize>>,
    event: Event,
}

/// Makes a request wait until its flow is to look, which it may have done before.
///
/// # Errors
///
/// The request's memory is used up.
pub fn wait(request: Request, record: &Record, guard: &Guard) -> Result<(), OutOfMemory> {
    let waiter = match record.waiter.get() {
        // SAFETY: a waiter lives in the pool of the record's request.
        Some(waiter) => unsafe { waiter.as_ref() },
        None => begin(request, record, guard)?,
    };
    record.state.set(State::Following);
    waiter.rest(&record.flow);
    Ok(())
}

fn begin<'a>(
    request: Request,
    record: &'a Record,
    guard: &Guard,
) -> Result<&'a Waiter, OutOfMemory> {
    let key = record.flow.key().ok_or(OutOfMemory)?;
    // SAFETY: the event is in the request's pool, as the waiter is; the log is the connection's.
    let event = unsafe { Event::new(on_event, request.as_ptr().cast(), request.log()) };
    let waiter = Waiter { request, key, place: Cell::new(None), event };
    let waiter = pool::allocate(request, waiter)?;
    if request.is_main() && !guard.ignores_client_abort {
        notice_hang_up(request)?;
    }
    record.waiter.set(Some(NonNull::from(waiter)));
    Ok(waiter)
}

/// A request waits no more.
pub fn leave(record: &Record) {
    if let Some(waiter) = record.waiter.take() {
        // SAFETY: a waiter lives in the pool of the record's request.
        unsafe { waiter.as_ref() }.leave();
    }
}

/// Ends the request when its client hangs up meanwhile, as `limit_req` does.
fn notice_hang_up(mut request: Request) -> Result<(), OutOfMemory> {
    // SAFETY: a live request has a connection, and that a read event.
    unsafe {
        let read = (*request.raw().connection).read;
        if READY.is_set(&*read) {
            // It will not be reported again.
            event::post(read);
        } else if ngx_handle_read_event(read, 0) != rc::OK {
            return Err(OutOfMemory);
        }
    }
    request.raw_mut().read_event_handler = Some(ngx_http_test_reading);
    Ok(())
}

/// Wakes all requests of this worker that wait for a key. Those that have to wait on come back.
pub fn wake(key: &CacheKey) {
    let mut queues = QUEUES.take().unwrap_or_default();
    let queue = queues.remove(key).unwrap_or_default();
    QUEUES.set(Some(queues));
    for waiter in queue {
        // SAFETY: a waiter leaves the queue before it is dropped.
        let waiter = unsafe { waiter.as_ref() };
        waiter.place.set(None);
        waiter.event.soon();
    }
}

/// Has one of the requests of this worker that wait for a key look whether it is to lead.
pub fn wake_first(key: &CacheKey) {
    let queues = QUEUES.take().unwrap_or_default();
    if let Some(first) = queues.get(key).and_then(|queue| queue.first()) {
        // SAFETY: a waiter leaves the queue before it is dropped.
        unsafe { first.as_ref() }.event.soon();
    }
    QUEUES.set(Some(queues));
}

impl Waiter {
    /// Waits until it is woken, or it is time to look again.
    fn rest(&self, flow: &Flow) {
        let is_first = self.place.get().unwrap_or_else(|| self.enqueue()) == 0;
        self.event.after(flow.pause(monotonic_ms(), is_first));
    }

    /// Enters the queue; gives the place. One for which there is no memory is the first of its own.
    fn enqueue(&self) -> usize {
        let mut queues = QUEUES.take().unwrap_or_default();
        if queues.try_reserve(1).is_ok() {
            let queue = queues.entry(self.key).or_default();
            if queue.try_reserve(1).is_ok() {
                self.place.set(Some(queue.len()));
                queue.push(NonNull::from(self));
            }
        }
        QUEUES.set(Some(queues));
        self.place.get().unwrap_or_default()
    }

    /// Leaves the queue. The last one takes its place, and looks from now on if that is the first.
    fn leave(&self) {
        self.event.cancel();
        let mut request = self.request;
        if request.is_main() {
            request.raw_mut().read_event_handler = Some(ngx_http_block_reading);
        }
        let Some(place) = self.place.take() else {
            return;
        };
        let mut queues = QUEUES.take().unwrap_or_default();
        if let Some(queue) = queues.get_mut(&self.key) {
            if place < queue.len() {
                queue.swap_remove(place);
            }
            if let Some(moved) = queue.get(place) {
                // SAFETY: a waiter leaves the queue before it is dropped.
                let moved = unsafe { moved.as_ref() };
                moved.place.set(Some(place));
                if place == 0 {
                    moved.event.soon();
                }
            }
            if queue.is_empty() {
                queues.remove(&self.key);
            }
        }
        QUEUES.set(Some(queues));
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.place.get().is_some() {
            self.leave();
        }
    }
}

/// Lets the access phase look again.
unsafe extern "C" fn on_event(event: *mut ngx_event_t) {
    // SAFETY: `wait` gave the event a request, and the event is cancelled before that is gone.
    let Some(request) = (unsafe { Request::new((*event).data.cast()) }) else {
        return;
    };
    request.run_write_handler();
}
