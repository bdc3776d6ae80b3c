//! How a JWT is spelt (RFC 7515 section 2).
//!
//! Base64url can be written in more than one way, and authorization servers read more than they write:
//! with padding, with the letters of plain base64, with bits that mean nothing, with dots at the end. Each
//! of these is the same token to them. In a cache each would be one of its own, and outlive the purge of
//! another.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::{memchr, memchr_iter};

use crate::json::{self, Member};
use crate::token::charset;

/// Whether a token has the form of a JWT, but another spelling than the one that RFC 7515 gives it:
/// base64url without padding, with unused bits 0.
///
/// The form is that of three parts or five, the first of them a JSON object with `alg`, however that is
/// spelt.
pub(crate) fn is_misspelt_jwt(token: &[u8]) -> bool {
    if memchr(b'.', token).is_none() {
        return false;
    }
    let unended = without_dots_at_end(token);
    let has_dots_at_end = unended.len() < token.len();
    let has_form = match dots(unended) {
        2 | 4 => true,
        // With an `alg` of none the signature is empty.
        1 => has_dots_at_end,
        _ => false,
    };
    if !has_form || !has_jose_header(token) {
        return false;
    }
    let is_complete = match dots(token) {
        2 => true,
        4 => !has_dots_at_end,
        _ => false,
    };
    !is_complete || !token.split(|&byte| byte == b'.').all(is_spelt_right)
}

fn dots(text: &[u8]) -> usize {
    memchr_iter(b'.', text).take(MOST_DOTS).count()
}

/// Some servers split at dots in a way that takes no notice of empty parts at the end.
fn without_dots_at_end(mut token: &[u8]) -> &[u8] {
    while let [rest @ .., b'.'] = token {
        token = rest;
    }
    token
}

/// Reads as leniently as any server may: what is no letter does not count, and padding is the end.
fn has_jose_header(token: &[u8]) -> bool {
    let first = token.split(|&byte| byte == b'.').next().unwrap_or_default();
    let unpadded = first.split(|&byte| byte == b'=').next().unwrap_or_default();
    let letters: Vec<u8> = unpadded.iter().copied().filter_map(letter).collect();
    let Ok(header) = LENIENT_BASE64URL.decode(letters) else {
        return false;
    };
    json::members(&header, ["alg"]).is_ok_and(|[alg]| alg != Member::Absent)
}

/// The letter of base64url, also for one of plain base64.
fn letter(byte: u8) -> Option<u8> {
    match byte {
        b'+' => Some(b'-'),
        b'/' => Some(b'_'),
        _ => is_letter(byte).then_some(byte),
    }
}

/// As an encoder writes it (RFC 7515 section 2, RFC 4648 section 3.5).
fn is_spelt_right(part: &[u8]) -> bool {
    if !charset::all(part, is_letter) {
        return false;
    }
    let unused_bits = match part.len() % 4 {
        0 => 0,
        2 => 0b1111,
        3 => 0b11,
        _ => return false,
    };
    part.last().is_none_or(|&last| value(last) & unused_bits == 0)
}

#[inline]
fn is_letter(byte: u8) -> bool {
    charset::is_letter(byte) | charset::is_in(byte, b'0', b'9') | (byte == b'-') | (byte == b'_')
}

/// The six bits of a letter (RFC 4648 section 5).
fn value(letter: u8) -> u8 {
    match letter {
        b'A'..=b'Z' => letter.wrapping_sub(b'A'),
        b'a'..=b'z' => letter.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => letter.wrapping_sub(b'0').wrapping_add(52),
        b'-' => 62,
        _ => 63,
    }
}

const LENIENT_BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// More than any JWT has.
const MOST_DOTS: usize = 6;

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    /// `{"alg":"RS256"}`
    const HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";

    fn is_misspelt(token: &str) -> bool {
        is_misspelt_jwt(token.as_bytes())
    }

    #[test]
    fn a_jwt_as_an_encoder_writes_it_is_spelt_right() {
        for token in [
            format!("{HEADER}.e30.c2ln"),
            format!("{HEADER}.e30."),
            format!("{HEADER}.e30.aQ"),
            format!("{HEADER}.e30.aWk"),
            format!("{HEADER}..aXY.dGV4dA.dGFn"),
            format!("{HEADER}.a2V5.aXY.dGV4dA.dGFn"),
        ] {
            assert!(!is_misspelt(&token), "{token}");
        }
    }

    #[test]
    fn another_spelling_of_a_jwt_is_told() {
        for token in [
            format!("{HEADER}.e30.c2ln="),
            format!("{HEADER}.e30.aQ=="),
            format!("{HEADER}.e30=.c2ln"),
            format!("{HEADER}=.e30.c2ln"),
            format!("{HEADER}=x.e30.c2ln"),
            format!("{HEADER}.e31.c2ln"),
            format!("{HEADER}.e30.aR"),
            format!("{HEADER}.e30.aWl"),
            format!("{HEADER}.e30.a"),
            format!("{HEADER}.e30.-+8="),
            format!("{HEADER}.e30.a/a_"),
            format!("{HEADER}.e30.c2~ln"),
            format!("{HEADER}.e30.c2ln."),
            format!("{HEADER}.e30.c2ln..."),
            format!("{HEADER}.e30.c2ln.."),
            format!("{HEADER}.e30.c2ln=."),
            format!("{HEADER}.e30.."),
            format!("{HEADER}.e30.c2ln|"),
            format!("{HEADER}.a2V5.aXY.dGV4dA.dGFn="),
            format!("{HEADER}.a2V5.aXY.dGV4dA==.dGFn"),
            format!("{HEADER}.a2V5.aXY.dGV4dA.dGFn."),
            format!("{HEADER}~.e30.c2ln"),
            // `{"alg":"?>"}`, in the letters of plain base64.
            "eyJhbGciOiI/PiJ9.e30.c2ln".to_owned(),
            // `{"alg":1} `, with a bit that means nothing.
            "eyJhbGciOjF9IB.e30.c2ln".to_owned(),
        ] {
            assert!(is_misspelt(&token), "{token}");
        }
    }

    #[test]
    fn what_is_no_jwt_cannot_be_misspelt() {
        for token in [
            "",
            "opaque",
            "opaque==",
            "b2b7a1c2-0000-4000-8000-000000000000",
            "a.b.c",
            "a.b.c=",
            "ory_at_abc.def==",
            "v4.local.abc=",
            "e30.e30.c2ln=",
            "bnVsbA.e30.c2ln=",
            "WzFd.e30.c2ln=",
            "..",
            "...=",
            "a=.b=.c=",
        ] {
            assert!(!is_misspelt(token), "{token}");
        }
        for token in [format!("{HEADER}.e30="), HEADER.to_owned() + "=", format!("{HEADER}.a.b.c=")]
        {
            assert!(!is_misspelt(&token), "{token}");
        }
    }

    proptest! {
        #[test]
        fn whatever_an_encoder_writes_is_spelt_right(
            alg: String,
            parts in prop_oneof![
                prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 2..=2),
                prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 4..=4),
            ],
        ) {
            let header = serde_json::json!({ "alg": alg }).to_string();
            let mut token = BASE64_URL_SAFE_NO_PAD.encode(header);
            for part in parts {
                token.push('.');
                token.push_str(&BASE64_URL_SAFE_NO_PAD.encode(part));
            }
            prop_assert!(!is_misspelt(&token), "{}", token);
            prop_assert!(is_misspelt(&(token.clone() + "=")), "{}", token);
        }

        #[test]
        fn two_texts_that_are_spelt_right_are_never_the_same_bytes(part in "[A-Za-z0-9_-]{0,9}") {
            let again = LENIENT_BASE64URL.decode(&part).map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes));
            prop_assert_eq!(is_spelt_right(part.as_bytes()), again.is_ok_and(|again| again == part));
        }

        #[test]
        fn no_token_makes_it_panic(token: Vec<u8>) {
            let _ = is_misspelt_jwt(&token);
            let _ = is_misspelt_jwt(&[HEADER.as_bytes(), b".", &token].concat());
        }
    }
}
