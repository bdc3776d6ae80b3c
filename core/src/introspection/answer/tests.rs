use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::CONTENT_TYPE;
use proptest::prelude::*;

use super::*;
use crate::jwt::JwtError;

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

const NOW: UnixTime = UnixTime(1_700_000_000);
const MEMBERS: [&str; 2] = ["jwt", "phantom_token"];

fn jwt(payload: &str) -> String {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
    format!("eyJhbGciOiJSUzI1NiJ9.{payload}.c2ln")
}

fn headers(fields: &[(http::HeaderName, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

fn ok(body: &str) -> Result<Verdict<'_>, Failure> {
    let answer = Answer {
        status: StatusCode::OK,
        headers: &NO_HEADERS,
        body: Body::Complete(body.as_bytes()),
    };
    interpret(&answer, &MEMBERS, NOW)
}

fn failure(status: u16, headers: &HeaderMap) -> Failure {
    let status = StatusCode::from_u16(status).unwrap();
    interpret(&Answer { status, headers, body: Body::Complete(b"") }, &MEMBERS, NOW).unwrap_err()
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
    let json = r#"{"active":false}"#;
    let headers = headers(&[(CONTENT_TYPE, "application/jwt")]);
    let body = Body::Complete(json.as_bytes());
    let answer = Answer { status: StatusCode::OK, headers: &headers, body };
    assert_eq!(interpret(&answer, &MEMBERS, NOW), Ok(Verdict::Inactive));
}

#[test]
fn no_content_is_an_inactive_token() {
    let answer =
        Answer { status: StatusCode::NO_CONTENT, headers: &NO_HEADERS, body: Body::Complete(b"") };
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
        (r#"{"active":true,"jwt":"e30.e30.c2ln","exp":"soon"}"#, Failure::ExpiresInvalid),
    ] {
        assert_eq!(ok(body), Err(expected), "{body}");
    }
}

#[test]
fn an_answer_that_contradicts_itself_is_a_failure() {
    for body in [
        r#"{"active":false,"active":true,"jwt":"aa.bb.cc"}"#,
        r#"{"active":true,"active":false}"#,
        r#"{"active":true,"jwt":"aa.bb.cc","jwt":"dd.ee.ff"}"#,
        r#"{"active":true,"jwt":"aa.bb.cc","exp":1,"exp":2}"#,
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
fn an_incomplete_body_is_never_read() {
    for (body, expected) in
        [(Body::Truncated, Failure::Truncated), (Body::TooLarge, Failure::TooLarge)]
    {
        let answer = Answer { status: StatusCode::OK, headers: &NO_HEADERS, body };
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
        let headers = headers(&[(CONTENT_ENCODING, coding)]);
        let body = Body::Complete(br#"{"active":false}"#);
        let answer = Answer { status: StatusCode::OK, headers: &headers, body };
        let expected = if is_failure { Err(Failure::Encoded) } else { Ok(Verdict::Inactive) };
        assert_eq!(interpret(&answer, &MEMBERS, NOW), expected, "{coding}");
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
            let failure = failure(status, &headers(&[(RETRY_AFTER, retry_after)]));
            assert_eq!(failure.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(failure.retry_after().map(|value| value.to_str().unwrap()), expected);
        }
    }
}

#[test]
fn debug_output_does_not_contain_the_body() {
    assert_eq!(format!("{:?}", Body::Complete(b"aa.bb.cc")), "Complete(..)");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>, status in 100_u16..1000, coding: Vec<u8>) {
        let mut headers = HeaderMap::new();
        if let Ok(coding) = HeaderValue::from_bytes(&coding) {
            headers.insert(CONTENT_ENCODING, coding.clone());
            headers.insert(RETRY_AFTER, coding);
        }
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, headers: &headers, body: Body::Complete(&body) };
        let _ = interpret(&answer, &MEMBERS, NOW);
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
        let answer = Answer {
            status: StatusCode::OK,
            headers: &NO_HEADERS,
            body: Body::Complete(body.as_bytes()),
        };
        match interpret(&answer, &MEMBERS, UnixTime(now)) {
            Ok(Verdict::Active(jwt)) => {
                prop_assert_eq!(jwt.expires(), Some(UnixTime(exp.min(member))));
                prop_assert!(now < exp.min(member));
            }
            Ok(Verdict::Expired) => prop_assert!(now >= exp.min(member)),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
