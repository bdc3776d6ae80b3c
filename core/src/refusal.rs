//! What the client gets when its request does not go to the API.

use std::fmt;

use http::{HeaderValue, StatusCode};
use thiserror::Error;

use crate::UnixTime;
use crate::introspection::{Asked, Failure, OtherToken};
use crate::outcome::Outcome;
use crate::token::bearer::BearerError;

/// Why a request was refused. The text, and [`Refusal::reason`], are for the error log, without any
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The request does not attempt bearer authentication.
    #[error("the request has no bearer token")]
    MissingToken,
    /// The bearer token is not a `b64token` (RFC 6750 section 2.1).
    #[error("the bearer token of the request is malformed")]
    MalformedToken,
    /// The token is a JWT in another spelling than that of RFC 7515.
    #[error(
        "the bearer token is a JWT that is not spelt as RFC 7515 says: base64url without padding, with \
         unused bits 0"
    )]
    MisspeltJwt,
    /// The authorization server says that the token is expired, revoked or unknown.
    #[error("the authorization server says that the token is not active")]
    InactiveToken,
    /// The token is active, but is none for an API.
    #[error("the token is no access token: {0}")]
    NoAccessToken(OtherToken),
    /// The token is active, but not usable yet (RFC 7519 section 4.1.5).
    #[error("the token is not valid yet: its nbf is more than 60 s in the future")]
    NotYetValid {
        /// From when the same answer would grant.
        valid_from: UnixTime,
    },
    /// The authorization server says that the token is active, but the time of its JWT is over.
    #[error("the JWT for the token has expired: its exp is in the past")]
    ExpiredToken,
    /// The token is active, but lacks a scope that the location requires.
    #[error("the token lacks a required scope")]
    InsufficientScope,
    /// Whether the token is active could not be found out.
    #[error(transparent)]
    IntrospectionFailed(#[from] Failure),
    /// The location is protected, but has no introspection endpoint.
    #[error(
        "phantom_token is on, but there is no introspection endpoint: set \
         phantom_token_introspection_endpoint"
    )]
    NotConfigured,
}

impl Refusal {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingToken
            | Self::MalformedToken
            | Self::MisspeltJwt
            | Self::InactiveToken
            | Self::NoAccessToken(_)
            | Self::NotYetValid { .. }
            | Self::ExpiredToken => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::IntrospectionFailed(failure) => failure.status(),
            Self::NotConfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The body of the response, of type `application/json`.
    #[must_use]
    pub fn body(&self) -> &'static [u8] {
        match self {
            Self::MissingToken
            | Self::MalformedToken
            | Self::MisspeltJwt
            | Self::InactiveToken
            | Self::NoAccessToken(_)
            | Self::NotYetValid { .. }
            | Self::ExpiredToken => UNAUTHORIZED,
            Self::InsufficientScope => FORBIDDEN,
            Self::IntrospectionFailed(_) | Self::NotConfigured => SERVER_ERROR,
        }
    }

    /// The outcome of the request.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::MissingToken => Outcome::MissingToken,
            Self::MalformedToken | Self::MisspeltJwt => Outcome::MalformedToken,
            Self::InactiveToken
            | Self::NoAccessToken(_)
            | Self::NotYetValid { .. }
            | Self::ExpiredToken => Outcome::InactiveToken,
            Self::InsufficientScope => Outcome::InsufficientScope,
            Self::IntrospectionFailed(failure) if failure.status() != StatusCode::BAD_GATEWAY => {
                Outcome::Unavailable
            }
            Self::IntrospectionFailed(_) | Self::NotConfigured => Outcome::IntrospectionFailed,
        }
    }

    /// When the same answer of the authorization server would refuse no more, if that is known.
    #[must_use]
    pub fn holds_until(&self) -> Option<UnixTime> {
        match self {
            Self::NotYetValid { valid_from } => Some(*valid_from),
            _ => None,
        }
    }

    /// The value of the `Retry-After` field, if the authorization server gave one.
    #[must_use]
    pub fn retry_after(&self) -> Option<&HeaderValue> {
        match self {
            Self::IntrospectionFailed(failure) => failure.retry_after(),
            _ => None,
        }
    }

    /// The error code of the challenge (RFC 6750 section 3.1). A request without a token gets a
    /// challenge that has none; a response that is neither 401 nor 403 gets no challenge at all.
    #[must_use]
    pub fn challenge_error(&self) -> Option<ChallengeError> {
        match self {
            Self::MalformedToken
            | Self::MisspeltJwt
            | Self::InactiveToken
            | Self::NoAccessToken(_)
            | Self::NotYetValid { .. }
            | Self::ExpiredToken => Some(ChallengeError::InvalidToken),
            Self::InsufficientScope => Some(ChallengeError::InsufficientScope),
            Self::MissingToken | Self::IntrospectionFailed(_) | Self::NotConfigured => None,
        }
    }

    /// The reason for the error log: what is wrong and, where it is known what was asked, what would mend
    /// it.
    #[must_use]
    pub fn reason<'a>(&'a self, asked: Option<Asked<'a>>) -> Reason<'a> {
        Reason { refusal: self, asked }
    }
}

/// An error code of RFC 6750 section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeError {
    /// The token is malformed, expired, revoked or unknown.
    InvalidToken,
    /// The token lacks a scope.
    InsufficientScope,
}

impl ChallengeError {
    /// As it is written.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// The `error_description` beside it.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::InvalidToken => "The access token is malformed, expired or revoked",
            Self::InsufficientScope => "The access token lacks a required scope",
        }
    }
}

/// The reason for a [`Refusal`], as a text.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    refusal: &'a Refusal,
    asked: Option<Asked<'a>>,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.refusal)?;
        let mend = match (self.refusal, self.asked) {
            (Refusal::IntrospectionFailed(failure), Some(asked)) => failure.mend(asked),
            _ => None,
        };
        match mend {
            Some(mend) => write!(f, ": {mend}"),
            None => Ok(()),
        }
    }
}

impl From<BearerError> for Refusal {
    fn from(error: BearerError) -> Self {
        match error {
            BearerError::Missing => Self::MissingToken,
            BearerError::Malformed => Self::MalformedToken,
        }
    }
}

const UNAUTHORIZED: &[u8] =
    b"{\"code\":\"unauthorized_request\",\"message\":\"Access denied due to \
    missing, invalid or expired credentials\"}";
const FORBIDDEN: &[u8] = b"{\"code\":\"insufficient_scope\",\"message\":\"Access denied due to \
    missing permissions\"}";
const SERVER_ERROR: &[u8] = b"{\"code\":\"server_error\",\"message\":\"Problem encountered \
    processing the request\"}";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals() -> [Refusal; 11] {
        [
            Refusal::MissingToken,
            Refusal::MalformedToken,
            Refusal::MisspeltJwt,
            Refusal::InactiveToken,
            Refusal::NotYetValid { valid_from: UnixTime(1) },
            Refusal::ExpiredToken,
            Refusal::InsufficientScope,
            Refusal::IntrospectionFailed(Failure::Empty),
            Refusal::IntrospectionFailed(unavailable()),
            Refusal::IntrospectionFailed(Failure::Timeout),
            Refusal::NotConfigured,
        ]
    }

    fn unavailable() -> Failure {
        let retry_after = Some(HeaderValue::from_static("30"));
        Failure::Unavailable { status: StatusCode::SERVICE_UNAVAILABLE, retry_after }
    }

    #[test]
    fn each_refusal_has_its_status() {
        let statuses = refusals().map(|refusal| refusal.status().as_u16());
        assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 403, 502, 503, 504, 500]);
    }

    #[test]
    fn each_refusal_has_its_result_variable() {
        let results = refusals().map(|refusal| refusal.outcome().name());
        let expected = [
            "missing_token",
            "malformed_token",
            "malformed_token",
            "inactive_token",
            "inactive_token",
            "inactive_token",
            "insufficient_scope",
            "introspection_failed",
            "unavailable",
            "unavailable",
            "introspection_failed",
        ];
        assert_eq!(results, expected);
    }

    #[test]
    fn every_body_is_json_with_a_code_that_fits_the_status() {
        for refusal in refusals() {
            let body: serde_json::Value = serde_json::from_slice(refusal.body()).unwrap();
            let expected = match refusal.status().as_u16() {
                401 => "unauthorized_request",
                403 => "insufficient_scope",
                _ => "server_error",
            };
            assert_eq!(body["code"], expected);
            assert!(body["message"].is_string());
        }
    }

    #[test]
    fn the_bodies_that_clients_of_the_c_module_know_are_the_same() {
        assert_eq!(
            Refusal::MissingToken.body(),
            br#"{"code":"unauthorized_request","message":"Access denied due to missing, invalid or expired credentials"}"#
        );
        assert_eq!(
            Refusal::IntrospectionFailed(Failure::Empty).body(),
            br#"{"code":"server_error","message":"Problem encountered processing the request"}"#
        );
    }

    #[test]
    fn only_a_token_that_was_sent_gets_an_error_code() {
        let errors = refusals().map(|refusal| refusal.challenge_error());
        let invalid = Some(ChallengeError::InvalidToken);
        let scope = Some(ChallengeError::InsufficientScope);
        let expected =
            [None, invalid, invalid, invalid, invalid, invalid, scope, None, None, None, None];
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_retry_after_of_the_authorization_server_is_passed_on() {
        assert_eq!(Refusal::from(unavailable()).retry_after().unwrap(), "30");
    }

    #[test]
    fn the_reason_for_a_failure_names_what_would_mend_it_where_it_is_known_what_was_asked() {
        let refusal = Refusal::from(Failure::TooLarge);
        let asked = Asked { accept: "application/jwt", has_credential: true };
        assert_eq!(
            refusal.reason(Some(asked)).to_string(),
            "the introspection answer is too large: raise phantom_token_max_response_size"
        );
        assert_eq!(refusal.reason(None).to_string(), refusal.to_string());
        let refusal = Refusal::InactiveToken;
        assert_eq!(refusal.reason(Some(asked)).to_string(), refusal.to_string());
    }
}
