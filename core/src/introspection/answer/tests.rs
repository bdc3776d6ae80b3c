use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;
use crate::token::jwt::JwtError;

static NO_HEADERS: LazyLock<Fields> = LazyLock::new(Fields::default);

const NOW: UnixTime = UnixTime(1_700_000_000);
const MEMBERS: [&str; 2] = ["jwt", "phantom_token"];
const TOKEN: &[u8] = b"opaque-token";

fn jwt(payload: &str) -> String {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
    format!("eyJhbGciOiJSUzI1NiJ9.{payload}.c2ln")
}

fn headers(fields: &[(Field, &'static str)]) -> Fields {
    fields.iter().fold(Fields::default(), |mut headers, (field, value)| {
        headers.append(*field, value.as_bytes());
        headers
    })
}

fn ok(body: &str) -> Result<Verdict<'_>, Failure> {
    ok_with(&NO_HEADERS, body)
}

fn ok_with<'a>(headers: &'a Fields, body: &'a str) -> Result<Verdict<'a>, Failure> {
    interpret(&answer(StatusCode::OK, headers, body.as_bytes()), &MEMBERS, NOW)
}

fn answer<'a>(status: StatusCode, headers: &'a Fields, body: &'a [u8]) -> Answer<'a> {
    Answer {
        token: TOKEN,
        credential: None,
        source: Source::Upstream,
        status,
        headers,
        body: Body::Complete(body),
    }
}

fn failure(status: u16, headers: &Fields) -> Failure {
    failure_with(status, headers, "")
}

fn failure_with(status: u16, headers: &Fields, body: &str) -> Failure {
    let status = StatusCode::from_u16(status).unwrap();
    interpret(&answer(status, headers, body.as_bytes()), &MEMBERS, NOW).unwrap_err()
}

fn active(verdict: Result<Verdict<'_>, Failure>) -> (String, Option<UnixTime>) {
    match verdict {
        Ok(Verdict::Active(jwt)) => {
            (String::from_utf8(jwt.as_bytes().to_vec()).unwrap(), jwt.expires())
        }
        other => panic!("not active: {other:?}"),
    }
}

#[test]
fn a_bare_jwt_is_an_active_token() {
    let jwt = jwt(r#"{"exp":1700000001}"#);
    assert_eq!(active(ok(&jwt)), (jwt.clone(), Some(UnixTime(1_700_000_001))));
}

#[test]
fn the_body_decides_what_it_is_whatever_the_content_type() {
    let headers = headers(&[(Field::ContentType, "application/jwt")]);
    assert_eq!(ok_with(&headers, r#"{"active":false}"#), Ok(Verdict::Inactive));
}

#[test]
fn no_content_is_an_inactive_token() {
    let answer = answer(StatusCode::NO_CONTENT, &NO_HEADERS, b"");
    assert_eq!(interpret(&answer, &MEMBERS, NOW), Ok(Verdict::Inactive));
}

#[test]
fn active_false_is_an_inactive_token_whatever_else_it_says() {
    for body in [
        r#"{"active":false}"#,
        " \r\n\t{\"active\" : false }\n",
        r#"{"jwt":"not a jwt","active":false,"exp":"soon"}"#,
    ] {
        assert_eq!(ok(body), Ok(Verdict::Inactive), "{body}");
    }
}

#[test]
fn the_first_member_that_is_a_string_is_the_jwt() {
    let (first, second) = (jwt(r#"{"n":1}"#), jwt(r#"{"n":2}"#));
    for (body, expected) in [
        (format!(r#"{{"active":true,"jwt":"{first}"}}"#), &first),
        (format!(r#"{{"phantom_token":"{second}","jwt":"{first}","active":true}}"#), &first),
        (format!(r#"{{"active":true,"jwt":null,"phantom_token":"{second}"}}"#), &second),
        (format!(r#"{{"active":true,"jwt":{{}},"phantom_token":"{second}"}}"#), &second),
    ] {
        assert_eq!(&active(ok(&body)).0, expected, "{body}");
    }
}

#[test]
fn a_jwt_written_with_json_escapes_is_unescaped() {
    let body = r#"{"active":true,"jwt":"e30.e30.\u0063c"}"#;
    assert_eq!(active(ok(body)).0, "e30.e30.cc");
}

#[test]
fn an_embedded_jwt_ends_at_the_earlier_exp() {
    for (claim, member, expected) in [
        (Some(1_700_000_010), Some(1_700_000_020), Some(1_700_000_010)),
        (Some(1_700_000_020), Some(1_700_000_010), Some(1_700_000_010)),
        (None, Some(1_700_000_010), Some(1_700_000_010)),
        (Some(1_700_000_010), None, Some(1_700_000_010)),
        (None, None, None),
    ] {
        let claims = claim.map_or("{}".to_owned(), |exp| format!(r#"{{"exp":{exp}}}"#));
        let member = member.map_or("null".to_owned(), |exp: u64| exp.to_string());
        let body = format!(r#"{{"active":true,"exp":{member},"jwt":"{}"}}"#, jwt(&claims));
        assert_eq!(active(ok(&body)).1, expected.map(UnixTime), "{body}");
    }
}

#[test]
fn a_jwt_whose_exp_has_come_is_expired() {
    for exp in [0, 1, 1_699_999_999, 1_700_000_000] {
        assert_eq!(ok(&jwt(&format!(r#"{{"exp":{exp}}}"#))), Ok(Verdict::Expired), "{exp}");
    }
}

#[test]
fn an_answer_whose_own_exp_has_come_is_expired() {
    let body = format!(r#"{{"active":true,"exp":1700000000,"jwt":"{}"}}"#, jwt("{}"));
    assert_eq!(ok(&body), Ok(Verdict::Expired));
}

#[test]
fn an_answer_that_says_neither_is_a_failure() {
    for (body, expected) in [
        ("", Failure::Empty),
        (" \n", Failure::Empty),
        ("<html>", Failure::Jwt(JwtError::Character { offset: 0 })),
        ("hello", Failure::Jwt(JwtError::PartCount)),
        ("aa.bb.cc", Failure::Jwt(JwtError::Header)),
        ("e30.bb.cc", Failure::Jwt(JwtError::Payload)),
        ("aa.bb.cc\n", Failure::Jwt(JwtError::Character { offset: 8 })),
        ("\naa.bb.cc", Failure::Jwt(JwtError::Character { offset: 0 })),
        ("{", Failure::InvalidJson),
        (r#"{"active":true}}"#, Failure::InvalidJson),
        ("{}", Failure::ActiveMissing),
        (r#"{"Active":true}"#, Failure::ActiveMissing),
        (r#"{"active":"true"}"#, Failure::ActiveInvalid),
        (r#"{"active":1}"#, Failure::ActiveInvalid),
        (r#"{"active":null}"#, Failure::ActiveInvalid),
        (r#"{"active":true}"#, Failure::NoJwt),
        (r#"{"active":true,"jwt":null}"#, Failure::NoJwt),
        (r#"{"active":true,"jwt":["aa.bb.cc"]}"#, Failure::NoJwt),
        (r#"{"active":true,"jwt":""}"#, Failure::EmbeddedJwt(JwtError::PartCount)),
        (
            r#"{"active":true,"jwt":"aa.bb.cc\r\nX: y"}"#,
            Failure::EmbeddedJwt(JwtError::Character { offset: 8 }),
        ),
        (r#"{"active":true,"jwt":"aa.bb.cc"}"#, Failure::EmbeddedJwt(JwtError::Header)),
        (r#"{"active":true,"jwt":"e30.e30.c2ln","exp":"soon"}"#, Failure::ExpiresInvalid),
        (r#"{"active":true,"jwt":"e30.e30.c2ln","exp":-1e400}"#, Failure::InvalidJson),
        (r#"{"active":true,"jwt":"e30.e30.c2ln","nbf":"1"}"#, Failure::NotBeforeInvalid),
        (r#"{"active":true,"jwt":"e30.e30.c2ln","token_type":1}"#, Failure::TokenTypeInvalid),
        (
            r#"{"active":true,"jwt":"e30.e30.c2ln","token_use":["refresh_token"]}"#,
            Failure::TokenTypeInvalid,
        ),
    ] {
        assert_eq!(ok(body), Err(expected), "{body}");
    }
}

#[test]
fn an_answer_that_contradicts_itself_is_a_failure() {
    for body in [
        r#"{"active":false,"active":true,"jwt":"e30.e30.c2ln"}"#,
        r#"{"active":true,"active":false}"#,
        r#"{"active":true,"jwt":"e30.e30.c2ln","jwt":"e30.e30.c2lo"}"#,
        r#"{"active":true,"jwt":"e30.e30.c2ln","exp":1,"exp":2}"#,
        r#"{"active":true,"jwt":"e30.e30.c2ln","nbf":1,"nbf":1}"#,
        r#"{"active":true,"jwt":"e30.e30.c2ln","token_type":"Bearer","token_type":"Refresh"}"#,
        r#"{"active":true,"jwt":"e30.e30.c2ln","token_use":"id","t\u006fken_use":"access_token"}"#,
    ] {
        assert_eq!(ok(body), Err(Failure::RepeatedMember), "{body}");
    }
}

#[test]
fn an_introspection_response_as_a_jwt_is_a_failure() {
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"typ":"token-introspection+jwt"}"#);
    let body = format!("{header}.e30.c2ln");
    assert_eq!(ok(&body), Err(Failure::Jwt(JwtError::IntrospectionResponse)));
}

#[test]
fn an_introspection_response_by_its_content_type_never_grants() {
    let good = jwt(r#"{"exp":1700000100}"#);
    // The header of an encrypted one need not say what it is.
    let encrypted = r#"{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","cty":"JWT"}"#;
    let encrypted = BASE64_URL_SAFE_NO_PAD.encode(encrypted) + ".a2V5.aXY.dGV4dA.dGFn";
    let bodies = [
        good.clone(),
        encrypted,
        format!(r#"{{"active":true,"jwt":"{good}"}}"#),
        jwt(r#"{"exp":1}"#),
        "neither".to_owned(),
    ];
    for content_type in [
        &["application/token-introspection+jwt"][..],
        &["APPLICATION/Token-Introspection+JWT"],
        &["application/token-introspection+jwt; charset=utf-8"],
        &["application/jwt, application/token-introspection+jwt"],
        &["application/jwt", "application/token-introspection+jwt"],
        &["application/token-introspection+jwt", "application/jwt"],
    ] {
        let fields: Vec<_> =
            content_type.iter().map(|value| (Field::ContentType, *value)).collect();
        let headers = headers(&fields);
        for body in &bodies {
            let verdict = ok_with(&headers, body);
            assert_eq!(verdict, Err(Failure::IntrospectionResponse), "{content_type:?} {body}");
        }
        let inactive = ok_with(&headers, r#"{"active":false}"#);
        assert_eq!(inactive, Ok(Verdict::Inactive), "{content_type:?}");
    }
}

#[test]
fn a_page_is_named_as_one() {
    let page = headers(&[(Field::ContentType, "text/html; charset=utf-8")]);
    assert_eq!(ok_with(&page, "<html>"), Err(Failure::HtmlPage));
    assert_eq!(ok_with(&page, r#"{"active":false}"#), Ok(Verdict::Inactive));

    let found = Failure::UnexpectedStatus { status: StatusCode::FOUND, said: Said::Page };
    assert_eq!(failure_with(302, &page, "<html>"), found);
}

#[test]
fn a_token_that_is_no_access_token_is_refused_whatever_else_the_answer_says() {
    let good = jwt(r#"{"exp":1700000100}"#);
    for (member, value, kind) in [
        ("token_type", "Refresh", "refresh"),
        ("token_type", "Offline", "offline"),
        ("token_type", "ID", "id"),
        ("token_type", "refresh_token", "refresh_token"),
        ("token_type", "ID_TOKEN", "id_token"),
        ("token_type", " refresh_token ", "refresh_token"),
        ("token_type", "urn:ietf:params:oauth:token-type:refresh_token", "refresh_token"),
        ("token_type", "urn:ietf:params:oauth:token-type:id_token", "id_token"),
        ("token_type", r"\u0052efresh", "refresh"),
        ("token_use", "refresh_token", "refresh_token"),
        ("token_use", "Id", "id"),
    ] {
        for body in [
            format!(r#"{{"active":true,"{member}":"{value}","jwt":"{good}"}}"#),
            format!(r#"{{"jwt":"{good}","{member}":"{value}","active":true}}"#),
            format!(r#"{{"active":true,"{member}":"{value}"}}"#),
            format!(r#"{{"active":true,"{member}":"{value}","jwt":"x","exp":"x","nbf":"x"}}"#),
        ] {
            let Ok(Verdict::NoAccessToken(other)) = ok(&body) else { panic!("{body}") };
            assert_eq!((other.member, other.kind), (member, kind), "{body}");
        }
    }
    let both = format!(
        r#"{{"active":true,"token_type":"Bearer","token_use":"refresh_token","jwt":"{good}"}}"#
    );
    assert!(matches!(ok(&both), Ok(Verdict::NoAccessToken(_))));
}

#[test]
fn any_other_type_of_token_is_taken() {
    let good = jwt(r#"{"exp":1700000100}"#);
    for members in [
        r#""token_type":"Bearer""#,
        r#""token_type":"DPoP","token_use":"access_token""#,
        r#""token_type":"access_token""#,
        r#""token_type":"urn:ietf:params:oauth:token-type:access_token""#,
        r#""token_type":null,"token_use":null"#,
        r#""token_type":"""#,
        r#""token_type":"example:id""#,
        r#""typ":"Bearer""#,
    ] {
        let body = format!(r#"{{"active":true,{members},"jwt":"{good}"}}"#);
        assert_eq!(active(ok(&body)).0, good, "{body}");
    }
}

#[test]
fn a_token_that_is_not_valid_for_more_than_a_minute_yet_is_refused() {
    let good = jwt(r#"{"exp":1700001000}"#);
    for (nbf, valid_from) in [
        ("1700000061", Some(1_700_000_001)),
        ("1700000600.5", Some(1_700_000_540)),
        ("1e300", Some(u64::MAX - 60)),
        ("1700000060", None),
        ("1700000060.9", None),
        ("1699999999", None),
        ("0", None),
        ("-1", None),
        ("null", None),
    ] {
        let expected = valid_from.map(UnixTime);
        let member = format!(r#"{{"active":true,"nbf":{nbf},"jwt":"{good}"}}"#);
        let claim = jwt(&format!(r#"{{"nbf":{nbf},"exp":1700001000}}"#));
        let embedded = format!(r#"{{"active":true,"jwt":"{claim}"}}"#);
        for body in [&member, &claim, &embedded] {
            match (ok(body), expected) {
                (Ok(Verdict::NotYetValid(found)), Some(expected)) => assert_eq!(found, expected),
                (Ok(Verdict::Active(_)), None) => {}
                (verdict, _) => panic!("{verdict:?} for {body}"),
            }
        }
    }
}

#[test]
fn an_exp_of_0_in_json_is_as_good_as_none() {
    let claim = jwt(r#"{"exp":1700000100}"#);
    for exp in ["0", "0.0", "0e9", "-0"] {
        for (jwt, expected) in [(jwt("{}"), None), (claim.clone(), Some(UnixTime(1_700_000_100)))] {
            let body = format!(r#"{{"active":true,"exp":{exp},"jwt":"{jwt}"}}"#);
            assert_eq!(active(ok(&body)).1, expected, "{body}");
        }
    }
    for exp in ["-1", "-0.5", "1"] {
        let body = format!(r#"{{"active":true,"exp":{exp},"jwt":"{claim}"}}"#);
        assert_eq!(ok(&body), Ok(Verdict::Expired), "{body}");
    }
}

#[test]
fn an_incomplete_body_is_never_read() {
    for (body, expected) in
        [(Body::Truncated, Failure::Truncated), (Body::TooLarge, Failure::TooLarge)]
    {
        let answer = Answer {
            token: TOKEN,
            credential: None,
            source: Source::Upstream,
            status: StatusCode::OK,
            headers: &NO_HEADERS,
            body,
        };
        assert_eq!(interpret(&answer, &MEMBERS, NOW), Err(expected));
    }
}

#[test]
fn a_content_coding_other_than_identity_is_a_failure() {
    for (coding, is_failure) in [
        ("gzip", true),
        ("identity, br", true),
        ("x-unknown", true),
        ("identity", false),
        ("Identity", false),
        ("", false),
    ] {
        let headers = headers(&[(Field::ContentEncoding, coding)]);
        let expected = if is_failure { Err(Failure::Encoded) } else { Ok(Verdict::Inactive) };
        assert_eq!(ok_with(&headers, r#"{"active":false}"#), expected, "{coding}");
    }
}

#[test]
fn a_status_that_nobody_expects_is_named() {
    for status in [201, 206, 301, 302, 304, 400, 401, 403, 404, 405, 418, 999] {
        let failure = failure(status, &NO_HEADERS);
        assert_eq!(failure.status(), StatusCode::BAD_GATEWAY, "{status}");
        assert!(failure.to_string().contains(&status.to_string()), "{failure}");
    }
}

#[test]
fn what_the_body_of_a_refused_question_says_is_kept_without_the_token() {
    let body = r#"{"error":"invalid_request","error_description":"Token not provided."}"#;
    let said = Said::Error {
        code: "invalid_request".into(),
        description: Some("Token not provided.".to_owned()),
    };
    let failure = |status, body| failure_with(status, &NO_HEADERS, body);
    let unexpected = |status, said| Failure::UnexpectedStatus {
        status: StatusCode::from_u16(status).unwrap(),
        said,
    };
    assert_eq!(failure(400, body), unexpected(400, said));
    assert_eq!(failure(302, body), unexpected(302, Said::Nothing));
    assert_eq!(failure(400, "what"), unexpected(400, Said::Nothing));

    let repeating = r#"{"error":"invalid_request","error_description":"no opaque-token here"}"#;
    let text = failure(400, repeating).to_string();
    assert!(text.contains("invalid_request") && !text.contains("opaque"), "{text}");
}

#[test]
fn a_failed_server_is_a_bad_gateway_and_a_slow_one_a_timeout() {
    for (status, expected) in [(500, 502), (502, 502), (505, 502), (504, 504)] {
        assert_eq!(failure(status, &NO_HEADERS).status().as_u16(), expected, "{status}");
    }
}

#[test]
fn a_busy_server_is_unavailable_for_as_long_as_it_says() {
    let date = "Fri, 31 Dec 1999 23:59:59 GMT";
    for status in [429, 503] {
        for (retry_after, expected) in
            [("120", Some("120")), (date, Some(date)), ("soon", None), ("-1", None), ("", None)]
        {
            let failure = failure(status, &headers(&[(Field::RetryAfter, retry_after)]));
            assert_eq!(failure.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(failure.retry_after().map(|value| value.to_str().unwrap()), expected);
        }
    }
}

#[test]
fn x_retry_after_counts_where_retry_after_is_missing() {
    for (fields, expected) in [
        (&[(Field::XRetryAfter, "7")][..], Some("7")),
        (&[(Field::XRetryAfter, "7"), (Field::RetryAfter, "9")], Some("9")),
        (&[(Field::XRetryAfter, "soon")], None),
        (&[(Field::XRetryAfter, "7"), (Field::RetryAfter, "soon")], None),
    ] {
        let failure = failure(503, &headers(fields));
        let retry_after = failure.retry_after().map(|value| value.to_str().unwrap());
        assert_eq!(retry_after, expected, "{fields:?}");
    }
}

#[test]
fn debug_output_does_not_contain_the_body() {
    assert_eq!(format!("{:?}", Body::Complete(b"aa.bb.cc")), "Complete(..)");
}

#[test]
fn debug_output_does_not_contain_the_token_that_was_asked_about() {
    let shown = format!("{:?}", answer(StatusCode::OK, &NO_HEADERS, b""));
    assert!(!shown.contains("opaque-token") && !shown.contains("111"), "{shown}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>, status in 100_u16..1000, coding: Vec<u8>) {
        let mut headers = Fields::default();
        headers.append(Field::ContentEncoding, &coding);
        headers.append(Field::RetryAfter, &coding);
        let status = StatusCode::from_u16(status).unwrap();
        let _ = interpret(&answer(status, &headers, &body), &MEMBERS, NOW);
    }

    #[test]
    fn only_active_true_makes_a_token_active(
        members in prop::collection::vec(
            prop_oneof![
                Just(r#""active":true"#),
                Just(r#""active":false"#),
                Just(r#""active":1"#),
                Just(r#""jwt":"e30.e30.c2ln""#),
                Just(r#""jwt":"aa bb""#),
                Just(r#""sub":"jane""#),
            ],
            0..5,
        ),
    ) {
        let body = format!("{{{}}}", members.join(","));
        let active = members.iter().filter(|member| member.contains("active"));
        let expected = active.eq(&[r#""active":true"#])
            && members.iter().filter(|member| member.contains("jwt")).eq(&[r#""jwt":"e30.e30.c2ln""#]);
        prop_assert_eq!(matches!(ok(&body), Ok(Verdict::Active(_))), expected, "{}", body);
    }

    #[test]
    fn an_active_jwt_always_has_time_left(exp: u64, member: u64, now: u64) {
        let body = format!(
            r#"{{"active":true,"exp":{member},"jwt":"{}"}}"#,
            jwt(&format!(r#"{{"exp":{exp}}}"#))
        );
        // As an answer's member, 0 says nothing.
        let end = if member == 0 { exp } else { exp.min(member) };
        let answer = answer(StatusCode::OK, &NO_HEADERS, body.as_bytes());
        match interpret(&answer, &MEMBERS, UnixTime(now)) {
            Ok(Verdict::Active(jwt)) => {
                prop_assert_eq!(jwt.expires(), Some(UnixTime(end)));
                prop_assert!(now < end);
            }
            Ok(Verdict::Expired) => prop_assert!(now >= end),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

fn from(source: Source, status: u16) -> Result<Verdict<'static>, Failure> {
    let status = StatusCode::from_u16(status).unwrap();
    let body = b"{\"active\":false}";
    interpret(&Answer { source, ..answer(status, &NO_HEADERS, body) }, &MEMBERS, NOW)
}

#[test]
fn an_answer_out_of_a_cache_that_other_tokens_share_says_nothing() {
    for status in [200, 204, 301, 401, 503] {
        assert_eq!(from(Source::UnboundCacheKey, status), Err(Failure::UnboundCacheKey));
    }
}

#[test]
fn what_nginx_is_told_to_answer_by_itself_is_no_answer_of_the_server() {
    for status in [301, 302, 403, 404, 429, 500, 503] {
        let Err(Failure::NotAsked { status: found, .. }) = from(Source::Nginx, status) else {
            panic!("{status} is not told apart");
        };
        assert_eq!(found.as_u16(), status);
    }
}

#[test]
fn what_nginx_says_of_a_server_that_it_does_not_reach_is_the_servers_failure() {
    assert_eq!(from(Source::Nginx, 502), Err(Failure::Unreachable));
    assert_eq!(from(Source::Nginx, 504), Err(Failure::Timeout));
}

#[test]
fn an_answer_that_nginx_is_told_to_give_counts() {
    assert_eq!(from(Source::Nginx, 200), Ok(Verdict::Inactive));
    assert_eq!(from(Source::Nginx, 204), Ok(Verdict::Inactive));
}
