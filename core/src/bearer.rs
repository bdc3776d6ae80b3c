//! The bearer token of a request, taken from its `Authorization` field (RFC 6750 section 2.1).

use std::fmt;

use thiserror::Error;

/// One opaque access token as the client sent it: a `b64token` of RFC 6750 section 2.1.
///
/// It is a secret, so `Debug` does not print it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OpaqueToken<'a>(&'a [u8]);

impl<'a> OpaqueToken<'a> {
    /// The bytes of the token, all of them ASCII.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for OpaqueToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(..)")
    }
}

/// Why a request has no usable bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BearerError {
    /// The request does not attempt bearer authentication, or names the scheme and nothing more.
    #[error("the request has no bearer token")]
    Missing,
    /// What follows the scheme is not exactly one `b64token`.
    #[error("the bearer token of the request is malformed")]
    Malformed,
}

/// Takes the token out of the value of an `Authorization` field.
///
/// # Errors
///
/// [`BearerError::Missing`] without a field, with an empty one, with another scheme, and with
/// `Bearer` alone; [`BearerError::Malformed`] when something else than one token follows `Bearer`.
pub fn parse(authorization: Option<&[u8]>) -> Result<OpaqueToken<'_>, BearerError> {
    let token = authorization.and_then(after_scheme).ok_or(BearerError::Missing)?;
    if is_b64token(token) {
        return Ok(OpaqueToken(token));
    }
    if token.trim_ascii().is_empty() {
        Err(BearerError::Missing)
    } else {
        Err(BearerError::Malformed)
    }
}

/// What follows `Bearer` and its spaces, or nothing if the scheme is another one.
fn after_scheme(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = authorization.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let mut token = rest.strip_prefix(b" ")?;
    while let [b' ', rest @ ..] = token {
        token = rest;
    }
    Some(token)
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &[u8]) -> bool {
    let mut unpadded = token;
    while let [rest @ .., b'='] = unpadded {
        unpadded = rest;
    }
    !unpadded.is_empty() && unpadded.iter().all(|&byte| is_token_byte(byte))
}

fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)) == Some(&true)
}

const SCHEME: &[u8] = b"bearer";

/// One look-up a byte: the token is checked on every request.
static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    let mut rest: &mut [bool] = &mut table;
    while let [is_token_byte, tail @ ..] = rest {
        *is_token_byte =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    table
};
