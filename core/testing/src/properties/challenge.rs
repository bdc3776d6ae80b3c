//! The `WWW-Authenticate` field of a refusal.

use arbitrary::Arbitrary;
use phantom_token_core::challenge::{Challenge, ChallengeSyntaxError};
use phantom_token_core::introspection::Failure;
use phantom_token_core::refusal::Refusal;

#[derive(Arbitrary, Debug)]
struct Configured<'a> {
    error_parts: bool,
    scope: Option<&'a str>,
    realm: &'a str,
}

/// The input is what is configured.
pub fn check(input: &[u8]) {
    let Some(Configured { realm, scope, error_parts }) = super::made_of(input) else { return };
    match Challenge::new(realm, scope, error_parts) {
        Ok(challenge) => {
            assert!(realm.chars().all(is_printable));
            for (refusal, error) in refusals() {
                let expected = expected(realm, scope, error.filter(|_| error_parts));
                assert_eq!(parse(challenge.value(&refusal).unwrap()), expected);
            }
            let failed = Refusal::IntrospectionFailed(Failure::Empty);
            assert_eq!(challenge.value(&failed), None);
        }
        Err(ChallengeSyntaxError::Realm(character)) => {
            assert!(realm.contains(character) && !is_printable(character));
        }
        Err(ChallengeSyntaxError::Scope(character)) => {
            assert!(scope.unwrap().contains(character));
            assert!(!is_printable(character) || "\"\\".contains(character));
        }
    }
}

fn refusals() -> [(Refusal, Option<&'static str>); 5] {
    [
        (Refusal::MissingToken, None),
        (Refusal::MalformedToken, Some("invalid_token")),
        (Refusal::InactiveToken, Some("invalid_token")),
        (Refusal::ExpiredToken, Some("invalid_token")),
        (Refusal::InsufficientScope, Some("insufficient_scope")),
    ]
}

/// The names and values of the parameters, without the description, which is for people.
fn expected(realm: &str, scope: Option<&str>, error: Option<&str>) -> Vec<(String, String)> {
    let scopes: Vec<_> = scope.unwrap_or_default().split_ascii_whitespace().collect();
    [("realm", realm), ("scope", &scopes.join(" ")), ("error", error.unwrap_or_default())]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn is_printable(character: char) -> bool {
    character == ' ' || character.is_ascii_graphic()
}

/// Reads one challenge as RFC 9110 sections 5.6.4 and 11.2 say, and nothing else.
fn parse(value: &[u8]) -> Vec<(String, String)> {
    assert!(value.iter().all(|&byte| is_printable(char::from(byte))));
    let mut rest = std::str::from_utf8(value).unwrap().strip_prefix("Bearer").unwrap();
    let mut parameters: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let separator = if parameters.is_empty() { " " } else { ", " };
        let (name, text) = rest.strip_prefix(separator).unwrap().split_once("=\"").unwrap();
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        assert!(parameters.iter().all(|(earlier, _)| earlier != name), "{name} twice");
        let (value, after) = quoted(text);
        parameters.push((name.to_owned(), value));
        rest = after;
    }
    parameters.retain(|(name, _)| name != "error_description");
    parameters
}

/// What a `quoted-string` says, and what comes after it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next().expect("a closing quote") {
            '"' => return (value, characters.as_str()),
            '\\' => value.push(characters.next().expect("a character after the backslash")),
            character => value.push(character),
        }
    }
}
