//! The `WWW-Authenticate` field of a refusal (RFC 6750 section 3).

use http::StatusCode;
use thiserror::Error;

use crate::refusal::Refusal;

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

/// An error code of RFC 6750 section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeError {
    /// The token is malformed, expired, revoked or unknown.
    InvalidToken,
    /// The token lacks a scope.
    InsufficientScope,
}

impl ChallengeError {
    fn code(self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::InvalidToken => "The access token is malformed, expired or revoked",
            Self::InsufficientScope => "The access token lacks a required scope",
        }
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
