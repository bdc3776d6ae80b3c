//! A request and its worker, as the decisions on its way to a JWT know them.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::CacheKey;
use phantom_token_core::flow;

use crate::nginx::event::monotonic_ms;
use crate::nginx::request::Request;
use crate::request::wait;
use crate::worker::{self, Worker};

/// A request in this worker.
pub struct Site(pub Request);

impl flow::Site for Site {
    type Process = Worker;

    fn process(&self) -> &Worker {
        &Worker
    }

    #[inline]
    fn now(&self) -> UnixTime {
        worker::now()
    }

    fn now_ms(&self) -> u64 {
        monotonic_ms()
    }

    /// A renewal holds its connection until it is over: one after which the connection is closed would
    /// keep its client waiting, and one whose body is still on its way may be ended by NGINX before the
    /// renewal is.
    fn may_renew(&self) -> bool {
        let Self(request) = self;
        request.is_main() && !request.has_body() && !request.is_last_of_connection()
    }

    fn wake(&self, key: &CacheKey, whom: flow::Wake) {
        match whom {
            flow::Wake::All => wait::wake(key),
            flow::Wake::First => wait::wake_first(key),
        }
    }
}
