//! Models of processes that share a zone: each runs a few of them, in thousands of orders.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p phantom-token-core --test models
//! ```
//!
//! Before each access to the zone's memory, the scheduler decides which process goes on, and some
//! processes die there. `PHANTOM_SCHEDULES` says how many orders each model is run in. A failure
//! prints the order it happened in, and what to call to have it again.

#![cfg(shuttle)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

mod flights;
mod lock;
mod world;
