//! The parts of an introspection request that carry secrets (RFC 7662 section 2.1).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::bearer::OpaqueToken;
use crate::charset;

/// The client credential for the introspection endpoint, as HTTP Basic (RFC 6749 section 2.3.1).
///
/// It is a secret: wiped from memory when dropped, and not printed by `Debug`.
pub struct ClientCredential {
    header_value: Zeroizing<String>,
    secret: Zeroizing<Vec<u8>>,
}

impl ClientCredential {
    /// Form-encodes both, so that a colon in the id cannot be taken for the separator.
    #[must_use]
    pub fn new(id: &[u8], secret: &[u8]) -> Self {
        // Capacities are upper bounds: a string that grows leaves a copy behind in freed memory.
        let encoded_length = id.len().saturating_add(secret.len()).saturating_mul(3);
        let mut user_pass = Zeroizing::new(String::with_capacity(encoded_length.saturating_add(1)));
        user_pass.extend(form_urlencoded::byte_serialize(id));
        user_pass.push(':');
        user_pass.extend(form_urlencoded::byte_serialize(secret));

        let capacity = user_pass.len().saturating_mul(2).saturating_add(16);
        let mut header_value = Zeroizing::new(String::with_capacity(capacity));
        header_value.push_str("Basic ");
        BASE64_STANDARD.encode_string(user_pass.as_bytes(), &mut header_value);
        Self { header_value, secret: Zeroizing::new(secret.to_vec()) }
    }

    /// The value of the `Authorization` field: `Basic` and the encoded credential.
    #[must_use]
    pub fn header_value(&self) -> &str {
        &self.header_value
    }

    /// What must not be repeated anywhere: the secret as it is, and encoded with the id.
    pub(super) fn secrets(&self) -> [&[u8]; 2] {
        let encoded = self.header_value.strip_prefix("Basic ").unwrap_or_default();
        [&self.secret, encoded.as_bytes()]
    }
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCredential(..)")
    }
}

/// What is known of a question when its answer is not what was hoped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The `Accept` that was sent.
    pub accept: &'a str,
    /// Whether the configuration has a client credential to send.
    pub has_credential: bool,
}

impl Asked<'_> {
    /// Whether this type and no other was asked for. Parameters count: some servers know only the
    /// bare type.
    pub(super) fn asks_for(self, media_type: &str) -> bool {
        self.accept.trim_ascii().eq_ignore_ascii_case(media_type)
    }
}

/// The body of the introspection request: `token=` and the token, form-encoded.
#[must_use]
pub fn form_body(token: OpaqueToken<'_>) -> String {
    // An upper bound: a string that grows leaves a copy behind in freed memory.
    let length = token.as_bytes().len().saturating_mul(3);
    let mut body = String::with_capacity(TOKEN.len().saturating_add(length));
    body.push_str(TOKEN);
    let bytes = token.as_bytes();
    // The encoder would find out byte by byte that there is nothing to do for it.
    match str::from_utf8(bytes) {
        Ok(text) if charset::all(bytes, is_unchanged) => body.push_str(text),
        _ => body.extend(form_urlencoded::byte_serialize(bytes)),
    }
    body
}

/// Whether a byte is its own encoding in a form (URL Standard,
/// application/x-www-form-urlencoded percent-encode set), as most bytes of tokens are.
#[inline]
fn is_unchanged(byte: u8) -> bool {
    charset::is_letter(byte)
        | charset::is_in(byte, b'0', b'9')
        | charset::is_in(byte, b'-', b'.')
        | (byte == b'_')
}

const TOKEN: &str = "token=";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bearer::{self, TokenSyntax};

    fn basic_user_pass(credential: &ClientCredential) -> String {
        let encoded = credential.header_value().strip_prefix("Basic ").unwrap();
        String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
    }

    fn body_for(token: &str) -> String {
        let authorization = format!("Bearer {token}");
        form_body(bearer::parse(Some(authorization.as_bytes()), TokenSyntax::Visible).unwrap())
    }

    #[test]
    fn a_plain_credential_is_ordinary_basic_authentication() {
        let credential = ClientCredential::new(b"client", b"secret");
        assert_eq!(credential.header_value(), "Basic Y2xpZW50OnNlY3JldA==");
    }

    #[test]
    fn id_and_secret_are_form_encoded_before_they_are_joined() {
        let credential = ClientCredential::new("a:b c".as_bytes(), "p+ä%".as_bytes());
        assert_eq!(basic_user_pass(&credential), "a%3Ab+c:p%2B%C3%A4%25");
    }

    #[test]
    fn debug_output_does_not_contain_the_credential() {
        let credential = ClientCredential::new(b"client", b"secret");
        assert_eq!(format!("{credential:?}"), "ClientCredential(..)");
    }

    #[test]
    fn characters_that_a_form_would_change_are_encoded() {
        assert_eq!(body_for("a+b/c~d=="), "token=a%2Bb%2Fc%7Ed%3D%3D");
    }

    #[test]
    fn a_token_that_is_not_encoded_is_one_that_the_encoder_leaves_as_it_is() {
        for byte in (0..=u8::MAX).filter(|&byte| is_unchanged(byte)) {
            let encoded: String = form_urlencoded::byte_serialize(&[byte]).collect();
            assert_eq!(encoded.as_bytes(), [byte]);
        }
    }

    proptest! {
        #[test]
        fn the_body_is_what_the_encoder_makes_of_the_token(token in r"[!#-+\x2d-\[\]-~]{1,80}") {
            let encoded: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
            prop_assert_eq!(body_for(&token), format!("token={encoded}"));
        }

        #[test]
        fn the_body_decodes_to_exactly_one_token(token in "[A-Za-z0-9._~+/-]{1,80}={0,3}") {
            let body = body_for(&token);
            let parameters: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            prop_assert_eq!(parameters, [("token".to_owned(), token)]);
        }

        #[test]
        fn the_body_decodes_to_exactly_one_token_of_any_syntax(
            token in r"[!#-+\x2d-\[\]-~]{1,80}",
        ) {
            let body = body_for(&token);
            let parameters: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            prop_assert_eq!(parameters, [("token".to_owned(), token)]);
        }

        #[test]
        fn a_credential_decodes_to_what_went_in(id: String, secret: String) {
            let user_pass = basic_user_pass(&ClientCredential::new(id.as_bytes(), secret.as_bytes()));
            let (encoded_id, encoded_secret) = user_pass.split_once(':').unwrap();
            let decoded = |encoded: &str| {
                let form = format!("v={encoded}");
                form_urlencoded::parse(form.as_bytes()).next().unwrap().1.into_owned()
            };
            prop_assert_eq!(decoded(encoded_id), id);
            prop_assert_eq!(decoded(encoded_secret), secret);
        }
    }
}
