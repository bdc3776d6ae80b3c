//! Why an answer is not stored, and what would change that.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::{Settings, fresh_until};
use crate::UnixTime;
use crate::introspection::Fields;

/// Why the answer that a token is active is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotStored {
    /// Neither the answer nor the configuration says for how long.
    #[error("nothing in it that counts here says for how long")]
    NoLifetime,
    /// `Cache-Control: no-store`.
    #[error("its Cache-Control has no-store")]
    NoStore,
    /// `Cache-Control: no-cache`.
    #[error("its Cache-Control has no-cache")]
    NoCache,
    /// `Cache-Control: private`.
    #[error("its Cache-Control has private")]
    Private,
    /// `Pragma: no-cache`, which counts where there is no `Cache-Control`.
    #[error("its Pragma is no-cache")]
    Pragma,
    /// A field of that name that may say anything.
    #[error("its {0} is malformed")]
    Malformed(&'static str),
    /// `Vary: *`.
    #[error("its Vary is \"*\"")]
    Vary,
    /// `max-age` or `s-maxage` is 0, invalid, or not more than `Age`.
    #[error("its max-age or s-maxage leaves no time")]
    MaxAge,
    /// `Expires` is not after `Date`, or no date.
    #[error("its Expires leaves no time")]
    Expires,
    /// The JWT ends within the second.
    #[error("its JWT expires")]
    Jwt,
    /// NGINX's own cache, out of which it came, keeps it no longer.
    #[error("it comes from a proxy_cache that keeps it no longer")]
    ProxyCache,
    /// The introspection was asked by other values of variables than were known before, by which answers
    /// are kept apart.
    #[error(
        "a variable that decides whom to ask has another value in the introspection location than in the \
         protected one: set it in the latter, or in the server"
    )]
    OtherQuestion,
    /// [`Settings::valid`] is 0.
    #[error("phantom_token_cache_valid is 0")]
    Valid,
    /// [`Settings::max_valid`] is 0.
    #[error("phantom_token_cache_max_valid is 0")]
    MaxValid,
}

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
