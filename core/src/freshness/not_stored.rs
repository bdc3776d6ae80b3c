//! Why an answer is not stored.

use thiserror::Error;

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
    /// `phantom_token_cache_valid` is 0.
    #[error("phantom_token_cache_valid is 0")]
    Valid,
    /// `phantom_token_cache_max_valid` is 0.
    #[error("phantom_token_cache_max_valid is 0")]
    MaxValid,
}
