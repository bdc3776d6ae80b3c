//! The decisions of the phantom token pattern, free of NGINX.
//!
//! Everything here takes plain values and returns plain values: no FFI, no I/O, no globals.

#![deny(unsafe_code)]

#[forbid(unsafe_code)]
pub mod admit;
pub mod cache;
#[forbid(unsafe_code)]
pub mod challenge;
#[forbid(unsafe_code)]
pub mod flow;
#[forbid(unsafe_code)]
pub mod freshness;
#[forbid(unsafe_code)]
pub mod introspection;
#[forbid(unsafe_code)]
mod json;
#[forbid(unsafe_code)]
mod media_type;
#[forbid(unsafe_code)]
pub mod outcome;
#[forbid(unsafe_code)]
pub mod purge;
#[forbid(unsafe_code)]
pub mod refusal;
#[forbid(unsafe_code)]
pub mod stale;
#[forbid(unsafe_code)]
pub mod status;
#[forbid(unsafe_code)]
pub mod token;

/// Seconds since the Unix epoch, as `ngx_time()` gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Whether at least so many seconds are over since then. If the clock was set back, they may be.
    #[must_use]
    pub fn is_over(self, seconds: u64, now: UnixTime) -> bool {
        !(self.0..self.0.saturating_add(seconds)).contains(&now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_over_at_its_end_and_when_the_clock_was_set_back() {
        let start = UnixTime(10_000);
        for (now, is_over) in
            [(10_000, false), (13_599, false), (13_600, true), (20_000, true), (9_999, true)]
        {
            assert_eq!(start.is_over(3600, UnixTime(now)), is_over, "{now}");
        }
    }
}
