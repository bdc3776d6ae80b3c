//! What a request to purge the cache asks for.

use std::borrow::Cow;

use thiserror::Error;

/// What is to be forgotten.
#[derive(Clone, PartialEq, Eq)]
pub enum Purge<'a> {
    /// Everything.
    All,
    /// One token, whatever it was introspected for.
    Token(Cow<'a, str>),
}

/// Why a request to purge is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a form with either token=... or all=true")]
pub struct PurgeError;

impl<'a> Purge<'a> {
    /// Reads the body of a request, in the form of RFC 7009 section 2.1: `token`, with
    /// `token_type_hint` ignored, or our own `all=true`.
    ///
    /// # Errors
    ///
    /// A [`PurgeError`] unless it names exactly one thing to purge.
    pub fn parse(form: &'a [u8]) -> Result<Self, PurgeError> {
        let mut found = None;
        for (name, value) in form_urlencoded::parse(form) {
            let purge = match (&*name, &*value) {
                ("token", "") => return Err(PurgeError),
                ("token", _) => Self::Token(value),
                ("all", "true") => Self::All,
                ("token_type_hint", _) => continue,
                _ => return Err(PurgeError),
            };
            if found.replace(purge).is_some() {
                return Err(PurgeError);
            }
        }
        found.ok_or(PurgeError)
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
            assert_eq!(Purge::parse(form), Err(PurgeError), "{}", String::from_utf8_lossy(form));
        }
    }
}
