//! What the tests of several crates, the benchmarks and the fuzz targets share: zones to test with, models of
//! what they should do, made-up tokens, and the properties that hold for any input.
//!
//! All of it panics where what it is told or finds cannot be right, as tests do.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

pub mod capacity;
mod memory;
pub mod model;
mod process;
pub mod properties;
mod random;
pub mod trace;
mod value;
mod zone;

pub use memory::{MEGABYTE, Memory, SECRET};
pub use process::{ALONE, RealProcess, TestProcess};
pub use random::Random;
pub use value::{assert_whole, value};
pub use zone::{TestZone, UNTIL_100, fresh};
