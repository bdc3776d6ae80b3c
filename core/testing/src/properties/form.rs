//! What goes to the authorization server as a form, and what comes as one to be purged.

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use phantom_token_core::introspection::{ClientCredential, form_body};
use phantom_token_core::purge::{Purge, PurgeError};
use phantom_token_core::token::bearer::{self, TokenSyntax, is_misspelt_jwt};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    token: &'a [u8],
    id: &'a [u8],
    secret: &'a [u8],
    purge: &'a [u8],
}

/// The input is a token, a client credential and the form of a purge.
pub fn check(input: &[u8]) {
    let Some(Input { token, id, secret, purge }) = super::made_of(input) else { return };
    check_token(token);
    check_credential(id, secret);
    check_purge(purge);
}

/// A token can never become a second parameter, nor change on its way.
fn check_token(bytes: &[u8]) {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    let letters = bytes.iter().map(|&byte| alphabet[usize::from(byte) % alphabet.len()]);
    let padding = vec![b'='; bytes.len() % 3];
    let sent: Vec<u8> = b"Bearer ".iter().copied().chain(letters).chain(padding).collect();
    for authorization in [&sent[..], &[b"Bearer ", bytes].concat()] {
        for syntax in [TokenSyntax::B64token, TokenSyntax::Visible] {
            let Ok(token) = bearer::parse(Some(authorization), syntax) else { continue };
            let body = form_body(token);
            let text = str::from_utf8(token.as_bytes()).unwrap();
            assert_eq!(parameters(body.as_bytes()), [("token".to_owned(), text.to_owned())]);
            let expected = if is_misspelt_jwt(token.as_bytes()) {
                Err(PurgeError::MisspeltJwt)
            } else {
                Ok(Purge::Token(text.into()))
            };
            assert_eq!(Purge::parse(body.as_bytes()), expected);
        }
    }
}

fn check_credential(id: &[u8], secret: &[u8]) {
    let credential = ClientCredential::new(id, secret);
    let encoded = credential.header_value().strip_prefix("Basic ").unwrap();
    let user_pass = BASE64_STANDARD.decode(encoded).unwrap();
    let mut halves = user_pass.split(|&byte| byte == b':');
    assert_eq!(decoded(halves.next().unwrap()), id);
    assert_eq!(decoded(halves.next().unwrap()), secret);
    assert_eq!(halves.next(), None);
}

/// A purge names one thing that may be there, and says nothing that is not understood.
fn check_purge(form: &[u8]) {
    let mut named: Vec<_> = parameters(form);
    named.retain(|(name, _)| name != "token_type_hint");
    let expected = match &named[..] {
        [(name, token)] if name == "token" && !token.is_empty() => {
            let is_visible = |c: char| ('!'..='~').contains(&c) && !"\",\\".contains(c);
            if !token.chars().all(is_visible) {
                Err(PurgeError::NoToken)
            } else if is_misspelt_jwt(token.as_bytes()) {
                Err(PurgeError::MisspeltJwt)
            } else {
                Ok(Purge::Token(token.into()))
            }
        }
        [(name, value)] if name == "all" && value == "true" => Ok(Purge::All),
        _ => Err(PurgeError::Form),
    };
    assert_eq!(Purge::parse(form), expected);
}

/// The parameters of a form, as its grammar says (the URL standard, section 5.1).
fn parameters(form: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(&decoded(bytes)).into_owned();
    form.split(|&byte| byte == b'&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| match parameter.iter().position(|&byte| byte == b'=') {
            Some(end) => (text(&parameter[..end]), text(&parameter[end + 1..])),
            None => (text(parameter), String::new()),
        })
        .collect()
}

fn decoded(encoded: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = encoded;
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => hexadecimal(*high).zip(hexadecimal(*low)),
            _ => None,
        };
        match (first, escaped) {
            (_, Some((high, low))) => bytes.push(high * 16 + low),
            (b'+', None) => bytes.push(b' '),
            (byte, None) => bytes.push(*byte),
        }
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    bytes
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
