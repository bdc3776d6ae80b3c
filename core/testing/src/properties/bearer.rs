//! The token in an `Authorization` field.

use phantom_token_core::token::bearer::TokenSyntax::{self, B64token, Visible};
use phantom_token_core::token::bearer::{BearerError, is_misspelt_jwt, parse, text};

/// The input is the value of the field.
pub fn check(authorization: &[u8]) {
    let [strict, lenient] = [B64token, Visible].map(|syntax| token(authorization, syntax));
    // What is a token in one syntax is the same in the other.
    assert!(strict.is_err() || strict == lenient);
    assert_eq!(strict == Err(BearerError::Missing), lenient == Err(BearerError::Missing));
    for syntax in [B64token, Visible] {
        check_syntax(authorization, syntax);
    }
    check_spelling(text(authorization));
}

fn check_syntax(authorization: &[u8], syntax: TokenSyntax) {
    let outcome = token(authorization, syntax);
    match outcome {
        Ok(token) => assert_is_token_of(authorization, token, syntax),
        Err(BearerError::Missing) => assert!(!attempts_bearer(authorization)),
        Err(BearerError::Malformed) => assert!(attempts_bearer(authorization)),
    }
    assert_same_in_any_case(authorization, outcome, syntax);
    assert_same_with_more_space(authorization, outcome, syntax);
}

fn token(authorization: &[u8], syntax: TokenSyntax) -> Result<&[u8], BearerError> {
    parse(Some(authorization), syntax).map(|token| token.as_bytes())
}

/// It is what stands at the end of the field, all of it, and has nothing in it but what the syntax allows.
fn assert_is_token_of(authorization: &[u8], found: &[u8], syntax: TokenSyntax) {
    let start = authorization.len() - found.len();
    assert_eq!(authorization[start..].as_ptr(), found.as_ptr());
    assert_eq!(text(authorization), found);
    assert!(authorization[..6].eq_ignore_ascii_case(b"bearer"));
    assert!(start > 6 && authorization[6..start].iter().all(|&byte| byte == b' '));

    let text = std::str::from_utf8(found).unwrap();
    let is_in_b64token = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let is_visible = |c: char| ('!'..='~').contains(&c) && !"\",\\".contains(c);
    let (text, is_allowed): (&str, &dyn Fn(char) -> bool) = match syntax {
        B64token => (text.trim_end_matches('='), &is_in_b64token),
        Visible => (text, &is_visible),
    };
    assert!(!text.is_empty());
    assert!(text.chars().all(is_allowed), "{text}");

    let again = [b"Bearer ", found].concat();
    assert_eq!(token(&again, syntax), Ok(found));
}

/// The scheme is there, and a space, and then something that is not blank.
fn attempts_bearer(authorization: &[u8]) -> bool {
    let lower = authorization.to_ascii_lowercase();
    lower.strip_prefix(b"bearer ").is_some_and(|rest| !rest.trim_ascii().is_empty())
}

fn assert_same_in_any_case(
    authorization: &[u8],
    outcome: Result<&[u8], BearerError>,
    syntax: TokenSyntax,
) {
    let mut other = authorization.to_vec();
    for byte in other.iter_mut().take(6).filter(|byte| byte.is_ascii_alphabetic()) {
        *byte ^= 0x20;
    }
    assert_eq!(token(&other, syntax), outcome);
}

/// Space between scheme and token means nothing. Space at the end is none of the token, so there is
/// no more than one token only if there is none at all.
fn assert_same_with_more_space(
    authorization: &[u8],
    outcome: Result<&[u8], BearerError>,
    syntax: TokenSyntax,
) {
    if authorization.get(6) == Some(&b' ') {
        let wider = [&authorization[..6], b"  ", &authorization[6..]].concat();
        assert_eq!(token(&wider, syntax), outcome);
    }
    for space in [b" ", b"\t"] {
        let longer = [authorization, space].concat();
        assert_eq!(token(&longer, syntax), Err(outcome.err().unwrap_or(BearerError::Malformed)));
    }
}

/// Of all texts that mean the same JWT at most one is taken: what is spelt right cannot be spelt otherwise.
fn check_spelling(token: &[u8]) {
    let header = b"eyJhbGciOiJSUzI1NiJ9";
    let jwt = [header, &b".e30."[..], token].concat();
    if !token.is_empty() && !token.contains(&b'.') {
        let is_spelt_right = decoded(token).is_some_and(|bits| bits.iter().all(|bit| !bit));
        assert_eq!(is_misspelt_jwt(&jwt), !is_spelt_right, "{}", jwt.escape_ascii());
    }
    // A JWT stays one, whatever is added to its end that servers overlook.
    for end in [&b"="[..], b"==", b"."] {
        if !is_misspelt_jwt(token) && is_misspelt_jwt(&[token, b"="].concat()) {
            let longer = [token, end].concat();
            assert!(is_misspelt_jwt(&longer), "{}", longer.escape_ascii());
        }
    }
}

/// The bits that are left over at the end of base64url; nothing if it is none.
fn decoded(text: &[u8]) -> Option<Vec<bool>> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = Vec::new();
    for byte in text {
        let value = alphabet.iter().position(|letter| letter == byte)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    let left = bits.len() % 8;
    (left < 6).then(|| bits.split_off(bits.len() - left))
}
