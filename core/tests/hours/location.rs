//! What is configured for a location.

use phantom_token_core::cache::Profile;
use phantom_token_core::flow::Settings;
use phantom_token_core::freshness;
use phantom_token_core::stale::UseStale;
use std::time::Duration;

/// A location, with answers of its own.
pub struct Location {
    pub profile: Profile,
    pub settings: Settings,
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

    fn plain() -> Self {
        Self {
            profile: Profile::new(&[b"plain"]),
            settings: Settings {
                freshness: freshness::Settings {
                    valid: Some(Duration::from_secs(60)),
                    inactive_valid: Some(Duration::from_secs(10)),
                    max_valid: Some(Duration::from_secs(600)),
                    ..freshness::Settings::default()
                },
                lock: true,
                lock_timeout_ms: 5_000,
                ..Settings::default()
            },
            worker_cache: true,
            bypass: None,
        }
    }

    fn with_stale() -> Self {
        let mut location = Self::plain();
        location.profile = Profile::new(&[b"with stale"]);
        location.settings.freshness = freshness::Settings {
            valid: Some(Duration::from_secs(20)),
            ..freshness::Settings::default()
        };
        location.settings.use_stale =
            use_stale(&["updating", "error", "timeout", "http_500", "http_503"]);
        location.settings.background_update = Some(5);
        location
    }

    fn without_lock() -> Self {
        let mut location = Self::plain();
        location.profile = Profile::new(&[b"without lock"]);
        location.settings.freshness = freshness::Settings::default();
        location.settings.use_stale =
            use_stale(&["updating", "error", "timeout", "http_429", "http_500", "http_503"]);
        location.settings.background_update = Some(5);
        location.settings.lock = false;
        location.worker_cache = false;
        location.bypass = Some(10);
        location
    }
}

fn use_stale(failures: &[&str]) -> UseStale {
    let mut use_stale = UseStale::default();
    for failure in failures {
        assert!(use_stale.add(failure.as_bytes()), "{failure}");
    }
    use_stale
}
