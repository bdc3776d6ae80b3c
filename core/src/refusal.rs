//! What the client gets when its request does not go to the API.

use http::{HeaderValue, StatusCode};
use thiserror::Error;

use crate::bearer::BearerError;
use crate::challenge::ChallengeError;
use crate::introspection::Failure;

/// Why a request was refused. The text is the reason for the error log, without any secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The request does not attempt bearer authentication.
    #[error("the request has no bearer token")]
    MissingToken,
    /// The bearer token is not a `b64token` (RFC 6750 section 2.1).
    #[error("the bearer token of the request is malformed")]
    MalformedToken,
    /// The authorization server says that the token is expired, revoked or unknown.
    #[error("the authorization server says that the token is not active")]
    InactiveToken,
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

/// How loud to log something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// An operator must fix it.
    Error,
    /// It passes by itself, but an operator should know.
    Warn,
    /// The client's doing.
    Info,
}

impl Refusal {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingToken
            | Self::MalformedToken
            | Self::InactiveToken
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
            | Self::InactiveToken
            | Self::ExpiredToken => UNAUTHORIZED,
            Self::InsufficientScope => FORBIDDEN,
            Self::IntrospectionFailed(_) | Self::NotConfigured => SERVER_ERROR,
        }
    }

    /// The value of `$phantom_token_result`.
    #[must_use]
    pub fn result(&self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::MalformedToken => "malformed_token",
            Self::InactiveToken | Self::ExpiredToken => "inactive_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::IntrospectionFailed(Failure::Unavailable { .. } | Failure::Timeout) => {
                "unavailable"
            }
            Self::IntrospectionFailed(_) | Self::NotConfigured => "introspection_failed",
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
            Self::MalformedToken | Self::InactiveToken | Self::ExpiredToken => {
                Some(ChallengeError::InvalidToken)
            }
            Self::InsufficientScope => Some(ChallengeError::InsufficientScope),
            Self::MissingToken | Self::IntrospectionFailed(_) | Self::NotConfigured => None,
        }
    }

    /// How loud to log it.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::IntrospectionFailed(failure) => failure.severity(),
            Self::NotConfigured => Severity::Error,
            _ => Severity::Info,
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
