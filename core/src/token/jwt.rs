//! The JWT that stands behind an opaque token (RFC 7519, in the compact form of RFC 7515 and 7516).
//!
//! The API verifies the JWT. What is checked here is that it is one, that it can stand in a header as
//! one word, and from when and until when it may be used.

use std::borrow::Cow;
use std::fmt;
use std::mem::MaybeUninit;

use base64_simd::{AsOut as _, URL_SAFE_NO_PAD};
use memchr::memchr;
use thiserror::Error;

use crate::json::{self, Member};
use crate::token::charset;
use crate::{UnixTime, media_type};

/// A JWT in compact form: nothing but base64url characters and dots.
///
/// It is a secret, so `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwt<'a> {
    compact: Cow<'a, [u8]>,
    not_before: Option<UnixTime>,
    expires: Option<UnixTime>,
}

impl<'a> Jwt<'a> {
    /// Accepts three base64url parts (signed) or five (encrypted), separated by dots.
    ///
    /// Header and payload must be JSON objects in base64url (RFC 7519 section 7.2): a text that others
    /// read differently, or not at all, could hide its `exp` from us. The payload of an encrypted one
    /// cannot be read.
    ///
    /// # Errors
    ///
    /// See [`JwtError`]. Nothing is trimmed: a blank or a line end is an error too.
    pub fn parse(compact: impl Into<Cow<'a, [u8]>>) -> Result<Self, JwtError> {
        let compact = compact.into();
        let Times { not_before, expires } = Times::stated_in(&compact)?;
        Ok(Self { compact, not_before, expires })
    }

    /// The JWT as it goes to the API.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.compact
    }

    /// Before when it must not be used (RFC 7519 section 4.1.5), if it says so.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.not_before
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
    /// The header is no JSON object in base64url (RFC 7515 section 5.2).
    #[error("its header is not a JSON object in base64url")]
    Header,
    /// The payload is no JSON object in base64url (RFC 7519 section 7.2).
    #[error("its payload is not a JSON object in base64url")]
    Payload,
    /// `typ` or `cty` is there, but is not one string.
    #[error("its typ or cty is not one string")]
    InvalidType,
    /// `exp` is there, but is not one number.
    #[error("its exp claim is not a number")]
    InvalidExpires,
    /// `nbf` is there, but is not one number.
    #[error("its nbf claim is not a number")]
    InvalidNotBefore,
    /// `typ` or `cty` says that it is an introspection response (RFC 9701), which is not an access token.
    #[error("it is a response to introspection (RFC 9701) and no access token, as its typ says")]
    IntrospectionResponse,
}

struct Parts<'a> {
    header: &'a [u8],
    /// Only a signed JWT has one that can be read.
    payload: Option<&'a [u8]>,
    /// What is not decoded.
    opaque: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(compact: &'a [u8]) -> Result<Self, JwtError> {
        let mut parts = at_dots(compact);
        let mut next = || parts.next();
        match (next(), next(), next(), next(), next(), next()) {
            (Some(header), Some(payload), Some(signature), None, ..) => {
                Self::signed(header, payload, signature)
            }
            // The encrypted key is empty with direct encryption (RFC 7516 section 5.1).
            (Some(header), Some(_), Some(iv), Some(ciphertext), Some(tag), None) => {
                Self::encrypted(header, [iv, ciphertext, tag], compact)
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
        Ok(Self { header, payload: Some(payload), opaque: signature })
    }

    fn encrypted(
        header: &'a [u8],
        rest: [&'a [u8]; 3],
        compact: &'a [u8],
    ) -> Result<Self, JwtError> {
        if header.is_empty() || rest.iter().any(|part| part.is_empty()) {
            return Err(JwtError::EmptyPart);
        }
        Ok(Self { header, payload: None, opaque: compact })
    }

    fn read(self) -> Result<Times, JwtError> {
        check_header(self.header)?;
        let times = self.payload.map_or(Ok(Times::default()), Times::of)?;
        check_characters(self.opaque)?;
        Ok(times)
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

fn check_characters(text: &[u8]) -> Result<(), JwtError> {
    if is_base64url(text) || charset::all(text, is_compact_byte) {
        return Ok(());
    }
    let offset = text.iter().position(|&byte| !is_compact_byte(byte));
    Err(JwtError::Character { offset: offset.unwrap_or_default() })
}

/// Whether all characters are base64url, without a dot. It does not matter which bits the last ones have:
/// those of groups of four are all in use.
fn is_base64url(text: &[u8]) -> bool {
    let (groups, rest) = text.as_chunks::<4>();
    URL_SAFE_NO_PAD.check(groups.as_flattened()).is_ok()
        && rest.iter().all(|&byte| is_compact_byte(byte))
}

#[inline]
fn is_compact_byte(byte: u8) -> bool {
    charset::is_letter(byte)
        | charset::is_in(byte, b'0', b'9')
        | (byte == b'-')
        | (byte == b'_')
        | (byte == b'.')
}

/// Only `typ` decides, of a signed JWT as of an encrypted one, and `cty`, by which an encrypted one says
/// what is in it. One that is there twice, or is no string, may be read as anything elsewhere.
fn check_header(header: &[u8]) -> Result<(), JwtError> {
    let mut room = Room::new();
    for media_type in room.members(header, ["typ", "cty"]).ok_or(JwtError::Header)? {
        match media_type {
            Member::Absent | Member::Null => {}
            Member::String(name) if media_type::is_introspection_response(name.as_bytes()) => {
                return Err(JwtError::IntrospectionResponse);
            }
            Member::String(_) => {}
            _ => return Err(JwtError::InvalidType),
        }
    }
    Ok(())
}

/// The claims that say when a JWT may be used.
#[derive(Default)]
struct Times {
    not_before: Option<UnixTime>,
    expires: Option<UnixTime>,
}

impl Times {
    /// Those of a JWT in compact form.
    // Inlined into whoever rarely has a JWT to read, it would have all others save registers for it.
    #[inline(never)]
    fn stated_in(compact: &[u8]) -> Result<Self, JwtError> {
        // What is decoded has the right characters. So all of them are looked at only if something is
        // wrong: a wrong character comes before all else.
        Parts::split(compact)
            .and_then(Parts::read)
            .map_err(|error| check_characters(compact).err().unwrap_or(error))
    }

    fn of(payload: &[u8]) -> Result<Self, JwtError> {
        let mut room = Room::new();
        let [not_before, expires] =
            room.members(payload, ["nbf", "exp"]).ok_or(JwtError::Payload)?;
        let not_before = match not_before {
            Member::Absent | Member::Null => None,
            not_before => Some(not_before.date().ok_or(JwtError::InvalidNotBefore)?),
        };
        let expires = match expires {
            Member::Absent => None,
            expires => Some(expires.date().ok_or(JwtError::InvalidExpires)?),
        };
        Ok(Self { not_before, expires })
    }
}

/// Where a part is decoded to: without an allocation, unless it is long.
struct Room {
    short: [MaybeUninit<u8>; SHORT],
    long: Vec<u8>,
}

impl Room {
    fn new() -> Self {
        Self { short: [const { MaybeUninit::uninit() }; SHORT], long: Vec::new() }
    }

    /// The members of a part; nothing if it is no JSON object in base64url.
    fn members<const N: usize>(
        &mut self,
        part: &[u8],
        names: [&str; N],
    ) -> Option<[Member<'_>; N]> {
        // Decoded, a part is shorter.
        let room = if part.len() <= SHORT {
            self.short.as_mut_slice()
        } else {
            self.long.reserve(part.len());
            self.long.spare_capacity_mut()
        };
        let text = URL_SAFE_NO_PAD.decode(part, room.as_out()).ok()?;
        json::members(text, names).ok()
    }
}

/// In bytes.
const SHORT: usize = 4096;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
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
        for text in ["e30.bb.cc.dd.ee", "e30..cc.dd.ee"] {
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
    fn a_time_before_1970_is_over() {
        for exp in ["0", "-1", "-0.5", "-1e300"] {
            let text = compact("{}", &format!(r#"{{"exp":{exp}}}"#));
            assert_eq!(parse(&text).unwrap().expires(), Some(UnixTime(0)), "{exp}");
        }
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
    fn the_nbf_claim_says_from_when_it_may_be_used() {
        for (payload, expected) in [
            (r#"{"nbf":1700000000.9}"#, Some(UnixTime(1_700_000_000))),
            (r#"{"nbf":-1}"#, Some(UnixTime(0))),
            (r#"{"nbf":null}"#, None),
            ("{}", None),
        ] {
            assert_eq!(parse(&compact("{}", payload)).unwrap().not_before(), expected, "{payload}");
        }
    }

    #[test]
    fn an_nbf_claim_that_is_not_one_number_is_refused() {
        for payload in [r#"{"nbf":"1"}"#, r#"{"nbf":[1]}"#, r#"{"nbf":1,"nbf":2}"#] {
            let parsed = parse(&compact("{}", payload)).map(|jwt| jwt.not_before());
            assert_eq!(parsed, Err(JwtError::InvalidNotBefore), "{payload}");
        }
    }

    /// Texts that are no JSON object, or one that only some parsers take for one.
    const NO_OBJECTS: [&str; 15] = [
        "exp",
        "[1]",
        "null",
        "\u{1}",
        r#"{"exp":1"#,
        "\u{feff}{\"exp\":1}",
        "{\"exp\":1}\0",
        "{\"exp\":1}\0\0",
        r#"{"exp":1,}"#,
        r#"{"exp":1}{}"#,
        r#"{"exp":1,"n":NaN}"#,
        r#"{"exp":1,"n":Infinity}"#,
        r#"{"exp":1,"\ud800":2}"#,
        r#"{"exp":01}"#,
        "{'exp':1}",
    ];

    #[test]
    fn a_payload_that_is_no_json_object_is_refused() {
        let out_of_range = [r#"{"exp":-1e400}"#, r#"{"exp":1e400}"#, r#"{"nbf":-1e400}"#];
        for payload in NO_OBJECTS.into_iter().chain(out_of_range) {
            assert_eq!(parse(&compact("{}", payload)), Err(JwtError::Payload), "{payload:?}");
        }
    }

    #[test]
    fn a_header_that_is_no_json_object_is_refused() {
        for header in NO_OBJECTS {
            assert_eq!(parse(&compact(header, "{}")), Err(JwtError::Header), "{header:?}");
            let encrypted = compact(header, "{}") + ".dGV4dA.dGFn";
            assert_eq!(parse(&encrypted), Err(JwtError::Header), "{header:?}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_no_json_object() {
        let part = BASE64_URL_SAFE_NO_PAD.encode(b"{\"exp\":1,\"name\":\"\xff\"}");
        assert_eq!(parse(&format!("{part}.e30.c2ln")), Err(JwtError::Header));
        assert_eq!(parse(&format!("e30.{part}.c2ln")), Err(JwtError::Payload));
    }

    #[test]
    fn what_is_not_base64url_as_it_is_written_is_refused() {
        // "e30" is `{}`. No encoder sets the last bit of the next one, or leaves one letter over.
        for part in ["e31", "e30a", "e30aa", "a"] {
            assert_eq!(parse(&format!("{part}.e30.c2ln")), Err(JwtError::Header), "{part}");
            assert_eq!(parse(&format!("{part}.e30.aQ.dA.dA")), Err(JwtError::Header), "{part}");
            assert_eq!(parse(&format!("e30.{part}.c2ln")), Err(JwtError::Payload), "{part}");
        }
    }

    #[test]
    fn what_is_encrypted_is_not_looked_into() {
        for text in ["e30.e31.a.b.c", "e30.a.e31.e31.e31"] {
            let jwt = parse(text).unwrap();
            assert_eq!((jwt.not_before(), jwt.expires()), (None, None), "{text}");
        }
    }

    #[test]
    fn a_signed_introspection_response_is_not_an_access_token() {
        for typ in [
            "token-introspection+jwt",
            "Token-Introspection+JWT",
            "application/token-introspection+jwt",
            "APPLICATION/token-introspection+jwt",
            " token-introspection+jwt ",
            "token-introspection+jwt;charset=utf-8",
            r"token\u002dintrospection+jwt",
            r"application\/token-introspection+jwt",
        ] {
            for header in [format!(r#"{{"typ":"{typ}"}}"#), format!(r#"{{"t\u0079p":"{typ}"}}"#)] {
                let text = compact(&header, "{}");
                assert_eq!(parse(&text), Err(JwtError::IntrospectionResponse), "{header}");
            }
        }
    }

    #[test]
    fn an_encrypted_introspection_response_is_known_by_what_its_header_says() {
        for header in [
            r#"{"typ":"token-introspection+jwt"}"#,
            r#"{"cty":"token-introspection+jwt"}"#,
            r#"{"typ":"JWT","cty":"application/Token-Introspection+JWT"}"#,
        ] {
            let text = compact(header, "{}") + ".dGV4dA.dGFn";
            assert_eq!(parse(&text), Err(JwtError::IntrospectionResponse), "{header}");
        }
    }

    #[test]
    fn a_typ_that_may_be_read_in_two_ways_is_refused() {
        for header in [
            r#"{"typ":"at+jwt","typ":"token-introspection+jwt"}"#,
            r#"{"typ":"token-introspection+jwt","t\u0079p":"at+jwt"}"#,
            r#"{"typ":["token-introspection+jwt"]}"#,
            r#"{"typ":1}"#,
            r#"{"cty":{}}"#,
        ] {
            assert_eq!(parse(&compact(header, "{}")), Err(JwtError::InvalidType), "{header}");
        }
    }

    #[test]
    fn any_other_typ_is_let_through() {
        for header in [
            r#"{"typ":"at+jwt"}"#,
            r#"{"typ":"JWT","cty":"JWT"}"#,
            r#"{"typ":null}"#,
            r#"{"alg":"RS256","alg":"RS256"}"#,
            "{}",
        ] {
            assert!(parse(&compact(header, "{}")).is_ok(), "{header}");
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_jwt() {
        let text = compact("{}", r#"{"exp":1}"#);
        let shown = format!("{:?}", parse(&text).unwrap());
        assert_eq!(shown, "Jwt { expires: Some(UnixTime(1)), .. }");
    }

    /// What [`Jwt::parse`] finds, with each thing looked at by itself and in its turn.
    fn step_by_step(text: &[u8]) -> Result<(Option<UnixTime>, Option<UnixTime>), JwtError> {
        if let Some(offset) = text.iter().position(|&byte| !is_compact_byte(byte)) {
            return Err(JwtError::Character { offset });
        }
        let parts: Vec<&[u8]> = text.split(|&byte| byte == b'.').collect();
        let (header, payload, needed) = match parts.as_slice() {
            [header, payload, signature] => (header, Some(payload), [payload, signature, header]),
            [header, _, iv, ciphertext, tag] => (header, None, [iv, ciphertext, tag]),
            _ => return Err(JwtError::PartCount),
        };
        if let (Some(payload), [_, signature, _]) = (payload, needed)
            && signature.is_empty()
            && !header.is_empty()
            && !payload.is_empty()
        {
            return Err(JwtError::Unsigned);
        }
        if header.is_empty() || needed.iter().any(|part| part.is_empty()) {
            return Err(JwtError::EmptyPart);
        }
        let object = |part: &[u8]| {
            let text = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text).ok()
        };
        let header = object(header).ok_or(JwtError::Header)?;
        for name in ["typ", "cty"] {
            if header.get(name).is_some_and(|value| !value.is_string() && !value.is_null()) {
                return Err(JwtError::InvalidType);
            }
        }
        let Some(payload) = payload else { return Ok((None, None)) };
        let payload = object(payload).ok_or(JwtError::Payload)?;
        let time = |name| payload.get(name).filter(|value| !value.is_null());
        Ok(["nbf", "exp"]
            .map(|name| time(name).and_then(|time| time.as_u64()).map(UnixTime))
            .into())
    }

    #[test]
    fn a_long_jwt_is_read_as_a_short_one_is() {
        for length in [0, 100, 3_000, 3_072, 3_073, 4_096, 5_000, 20_000] {
            let filling = "x".repeat(length);
            for payload in [
                format!(r#"{{"x":"{filling}","exp":7}}"#),
                format!(r#"{{"x":"{filling}\u00e9","exp":7}}"#),
            ] {
                let text = compact("{}", &payload);
                assert_eq!(parse(&text).unwrap().expires(), Some(UnixTime(7)), "{length}");
            }
            let text = compact("{}", &format!(r#"{{"x":"{filling}"}}}}"#));
            assert_eq!(parse(&text), Err(JwtError::Payload), "{length}");
        }
    }

    #[test]
    fn a_stranger_is_found_in_every_place() {
        let payload = format!(r#"{{"exp":1,"x":"{}"}}"#, "x".repeat(80));
        let signed = compact(r#"{"alg":"ES256"}"#, &payload) + &"c2ln".repeat(12);
        for text in [signed.as_str(), "e30.a2V5.aXZpdml2.dGV4dA.dGFn"] {
            let text = text.as_bytes();
            assert!(Jwt::parse(text).is_ok());
            for offset in 0..text.len() {
                for stranger in (0..=u8::MAX).filter(|&byte| !is_compact_byte(byte)) {
                    let mut text = text.to_vec();
                    text[offset] = stranger;
                    let parsed = Jwt::parse(text.as_slice());
                    assert_eq!(parsed, Err(JwtError::Character { offset }), "{stranger}");
                }
            }
        }
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
        fn characters_are_looked_at_first_then_parts_then_header_then_payload(
            text in prop_oneof![
                "[A-Za-z0-9_.-]{0,12}(\\.[A-Za-z0-9_-]{0,40}){0,5}",
                "(e30|eyJ0eXAiOjF9|bnVsbA|e31|)(\\.(e30|eyJleHAiOjF9|eyJuYmYiOm51bGx9|e31|a|)){0,5}",
            ],
            place: prop::sample::Index,
            stranger in prop::option::of(any::<char>()),
        ) {
            let mut text = text;
            if let Some(stranger) = stranger {
                text.insert(place.index(text.len().saturating_add(1)), stranger);
            }
            let parsed = parse(&text).map(|jwt| (jwt.not_before(), jwt.expires()));
            prop_assert_eq!(parsed, step_by_step(text.as_bytes()));
        }

        #[test]
        fn any_whole_exp_is_read_back(exp: u64) {
            let text = compact("{}", &format!("{{\"exp\":{exp}}}"));
            prop_assert_eq!(parse(&text).unwrap().expires(), Some(UnixTime(exp)));
        }
    }
}
