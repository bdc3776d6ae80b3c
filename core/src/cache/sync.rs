//! What processes do to each other's memory, and how they wait: atomics, a clock, a pause.
//!
//! They are the standard library's. All of the cache takes them from here, so that a model of it
//! can have its own: compiled with `--cfg shuttle`, each access to shared memory first calls a
//! function of the model, which may let any other process go on before it, or let this one die.
//! `core/tests/models` does that. What it shows holds for sequentially consistent memory. That the
//! orderings are strong enough for real memory is ThreadSanitizer's to find out, on the tests with
//! threads in `core/tests/cache`.

#[cfg(shuttle)]
mod watched;

#[cfg(not(shuttle))]
pub(super) use standard::*;
#[cfg(shuttle)]
pub(super) use watched::{
    AtomicU8, AtomicU16, AtomicU32, AtomicU64, Instant, access_memory, spin_loop,
};

#[cfg(shuttle)]
pub use watched::watch;

#[cfg(not(shuttle))]
mod standard {
    pub(in super::super) use std::hint::spin_loop;
    pub(in super::super) use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
    pub(in super::super) use std::time::Instant;

    /// Comes before an access to shared memory that is no atomic operation.
    #[inline(always)]
    pub(in super::super) fn access_memory() {}
}
