//! The cache, from outside.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

mod accidents;
mod clock;
mod counters;
mod entries;
mod eviction;
mod flights;
mod order;
mod purge;
mod random;
mod regions;
mod secrecy;
