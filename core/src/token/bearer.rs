//! The bearer token of a request, taken from its `Authorization` field (RFC 6750 section 2.1).

use std::fmt;

use thiserror::Error;

use super::{charset, spelling};

/// Which texts are taken for a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenSyntax {
    /// A `b64token` of RFC 6750 section 2.1.
    #[default]
    B64token,
    /// Any visible ASCII but `"`, `,` and `\`, which mean something in a header.
    Visible,
}

impl TokenSyntax {
    /// Whether there may be such a byte in a token.
    pub(crate) fn has(self, byte: u8) -> bool {
        match self {
            Self::B64token => is_token_byte(byte) || byte == b'=',
            Self::Visible => is_visible_byte(byte),
        }
    }
}

/// One opaque access token as the client sent it, of a [`TokenSyntax`].
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

    /// Whether it is a JWT in another spelling than that of RFC 7515; see [`is_misspelt_jwt`].
    #[must_use]
    pub fn is_misspelt_jwt(self) -> bool {
        spelling::is_misspelt_jwt(self.0)
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
    /// What follows the scheme is not exactly one token.
    #[error("the bearer token of the request is malformed")]
    Malformed,
}

/// Takes the token out of the value of an `Authorization` field.
///
/// # Errors
///
/// [`BearerError::Missing`] without a field, with an empty one, with another scheme, and with
/// `Bearer` alone; [`BearerError::Malformed`] when something else than one token follows `Bearer`.
pub fn parse(
    authorization: Option<&[u8]>,
    syntax: TokenSyntax,
) -> Result<OpaqueToken<'_>, BearerError> {
    parse_b64token(authorization).or_else(|error| parse_otherwise(authorization, syntax, error))
}

/// Whether a text is a JWT in another spelling than that of RFC 7515: authorization servers take some of
/// these for the same token, and each would be a token of its own here.
#[must_use]
pub fn is_misspelt_jwt(token: &[u8]) -> bool {
    spelling::is_misspelt_jwt(token)
}

/// What follows `Bearer` in the value of an `Authorization` field, whether it is a token or not.
#[must_use]
pub fn text(authorization: &[u8]) -> &[u8] {
    after_scheme(authorization).unwrap_or_default()
}

/// Whether an `Authorization` may have a bearer token in it for somebody who reads it less strictly: the
/// scheme stands anywhere in it as a word, whatever comes behind it.
#[must_use]
pub fn is_hinted_at(authorization: &[u8]) -> bool {
    let is_word_byte = |byte: &u8| is_token_byte(*byte) || *byte == b'=';
    let mut words = authorization.split(|byte| !is_word_byte(byte));
    words.any(|word| word.eq_ignore_ascii_case(&SCHEME))
}

/// What is a `b64token` is a token in any syntax.
#[cold]
fn parse_otherwise(
    authorization: Option<&[u8]>,
    syntax: TokenSyntax,
    error: BearerError,
) -> Result<OpaqueToken<'_>, BearerError> {
    match syntax {
        TokenSyntax::Visible if error == BearerError::Malformed => {
            let token = authorization.map(text).filter(|token| is_visible(token));
            token.map(OpaqueToken).ok_or(error)
        }
        _ => Err(error),
    }
}

#[inline(always)]
fn parse_b64token(authorization: Option<&[u8]>) -> Result<OpaqueToken<'_>, BearerError> {
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
    let (scheme, rest) = authorization.split_first_chunk()?;
    // All of the scheme are letters, so this bit is their case and nothing else.
    if scheme.map(|byte| byte | 0x20) != SCHEME {
        return None;
    }
    let mut token = rest.strip_prefix(b" ")?;
    while let [b' ', rest @ ..] = token {
        token = rest;
    }
    Some(token)
}

/// Whether a text is a token in any syntax.
pub(crate) fn is_visible(token: &[u8]) -> bool {
    !token.is_empty() && charset::all(token, is_visible_byte)
}

#[inline]
fn is_visible_byte(byte: u8) -> bool {
    charset::is_in(byte, b'!', b'~') & (byte != b'"') & (byte != b',') & (byte != b'\\')
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(token: &[u8]) -> bool {
    let mut unpadded = token;
    while let [rest @ .., b'='] = unpadded {
        unpadded = rest;
    }
    !unpadded.is_empty() && charset::all(unpadded, is_token_byte)
}

#[inline]
fn is_token_byte(byte: u8) -> bool {
    // The minus, the point, the slash and the digits are neighbours.
    charset::is_letter(byte)
        | charset::is_in(byte, b'-', b'9')
        | (byte == b'_')
        | (byte == b'~')
        | (byte == b'+')
}

const SCHEME: [u8; 6] = *b"bearer";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(authorization: &[u8]) -> Result<&[u8], BearerError> {
        token_of(authorization, TokenSyntax::B64token)
    }

    fn token_of(authorization: &[u8], syntax: TokenSyntax) -> Result<&[u8], BearerError> {
        parse(Some(authorization), syntax).map(OpaqueToken::as_bytes)
    }

    #[test]
    fn a_hint_at_a_token_is_the_scheme_as_a_word() {
        for hint in [
            &b"Bearer"[..],
            b"Bearer abc",
            b"bearer\tabc",
            b"BEARER\xa0abc",
            b"Basic dTpw, Bearer abc",
            b" Bearer:abc",
        ] {
            assert!(is_hinted_at(hint), "{hint:?}");
        }
        for other in [&b""[..], b"Basic dTpw", b"Bearers abc", b"Basic Bearer=", b"xBearer abc"] {
            assert!(!is_hinted_at(other), "{other:?}");
        }
    }

    #[test]
    fn a_request_without_the_field_has_no_token() {
        for syntax in [TokenSyntax::B64token, TokenSyntax::Visible] {
            assert_eq!(parse(None, syntax), Err(BearerError::Missing));
        }
    }

    #[test]
    fn a_field_that_offers_no_bearer_token_is_as_good_as_none() {
        for authorization in [
            "",
            "Bearer",
            "bearer",
            "Bearer ",
            "Bearer   ",
            "Bearer \t",
            "Basic dXNlcjpwYXNz",
            "Bearertoken",
            "Bearer,abc",
            "Bearer\tabc",
            "Bear",
            "DPoP abc",
        ] {
            for syntax in [TokenSyntax::B64token, TokenSyntax::Visible] {
                assert_eq!(
                    token_of(authorization.as_bytes(), syntax),
                    Err(BearerError::Missing),
                    "{authorization:?}"
                );
            }
        }
    }

    #[test]
    fn the_scheme_is_known_in_any_case_and_followed_by_any_number_of_spaces() {
        for authorization in ["Bearer abc", "bearer abc", "BEARER abc", "bEaReR     abc"] {
            assert_eq!(token(authorization.as_bytes()), Ok(&b"abc"[..]), "{authorization:?}");
        }
    }

    #[test]
    fn every_character_of_a_b64token_is_kept_as_sent() {
        let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/==";
        assert_eq!(token(&[b"Bearer ", &all[..]].concat()), Ok(&all[..]));
    }

    #[test]
    fn anything_but_one_b64token_is_malformed() {
        for authorization in [
            "Bearer abc def",
            "Bearer abc,",
            "Bearer abc, Bearer def",
            "Bearer =",
            "Bearer =abc",
            "Bearer a=b",
            "Bearer a&token=b",
            "Bearer a%20b",
            "Bearer \"abc\"",
            "Bearer abc\0",
            "Bearer abc\r\nX: y",
            "Bearer \tabc",
            "Bearer äbc",
        ] {
            assert_eq!(
                token(authorization.as_bytes()),
                Err(BearerError::Malformed),
                "{authorization:?}"
            );
        }
    }

    #[test]
    fn any_visible_ascii_but_three_is_a_token_where_that_is_the_syntax() {
        let all: Vec<u8> = (b'!'..=b'~').filter(|byte| !b"\",\\".contains(byte)).collect();
        for text in [&all[..], b"12|abc", b"a:b", b"=", b"=a=b=", b"'<>&%"] {
            let authorization = [b"Bearer ", text].concat();
            assert_eq!(token_of(&authorization, TokenSyntax::Visible), Ok(text));
        }
    }

    #[test]
    fn anything_but_one_word_of_visible_ascii_is_malformed_in_any_syntax() {
        for authorization in [
            "Bearer a b",
            "Bearer a, Bearer b",
            "Bearer a,b",
            "Bearer \"a\"",
            "Bearer a\\b",
            "Bearer a\tb",
            "Bearer a ",
            "Bearer a\0",
            "Bearer a\u{7f}",
            "Bearer a\r\nX: y",
            "Bearer \u{e4}",
        ] {
            for syntax in [TokenSyntax::B64token, TokenSyntax::Visible] {
                let token = token_of(authorization.as_bytes(), syntax);
                assert_eq!(token, Err(BearerError::Malformed), "{authorization:?}");
            }
        }
    }

    #[test]
    fn a_token_of_eight_kilobytes_is_taken_whole() {
        let long = [b'x'; 8192];
        assert_eq!(token(&[b"Bearer ", &long[..]].concat()), Ok(&long[..]));
    }

    #[test]
    fn debug_output_does_not_contain_the_token() {
        let token = parse(Some(b"Bearer c2VjcmV0"), TokenSyntax::B64token).unwrap();
        assert_eq!(format!("{token:?}"), "OpaqueToken(..)");
    }

    /// The grammar, written down once more without regard to speed.
    fn model(authorization: &[u8], syntax: TokenSyntax) -> Result<Vec<u8>, BearerError> {
        let characters: Vec<char> = authorization.iter().copied().map(char::from).collect();
        let text: String = characters.iter().collect();
        if !text.to_ascii_lowercase().starts_with("bearer ") {
            return Err(BearerError::Missing);
        }
        let token: String = text.chars().skip(7).collect();
        let token = token.trim_start_matches(' ');
        if token.chars().all(|character| character.is_ascii_whitespace()) {
            return Err(BearerError::Missing);
        }
        let unpadded = match syntax {
            TokenSyntax::B64token => token.trim_end_matches('='),
            TokenSyntax::Visible => token,
        };
        let is_valid = |character: char| match syntax {
            TokenSyntax::B64token => {
                character == '/' || "-._~+".contains(character) || character.is_ascii_alphanumeric()
            }
            TokenSyntax::Visible => character.is_ascii_graphic() && !"\",\\".contains(character),
        };
        if unpadded.is_empty() || !unpadded.chars().all(is_valid) {
            return Err(BearerError::Malformed);
        }
        Ok(token.bytes().collect())
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"Bearer".to_vec()),
            Just(b" ".to_vec()),
            Just(b"=".to_vec()),
            "[A-Za-z0-9._~+/-]{1,12}".prop_map(String::into_bytes),
            "[!-~]{1,20}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 1..3),
        ]
    }

    proptest! {
        #[test]
        fn exactly_the_grammar_is_accepted(
            scheme in prop_oneof![Just("Bearer "), Just("bEARER  "), Just("")],
            pieces in prop::collection::vec(piece(), 0..5),
        ) {
            let authorization = [scheme.as_bytes(), &pieces.concat()].concat();
            for syntax in [TokenSyntax::B64token, TokenSyntax::Visible] {
                let token = token_of(&authorization, syntax).map(<[u8]>::to_vec);
                prop_assert_eq!(token, model(&authorization, syntax));
            }
        }
    }
}
