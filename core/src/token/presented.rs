//! A token as a request presents it: parsed once, hashed once, and handed on.

use std::fmt;

use crate::cache::CacheKey;
use crate::token::bearer::{self, BearerError, OpaqueToken, TokenSyntax};

/// The token of a request, in the `Authorization` that it stands in.
///
/// It is a secret, so `Debug` does not print it.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    authorization: &'a [u8],
    token: OpaqueToken<'a>,
    key: Option<CacheKey>,
}

impl<'a> Presented<'a> {
    /// Takes the token out of the value of an `Authorization` field, of which a request has none or one.
    ///
    /// # Errors
    ///
    /// As [`bearer::parse`].
    #[inline(always)]
    pub fn parse(
        authorization: Option<&'a [u8]>,
        syntax: TokenSyntax,
    ) -> Result<Self, BearerError> {
        let token = bearer::parse(authorization, syntax)?;
        Ok(Self { authorization: authorization.unwrap_or_default(), token, key: None })
    }

    /// The same, with the place in the cache of what is known of the token.
    #[inline(always)]
    #[must_use]
    pub fn at(self, key: CacheKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> OpaqueToken<'a> {
        self.token
    }

    /// The whole value of the field.
    #[must_use]
    pub fn authorization(&self) -> &'a [u8] {
        self.authorization
    }

    /// Where in the cache an answer about the token belongs; nowhere without a cache.
    #[must_use]
    pub fn key(&self) -> Option<&CacheKey> {
        self.key.as_ref()
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_contain_the_token() {
        let presented = Presented::parse(Some(b"Bearer c2VjcmV0"), TokenSyntax::B64token).unwrap();
        assert_eq!(format!("{presented:?}"), "Presented { key: None, .. }");
    }
}
