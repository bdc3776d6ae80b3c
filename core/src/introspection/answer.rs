//! What an introspection answer means (RFC 7662 section 2.2).

use http::header::{CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Failure;
use crate::UnixTime;
use crate::json::{self, Member};
use crate::jwt::Jwt;

/// An answer of the introspection endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status; 502 and 504 also stand for a server that was not reached or did not answer.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its body, as far as it was taken.
    pub body: Body<'a>,
}

/// The body of an answer.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// All of it; empty if there was none.
    Complete(&'a [u8]),
    /// The connection ended before the body did.
    Truncated,
    /// It is larger than the configured limit, so it was not kept.
    TooLarge,
    /// It could not be read on this side.
    Unreadable,
}

// A complete body has a JWT in it.
impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Complete(_) => "Complete(..)",
            Self::Truncated => "Truncated",
            Self::TooLarge => "TooLarge",
            Self::Unreadable => "Unreadable",
        })
    }
}

/// What the authorization server said of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The token is active, and this JWT stands for it.
    Active(Jwt<'a>),
    /// The token is expired, revoked or unknown.
    Inactive,
    /// The token is said to be active, but its time is over; to the client the same as inactive.
    Expired,
}

/// Reads an answer at the time `now`.
///
/// `jwt_members` are the members of a JSON answer that may hold the JWT; the first that is a string
/// does. The body decides whether it is JSON or a JWT, whatever `Content-Type` says.
///
/// # Errors
///
/// A [`Failure`] when the answer says neither, or there was none.
pub fn interpret<'a>(
    answer: &Answer<'a>,
    jwt_members: &[impl AsRef<str>],
    now: UnixTime,
) -> Result<Verdict<'a>, Failure> {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::NO_CONTENT => return Ok(Verdict::Inactive),
        status => return Err(failed(status, answer.headers)),
    }
    if is_encoded(answer.headers) {
        return Err(Failure::Encoded);
    }
    let body = match answer.body {
        Body::Complete(body) => body,
        Body::Truncated => return Err(Failure::Truncated),
        Body::TooLarge => return Err(Failure::TooLarge),
        Body::Unreadable => return Err(Failure::Unreadable),
    };
    let verdict = read_body(body, jwt_members)?;
    Ok(expire(verdict, now))
}

fn failed(status: StatusCode, headers: &HeaderMap) -> Failure {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Failure::Unavailable { status, retry_after: retry_after(headers) }
        }
        StatusCode::GATEWAY_TIMEOUT => Failure::Timeout,
        status if status.is_server_error() => Failure::ServerError(status),
        status => Failure::UnexpectedStatus(status),
    }
}

/// `Retry-After` is a number of seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(RETRY_AFTER)?;
    let text = value.to_str().ok()?;
    let is_seconds = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_seconds || httpdate::parse_http_date(text).is_ok()).then(|| value.clone())
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

fn read_body<'a>(body: &'a [u8], jwt_members: &[impl AsRef<str>]) -> Result<Verdict<'a>, Failure> {
    let text = body.trim_ascii_start();
    if text.is_empty() {
        return Err(Failure::Empty);
    }
    if text.starts_with(b"{") {
        return read_json(text, jwt_members);
    }
    Jwt::parse(body).map(Verdict::Active).map_err(Failure::Jwt)
}

fn read_json<'a>(text: &'a [u8], jwt_members: &[impl AsRef<str>]) -> Result<Verdict<'a>, Failure> {
    let names: Vec<&str> =
        ["active", "exp"].into_iter().chain(jwt_members.iter().map(AsRef::as_ref)).collect();
    let mut members = vec![Member::Absent; names.len()];
    json::read_into(text, &names, &mut members).map_err(|_| Failure::InvalidJson)?;
    if members.contains(&Member::Repeated) {
        return Err(Failure::RepeatedMember);
    }

    let mut members = members.into_iter();
    match members.next() {
        Some(Member::Bool(true)) => {}
        Some(Member::Bool(false)) => return Ok(Verdict::Inactive),
        None | Some(Member::Absent) => return Err(Failure::ActiveMissing),
        Some(_) => return Err(Failure::ActiveInvalid),
    }
    let end = match members.next() {
        None | Some(Member::Absent | Member::Null) => None,
        Some(end) => Some(end.date().ok_or(Failure::ExpiresInvalid)?),
    };
    let jwt = members.find_map(Member::into_string).ok_or(Failure::NoJwt)?;
    let jwt = Jwt::parse(jwt).map_err(Failure::EmbeddedJwt)?;
    Ok(Verdict::Active(jwt.ending_by(end)))
}

/// An end that has come counts from that second on (RFC 7519 section 4.1.4).
fn expire(verdict: Verdict<'_>, now: UnixTime) -> Verdict<'_> {
    match verdict {
        Verdict::Active(jwt) if jwt.expires().is_some_and(|end| end <= now) => Verdict::Expired,
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests;
