//! What becomes of a request, in the words of the variables and the counters.

use crate::cache::Counter;

/// Where in the cache a request was answered from (`$phantom_token_cache_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// In the worker's own cache.
    LocalHit,
    /// In the zone.
    ZoneHit,
    /// Nothing was there.
    Miss,
    /// What was there is not fresh any more.
    Expired,
    /// The answer to another request's introspection.
    Coalesced,
    /// Past its freshness, as the introspection failed.
    Stale,
    /// Past its freshness, while an introspection is under way.
    Updating,
    /// The cache was not asked (`phantom_token_cache_bypass`).
    Bypass,
}

impl CacheStatus {
    /// The value of the variable.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LocalHit | Self::ZoneHit => "HIT",
            Self::Miss => "MISS",
            Self::Expired => "EXPIRED",
            Self::Coalesced => "COALESCED",
            Self::Stale => "STALE",
            Self::Updating => "UPDATING",
            Self::Bypass => "BYPASS",
        }
    }

    /// The counter of the status, of which each request that is granted or refused counts one.
    #[must_use]
    pub fn counter(self) -> Counter {
        match self {
            Self::LocalHit => Counter::LocalHit,
            Self::ZoneHit => Counter::ZoneHit,
            Self::Miss => Counter::Miss,
            Self::Expired => Counter::Expired,
            Self::Coalesced => Counter::Coalesced,
            Self::Stale => Counter::Stale,
            Self::Updating => Counter::Updating,
            Self::Bypass => Counter::Bypass,
        }
    }
}
