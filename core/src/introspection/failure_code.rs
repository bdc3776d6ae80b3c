//! A failure as a number, small enough to be handed from process to process.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode};

use super::{Failure, Said};
use crate::token::jwt::JwtError;

/// A [`Failure`] in 64 bits: which one it is, its status and its `Retry-After`.
///
/// Turned back into a `Failure`, it says the same to the client, and to the operator but for texts of the
/// authorization server's own. Any number is a failure; one that [`FailureCode::from`] never makes is a
/// bad gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FailureCode(u64);

impl FailureCode {
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

impl From<&Failure> for FailureCode {
    fn from(failure: &Failure) -> Self {
        let kind = |kind| Parts { kind, ..Parts::default() };
        let with_status = |kind, status: StatusCode| {
            let status = status.as_u16();
            Parts { kind, status, ..Parts::default() }
        };
        let with_jwt = |kind, error| {
            let (detail, value) = write_jwt_error(error);
            Parts { kind, detail, value, ..Parts::default() }
        };
        Self::from(match failure {
            Failure::Empty => kind(EMPTY),
            Failure::Jwt(error) => with_jwt(JWT, *error),
            Failure::InvalidJson => kind(INVALID_JSON),
            Failure::ActiveMissing => kind(ACTIVE_MISSING),
            Failure::ActiveInvalid => kind(ACTIVE_INVALID),
            Failure::RepeatedMember => kind(REPEATED_MEMBER),
            Failure::ExpiresInvalid => kind(EXPIRES_INVALID),
            Failure::NoJwt => kind(NO_JWT),
            Failure::EmbeddedJwt(error) => with_jwt(EMBEDDED_JWT, *error),
            Failure::Truncated => kind(TRUNCATED),
            Failure::TooLarge => kind(TOO_LARGE),
            Failure::Encoded => kind(ENCODED),
            Failure::UnexpectedStatus { status, said } => {
                let value = said.number().unwrap_or_default();
                Parts { value, ..with_status(UNEXPECTED_STATUS, *status) }
            }
            Failure::Unavailable { status, retry_after } => {
                let (detail, value) = write_retry_after(retry_after.as_ref());
                Parts { detail, value, ..with_status(UNAVAILABLE, *status) }
            }
            Failure::NotAsked { status, retry_after } => {
                let (detail, value) = write_retry_after(retry_after.as_ref());
                Parts { detail, value, ..with_status(NOT_ASKED, *status) }
            }
            Failure::UnboundCacheKey => kind(UNBOUND_CACHE_KEY),
            Failure::Unreachable => kind(UNREACHABLE),
            Failure::ServerError(status) => with_status(SERVER_ERROR, *status),
            Failure::Timeout => kind(TIMEOUT),
            Failure::Unreadable => kind(UNREADABLE),
            Failure::HtmlPage => kind(HTML_PAGE),
            Failure::IntrospectionResponse => kind(INTROSPECTION_RESPONSE_TYPE),
            Failure::TokenTypeInvalid => kind(TOKEN_TYPE_INVALID),
            Failure::NotBeforeInvalid => kind(NOT_BEFORE_INVALID),
        })
    }
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        let Parts { kind, detail, status, value } = Parts::from(code);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        match kind {
            EMPTY => Self::Empty,
            JWT => Self::Jwt(read_jwt_error(detail, value)),
            INVALID_JSON => Self::InvalidJson,
            ACTIVE_MISSING => Self::ActiveMissing,
            ACTIVE_INVALID => Self::ActiveInvalid,
            REPEATED_MEMBER => Self::RepeatedMember,
            EXPIRES_INVALID => Self::ExpiresInvalid,
            NO_JWT => Self::NoJwt,
            EMBEDDED_JWT => Self::EmbeddedJwt(read_jwt_error(detail, value)),
            TRUNCATED => Self::Truncated,
            TOO_LARGE => Self::TooLarge,
            ENCODED => Self::Encoded,
            UNEXPECTED_STATUS => Self::UnexpectedStatus { status, said: Said::of_number(value) },
            UNAVAILABLE => {
                Self::Unavailable { status, retry_after: read_retry_after(detail, value) }
            }
            NOT_ASKED => Self::NotAsked { status, retry_after: read_retry_after(detail, value) },
            UNBOUND_CACHE_KEY => Self::UnboundCacheKey,
            UNREACHABLE => Self::Unreachable,
            TIMEOUT => Self::Timeout,
            UNREADABLE => Self::Unreadable,
            HTML_PAGE => Self::HtmlPage,
            INTROSPECTION_RESPONSE_TYPE => Self::IntrospectionResponse,
            TOKEN_TYPE_INVALID => Self::TokenTypeInvalid,
            NOT_BEFORE_INVALID => Self::NotBeforeInvalid,
            _ => Self::ServerError(status),
        }
    }
}

/// The fields of a code, lowest bits first.
#[derive(Default)]
struct Parts {
    kind: u8,
    /// Which error of the JWT, or which form of `Retry-After`.
    detail: u8,
    status: u16,
    /// What goes with the detail, or what the body says of the status.
    value: u32,
}

impl From<Parts> for FailureCode {
    fn from(parts: Parts) -> Self {
        let Parts { kind, detail, status, value } = parts;
        Self(
            u64::from(kind)
                | u64::from(detail) << 8
                | u64::from(status) << 16
                | u64::from(value) << 32,
        )
    }
}

impl From<FailureCode> for Parts {
    fn from(FailureCode(bits): FailureCode) -> Self {
        Self {
            kind: bits as u8,
            detail: (bits >> 8) as u8,
            status: (bits >> 16) as u16,
            value: (bits >> 32) as u32,
        }
    }
}

fn write_jwt_error(error: JwtError) -> (u8, u32) {
    match error {
        JwtError::Character { offset } => (CHARACTER, u32::try_from(offset).unwrap_or(u32::MAX)),
        JwtError::PartCount => (PART_COUNT, 0),
        JwtError::EmptyPart => (EMPTY_PART, 0),
        JwtError::Unsigned => (UNSIGNED, 0),
        JwtError::InvalidExpires => (INVALID_EXPIRES, 0),
        JwtError::IntrospectionResponse => (INTROSPECTION_RESPONSE, 0),
        JwtError::Header => (HEADER, 0),
        JwtError::Payload => (PAYLOAD, 0),
        JwtError::InvalidType => (INVALID_TYPE, 0),
        JwtError::InvalidNotBefore => (INVALID_NOT_BEFORE, 0),
    }
}

fn read_jwt_error(detail: u8, value: u32) -> JwtError {
    match detail {
        CHARACTER => JwtError::Character { offset: value as usize },
        EMPTY_PART => JwtError::EmptyPart,
        UNSIGNED => JwtError::Unsigned,
        INVALID_EXPIRES => JwtError::InvalidExpires,
        INTROSPECTION_RESPONSE => JwtError::IntrospectionResponse,
        HEADER => JwtError::Header,
        PAYLOAD => JwtError::Payload,
        INVALID_TYPE => JwtError::InvalidType,
        INVALID_NOT_BEFORE => JwtError::InvalidNotBefore,
        _ => JwtError::PartCount,
    }
}

/// A wait of more than a hundred years is as good as one of a hundred.
fn write_retry_after(retry_after: Option<&HeaderValue>) -> (u8, u32) {
    let Some(text) = retry_after.and_then(|value| value.to_str().ok()) else {
        return (NOTHING, 0);
    };
    if let Ok(date) = httpdate::parse_http_date(text) {
        let since_epoch = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        return (DATE, u32::try_from(since_epoch.as_secs()).unwrap_or(u32::MAX));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return (NOTHING, 0);
    }
    (SECONDS, text.parse().unwrap_or(u32::MAX))
}

fn read_retry_after(detail: u8, value: u32) -> Option<HeaderValue> {
    match detail {
        SECONDS => Some(HeaderValue::from(value)),
        DATE => {
            let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(value.into()))?;
            HeaderValue::try_from(httpdate::fmt_http_date(date)).ok()
        }
        _ => None,
    }
}

// These numbers outlive a reload, which may bring another version of this code: they are never
// used for anything else.
const EMPTY: u8 = 1;
const JWT: u8 = 2;
const INVALID_JSON: u8 = 3;
const ACTIVE_MISSING: u8 = 4;
const ACTIVE_INVALID: u8 = 5;
const REPEATED_MEMBER: u8 = 6;
const EXPIRES_INVALID: u8 = 7;
const NO_JWT: u8 = 8;
const EMBEDDED_JWT: u8 = 9;
const TRUNCATED: u8 = 10;
const TOO_LARGE: u8 = 11;
const ENCODED: u8 = 12;
const UNEXPECTED_STATUS: u8 = 13;
const UNAVAILABLE: u8 = 14;
const SERVER_ERROR: u8 = 15;
const TIMEOUT: u8 = 16;
const UNREADABLE: u8 = 17;
const HTML_PAGE: u8 = 18;
const INTROSPECTION_RESPONSE_TYPE: u8 = 19;
const TOKEN_TYPE_INVALID: u8 = 20;
const NOT_BEFORE_INVALID: u8 = 21;
const NOT_ASKED: u8 = 22;
const UNBOUND_CACHE_KEY: u8 = 23;
const UNREACHABLE: u8 = 24;

const CHARACTER: u8 = 1;
const PART_COUNT: u8 = 2;
const EMPTY_PART: u8 = 3;
const UNSIGNED: u8 = 4;
const INVALID_EXPIRES: u8 = 5;
const INTROSPECTION_RESPONSE: u8 = 6;
const HEADER: u8 = 7;
const PAYLOAD: u8 = 8;
const INVALID_TYPE: u8 = 9;
const INVALID_NOT_BEFORE: u8 = 10;

const NOTHING: u8 = 0;
const SECONDS: u8 = 1;
const DATE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_failure_comes_back_as_it_was() {
        let jwt_errors = [
            JwtError::Character { offset: 1_234 },
            JwtError::PartCount,
            JwtError::EmptyPart,
            JwtError::Unsigned,
            JwtError::InvalidExpires,
            JwtError::IntrospectionResponse,
            JwtError::Header,
            JwtError::Payload,
            JwtError::InvalidType,
            JwtError::InvalidNotBefore,
        ];
        let unexpected = |said| Failure::UnexpectedStatus { status: StatusCode::NOT_FOUND, said };
        let others = [
            Failure::Empty,
            Failure::InvalidJson,
            Failure::ActiveMissing,
            Failure::ActiveInvalid,
            Failure::RepeatedMember,
            Failure::ExpiresInvalid,
            Failure::NoJwt,
            Failure::Truncated,
            Failure::TooLarge,
            Failure::Unreadable,
            Failure::Encoded,
            Failure::HtmlPage,
            Failure::IntrospectionResponse,
            Failure::TokenTypeInvalid,
            Failure::NotBeforeInvalid,
            Failure::NotAsked { status: StatusCode::MOVED_PERMANENTLY, retry_after: None },
            Failure::UnboundCacheKey,
            Failure::Unreachable,
            unexpected(Said::Nothing),
            unexpected(Said::Page),
            unexpected(Said::Error { code: "invalid_client".into(), description: None }),
            Failure::ServerError(StatusCode::INTERNAL_SERVER_ERROR),
            Failure::Timeout,
        ];
        let of_jwts = jwt_errors.into_iter();
        let of_jwts = of_jwts.flat_map(|error| [Failure::Jwt(error), Failure::EmbeddedJwt(error)]);

        for failure in of_jwts.chain(others) {
            assert_eq!(Failure::from(FailureCode::from(&failure)), failure);
        }
    }

    #[test]
    fn a_text_of_the_authorization_server_stays_behind() {
        let with = |code: &'static str, description: Option<&str>| Failure::UnexpectedStatus {
            status: StatusCode::BAD_REQUEST,
            said: Said::Error { code: code.into(), description: description.map(str::to_owned) },
        };
        let nothing =
            Failure::UnexpectedStatus { status: StatusCode::BAD_REQUEST, said: Said::Nothing };
        for (failure, expected) in [
            (with("invalid_request", Some("a text")), with("invalid_request", None)),
            (with("of_its_own", None), nothing),
        ] {
            assert_eq!(Failure::from(FailureCode::from(&failure)), expected);
        }
    }

    #[test]
    fn retry_after_comes_back_in_seconds_or_as_a_date() {
        for text in ["0", "120", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            let failure = unavailable(Some(text));
            assert_eq!(Failure::from(FailureCode::from(&failure)), failure, "{text}");
        }
        let failure = unavailable(None);
        assert_eq!(Failure::from(FailureCode::from(&failure)), failure);
    }

    #[test]
    fn a_retry_after_that_does_not_fit_is_as_long_as_can_be() {
        let failure = unavailable(Some("99999999999999999999999"));

        let shared = Failure::from(FailureCode::from(&failure));

        assert_eq!(shared, unavailable(Some("4294967295")));
    }

    #[test]
    fn a_retry_after_that_is_invalid_is_dropped() {
        for text in ["", "-1", "soon", "+5"] {
            let shared = Failure::from(FailureCode::from(&unavailable(Some(text))));
            assert_eq!(shared, unavailable(None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_number_is_a_failure(bits: u64) {
            let failure = Failure::from(FailureCode::from_bits(bits));
            prop_assert!(failure.status().is_server_error());
        }
    }

    #[test]
    fn a_kind_that_is_not_known_is_a_bad_gateway() {
        for bits in [0, 200, u64::MAX] {
            let failure = Failure::from(FailureCode::from_bits(bits));
            assert_eq!(failure.status(), StatusCode::BAD_GATEWAY);
        }
    }

    fn unavailable(retry_after: Option<&str>) -> Failure {
        let retry_after = retry_after.map(|text| HeaderValue::from_str(text).unwrap());
        Failure::Unavailable { status: StatusCode::SERVICE_UNAVAILABLE, retry_after }
    }
}
