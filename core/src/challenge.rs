//! The `WWW-Authenticate` field of a refusal (RFC 6750 section 3).

use http::StatusCode;
use thiserror::Error;

use crate::refusal::{ChallengeError, Refusal};

/// The challenges of one location, built when the configuration is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    plain: Box<str>,
    invalid_token: Box<str>,
    insufficient_scope: Box<str>,
}

impl Challenge {
    /// `realm` and `scope` are left out when empty. `scope` is a list of scopes separated by
    /// spaces (RFC 6749 section 3.3). Without `error_parts` no challenge has an error code.
    ///
    /// # Errors
    ///
    /// A [`ChallengeSyntaxError`] names the first character that cannot stand in the field.
    pub fn new(
        realm: &str,
        scope: Option<&str>,
        error_parts: bool,
    ) -> Result<Self, ChallengeSyntaxError> {
        let scope = scopes(scope.unwrap_or_default())?;
        let parts = [("realm", check_realm(realm)?), ("scope", &scope)];
        let with_error = |error: ChallengeError| {
            let error_parts = [("error", error.code()), ("error_description", error.description())];
            challenge(parts.into_iter().chain(error_parts))
        };

        let plain = challenge(parts);
        if !error_parts {
            let (invalid_token, insufficient_scope) = (plain.clone(), plain.clone());
            return Ok(Self { plain, invalid_token, insufficient_scope });
        }
        Ok(Self {
            plain,
            invalid_token: with_error(ChallengeError::InvalidToken),
            insufficient_scope: with_error(ChallengeError::InsufficientScope),
        })
    }

    /// The field's value for a refusal; nothing if its status is neither 401 nor 403.
    #[must_use]
    pub fn value(&self, refusal: &Refusal) -> Option<&[u8]> {
        if !matches!(refusal.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return None;
        }
        let value = match refusal.challenge_error() {
            None => &self.plain,
            Some(ChallengeError::InvalidToken) => &self.invalid_token,
            Some(ChallengeError::InsufficientScope) => &self.insufficient_scope,
        };
        Some(value.as_bytes())
    }
}

/// Why a configured text cannot stand in a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChallengeSyntaxError {
    /// The realm has a character that is not printable ASCII.
    #[error("the realm has the character {0:?}, expected printable ASCII")]
    Realm(char),
    /// The scopes have a character that RFC 6749 section 3.3 does not allow.
    #[error(
        "the scope has the character {0:?}, expected scopes of printable ASCII without quotes \
         and backslashes, separated by spaces"
    )]
    Scope(char),
}

fn check_realm(realm: &str) -> Result<&str, ChallengeSyntaxError> {
    match realm.chars().find(|&character| !matches!(character, ' '..='~')) {
        Some(character) => Err(ChallengeSyntaxError::Realm(character)),
        None => Ok(realm),
    }
}

/// The list with exactly one space between its scopes.
fn scopes(list: &str) -> Result<String, ChallengeSyntaxError> {
    let is_forbidden =
        |character: &char| !matches!(character, ' '..='~') || matches!(character, '"' | '\\');
    if let Some(character) = list.chars().find(is_forbidden) {
        return Err(ChallengeSyntaxError::Scope(character));
    }
    Ok(list.split(' ').filter(|scope| !scope.is_empty()).collect::<Vec<_>>().join(" "))
}

fn challenge<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Box<str> {
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .collect();
    if parts.is_empty() {
        return "Bearer".into();
    }
    format!("Bearer {}", parts.join(", ")).into()
}

/// A `quoted-string` of RFC 9110 section 5.6.4.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::introspection::Failure;

    fn value(challenge: &Challenge, refusal: &Refusal) -> String {
        String::from_utf8(challenge.value(refusal).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_request_without_a_token_is_told_realm_and_scope_only() {
        let challenge = Challenge::new("api", Some("a b"), true).unwrap();
        let expected = r#"Bearer realm="api", scope="a b""#;
        assert_eq!(value(&challenge, &Refusal::MissingToken), expected);
    }

    #[test]
    fn an_invalid_token_is_named_as_the_error() {
        let challenge = Challenge::new("api", Some("a b"), true).unwrap();
        let expected = concat!(
            r#"Bearer realm="api", scope="a b", error="invalid_token", "#,
            r#"error_description="The access token is malformed, expired or revoked""#
        );
        for refusal in [Refusal::MalformedToken, Refusal::InactiveToken, Refusal::ExpiredToken] {
            assert_eq!(value(&challenge, &refusal), expected, "{refusal}");
        }
    }

    #[test]
    fn a_missing_scope_is_named_as_the_error() {
        let challenge = Challenge::new("", Some("write"), true).unwrap();
        let expected = concat!(
            r#"Bearer scope="write", error="insufficient_scope", "#,
            r#"error_description="The access token lacks a required scope""#
        );
        assert_eq!(value(&challenge, &Refusal::InsufficientScope), expected);
    }

    #[test]
    fn without_error_parts_every_challenge_is_the_same() {
        let challenge = Challenge::new("api", None, false).unwrap();
        for refusal in [Refusal::MissingToken, Refusal::InactiveToken, Refusal::InsufficientScope] {
            assert_eq!(value(&challenge, &refusal), r#"Bearer realm="api""#, "{refusal}");
        }
    }

    #[test]
    fn with_nothing_to_say_the_scheme_stands_alone() {
        let challenge = Challenge::new("", Some(""), false).unwrap();
        assert_eq!(value(&challenge, &Refusal::InactiveToken), "Bearer");
    }

    #[test]
    fn a_server_error_has_no_challenge() {
        let challenge = Challenge::new("api", None, true).unwrap();
        for refusal in [Refusal::NotConfigured, Refusal::from(Failure::Timeout)] {
            assert_eq!(challenge.value(&refusal), None, "{refusal}");
        }
    }

    #[test]
    fn quotes_and_backslashes_in_the_realm_are_escaped() {
        let challenge = Challenge::new(r#"the "\" api"#, None, true).unwrap();
        let expected = r#"Bearer realm="the \"\\\" api""#;
        assert_eq!(value(&challenge, &Refusal::MissingToken), expected);
    }

    #[test]
    fn scopes_are_separated_by_one_space() {
        let challenge = Challenge::new("", Some("  a   b "), true).unwrap();
        assert_eq!(value(&challenge, &Refusal::MissingToken), r#"Bearer scope="a b""#);
    }

    #[test]
    fn a_realm_that_cannot_be_quoted_is_refused_by_its_character() {
        for (realm, character) in [("a\nb", '\n'), ("a\0", '\0'), ("bücher", 'ü'), ("a\tb", '\t')]
        {
            let error = Challenge::new(realm, None, true).unwrap_err();
            assert_eq!(error, ChallengeSyntaxError::Realm(character));
            assert!(error.to_string().contains(&format!("{character:?}")), "{error}");
        }
    }

    #[test]
    fn a_scope_outside_the_grammar_is_refused_by_its_character() {
        for (scope, character) in [("a\"b", '"'), ("a\\b", '\\'), ("a\rb", '\r'), ("é", 'é')] {
            let error = Challenge::new("api", Some(scope), true).unwrap_err();
            assert_eq!(error, ChallengeSyntaxError::Scope(character));
            assert!(error.to_string().contains(&format!("{character:?}")), "{error}");
        }
    }

    /// Reads `name="value"` pairs as a client would.
    fn parse(challenge: &str) -> Vec<(String, String)> {
        let mut rest = challenge.strip_prefix("Bearer").unwrap().trim_start();
        let mut parts = Vec::new();
        while let Some((name, after)) = rest.split_once("=\"") {
            let mut value = String::new();
            let mut characters = after.chars();
            loop {
                match characters.next().unwrap() {
                    '"' => break,
                    '\\' => value.push(characters.next().unwrap()),
                    character => value.push(character),
                }
            }
            parts.push((name.to_owned(), value));
            rest = characters.as_str().trim_start_matches([',', ' ']);
        }
        assert_eq!(rest, "");
        parts
    }

    proptest! {
        #[test]
        fn a_challenge_reads_back_as_what_went_in(
            realm in "[ -~]{1,20}",
            scope in "[!#-\\[\\]-~]{1,8}( [!#-\\[\\]-~]{1,8}){0,3}",
        ) {
            let challenge = Challenge::new(&realm, Some(&scope), true).unwrap();
            let parts = parse(&value(&challenge, &Refusal::MissingToken));
            prop_assert_eq!(parts, [("realm".to_owned(), realm), ("scope".to_owned(), scope)]);
        }

        #[test]
        fn an_accepted_challenge_is_a_valid_field_value(realm: String, scope: Option<String>) {
            let Ok(challenge) = Challenge::new(&realm, scope.as_deref(), true) else {
                return Ok(());
            };
            let value = challenge.value(&Refusal::InactiveToken).unwrap();
            prop_assert!(http::HeaderValue::from_bytes(value).is_ok());
        }
    }
}
