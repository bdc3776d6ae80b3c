//! The results of requests and their cache statuses: the one place where they are named.
//!
//! Variables, counters, the status page and the log take their words from here.

/// The result of a request (`$phantom_token_result`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The API is called with a JWT.
    Granted,
    /// Refused: no token.
    MissingToken,
    /// Refused: something that cannot be a token.
    MalformedToken,
    /// Refused: a token that is not active.
    InactiveToken,
    /// Refused: a token that lacks a scope.
    InsufficientScope,
    /// Refused: the authorization server's answer is of no use.
    IntrospectionFailed,
    /// Refused: the authorization server is overloaded or too slow.
    Unavailable,
    /// An OPTIONS request, which needs no token.
    Options,
}

impl Outcome {
    /// All, in the order in which they are counted and reported.
    pub const ALL: [Self; 8] = [
        Self::Granted,
        Self::MissingToken,
        Self::MalformedToken,
        Self::InactiveToken,
        Self::InsufficientScope,
        Self::IntrospectionFailed,
        Self::Unavailable,
        Self::Options,
    ];

    /// The value of the variable, and the name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::MissingToken => "missing_token",
            Self::MalformedToken => "malformed_token",
            Self::InactiveToken => "inactive_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::IntrospectionFailed => "introspection_failed",
            Self::Unavailable => "unavailable",
            Self::Options => "options",
        }
    }
}

/// Where in the cache a request was answered from (`$phantom_token_cache_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// Found in the worker's own cache.
    WorkerHit,
    /// Found in the zone.
    ZoneHit,
    /// Found nowhere.
    Miss,
    /// Found, but not fresh any more.
    Expired,
    /// Past its freshness, and served because introspection failed.
    Stale,
    /// Past its freshness, and served while an introspection is under way.
    Updating,
    /// Not looked for (`phantom_token_cache_bypass`).
    Bypass,
    /// Got from another request's introspection.
    Coalesced,
}

impl CacheStatus {
    /// All, in the order in which they are counted and reported.
    pub const ALL: [Self; 8] = [
        Self::WorkerHit,
        Self::ZoneHit,
        Self::Miss,
        Self::Expired,
        Self::Stale,
        Self::Updating,
        Self::Bypass,
        Self::Coalesced,
    ];

    /// The value of the variable, which tells no cache from another.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WorkerHit | Self::ZoneHit => "HIT",
            Self::Miss => "MISS",
            Self::Expired => "EXPIRED",
            Self::Coalesced => "COALESCED",
            Self::Stale => "STALE",
            Self::Updating => "UPDATING",
            Self::Bypass => "BYPASS",
        }
    }

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkerHit => "local_hit",
            Self::ZoneHit => "zone_hit",
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Stale => "stale",
            Self::Updating => "updating",
            Self::Bypass => "bypass",
            Self::Coalesced => "coalesced",
        }
    }
}
