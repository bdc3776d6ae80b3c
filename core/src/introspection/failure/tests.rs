use super::*;

const ASKED: Asked<'_> = Asked { accept: JWT, has_credential: true };

fn unexpected(status: StatusCode) -> Failure {
    Failure::UnexpectedStatus { status, said: Said::Nothing }
}

fn not_asked(status: StatusCode) -> Failure {
    Failure::NotAsked { status, retry_after: None }
}

fn error(status: StatusCode, code: &'static str) -> Failure {
    let said = Said::Error { code: code.into(), description: None };
    Failure::UnexpectedStatus { status, said }
}

fn mend(failure: &Failure, asked: Asked<'_>) -> String {
    failure.mend(asked).map(|mend| mend.to_string()).unwrap_or_default()
}

fn all() -> Vec<Failure> {
    let statuses = [301, 302, 400, 401, 403, 404, 405, 406, 411, 415, 418];
    let mut all = vec![
        Failure::Empty,
        Failure::Jwt(JwtError::PartCount),
        Failure::Jwt(JwtError::IntrospectionResponse),
        Failure::HtmlPage,
        Failure::IntrospectionResponse,
        Failure::InvalidJson,
        Failure::ActiveMissing,
        Failure::ActiveInvalid,
        Failure::RepeatedMember,
        Failure::TokenTypeInvalid,
        Failure::NotBeforeInvalid,
        Failure::ExpiresInvalid,
        Failure::NoJwt,
        Failure::EmbeddedJwt(JwtError::Payload),
        Failure::EmbeddedJwt(JwtError::IntrospectionResponse),
        Failure::Truncated,
        Failure::Unreadable,
        Failure::TooLarge,
        Failure::Encoded,
        Failure::Unavailable { status: StatusCode::TOO_MANY_REQUESTS, retry_after: None },
        Failure::ServerError(StatusCode::BAD_GATEWAY),
        Failure::Timeout,
        Failure::UnboundCacheKey,
        Failure::Unreachable,
        not_asked(StatusCode::INTERNAL_SERVER_ERROR),
        not_asked(StatusCode::NOT_FOUND),
        not_asked(StatusCode::MOVED_PERMANENTLY),
        not_asked(StatusCode::SERVICE_UNAVAILABLE),
        error(StatusCode::BAD_REQUEST, "invalid_client"),
        error(StatusCode::BAD_REQUEST, "invalid_request"),
    ];
    all.extend(statuses.map(|status| unexpected(StatusCode::from_u16(status).unwrap())));
    all
}

#[test]
fn what_would_mend_it_is_named() {
    for (failure, expected) in [
        (Failure::TooLarge, "phantom_token_max_response_size"),
        (Failure::Encoded, "proxy_set_header Accept-Encoding \"\""),
        (Failure::NoJwt, "phantom_token_jwt_claim"),
        (Failure::HtmlPage, "check the path in proxy_pass"),
        (unexpected(StatusCode::UNAUTHORIZED), "phantom_token_client_credential"),
        (error(StatusCode::BAD_REQUEST, "invalid_client"), "phantom_token_client_credential"),
        (unexpected(StatusCode::BAD_REQUEST), "proxy_pass_request_body off"),
        (unexpected(StatusCode::NOT_FOUND), "check the path in proxy_pass"),
        (unexpected(StatusCode::FOUND), "a login page when the path or the credential is wrong"),
        (unexpected(StatusCode::FOUND), "or when their store fails"),
        (not_asked(StatusCode::MOVED_PERMANENTLY), "no return, if or rewrite"),
        (not_asked(StatusCode::MOVED_PERMANENTLY), "no slash at its end"),
        (not_asked(StatusCode::NOT_FOUND), "has a proxy_pass"),
        (not_asked(StatusCode::INTERNAL_SERVER_ERROR), "the line before"),
        (Failure::Unreachable, "the line before"),
        (not_asked(StatusCode::SERVICE_UNAVAILABLE), "a limit_req, limit_conn or return"),
        (Failure::UnboundCacheKey, "set proxy_cache_key $request_body"),
    ] {
        let text = mend(&failure, ASKED);
        assert!(text.contains(expected), "{failure}: {text}");
    }
}

#[test]
fn what_is_set_already_is_not_advised() {
    for (accept, set_to) in [
        (JWT, "set phantom_token_introspection_accept_header to application/jwt"),
        (JSON, "set phantom_token_introspection_accept_header to application/json"),
    ] {
        for failure in all() {
            let text = mend(&failure, Asked { accept, has_credential: true });
            assert!(!text.contains(set_to), "{failure}: {text}");
            assert!(!text.contains("set phantom_token_client_credential"), "{failure}: {text}");
        }
    }
}

#[test]
fn where_no_credential_is_sent_the_line_says_so() {
    for failure in [
        unexpected(StatusCode::BAD_REQUEST),
        unexpected(StatusCode::UNAUTHORIZED),
        unexpected(StatusCode::FORBIDDEN),
        unexpected(StatusCode::FOUND),
        error(StatusCode::BAD_REQUEST, "invalid_client"),
        error(StatusCode::BAD_REQUEST, "invalid_request"),
    ] {
        let text = mend(&failure, Asked { has_credential: false, ..ASKED });
        assert!(text.contains("this module sends no client credential"), "{failure}: {text}");
        assert!(text.contains("set phantom_token_client_credential"), "{failure}: {text}");
    }
}

#[test]
fn another_type_is_advised_than_the_one_that_was_asked_for() {
    let rfc_9701 = "application/token-introspection+jwt";
    for failure in [Failure::IntrospectionResponse, Failure::Jwt(JwtError::IntrospectionResponse)] {
        for (accept, expected) in [
            (rfc_9701, "to application/jwt or to application/json"),
            (JWT, "to application/json, or let"),
            (JSON, "to application/jwt, or let"),
        ] {
            let text = mend(&failure, Asked { accept, has_credential: true });
            assert!(text.contains(expected), "{accept}: {text}");
        }
    }
}

#[test]
fn an_answer_without_a_jwt_is_mended_by_the_type_unless_that_is_what_was_asked_for() {
    for (accept, is_set) in [(JWT, true), ("application/jwt;q=1", false), (JSON, false)] {
        let text = mend(&Failure::NoJwt, Asked { accept, has_credential: true });
        assert_eq!(text.contains("was asked for"), is_set, "{accept}: {text}");
    }
}

#[test]
fn what_the_body_of_an_error_says_is_told() {
    let failure = Failure::UnexpectedStatus {
        status: StatusCode::BAD_REQUEST,
        said: Said::Error {
            code: "invalid_request".into(),
            description: Some("Token not provided.".to_owned()),
        },
    };
    assert_eq!(
        failure.to_string(),
        "the introspection answer has status 400 and error \"invalid_request\" \
         (\"Token not provided.\")"
    );
    let page = Failure::UnexpectedStatus { status: StatusCode::NOT_FOUND, said: Said::Page };
    assert_eq!(page.to_string(), "the introspection answer has status 404 and an HTML page");
}
