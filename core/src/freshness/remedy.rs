//! What would have an answer stored.

use std::fmt;
use std::time::Duration;

use super::{Settings, fresh_until};
use crate::UnixTime;
use crate::introspection::Fields;

/// The directives with which an answer would be stored, without those that are set already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// All that `phantom_token_cache_ignore_headers` has to name, if that has to be set.
    ignored_headers: Option<&'static str>,
    /// Whether `phantom_token_cache_valid` has to say for how long.
    valid: bool,
}

impl Remedy {
    /// The least that has to be set for an answer that [`fresh_until`] does not have stored; nothing
    /// if these directives do not help.
    #[must_use]
    pub fn find(
        headers: &Fields,
        settings: &Settings,
        exp: Option<UnixTime>,
        upper_bound: Option<UnixTime>,
        now: UnixTime,
    ) -> Option<Self> {
        CANDIDATES.into_iter().find_map(|[cache_control, expires, valid]| {
            let changed = Settings {
                ignore_cache_control: settings.ignore_cache_control || cache_control,
                ignore_expires: settings.ignore_expires || expires,
                valid: if valid { Some(Duration::from_secs(1)) } else { settings.valid },
                ..*settings
            };
            fresh_until(headers, &changed, exp, upper_bound, now).ok()?;
            let ignored = match (changed.ignore_cache_control, changed.ignore_expires) {
                (true, true) => "Cache-Control Expires",
                (true, false) => "Cache-Control",
                (false, _) => "Expires",
            };
            Some(Self { ignored_headers: (cache_control || expires).then_some(ignored), valid })
        })
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ignored_headers, self.valid) {
            (Some(names), true) => write!(
                f,
                "\"phantom_token_cache_ignore_headers {names}\" and \"phantom_token_cache_valid\""
            ),
            (Some(names), false) => write!(f, "\"phantom_token_cache_ignore_headers {names}\""),
            (None, _) => f.write_str("\"phantom_token_cache_valid\""),
        }
    }
}

/// Whether to ignore `Cache-Control`, to ignore `Expires`, and to set a lifetime; the least first.
const CANDIDATES: [[bool; 3]; 7] = [
    [false, false, true],
    [true, false, false],
    [false, true, false],
    [true, true, false],
    [true, false, true],
    [false, true, true],
    [true, true, true],
];
