//! When a JWT may be served past its freshness (RFC 9111 section 4.2.4).

use http::StatusCode;

use crate::introspection::Failure;

/// The failures of introspection for which a stale JWT is served instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UseStale {
    error: bool,
    timeout: bool,
    updating: bool,
    http_429: bool,
    http_500: bool,
    http_502: bool,
    http_503: bool,
    http_504: bool,
}

impl UseStale {
    /// Adds a failure by its name in `proxy_cache_use_stale`; whether there is one of that name.
    pub fn add(&mut self, name: &[u8]) -> bool {
        let flag = match name {
            b"error" => &mut self.error,
            b"timeout" => &mut self.timeout,
            b"updating" => &mut self.updating,
            b"http_429" => &mut self.http_429,
            b"http_500" => &mut self.http_500,
            b"http_502" => &mut self.http_502,
            b"http_503" => &mut self.http_503,
            b"http_504" => &mut self.http_504,
            _ => return false,
        };
        *flag = true;
        true
    }

    /// Whether stale JWTs are of use at all.
    #[must_use]
    pub fn is_on(self) -> bool {
        self != Self::default()
    }

    /// Whether a stale JWT is served while another introspection of the token is under way.
    #[must_use]
    pub fn while_updating(self) -> bool {
        self.updating
    }

    /// Whether a stale JWT is served after this failure.
    ///
    /// NGINX answers 502 and 504 itself for a server that it cannot reach or that is too slow, so
    /// `error` and `http_502` mean the same of that status, as do `timeout` and `http_504`. Some servers
    /// redirect to their login page or to one for errors when their store fails, so `http_500` counts
    /// for a redirect.
    #[must_use]
    pub fn allows(self, failure: &Failure) -> bool {
        match failure {
            Failure::Truncated => self.error,
            Failure::Timeout => self.timeout || self.http_504,
            Failure::Unavailable { status, .. } | Failure::NotAsked { status, .. } => match *status
            {
                StatusCode::TOO_MANY_REQUESTS => self.http_429,
                StatusCode::SERVICE_UNAVAILABLE => self.http_503,
                StatusCode::INTERNAL_SERVER_ERROR => self.http_500,
                _ => false,
            },
            Failure::Unreachable => self.error || self.http_502,
            Failure::ServerError(status) => match *status {
                StatusCode::INTERNAL_SERVER_ERROR => self.http_500,
                StatusCode::BAD_GATEWAY => self.error || self.http_502,
                StatusCode::GATEWAY_TIMEOUT => self.timeout || self.http_504,
                _ => false,
            },
            Failure::UnexpectedStatus { status, .. } => self.http_500 && status.is_redirection(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspection::Said;

    fn use_stale(names: &[&str]) -> UseStale {
        let mut use_stale = UseStale::default();
        for name in names {
            assert!(use_stale.add(name.as_bytes()), "{name}");
        }
        use_stale
    }

    #[test]
    fn each_name_allows_its_own_failures_only() {
        let unavailable = |status| Failure::Unavailable { status, retry_after: None };
        let not_asked = |status| Failure::NotAsked { status, retry_after: None };
        let unexpected = |status| Failure::UnexpectedStatus { status, said: Said::Nothing };
        let failures = [
            (Failure::Truncated, &["error"][..]),
            (Failure::Timeout, &["timeout", "http_504"]),
            (unavailable(StatusCode::TOO_MANY_REQUESTS), &["http_429"]),
            (unavailable(StatusCode::SERVICE_UNAVAILABLE), &["http_503"]),
            (not_asked(StatusCode::TOO_MANY_REQUESTS), &["http_429"]),
            (not_asked(StatusCode::SERVICE_UNAVAILABLE), &["http_503"]),
            (not_asked(StatusCode::FOUND), &[]),
            (not_asked(StatusCode::INTERNAL_SERVER_ERROR), &["http_500"]),
            (Failure::Unreachable, &["error", "http_502"]),
            (Failure::ServerError(StatusCode::GATEWAY_TIMEOUT), &["timeout", "http_504"]),
            (Failure::UnboundCacheKey, &[]),
            (Failure::ServerError(StatusCode::INTERNAL_SERVER_ERROR), &["http_500"]),
            (Failure::ServerError(StatusCode::BAD_GATEWAY), &["error", "http_502"]),
            (Failure::ServerError(StatusCode::NOT_IMPLEMENTED), &[]),
            (unexpected(StatusCode::FOUND), &["http_500"]),
            (unexpected(StatusCode::TEMPORARY_REDIRECT), &["http_500"]),
            (unexpected(StatusCode::UNAUTHORIZED), &[]),
            (unexpected(StatusCode::NOT_FOUND), &[]),
            (Failure::HtmlPage, &[]),
            (Failure::TooLarge, &[]),
        ];
        let names = [
            "error", "timeout", "updating", "http_429", "http_500", "http_502", "http_503",
            "http_504",
        ];

        for (failure, allowing) in &failures {
            for name in names {
                let allows = use_stale(&[name]).allows(failure);
                assert_eq!(allows, allowing.contains(&name), "{name} for {failure:?}");
            }
        }
    }

    #[test]
    fn an_unknown_name_is_not_taken() {
        assert!(!UseStale::default().add(b"http_404"));
    }

    #[test]
    fn it_is_off_until_something_is_added() {
        assert!(!UseStale::default().is_on());
        assert!(use_stale(&["updating"]).is_on());
        assert!(use_stale(&["updating"]).while_updating());
    }
}
