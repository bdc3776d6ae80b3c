//! What a request to purge the cache asks for.

use std::borrow::Cow;

use thiserror::Error;

use crate::token::{bearer, spelling};

/// What is to be forgotten.
#[derive(Clone, PartialEq, Eq)]
pub enum Purge<'a> {
    /// Everything.
    All,
    /// One token, whatever it was introspected for.
    Token(Cow<'a, str>),
}

/// Why a request to purge is not understood. The text is for those who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PurgeError {
    /// The form does not name exactly one thing to purge.
    #[error("expected a form with either token=... or all=true")]
    Form,
    /// No client can have sent such a token, so none can be stored.
    #[error(
        "the value of token cannot be a token: encode it, as curl --data-urlencode does, since + is a \
         blank in a form, and leave Bearer, quotes and line ends out"
    )]
    NoToken,
    /// It is never introspected, so the one that was meant is another.
    #[error(
        "the value of token is a JWT in a spelling that is never taken: base64url without padding, with \
         unused bits 0, is the one to purge"
    )]
    MisspeltJwt,
}

impl<'a> Purge<'a> {
    /// Reads the body of a request, in the form of RFC 7009 section 2.1: `token`, with
    /// `token_type_hint` ignored, or our own `all=true`.
    ///
    /// # Errors
    ///
    /// A [`PurgeError`] unless it names exactly one thing to purge, and that can be there. A token may be
    /// of any [`TokenSyntax`](crate::token::bearer::TokenSyntax).
    pub fn parse(form: &'a [u8]) -> Result<Self, PurgeError> {
        let mut found = None;
        for (name, value) in form_urlencoded::parse(form) {
            let purge = match (&*name, &*value) {
                ("token", "") => return Err(PurgeError::Form),
                ("token", _) => Self::Token(value),
                ("all", "true") => Self::All,
                ("token_type_hint", _) => continue,
                _ => return Err(PurgeError::Form),
            };
            if found.replace(purge).is_some() {
                return Err(PurgeError::Form);
            }
        }
        let found = found.ok_or(PurgeError::Form)?;
        found.check()?;
        Ok(found)
    }

    fn check(&self) -> Result<(), PurgeError> {
        match self {
            Self::Token(token) if !bearer::is_visible(token.as_bytes()) => Err(PurgeError::NoToken),
            Self::Token(token) if spelling::is_misspelt_jwt(token.as_bytes()) => {
                Err(PurgeError::MisspeltJwt)
            }
            _ => Ok(()),
        }
    }
}

// It may hold a token.
impl std::fmt::Debug for Purge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "All",
            Self::Token(_) => "Token(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_decoded() {
        let purge = Purge::parse(b"token=a%2Bb%3D&token_type_hint=access_token");
        assert_eq!(purge, Ok(Purge::Token("a+b=".into())));
    }

    #[test]
    fn debug_output_does_not_contain_the_token() {
        let purge = Purge::parse(b"token=opaque").unwrap();
        assert_eq!(format!("{purge:?} {:?}", Purge::All), "Token(..) All");
    }

    #[test]
    fn all_is_all() {
        assert_eq!(Purge::parse(b"all=true"), Ok(Purge::All));
    }

    #[test]
    fn anything_else_is_refused() {
        for form in [
            &b""[..],
            b"token=",
            b"token",
            b"all=1",
            b"all=false",
            b"token=a&token=b",
            b"token=a&all=true",
            b"other=a",
            b"token=a&other=b",
        ] {
            assert_eq!(Purge::parse(form), Err(PurgeError::Form), "{}", form.escape_ascii());
        }
    }

    #[test]
    fn a_token_of_any_syntax_is_taken() {
        for (form, token) in [
            (&b"token=12%7Cabc"[..], "12|abc"),
            (b"token=12|abc", "12|abc"),
            (b"token=a:b", "a:b"),
            (b"token=ab%2Bcd%2Fef%3D%3D", "ab+cd/ef=="),
            (b"token=ab/cd==", "ab/cd=="),
            (b"token=eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
        ] {
            assert_eq!(Purge::parse(form), Ok(Purge::Token(token.into())), "{token}");
        }
    }

    #[test]
    fn what_no_client_can_send_as_a_token_is_refused() {
        for form in [
            &b"token=ab+cd/ef=="[..],
            b"token=Bearer+x",
            b"token=Bearer%20x",
            b"token=x%0A",
            b"token=x\n",
            b"token=%22x%22",
            b"token=\"x\"",
            b"token=a,b",
            b"token=a%5Cb",
            b"token=%00",
            b"token=t%C3%B6ken",
            b"token=%ff",
            b"token=+",
        ] {
            let purge = Purge::parse(form);
            assert_eq!(purge, Err(PurgeError::NoToken), "{}", form.escape_ascii());
        }
    }

    #[test]
    fn a_jwt_in_a_spelling_that_is_never_introspected_is_refused() {
        let form = b"token=eyJhbGciOiJSUzI1NiJ9.e30.c2ln%3D";
        assert_eq!(Purge::parse(form), Err(PurgeError::MisspeltJwt));
    }

    #[test]
    fn what_is_told_about_a_refused_form_can_stand_in_json() {
        for error in [PurgeError::Form, PurgeError::NoToken, PurgeError::MisspeltJwt] {
            let text = error.to_string();
            assert!(text.chars().all(|c| (' '..='~').contains(&c) && c != '"' && c != '\\'));
        }
        assert!(PurgeError::NoToken.to_string().contains("--data-urlencode"));
    }
}
