//! Waits for an introspection that another request makes, in this worker or in another.
//!
//! Requests of this worker that wait for the same token are in a queue. Its first one looks at the
//! shared zone now and then, for a leader in another worker; all are woken when the leader is in
//! this worker, or when the first one has found the introspection over. There may be thousands, so
//! to come and to go takes the same time however many there are.

use core::cell::Cell;
use std::collections::HashMap;

use nginx_sys::ngx_int_t;
use phantom_token_core::cache::CacheKey;
use phantom_token_core::flow::Flow;

use crate::nginx::event::{Event, monotonic_ms};
use crate::nginx::handlers::Handler;
use crate::nginx::lasting::Lasting;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{WorkerCell, pool, rc};

type Queues = HashMap<CacheKey, Vec<Lasting<Waiter>>>;

static QUEUES: WorkerCell<Option<Queues>> = WorkerCell::new(None);

/// A request that waits, in the pool of that request.
pub struct Waiter {
    request: Request,
    key: CacheKey,
    /// Where it is in the queue.
    place: Cell<Option<usize>>,
    event: Event,
}

/// Makes a request ready to wait for the introspection of a key. It is ended when its client hangs up
/// meanwhile, unless that is to be ignored.
///
/// # Errors
///
/// The request's memory is used up.
pub fn begin(
    mut request: Request,
    key: CacheKey,
    ignores_client_abort: bool,
) -> Result<Lasting<Waiter>, OutOfMemory> {
    let event = Event::new::<LookAgain>(request);
    let waiter = Waiter { request, key, place: Cell::new(None), event };
    let waiter = pool::allocate(request, waiter)?;
    if request.is_main() && !ignores_client_abort {
        request.notice_hang_up()?;
    }
    Ok(waiter)
}

/// Wakes all requests of this worker that wait for a key. Those that have to wait on come back.
pub fn wake(key: &CacheKey) {
    let mut queues = QUEUES.take().unwrap_or_default();
    // Where nobody waits, the key needs no hash.
    let queue = if queues.is_empty() { None } else { queues.remove(key) };
    QUEUES.set(Some(queues));
    for waiter in queue.unwrap_or_default() {
        waiter.place.set(None);
        waiter.event.soon();
    }
}

/// Has one of the requests of this worker that wait for a key look whether it is to lead.
pub fn wake_first(key: &CacheKey) {
    let queues = QUEUES.take().unwrap_or_default();
    if let Some(first) = queues.get(key).and_then(|queue| queue.first()) {
        first.event.soon();
    }
    QUEUES.set(Some(queues));
}

impl Waiter {
    /// Waits until it is woken, or it is time to look again.
    pub fn rest(waiter: Lasting<Self>, flow: &Flow) {
        let is_first = waiter.place.get().unwrap_or_else(|| Self::enqueue(waiter)) == 0;
        waiter.event.after(flow.pause(monotonic_ms(), is_first));
    }

    /// Enters the queue; gives the place. One for which there is no memory is the first of its own.
    fn enqueue(waiter: Lasting<Self>) -> usize {
        let mut queues = QUEUES.take().unwrap_or_default();
        if queues.try_reserve(1).is_ok() {
            let queue = queues.entry(waiter.key).or_default();
            if queue.try_reserve(1).is_ok() {
                waiter.place.set(Some(queue.len()));
                queue.push(waiter);
            }
        }
        QUEUES.set(Some(queues));
        waiter.place.get().unwrap_or_default()
    }

    /// Waits no more.
    pub fn leave(&self) {
        self.event.cancel();
        let mut request = self.request;
        if request.is_main() {
            request.ignore_hang_up();
        }
        self.leave_queue();
    }

    /// The last one takes its place, and looks from now on if that is the first.
    fn leave_queue(&self) {
        let Some(place) = self.place.take() else {
            return;
        };
        let mut queues = QUEUES.take().unwrap_or_default();
        if let Some(queue) = queues.get_mut(&self.key) {
            if place < queue.len() {
                queue.swap_remove(place);
            }
            if let Some(moved) = queue.get(place) {
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
struct LookAgain;

impl Handler for LookAgain {
    fn handle(request: Request) -> ngx_int_t {
        request.run_write_handler();
        rc::OK
    }
}
