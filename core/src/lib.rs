//! The decisions of the phantom token pattern, free of NGINX.
//!
//! Everything here takes plain values and returns plain values: no FFI, no I/O, no globals.

#![deny(unsafe_code)]

pub mod cache;

/// Seconds since the Unix epoch, as `ngx_time()` gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);
