//! What an introspection answer means.

use std::mem::discriminant;

use arbitrary::Arbitrary;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use phantom_token_core::UnixTime;
use phantom_token_core::introspection::{
    Answer, Body, Failure, Field, Fields, Said, Source, Verdict, interpret,
};

use super::answer::{Text, Time};
use super::reading::{Reading, names, read};

const JWT_MEMBERS: [&str; 2] = ["jwt", "phantom_token"];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    now: Time,
    status: Option<u16>,
    content_encoding: Option<&'a [u8]>,
    retry_after: Option<&'a [u8]>,
    x_retry_after: Option<&'a [u8]>,
    content_types: [Option<ContentType<'a>>; 2],
    token: &'a [u8],
    body: BodyInput<'a>,
    source: Option<SourceInput>,
}

#[derive(Arbitrary, Debug)]
enum SourceInput {
    Nginx,
    UnboundCacheKey,
}

#[derive(Arbitrary, Debug)]
enum BodyInput<'a> {
    Complete(Text<'a>),
    Truncated,
    TooLarge,
    Unreadable,
}

#[derive(Arbitrary, Debug)]
enum ContentType<'a> {
    Jwt,
    Json,
    IntrospectionResponse,
    Html,
    Other(&'a [u8]),
}

impl ContentType<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Jwt => b"application/jwt",
            Self::Json => b"application/json;charset=UTF-8",
            Self::IntrospectionResponse => b"Application/Token-Introspection+JWT ; charset=utf-8",
            Self::Html => b"text/html",
            Self::Other(bytes) => bytes,
        }
    }
}

/// The input is an answer of the authorization server.
pub fn check(input: &[u8]) {
    let Some(input) = super::made_of::<Input<'_>>(input) else { return };
    let status = StatusCode::from_u16(100 + input.status.unwrap_or(100) % 900).unwrap();
    let headers = headers(&input);
    let fields = Fields::from_iter(&headers);
    let bytes = match &input.body {
        BodyInput::Complete(text) => text.bytes(),
        _ => Vec::new(),
    };
    let body = match &input.body {
        BodyInput::Complete(_) => Body::Complete(&bytes),
        BodyInput::Truncated => Body::Truncated,
        BodyInput::TooLarge => Body::TooLarge,
        BodyInput::Unreadable => Body::Unreadable,
    };
    let now = input.now.unix();
    let source = match input.source {
        None => Source::Upstream,
        Some(SourceInput::Nginx) => Source::Nginx,
        Some(SourceInput::UnboundCacheKey) => Source::UnboundCacheKey,
    };
    let answer =
        Answer { token: input.token, credential: None, source, status, headers: &fields, body };
    let outcome = interpret(&answer, &JWT_MEMBERS, now);

    if source == Source::UnboundCacheKey {
        return assert_eq!(outcome, Err(Failure::UnboundCacheKey));
    }

    if status != StatusCode::OK {
        return check_status(status, &answer, &outcome);
    }
    match (is_encoded(&headers), body) {
        (true, _) => assert_eq!(outcome, Err(Failure::Encoded)),
        (_, Body::Truncated) => assert_eq!(outcome, Err(Failure::Truncated)),
        (_, Body::TooLarge) => assert_eq!(outcome, Err(Failure::TooLarge)),
        (_, Body::Unreadable) => assert_eq!(outcome, Err(Failure::Unreadable)),
        (_, Body::Complete(body)) => {
            let types: Vec<_> =
                headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes).collect();
            check_body(body, &types, now, &outcome);
        }
    }
}

fn check_status(status: StatusCode, answer: &Answer<'_>, outcome: &Result<Verdict<'_>, Failure>) {
    if status == StatusCode::NO_CONTENT {
        return assert_eq!(*outcome, Ok(Verdict::Inactive));
    }
    let failure = outcome.as_ref().unwrap_err();
    let passed_on = match status.as_u16() {
        429 | 503 => 503,
        504 => 504,
        _ => 502,
    };
    assert_eq!(failure.status().as_u16(), passed_on);
    if answer.source == Source::Nginx {
        assert!(!matches!(failure, Failure::UnexpectedStatus { .. } | Failure::Unavailable { .. }));
    }
    if let Failure::UnexpectedStatus { said: Said::Error { code, description }, .. } = failure {
        assert!(status.is_client_error());
        assert_may_be_logged(code, answer.token);
        assert_may_be_logged(description.as_deref().unwrap_or("none"), answer.token);
    }
    let Some(retry_after) = failure.retry_after() else { return };
    assert_eq!(passed_on, 503);
    let mut names = [Field::RetryAfter, Field::XRetryAfter].into_iter();
    let stated = names.find_map(|name| answer.headers.get_all(name).next());
    assert_eq!(stated, Some(retry_after.as_bytes()));
    let text = retry_after.to_str().unwrap();
    let is_seconds = !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    assert!(is_seconds || httpdate::parse_http_date(text).is_ok());
}

/// It is short, as RFC 6749 (5.2) wants it, and has nothing of the token that tells it.
fn assert_may_be_logged(text: &str, token: &[u8]) {
    assert!((1..256).contains(&text.len()), "{text}");
    assert!(text.chars().all(|c| (' '..='~').contains(&c) && c != '"' && c != '\\'), "{text}");
    let (lower, token) = (text.to_ascii_lowercase(), token.to_ascii_lowercase());
    let length = token.len().min(8);
    let tells = |run: &[u8]| lower.as_bytes().windows(run.len()).any(|part| part == run);
    assert!(length == 0 || text == "none" || !token.windows(length).any(tells), "{text}");
}

fn check_body(
    body: &[u8],
    content_types: &[&[u8]],
    now: UnixTime,
    outcome: &Result<Verdict<'_>, Failure>,
) {
    if let Ok(Verdict::Active(jwt)) = outcome {
        assert_is_one_word_of(jwt.as_bytes(), body);
        assert!(jwt.expires().is_none_or(|end| end > now));
    }
    let Ok(reading) = read(body, content_types, &JWT_MEMBERS, now.0) else {
        return assert!(
            !matches!(outcome, Ok(Verdict::Active(_)))
                || !content_types.iter().any(|text| text
                    .to_ascii_lowercase()
                    .starts_with(b"application/token-introspection+jwt"))
        );
    };
    let is_over = |expires: &Option<u64>| expires.is_some_and(|end| end <= now.0);
    match (&reading, outcome) {
        (Reading::Active { jwt, expires }, Ok(Verdict::Active(found))) => {
            assert!(!is_over(expires));
            assert_eq!((found.as_bytes(), found.expires()), (&jwt[..], expires.map(UnixTime)));
        }
        (Reading::Active { expires, .. }, Ok(Verdict::Expired)) => assert!(is_over(expires)),
        (Reading::Inactive, Ok(Verdict::Inactive)) => {}
        (Reading::NoAccessToken(member), Ok(Verdict::NoAccessToken(other))) => {
            assert!(names(other, member), "{other}");
        }
        (Reading::NotYetValid, Ok(Verdict::NotYetValid(valid_from))) => assert!(*valid_from > now),
        (Reading::Failure(expected), Err(failure)) => {
            assert_eq!(discriminant(expected), discriminant(failure), "{expected:?} {failure:?}");
        }
        _ => panic!("{outcome:?} where a plain reading has {reading:?}"),
    }
}

/// It can stand in a header, and was not put together from anything that the answer does not have.
fn assert_is_one_word_of(jwt: &[u8], body: &[u8]) {
    assert!(HeaderValue::from_bytes(jwt).is_ok());
    assert!(jwt.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    let is_part = body.windows(jwt.len()).any(|part| part == jwt);
    assert!(is_part || (body.contains(&b'\\') && body.contains(&b'{')));
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|line| {
        let text: String = line.as_bytes().iter().copied().map(char::from).collect();
        let mut codings = text.split(',').map(|coding| coding.trim_matches([' ', '\t']));
        codings.any(|coding| !["", "identity"].contains(&&*coding.to_ascii_lowercase()))
    })
}

fn headers(input: &Input<'_>) -> HeaderMap {
    let content_types = input
        .content_types
        .iter()
        .map(|content_type| (CONTENT_TYPE, content_type.as_ref().map(ContentType::bytes)));
    let fields = [
        (CONTENT_ENCODING, input.content_encoding),
        (RETRY_AFTER, input.retry_after),
        (HeaderName::from_static("x-retry-after"), input.x_retry_after),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in fields.into_iter().chain(content_types) {
        if let Some(value) = value {
            headers.append(name, super::field_value(value));
        }
    }
    headers
}
