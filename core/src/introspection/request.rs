//! The parts of an introspection request that carry secrets (RFC 7662 section 2.1).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::bearer::OpaqueToken;

/// The client credential for the introspection endpoint, as HTTP Basic (RFC 6749 section 2.3.1).
///
/// It is a secret: wiped from memory when dropped, and not printed by `Debug`.
pub struct ClientCredential {
    header_value: Zeroizing<String>,
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
        Self { header_value }
    }

    /// The value of the `Authorization` field: `Basic` and the encoded credential.
    #[must_use]
    pub fn header_value(&self) -> &str {
        &self.header_value
    }
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCredential(..)")
    }
}

/// The body of the introspection request: `token=` and the token, form-encoded.
#[must_use]
pub fn form_body(token: OpaqueToken<'_>) -> String {
    let mut body = String::from("token=");
    body.extend(form_urlencoded::byte_serialize(token.as_bytes()));
    body
}
