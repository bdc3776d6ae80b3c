//! The token in an `Authorization` field.

use phantom_token_core::bearer::{BearerError, parse};

/// The input is the value of the field.
pub fn check(authorization: &[u8]) {
    let outcome = token(authorization);
    match outcome {
        Ok(token) => assert_is_token_of(authorization, token),
        Err(BearerError::Missing) => assert!(!attempts_bearer(authorization)),
        Err(BearerError::Malformed) => assert!(attempts_bearer(authorization)),
    }
    assert_same_in_any_case(authorization, outcome);
    assert_same_with_more_space(authorization, outcome);
}

fn token(authorization: &[u8]) -> Result<&[u8], BearerError> {
    parse(Some(authorization)).map(|token| token.as_bytes())
}

/// It is what stands at the end of the field, all of it, and has nothing in it but a `b64token`.
fn assert_is_token_of(authorization: &[u8], found: &[u8]) {
    let start = authorization.len() - found.len();
    assert_eq!(authorization[start..].as_ptr(), found.as_ptr());
    assert!(authorization[..6].eq_ignore_ascii_case(b"bearer"));
    assert!(start > 6 && authorization[6..start].iter().all(|&byte| byte == b' '));

    let text = std::str::from_utf8(found).unwrap();
    let unpadded = text.trim_end_matches('=');
    assert!(!unpadded.is_empty());
    assert!(unpadded.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c)), "{text}");

    let again = [b"Bearer ", found].concat();
    assert_eq!(token(&again), Ok(found));
}

/// The scheme is there, and a space, and then something that is not blank.
fn attempts_bearer(authorization: &[u8]) -> bool {
    let lower = authorization.to_ascii_lowercase();
    lower.strip_prefix(b"bearer ").is_some_and(|rest| !rest.trim_ascii().is_empty())
}

fn assert_same_in_any_case(authorization: &[u8], outcome: Result<&[u8], BearerError>) {
    let mut other = authorization.to_vec();
    for byte in other.iter_mut().take(6).filter(|byte| byte.is_ascii_alphabetic()) {
        *byte ^= 0x20;
    }
    assert_eq!(token(&other), outcome);
}

/// Space between scheme and token means nothing. Space at the end is none of the token, so there is
/// no more than one token only if there is none at all.
fn assert_same_with_more_space(authorization: &[u8], outcome: Result<&[u8], BearerError>) {
    if authorization.get(6) == Some(&b' ') {
        let wider = [&authorization[..6], b"  ", &authorization[6..]].concat();
        assert_eq!(token(&wider), outcome);
    }
    for space in [b" ", b"\t"] {
        let longer = [authorization, space].concat();
        assert_eq!(token(&longer), Err(outcome.err().unwrap_or(BearerError::Malformed)));
    }
}
