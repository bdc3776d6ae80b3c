//! What is configured for a location.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::Profile;
use phantom_token_core::freshness::Policy;
use phantom_token_core::stale::UseStale;
use std::time::Duration;

/// A location, with answers of its own.
pub struct Location {
    pub profile: Profile,
    pub policy: Policy,
    pub use_stale: UseStale,
    /// How many seconds before its end a JWT in use is renewed.
    pub background_update: Option<u64>,
    pub lock: bool,
    pub lock_timeout_ms: u64,
    pub worker_cache: bool,
    /// One request in so many is to be introspected afresh.
    pub bypass: Option<usize>,
}

impl Location {
    /// One as it comes, one that serves stale JWTs and renews them, and one where each request
    /// introspects for itself.
    pub fn all() -> [Self; 3] {
        [Self::plain(), Self::with_stale(), Self::without_lock()]
    }

    /// Whether a JWT that is fresh until then goes stale so soon that it is to be renewed.
    pub fn is_to_be_renewed(&self, fresh_until: UnixTime, now: UnixTime) -> bool {
        self.background_update.is_some_and(|before| fresh_until.0.saturating_sub(now.0) <= before)
    }

    fn plain() -> Self {
        Self {
            profile: Profile::new(&[b"plain"]),
            policy: Policy {
                valid: Some(Duration::from_secs(60)),
                inactive_valid: Some(Duration::from_secs(10)),
                max_valid: Some(Duration::from_secs(600)),
                ..Policy::default()
            },
            use_stale: UseStale::default(),
            background_update: None,
            lock: true,
            lock_timeout_ms: 5_000,
            worker_cache: true,
            bypass: None,
        }
    }

    fn with_stale() -> Self {
        Self {
            profile: Profile::new(&[b"with stale"]),
            policy: Policy { valid: Some(Duration::from_secs(20)), ..Policy::default() },
            use_stale: use_stale(&["updating", "error", "timeout", "http_500", "http_503"]),
            background_update: Some(5),
            ..Self::plain()
        }
    }

    fn without_lock() -> Self {
        Self {
            profile: Profile::new(&[b"without lock"]),
            policy: Policy::default(),
            use_stale: use_stale(&["error", "timeout", "http_429", "http_500", "http_503"]),
            lock: false,
            worker_cache: false,
            bypass: Some(10),
            ..Self::plain()
        }
    }
}

fn use_stale(failures: &[&str]) -> UseStale {
    let mut use_stale = UseStale::default();
    for failure in failures {
        assert!(use_stale.add(failure.as_bytes()), "{failure}");
    }
    use_stale
}
