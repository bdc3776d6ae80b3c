//! The JWT that stands behind an opaque token (RFC 7519, in the compact form of RFC 7515 and 7516).
//!
//! The API verifies the JWT. What is checked here is that it can stand in a header as one word and
//! until when it may be used.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

use crate::UnixTime;
use crate::json::{self, Member};

/// A JWT in compact form: nothing but base64url characters and dots.
///
/// It is a secret, so `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwt<'a> {
    compact: Cow<'a, [u8]>,
    expires: Option<UnixTime>,
}

impl<'a> Jwt<'a> {
    /// Accepts three base64url parts (signed) or five (encrypted), separated by dots.
    ///
    /// Header and payload are decoded leniently: one that is no JSON states nothing.
    ///
    /// # Errors
    ///
    /// See [`JwtError`]. Nothing is trimmed: a blank or a line end is an error too.
    pub fn parse(compact: impl Into<Cow<'a, [u8]>>) -> Result<Self, JwtError> {
        let compact = compact.into();
        let parts = Parts::split(&compact)?;
        refuse_introspection_response(parts.header)?;
        let expires = parts.payload.map_or(Ok(None), expires)?;
        Ok(Self { compact, expires })
    }

    /// The JWT as it goes to the API.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.compact
    }

    /// When it ends for good, if that is known: its `exp` claim (RFC 7519 section 4.1.4), or what
    /// the introspection answer around it said if that is earlier. Unusable from this second on.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.expires
    }

    /// The same JWT, ending no later than `end`.
    pub(crate) fn ending_by(self, end: Option<UnixTime>) -> Self {
        let expires = self.expires.into_iter().chain(end).min();
        Self { expires, ..self }
    }
}

impl fmt::Debug for Jwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// Why something is no JWT that can be handed to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JwtError {
    /// A byte that is neither base64url nor a dot: a blank, a line end, a quote.
    #[error("the byte at offset {offset} is neither a base64url character nor a dot")]
    Character {
        /// Where it is, in bytes from the start.
        offset: usize,
    },
    /// Neither three parts nor five.
    #[error("it does not have three or five parts separated by dots")]
    PartCount,
    /// A part is empty that must not be.
    #[error("its header, its payload or another required part is empty")]
    EmptyPart,
    /// The signature is empty (`alg` `none`).
    #[error("it is not signed")]
    Unsigned,
    /// `exp` is there, but is not one number.
    #[error("its exp claim is not a number")]
    InvalidExpires,
    /// `typ` says that it is an introspection response (RFC 9701), which is not an access token.
    #[error(
        "its typ is token-introspection+jwt, which is a signed introspection response and no \
         access token: set phantom_token_introspection_accept_header to application/jwt or to \
         application/json"
    )]
    IntrospectionResponse,
}

struct Parts<'a> {
    header: &'a [u8],
    /// Only a signed JWT has one that can be read.
    payload: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn split(compact: &'a [u8]) -> Result<Self, JwtError> {
        if let Some(offset) = compact.iter().position(|&byte| !is_compact_byte(byte)) {
            return Err(JwtError::Character { offset });
        }
        let mut parts = compact.split(|&byte| byte == b'.');
        let mut next = || parts.next();
        match (next(), next(), next(), next(), next(), next()) {
            (Some(header), Some(payload), Some(signature), None, ..) => {
                Self::signed(header, payload, signature)
            }
            // The encrypted key is empty with direct encryption (RFC 7516 section 5.1).
            (Some(header), Some(_), Some(iv), Some(ciphertext), Some(tag), None) => {
                Self::encrypted(header, [iv, ciphertext, tag])
            }
            _ => Err(JwtError::PartCount),
        }
    }

    fn signed(header: &'a [u8], payload: &'a [u8], signature: &'a [u8]) -> Result<Self, JwtError> {
        if header.is_empty() || payload.is_empty() {
            return Err(JwtError::EmptyPart);
        }
        if signature.is_empty() {
            return Err(JwtError::Unsigned);
        }
        Ok(Self { header, payload: Some(payload) })
    }

    fn encrypted(header: &'a [u8], rest: [&'a [u8]; 3]) -> Result<Self, JwtError> {
        if header.is_empty() || rest.iter().any(|part| part.is_empty()) {
            return Err(JwtError::EmptyPart);
        }
        Ok(Self { header, payload: None })
    }
}

fn is_compact_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Only `typ` decides, of a signed JWT as of an encrypted one.
fn refuse_introspection_response(header: &[u8]) -> Result<(), JwtError> {
    let header = decode(header);
    match member(&header, "typ") {
        Member::String(typ) if is_introspection_response(&typ) => {
            Err(JwtError::IntrospectionResponse)
        }
        _ => Ok(()),
    }
}

/// A `typ` is a media type that may go without its `application/` (RFC 7515 section 4.1.9).
fn is_introspection_response(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == "token-introspection+jwt"
}

fn expires(payload: &[u8]) -> Result<Option<UnixTime>, JwtError> {
    let payload = decode(payload);
    match member(&payload, "exp") {
        Member::Absent => Ok(None),
        Member::Date(end) => Ok(Some(end)),
        _ => Err(JwtError::InvalidExpires),
    }
}

fn decode(part: &[u8]) -> Vec<u8> {
    LENIENT_BASE64URL.decode(part).unwrap_or_default()
}

fn member<'a>(text: &'a [u8], name: &str) -> Member<'a> {
    json::members(text, &[name]).and_then(|mut members| members.pop()).unwrap_or_default()
}

/// A stray last bit must not hide an `exp`.
const LENIENT_BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);
