//! The gateway under load while something goes wrong: no answer may ever be wrong, and afterwards
//! everything must be as it was before.
//!
//! Each test makes one fault in a [`scene::Scene`]. `PHANTOM_FAULTS_SECONDS` says how long each
//! lasts, `PHANTOM_FAULTS_REPORT` names a folder for a row of a table from each; `scripts/faults`
//! sets both.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod authorization_server;
mod clients;
mod clock;
mod exhaustion;
mod memory;
mod network;
mod plan;
mod reloads;
mod report;
mod scene;
mod workers;
mod zone_full;
