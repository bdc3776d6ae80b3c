//! Media types of answers and of JWTs (RFC 9110 section 8.3.1), as far as they decide anything.

/// Whether a `Content-Type`, or the `typ` of a JWT, names a response to introspection as a JWT
/// (RFC 9701 section 5), in any spelling: with `application/` or without, with parameters, in a list.
///
/// What has the name in it in any place is taken for one. Such a response may say that a token is
/// inactive, so to forward it is worse than to refuse what is named strangely.
pub(crate) fn is_introspection_response(text: &[u8]) -> bool {
    contains(text, b"token-introspection+jwt")
}

/// Whether a `Content-Type` names a page for people.
pub(crate) fn is_html(content_type: &[u8]) -> bool {
    contains(content_type, b"text/html") || contains(content_type, b"application/xhtml+xml")
}

/// Whether `text` has `wanted` in it, in any case.
fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_introspection_response_is_known_in_any_spelling() {
        for text in [
            "token-introspection+jwt",
            "application/token-introspection+jwt",
            "Application/Token-Introspection+JWT",
            " application/token-introspection+jwt ; charset=utf-8",
            "application/jwt, application/token-introspection+jwt",
            "application/ token-introspection+jwt",
        ] {
            assert!(is_introspection_response(text.as_bytes()), "{text}");
        }
        for text in ["", "application/jwt", "at+jwt", "token-introspection", "text/html"] {
            assert!(!is_introspection_response(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_page_is_known_with_and_without_parameters() {
        for text in ["text/html", "Text/HTML;charset=utf-8", "application/xhtml+xml"] {
            assert!(is_html(text.as_bytes()), "{text}");
        }
        for text in ["", "application/json", "text/plain"] {
            assert!(!is_html(text.as_bytes()), "{text}");
        }
    }
}
