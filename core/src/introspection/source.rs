//! Where an introspection answer comes from.

use std::fmt::Write as _;

use memchr::memmem;
use sha2::{Digest as _, Sha256};

use super::form_body;
use crate::token::bearer::{OpaqueToken, TokenSyntax};
use crate::token::presented::Presented;

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The authorization server, or NGINX's own cache of its answers, under a key that is bound to the
    /// token.
    Upstream,
    /// NGINX's own cache, under a key that other tokens have, too.
    UnboundCacheKey,
    /// NGINX: it did not reach the authorization server, or was told to answer itself, by a `return`, a
    /// limit or a file.
    Nginx,
}

/// Whether a key of NGINX's own cache, such as `proxy_cache_key` makes, is bound to a token: it contains
/// the form as sent or the token's whole `Authorization`, or it is the token, or has it between characters that no token may have, if it is of 16 characters or more. That a text is
/// somewhere in a key does not do: a key of `/_introspect` has the token `introspect`.
///
/// Anyone can send a token that is part of a key, and make a key that has two tokens in it out of what
/// else a key has of the request. So an answer is kept with a [`Mark`], too.
#[must_use]
pub fn is_bound(key: &[u8], presented: &Presented<'_>, syntax: TokenSyntax) -> bool {
    let (token, authorization) = (presented.token(), presented.authorization());
    let has = |text: &[u8]| memmem::find(key, text).is_some();
    has(form_body(token).as_bytes()) || has(authorization) || is_or_names(key, token, syntax)
}

fn is_or_names(key: &[u8], token: OpaqueToken<'_>, syntax: TokenSyntax) -> bool {
    let token = token.as_bytes();
    let mut words = key.split(|&byte| !syntax.has(byte));
    key == token || token.len() >= MIN_LENGTH && words.any(|word| word == token)
}

/// An `ETag` that tells whose answer it is that NGINX keeps in a cache of its own: it has the SHA-256 of
/// the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// That of a token.
    #[must_use]
    pub fn of(token: OpaqueToken<'_>) -> Self {
        let mut mark = String::with_capacity(BEGIN.len().saturating_add(2 * 32 + 1));
        mark.push_str(BEGIN);
        for byte in Sha256::digest(token.as_bytes()) {
            _ = write!(mark, "{byte:02x}");
        }
        mark.push('"');
        Self(mark)
    }

    /// As it is kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether an answer that was kept with this `ETag` may be about the token: it is its own mark, or none
    /// at all, since the answer was kept before this module came.
    #[must_use]
    pub fn admits(&self, etag: &[u8]) -> bool {
        !etag.starts_with(BEGIN.as_bytes()) || etag == self.as_bytes()
    }
}

const BEGIN: &str = "\"phantom_token:";

/// In characters; what is shorter may be a word of a URL.
const MIN_LENGTH: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::bearer::TokenSyntax::{B64token, Visible};

    const TOKEN: &str = "a3f9c2d4-77b1-4e0a-9d52";

    fn is_bound_to(key: &[u8], authorization: &[u8], syntax: TokenSyntax) -> bool {
        is_bound(key, &Presented::parse(Some(authorization), syntax).unwrap(), syntax)
    }

    fn mark_of(authorization: &[u8]) -> Mark {
        Mark::of(Presented::parse(Some(authorization), B64token).unwrap().token())
    }

    #[test]
    fn a_key_with_the_form_the_field_or_the_token_as_a_word_is_bound() {
        for key in [
            "token=a3f9c2d4-77b1-4e0a-9d52",
            "/introspecttoken=a3f9c2d4-77b1-4e0a-9d52localhost",
            "Bearer a3f9c2d4-77b1-4e0a-9d52",
            "http://as:8443/introspectBearer a3f9c2d4-77b1-4e0a-9d52",
            "a3f9c2d4-77b1-4e0a-9d52",
            "localhost|a3f9c2d4-77b1-4e0a-9d52",
            "a3f9c2d4-77b1-4e0a-9d52 localhost",
            "x:a3f9c2d4-77b1-4e0a-9d52:y",
        ] {
            assert!(
                is_bound_to(key.as_bytes(), b"Bearer a3f9c2d4-77b1-4e0a-9d52", B64token),
                "{key}"
            );
        }
    }

    #[test]
    fn any_other_key_is_not() {
        for (key, token) in [
            ("", TOKEN),
            ("/introspect", TOKEN),
            ("http://127.0.0.1:8443/introspect", TOKEN),
            // Another token's.
            ("token=b3f9c2d4-77b1-4e0a-9d52", TOKEN),
            ("Bearer b3f9c2d4-77b1-4e0a-9d52", TOKEN),
            // Next to what a token may have.
            ("/introspecta3f9c2d4-77b1-4e0a-9d52", TOKEN),
            ("a3f9c2d4-77b1-4e0a-9d52/introspect", TOKEN),
            // A word of the key.
            ("/_introspect", "introspect"),
            ("curity:introspect", "introspect"),
        ] {
            let authorization = format!("Bearer {token}");
            assert!(!is_bound_to(key.as_bytes(), authorization.as_bytes(), B64token), "{key}");
        }
    }

    #[test]
    fn a_mark_is_that_of_one_token() {
        let mark = mark_of(b"Bearer abc");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(mark.as_bytes(), format!("\"phantom_token:{sha256}\"").as_bytes());

        assert!(mark.admits(mark.as_bytes()));
        assert!(mark.admits(b"") && mark.admits(b"\"of a server\""));
        assert!(!mark.admits(mark_of(b"Bearer abd").as_bytes()));
        assert!(!mark.admits(b"\"phantom_token: not bound to a token\""));
        // However the scheme is written.
        assert_eq!(mark_of(b"bearer  abc"), mark);
    }

    #[test]
    fn a_short_token_is_known_as_a_whole() {
        assert!(is_bound_to(b"abc", b"Bearer abc", B64token));
        assert!(is_bound_to(b"x Bearer abc", b"Bearer abc", B64token));
        assert!(!is_bound_to(b"x abc", b"Bearer abc", B64token));
    }

    #[test]
    fn what_ends_a_token_is_up_to_its_syntax() {
        let authorization = b"Bearer a3f9c2d4-77b1-4e0a-9d52";
        let key = b"localhost|a3f9c2d4-77b1-4e0a-9d52";
        assert!(is_bound_to(key, authorization, B64token));
        assert!(!is_bound_to(key, authorization, Visible));
        assert!(is_bound_to(b"localhost a3f9c2d4-77b1-4e0a-9d52", authorization, Visible));
    }

    proptest! {
        #[test]
        fn what_operators_write_is_bound_to_each_token(
            token in "[A-Za-z0-9._~+/-]{1,40}={0,2}",
            before in "[ -~]{0,20}",
            after in "[ -~]{0,20}",
        ) {
            let authorization = format!("Bearer {token}");
            let parsed = Presented::parse(Some(authorization.as_bytes()), B64token).unwrap().token();
            for text in [form_body(parsed).as_str(), &authorization] {
                let key = format!("{before}{text}{after}");
                prop_assert!(is_bound_to(key.as_bytes(), authorization.as_bytes(), B64token));
            }
        }

        #[test]
        fn a_key_of_one_token_is_not_bound_to_another_of_its_length(
            one in "[A-Za-z0-9._-]{18}",
            other in "[A-Za-z0-9._-]{18}",
            before in "[|: ]{0,2}",
        ) {
            prop_assume!(one != other);
            let authorization = format!("Bearer {other}");
            let parsed = Presented::parse(Some(authorization.as_bytes()), B64token).unwrap().token();
            for key in [form_body(parsed), authorization.clone(), format!("{before}{other}")] {
                let one = format!("Bearer {one}");
                prop_assert!(!is_bound_to(key.as_bytes(), one.as_bytes(), B64token));
            }
        }
    }
}
