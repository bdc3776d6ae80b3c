//! The decisions of the phantom token pattern, free of NGINX.
//!
//! Everything here takes plain values and returns plain values: no FFI, no I/O, no globals.

#![deny(unsafe_code)]

#[forbid(unsafe_code)]
pub mod bearer;
pub mod cache;
#[forbid(unsafe_code)]
pub mod challenge;
#[forbid(unsafe_code)]
mod charset;
#[forbid(unsafe_code)]
pub mod freshness;
#[forbid(unsafe_code)]
pub mod introspection;
#[forbid(unsafe_code)]
mod json;
#[forbid(unsafe_code)]
pub mod jwt;
#[forbid(unsafe_code)]
pub mod purge;
#[forbid(unsafe_code)]
pub mod refusal;
#[forbid(unsafe_code)]
pub mod stale;
#[forbid(unsafe_code)]
pub mod status;

/// Seconds since the Unix epoch, as `ngx_time()` gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);
