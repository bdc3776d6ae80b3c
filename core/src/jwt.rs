//! The JWT that stands behind an opaque token (RFC 7519, in the compact form of RFC 7515 and 7516).
//!
//! The API verifies the JWT. What is checked here is that it can stand in a header as one word and
//! until when it may be used.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memchr;
use thiserror::Error;

use crate::UnixTime;
use crate::charset;
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
        if !charset::all(compact, is_compact_byte) {
            let offset = compact.iter().position(|&byte| !is_compact_byte(byte));
            return Err(JwtError::Character { offset: offset.unwrap_or_default() });
        }
        let mut parts = at_dots(compact);
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

fn at_dots(compact: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(compact);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let dot = memchr(b'.', text).and_then(|dot| text.split_at_checked(dot));
        let Some((part, behind)) = dot else {
            return Some(text);
        };
        rest = behind.get(1..);
        Some(part)
    })
}

#[inline]
fn is_compact_byte(byte: u8) -> bool {
    charset::is_letter(byte)
        | charset::is_in(byte, b'0', b'9')
        | (byte == b'-')
        | (byte == b'_')
        | (byte == b'.')
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

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    fn compact(header: &str, payload: &str) -> String {
        let [header, payload] = [header, payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{payload}.c2ln")
    }

    fn parse(text: &str) -> Result<Jwt<'_>, JwtError> {
        Jwt::parse(text.as_bytes())
    }

    #[test]
    fn a_signed_jwt_is_kept_as_it_came() {
        let text = compact(r#"{"alg":"RS256"}"#, r#"{"sub":"jane"}"#);
        assert_eq!(parse(&text).unwrap().as_bytes(), text.as_bytes());
    }

    #[test]
    fn an_encrypted_jwt_has_five_parts_of_which_the_key_may_be_empty() {
        for text in ["aa.bb.cc.dd.ee", "aa..cc.dd.ee"] {
            assert_eq!(parse(text).unwrap().expires(), None, "{text}");
        }
    }

    #[test]
    fn any_other_number_of_parts_is_refused() {
        for text in ["", "aa", "aa.bb", "aa.bb.cc.dd", "aa.bb.cc.dd.ee.ff", "......."] {
            assert_eq!(parse(text), Err(JwtError::PartCount), "{text}");
        }
    }

    #[test]
    fn an_empty_part_is_refused() {
        for text in [".bb.cc", "aa..cc", "..", ".bb.cc.dd.ee", "aa.bb..dd.ee", "aa.bb.cc..ee"] {
            assert_eq!(parse(text), Err(JwtError::EmptyPart), "{text}");
        }
    }

    #[test]
    fn an_unsigned_jwt_is_refused() {
        assert_eq!(parse("aa.bb."), Err(JwtError::Unsigned));
    }

    #[test]
    fn nothing_may_stand_before_in_or_after_a_jwt() {
        for (text, offset) in [
            (" aa.bb.cc", 0),
            ("aa.bb.cc\n", 8),
            ("aa.bb.cc\r\n", 8),
            ("aa.bb.c\0", 7),
            ("aa.b b.cc", 4),
            ("aa.bb.cc==", 8),
            ("aa.b+.cc", 4),
            ("\"aa.bb.cc\"", 0),
            ("aa.bb.cä", 7),
        ] {
            assert_eq!(parse(text), Err(JwtError::Character { offset }), "{text:?}");
        }
    }

    #[test]
    fn the_exp_claim_says_when_it_expires() {
        let text = compact("{}", r#"{"exp":1700000000.9}"#);
        assert_eq!(parse(&text).unwrap().expires(), Some(UnixTime(1_700_000_000)));
    }

    #[test]
    fn an_exp_claim_that_is_not_one_number_is_refused() {
        for payload in
            [r#"{"exp":"1"}"#, r#"{"exp":null}"#, r#"{"exp":true}"#, r#"{"exp":1,"exp":2}"#]
        {
            assert_eq!(parse(&compact("{}", payload)), Err(JwtError::InvalidExpires), "{payload}");
        }
    }

    #[test]
    fn a_payload_that_is_no_json_states_no_end() {
        for payload in ["exp", "[1]", "\u{1}", r#"{"exp":1"#] {
            assert_eq!(parse(&compact("{}", payload)).unwrap().expires(), None, "{payload}");
        }
    }

    #[test]
    fn stray_last_bits_do_not_hide_the_exp_claim() {
        // "e30" is `{}`; this payload ends in bits that no encoder would set.
        let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":10}"#);
        let stray = payload.strip_suffix('Q').unwrap().to_owned() + "R";
        let text = format!("e30.{stray}.c2ln");
        assert_eq!(parse(&text).unwrap().expires(), Some(UnixTime(10)));
    }

    #[test]
    fn a_signed_introspection_response_is_not_an_access_token() {
        for typ in [
            "token-introspection+jwt",
            "Token-Introspection+JWT",
            "application/token-introspection+jwt",
            "APPLICATION/token-introspection+jwt",
        ] {
            let text = compact(&format!(r#"{{"typ":"{typ}"}}"#), "{}");
            assert_eq!(parse(&text), Err(JwtError::IntrospectionResponse), "{typ}");
        }
    }

    #[test]
    fn any_other_typ_is_let_through() {
        for header in [r#"{"typ":"at+jwt"}"#, r#"{"typ":"JWT"}"#, r#"{"typ":1}"#, "{}", "no json"] {
            assert!(parse(&compact(header, "{}")).is_ok(), "{header}");
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_jwt() {
        let text = compact("{}", r#"{"exp":1}"#);
        let shown = format!("{:?}", parse(&text).unwrap());
        assert_eq!(shown, "Jwt { expires: Some(UnixTime(1)), .. }");
    }

    proptest! {
        #[test]
        fn an_accepted_jwt_is_one_word_in_a_header(text in "[A-Za-z0-9_.\\- \r\n\0é=+]{0,40}") {
            let Ok(jwt) = parse(&text) else { return Ok(()) };
            prop_assert!(http::HeaderValue::from_bytes(jwt.as_bytes()).is_ok());
            prop_assert!(jwt.as_bytes().iter().all(u8::is_ascii_graphic));
        }

        #[test]
        fn parsing_never_panics(bytes: Vec<u8>, header: Vec<u8>, payload: Vec<u8>) {
            let _ = Jwt::parse(bytes);
            let parts = [header, payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
            let _ = Jwt::parse(format!("{}.{}.c2ln", parts[0], parts[1]).into_bytes());
        }

        #[test]
        fn any_whole_exp_is_read_back(exp: u64) {
            let text = compact("{}", &format!("{{\"exp\":{exp}}}"));
            prop_assert_eq!(parse(&text).unwrap().expires(), Some(UnixTime(exp)));
        }
    }
}
