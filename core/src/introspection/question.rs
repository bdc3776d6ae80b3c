//! What the authorization server is asked about a token (RFC 7662 section 2.1).

use std::rc::Rc;

use zeroize::Zeroizing;

use super::ClientCredential;
use crate::cache::Profile;
use crate::token::bearer::OpaqueToken;
use crate::token::charset;

/// How a location asks about its tokens. It is known before there is a token, and the same for all of
/// them.
#[derive(Clone, Debug)]
pub struct Question {
    /// What tells the server block from others: locations of the same name may lead to two authorization
    /// servers.
    pub server: Vec<u8>,
    /// The location that leads to the authorization server.
    pub endpoint: Rc<[u8]>,
    /// The `Accept` that is sent.
    pub accept: Rc<str>,
    /// The credential that is sent, if any.
    pub credential: Option<Rc<ClientCredential>>,
    /// The members of an answer that may have the JWT.
    pub jwt_members: Rc<[String]>,
}

impl Question {
    /// The `Content-Type` that is sent.
    pub const CONTENT_TYPE: &'static str = "application/x-www-form-urlencoded";

    /// What an answer depends on, beside the token.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let Self { server, endpoint, accept, credential, jwt_members } = self;
        let credential = credential.as_ref().map_or("", |credential| credential.header_value());
        let fixed = [server, &endpoint[..], accept.as_bytes(), credential.as_bytes()];
        let members = jwt_members.iter().map(String::as_bytes);
        Profile::new(&fixed.into_iter().chain(members).collect::<Vec<_>>())
    }

    /// The `Authorization` that is sent, if any.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.credential.as_ref().map(|credential| credential.header_value())
    }

    /// The body that is sent for a token. It is a secret.
    #[must_use]
    pub fn form(&self, token: OpaqueToken<'_>) -> Zeroizing<String> {
        Zeroizing::new(form_body(token))
    }

    /// What a message about an answer says of the question.
    #[must_use]
    pub fn asked(&self) -> Asked<'_> {
        Asked { accept: &self.accept, has_credential: self.credential.is_some() }
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
    use crate::token::bearer::{self, TokenSyntax};

    fn body_for(token: &str) -> String {
        let authorization = format!("Bearer {token}");
        form_body(bearer::parse(Some(authorization.as_bytes()), TokenSyntax::Visible).unwrap())
    }

    fn question() -> Question {
        Question {
            server: b"a".to_vec(),
            endpoint: (*b"/introspect").into(),
            accept: "application/jwt".into(),
            credential: Some(Rc::new(ClientCredential::new(b"id", b"secret"))),
            jwt_members: ["jwt".to_owned(), "token".to_owned()].into(),
        }
    }

    #[test]
    fn a_profile_is_that_of_one_question() {
        let base = question();
        let others = [
            Question { server: b"b".to_vec(), ..question() },
            Question { endpoint: (*b"/other").into(), ..question() },
            Question { accept: "application/json".into(), ..question() },
            Question { credential: None, ..question() },
            Question {
                credential: Some(Rc::new(ClientCredential::new(b"id", b"other"))),
                ..question()
            },
            Question { jwt_members: ["jwt".to_owned()].into(), ..question() },
            Question { jwt_members: ["jwttoken".to_owned()].into(), ..question() },
        ];

        assert_eq!(base.profile(), question().profile());
        for other in others {
            assert_ne!(other.profile(), base.profile(), "{other:?}");
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_credential() {
        assert!(!format!("{:?}", question()).contains(question().authorization().unwrap()));
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
    }
}
