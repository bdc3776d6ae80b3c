//! What an answer with an unexpected status says of its reason, as far as a log may have it.

use std::borrow::Cow;
use std::fmt;

use crate::json::{self, Member};

/// What the body of an answer says of why it is not what was asked for.
///
/// The text is safe for a log: printable ASCII without quotes and backslashes, as RFC 6749 section 5.2
/// has it, of bounded length, and nothing that may be a token or the client's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing that is understood.
    Nothing,
    /// It is a page for people.
    Page,
    /// It is an error response (RFC 6749 section 5.2).
    Error {
        /// The `error`.
        code: Cow<'static, str>,
        /// The `error_description`.
        description: Option<String>,
    },
}

impl Said {
    /// Reads an error response, of which nothing is taken that repeats a secret.
    pub(in crate::introspection) fn in_error_response<'a>(
        body: &[u8],
        secrets: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Self {
        let Ok([error, description]) =
            json::members(body.trim_ascii_start(), ["error", "error_description"])
        else {
            return Self::Nothing;
        };
        let text = |member, longest| match member {
            Member::String(text) => safe(&text, secrets.clone(), longest),
            _ => None,
        };
        match text(error, LONGEST_CODE) {
            None => Self::Nothing,
            Some(code) => {
                let code = registered(&code).map_or(Cow::Owned(code), Cow::Borrowed);
                Self::Error { code, description: text(description, LONGEST_DESCRIPTION) }
            }
        }
    }

    /// Whether it is the client that is refused, that is the gateway (RFC 6749 section 5.2).
    pub(super) fn is_about_the_client(&self) -> bool {
        let Self::Error { code, .. } = self else {
            return false;
        };
        matches!(&**code, "invalid_client" | "unauthorized_client")
    }

    /// A number from 1 on for what can be told by one.
    pub(in crate::introspection) fn number(&self) -> Option<u32> {
        match self {
            Self::Nothing => None,
            Self::Page => Some(PAGE),
            Self::Error { code, .. } => {
                let place = CODES.iter().position(|known| known == code)?;
                FIRST_CODE.checked_add(u32::try_from(place).ok()?)
            }
        }
    }

    /// What was told by a number.
    pub(in crate::introspection) fn of_number(number: u32) -> Self {
        let place = number.checked_sub(FIRST_CODE).and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| CODES.get(place)) {
            Some(code) => Self::Error { code: Cow::Borrowed(code), description: None },
            None if number == PAGE => Self::Page,
            None => Self::Nothing,
        }
    }
}

/// As it stands behind the status.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Page => f.write_str(" and an HTML page"),
            Self::Error { code, description: None } => write!(f, " and error \"{code}\""),
            Self::Error { code, description: Some(description) } => {
                write!(f, " and error \"{code}\" (\"{description}\")")
            }
        }
    }
}

fn registered(code: &str) -> Option<&'static str> {
    CODES.into_iter().find(|known| *known == code)
}

/// A text that may stand in a log, of not much more than `longest` bytes; nothing if it is empty, or
/// repeats some of a secret.
fn safe<'a>(
    text: &str,
    mut secrets: impl Iterator<Item = &'a [u8]>,
    longest: usize,
) -> Option<String> {
    let mut safe = String::new();
    for word in text.split(' ') {
        if !safe.is_empty() {
            safe.push(' ');
        }
        // No word is that long, but a JWT is, or a secret.
        let word = if word.len() > LONGEST_WORD { ELLIPSIS } else { word };
        if safe.len().saturating_add(word.len()) > longest {
            safe.push_str(ELLIPSIS);
            break;
        }
        safe.extend(word.chars().map(printable));
    }
    let is_empty = safe.trim_ascii().is_empty();
    let repeats_one = secrets.any(|secret| repeats(safe.as_bytes(), secret));
    (!is_empty && !repeats_one).then_some(safe)
}

/// Whether a short text has some of a secret in it: all of a short one, or a run of a long one.
fn repeats(text: &[u8], secret: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    let secret = secret.to_ascii_lowercase();
    if secret.len() < TELLING_RUN {
        return !secret.is_empty() && text.windows(secret.len()).any(|part| part == secret);
    }
    let mut runs: Vec<&[u8]> = text.windows(TELLING_RUN).collect();
    runs.sort_unstable();
    secret.windows(TELLING_RUN).any(|run| runs.binary_search(&run).is_ok())
}

/// `%x20-21 / %x23-5B / %x5D-7E`
fn printable(character: char) -> char {
    match character {
        '"' | '\\' => '?',
        ' '..='~' => character,
        _ => '?',
    }
}

/// The `error`s that are known (RFC 6749 section 5.2, RFC 6750 section 3.1, RFC 7009 section 2.2.1, RFC
/// 8693 section 2.2.2). A number stands for the place of each, so none is ever moved.
const CODES: [&str; 12] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_token",
    "insufficient_scope",
    "unsupported_token_type",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
];

const PAGE: u32 = 1;
const FIRST_CODE: u32 = 2;

const LONGEST_CODE: usize = 64;
const LONGEST_DESCRIPTION: usize = 200;
const LONGEST_WORD: usize = 64;
const ELLIPSIS: &str = "...";
/// The length of a run that two texts have in common only if one is made of the other.
const TELLING_RUN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &[u8] = b"b2b7a1c2-opaque-token";
    const SECRET: &[u8] = b"S3cr3tPw!";

    fn said(body: &str) -> Said {
        Said::in_error_response(body.as_bytes(), [TOKEN, SECRET].into_iter())
    }

    fn error(code: &'static str, description: Option<&str>) -> Said {
        Said::Error { code: code.into(), description: description.map(str::to_owned) }
    }

    #[test]
    fn an_error_response_says_its_error_and_what_it_means() {
        for (body, expected) in [
            (
                r#"{"error":"invalid_client","error_description":"Invalid client credentials"}"#,
                error("invalid_client", Some("Invalid client credentials")),
            ),
            (r#" {"error":"odd","x":1}"#, error("odd", None)),
            (r#"{"error":"odd","error_description":null}"#, error("odd", None)),
            (r#"{"error":1}"#, Said::Nothing),
            (r#"{"error":""}"#, Said::Nothing),
            (r#"{"error":"a","error":"b"}"#, Said::Nothing),
            (r#"{"error_description":"alone"}"#, Said::Nothing),
            ("404 page not found", Said::Nothing),
            ("", Said::Nothing),
        ] {
            assert_eq!(said(body), expected, "{body}");
        }
    }

    #[test]
    fn what_no_log_line_may_have_is_replaced() {
        let body =
            r#"{"error":"a\"b\\c","error_description":"line\r\nend, t\u00f6ken \u0000 \u007f"}"#;
        assert_eq!(said(body), error("a?b?c", Some("line??end, t?ken ? ?")));
    }

    #[test]
    fn a_long_text_is_cut() {
        let body = format!(r#"{{"error":"e","error_description":"{}"}}"#, "word ".repeat(1000));
        let Said::Error { description: Some(description), .. } = said(&body) else { panic!() };
        assert!(description.len() <= LONGEST_DESCRIPTION + ELLIPSIS.len(), "{description}");
        assert!(description.ends_with("..."), "{description}");
    }

    #[test]
    fn what_may_be_a_token_is_left_out() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqYW5lIiwiZXhwIjoxNzAwMDAwMDAwfQ.c2lnbmF0dXJl";
        let body = format!(r#"{{"error":"e","error_description":"not {jwt} please"}}"#);
        assert_eq!(said(&body), error("e", Some("not ... please")));

        for description in [
            "unknown token b2b7a1c2-opaque-token",
            "unknown token B2B7A1C2-OPAQUE-TOKEN.",
            "unknown token b2b7a1c2-...",
            "unknown token ...que-token",
            "client gateway with secret S3cr3tPw! is unknown",
        ] {
            let body = format!(r#"{{"error":"e","error_description":"{description}"}}"#);
            assert_eq!(said(&body), error("e", None), "{description}");
            assert_eq!(said(&format!(r#"{{"error":"{description}"}}"#)), Said::Nothing);
        }
    }

    #[test]
    fn what_fits_into_a_number_comes_back() {
        for code in CODES {
            let said = error(code, None);
            assert_eq!(said.number().map(Said::of_number), Some(said), "{code}");
        }
        assert_eq!(Said::Page.number().map(Said::of_number), Some(Said::Page));
        assert_eq!((Said::Nothing.number(), Said::of_number(0)), (None, Said::Nothing));
        assert_eq!(error("odd", None).number(), None);
        assert_eq!(Said::of_number(u32::MAX), Said::Nothing);
    }

    proptest! {
        #[test]
        fn any_error_response_is_safe_to_log(code: String, description: String) {
            let body = serde_json::json!({ "error": code, "error_description": description });
            let Said::Error { code, description } = said(&body.to_string()) else { return Ok(()) };
            for text in [&*code, description.as_deref().unwrap_or_default()] {
                prop_assert!(text.len() < 256, "{}", text);
                let is_safe = |byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
                prop_assert!(text.bytes().all(is_safe), "{}", text);
            }
        }

        #[test]
        fn no_token_is_repeated(token in "[!-~]{1,40}", before in "[ -~]{0,9}", after in "[ -~]{0,9}") {
            let body = serde_json::json!({
                "error": "e",
                "error_description": format!("{before}{token}{after}"),
            });
            prop_assume!(!token.contains(['"', '\\']));
            let said = Said::in_error_response(
                body.to_string().as_bytes(),
                [token.as_bytes()].into_iter(),
            );
            prop_assert!(
                matches!(said, Said::Nothing | Said::Error { description: None, .. }),
                "{}",
                said
            );
        }
    }
}
