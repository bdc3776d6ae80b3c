//! The module in a real NGINX, between a real authorization server and a real API.
//!
//! A folder has the tests of one subject; `smoke` does everything once. `crowd` and `pages` are what several
//! of them need.
//!
//! Each test starts its own three servers; see the devkit for how. `PHANTOM_NGINX` and
//! `PHANTOM_MODULE` name the NGINX and the module to test, `PHANTOM_DEBUG` makes NGINX log more.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod cache;
mod client;
mod configuration;
mod crowd;
mod grant;
mod introspection;
mod operation;
mod pages;
mod refusal;
mod smoke;
mod token;
