//! What can go wrong with an introspection.

use http::{HeaderValue, StatusCode};
use thiserror::Error;

use crate::jwt::JwtError;
use crate::refusal::Severity;

/// Why an introspection gave neither a JWT nor the answer that the token is inactive.
///
/// The text is what the operator reads in the error log: what went wrong and what to set. It never
/// has a token in it, nor anything else of the answer's body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// 200 without a body.
    #[error(
        "the introspection answer is 200 with an empty body: expected a JWT, JSON, or 204 for an \
         inactive token; check that the authorization server supports the type in \
         phantom_token_introspection_accept_header"
    )]
    Empty,
    /// The body does not look like JSON, and is no JWT that can be used either.
    #[error(
        "the introspection answer is neither JSON nor a usable JWT: {0}; check \
         phantom_token_introspection_endpoint and phantom_token_introspection_accept_header"
    )]
    Jwt(#[source] JwtError),
    /// The body begins as a JSON object, but is none.
    #[error("the introspection answer is not valid JSON")]
    InvalidJson,
    /// JSON without the one member that RFC 7662 section 2.2 requires.
    #[error(
        "the introspection answer is JSON without the member active: check that \
         phantom_token_introspection_endpoint leads to an introspection endpoint (RFC 7662)"
    )]
    ActiveMissing,
    /// `active` is something else than `true` or `false`.
    #[error("the member active of the introspection answer is not a boolean")]
    ActiveInvalid,
    /// A member that decides the outcome occurs more than once.
    #[error("the introspection answer has a member more than once: active, exp or the JWT")]
    RepeatedMember,
    /// `exp` is something else than a number.
    #[error("the member exp of the introspection answer is not a number")]
    ExpiresInvalid,
    /// The token is active, but there is no JWT to forward.
    #[error(
        "the introspection answer says that the token is active, but has no JWT: set \
         phantom_token_introspection_accept_header to application/jwt, or name the member that \
         holds the JWT with phantom_token_jwt_claim"
    )]
    NoJwt,
    /// The member that should hold the JWT holds something else.
    #[error(
        "the JWT in the introspection answer is not usable: {0}; check phantom_token_jwt_claim"
    )]
    EmbeddedJwt(#[source] JwtError),
    /// The answer ended before its announced end.
    #[error(
        "the introspection answer is truncated: the connection to the authorization server \
         ended too early"
    )]
    Truncated,
    /// The answer was there, but could not be read back from where NGINX had put it.
    #[error(
        "the introspection answer could not be read back from a temporary or cached file, or \
         memory is used up: check the disk and the memory of this machine"
    )]
    Unreadable,
    /// The answer is larger than the configured limit.
    #[error("the introspection answer is too large: raise phantom_token_max_response_size")]
    TooLarge,
    /// The answer has a content coding, such as gzip.
    #[error(
        "the introspection answer is compressed: set proxy_set_header Accept-Encoding \"\" in \
         the introspection location"
    )]
    Encoded,
    /// A status that an introspection endpoint does not answer with when it is asked correctly.
    #[error("the introspection answer has status {}: {}", .0.as_u16(), advice(*.0))]
    UnexpectedStatus(StatusCode),
    /// 429 or 503: the authorization server asks to be left alone for a while.
    #[error("the authorization server is overloaded or down: it answered {}", status.as_u16())]
    Unavailable {
        /// What it answered.
        status: StatusCode,
        /// When to come again, if it said so in a valid way (RFC 9110 section 10.2.3).
        retry_after: Option<HeaderValue>,
    },
    /// 500, 502 and other 5xx. NGINX says 502 too when there is nobody to connect to.
    #[error("the authorization server failed or cannot be reached: status {}", .0.as_u16())]
    ServerError(StatusCode),
    /// 504, which NGINX says too when the authorization server does not answer in time.
    #[error(
        "the authorization server did not answer in time: proxy_read_timeout and \
         proxy_connect_timeout of the introspection location say how long to wait"
    )]
    Timeout,
}

impl Failure {
    /// The status that the client of the API gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// How loud to log it: a warning if it passes by itself.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Unavailable { .. } | Self::ServerError(_) | Self::Timeout => Severity::Warn,
            _ => Severity::Error,
        }
    }

    /// The `Retry-After` to pass on to the client.
    #[must_use]
    pub fn retry_after(&self) -> Option<&HeaderValue> {
        match self {
            Self::Unavailable { retry_after, .. } => retry_after.as_ref(),
            _ => None,
        }
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "check the client credential, phantom_token_client_credential or the Authorization \
             that proxy_set_header sets in the introspection location"
        }
        StatusCode::NOT_FOUND => {
            "check the path in proxy_pass of the introspection location and \
             phantom_token_introspection_endpoint"
        }
        StatusCode::NOT_ACCEPTABLE => {
            "check that the authorization server supports the type in \
             phantom_token_introspection_accept_header"
        }
        status if status.is_redirection() => {
            "redirects are not followed, let proxy_pass name the endpoint itself"
        }
        _ => "expected 200 or 204, check the introspection location",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_passes_by_itself_is_a_warning() {
        for failure in [
            Failure::Unavailable { status: StatusCode::TOO_MANY_REQUESTS, retry_after: None },
            Failure::ServerError(StatusCode::BAD_GATEWAY),
            Failure::Timeout,
        ] {
            assert_eq!(failure.severity(), Severity::Warn, "{failure}");
        }
    }

    #[test]
    fn a_failure_that_needs_an_operator_is_an_error() {
        for failure in [
            Failure::Empty,
            Failure::Truncated,
            Failure::TooLarge,
            Failure::Encoded,
            Failure::NoJwt,
            Failure::Jwt(JwtError::PartCount),
            Failure::UnexpectedStatus(StatusCode::UNAUTHORIZED),
        ] {
            assert_eq!(failure.severity(), Severity::Error, "{failure}");
        }
    }

    #[test]
    fn the_text_names_the_directive_that_helps() {
        for (failure, directive) in [
            (Failure::TooLarge, "phantom_token_max_response_size"),
            (Failure::Encoded, "proxy_set_header Accept-Encoding \"\""),
            (Failure::NoJwt, "phantom_token_jwt_claim"),
            (
                Failure::UnexpectedStatus(StatusCode::UNAUTHORIZED),
                "401: check the client credential, phantom_token_client_credential",
            ),
            (Failure::UnexpectedStatus(StatusCode::FOUND), "302: redirects are not followed"),
            (
                Failure::Jwt(JwtError::IntrospectionResponse),
                "phantom_token_introspection_accept_header",
            ),
        ] {
            let text = failure.to_string();
            assert!(text.contains(directive), "{text}");
        }
    }
}
