//! How the gateway authenticates at the introspection endpoint (RFC 7662 section 2.1).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn basic_user_pass(credential: &ClientCredential) -> String {
        let encoded = credential.header_value().strip_prefix("Basic ").unwrap();
        String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
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

    proptest! {
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
