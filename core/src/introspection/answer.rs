//! What an introspection answer means (RFC 7662 section 2.2).

use std::fmt;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::client_auth::ClientCredential;
use super::failure::{Failure, Said};
use super::fields::{Field, Fields};
use super::source::Source;
use crate::json::{self, Member};
use crate::token::jwt::Jwt;
use crate::{UnixTime, media_type};

/// An answer of the introspection endpoint.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The token that was asked about. What the answer repeats of it must not get into a log.
    pub token: &'a [u8],
    /// What it was asked with. The same holds for that.
    pub credential: Option<&'a ClientCredential>,
    /// Where it comes from.
    pub source: Source,
    /// Its status. NGINX says 502 and 504 of a server that it did not reach, or that did not answer.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: &'a Fields,
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

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, credential: _, source, status, headers, body } = self;
        let mut fields = f.debug_struct("Answer");
        fields.field("source", source).field("status", status);
        fields.field("headers", headers).field("body", body);
        fields.finish_non_exhaustive()
    }
}

// A complete body has a JWT in it.
impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
    /// The token is active, but is none for an API: a refresh token, an ID token.
    NoAccessToken(OtherToken),
    /// The token is active, but not usable before this time.
    NotYetValid(UnixTime),
    /// The token is said to be active, but its time is over; to the client the same as inactive.
    Expired,
}

/// A token that is no access token, by the words of the answer that say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherToken {
    member: &'static str,
    kind: &'static str,
}

impl OtherToken {
    /// What a member says by its value; nothing if that is the type of an access token.
    fn of(member: &'static str, value: &str) -> Option<Self> {
        let value = value.trim_ascii();
        // RFC 8693 section 3 has URNs for them.
        let name = match value.rsplit_once(':') {
            Some((urn, name)) if urn.eq_ignore_ascii_case(TOKEN_TYPE_URN) => name,
            _ => value,
        };
        let kind = OTHER_TOKENS.into_iter().find(|kind| name.eq_ignore_ascii_case(kind))?;
        Some(Self { member, kind })
    }
}

impl fmt::Display for OtherToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the member {} of the introspection answer is \"{}\"", self.member, self.kind)
    }
}

/// Reads an answer at the time `now`.
///
/// `jwt_members` are the members of a JSON answer that may hold the JWT; the first that is a string
/// does. The body decides whether it is JSON or a JWT, whatever `Content-Type` says, but for a
/// response to introspection as a JWT (RFC 9701), which never grants: encrypted, it hides what it says.
///
/// # Errors
///
/// A [`Failure`] when the answer says neither, or there was none.
pub fn interpret<'a>(
    answer: &Answer<'a>,
    jwt_members: &[impl AsRef<str>],
    now: UnixTime,
) -> Result<Verdict<'a>, Failure> {
    if answer.source == Source::UnboundCacheKey {
        return Err(Failure::UnboundCacheKey);
    }
    match answer.status {
        StatusCode::OK => {}
        StatusCode::NO_CONTENT => return Ok(Verdict::Inactive),
        status => return Err(failed(status, answer)),
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
    let verdict = read_body(body, answer.headers, jwt_members, now);
    match verdict.map(|verdict| in_time(verdict, now)) {
        Ok(refused @ (Verdict::Inactive | Verdict::NoAccessToken(_))) => Ok(refused),
        _ if content_type_is(answer.headers, media_type::is_introspection_response) => {
            Err(Failure::IntrospectionResponse)
        }
        verdict => verdict,
    }
}

/// Whether a member of a JSON answer decides what it means, so that it cannot be the one with the JWT.
#[must_use]
pub fn decides(member: &str) -> bool {
    DECIDING.contains(&member)
}

fn failed(status: StatusCode, answer: &Answer<'_>) -> Failure {
    let retry_after = || retry_after(answer.headers);
    match status {
        StatusCode::BAD_GATEWAY if answer.source == Source::Nginx => Failure::Unreachable,
        StatusCode::GATEWAY_TIMEOUT if answer.source == Source::Nginx => Failure::Timeout,
        status if answer.source == Source::Nginx => {
            Failure::NotAsked { status, retry_after: retry_after() }
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Failure::Unavailable { status, retry_after: retry_after() }
        }
        status if status.is_server_error() => Failure::ServerError(status),
        status => Failure::UnexpectedStatus { status, said: said(status, answer) },
    }
}

/// What the body of an unexpected answer says of the reason.
fn said(status: StatusCode, answer: &Answer<'_>) -> Said {
    if content_type_is(answer.headers, media_type::is_html) {
        return Said::Page;
    }
    match answer.body {
        Body::Complete(body) if status.is_client_error() && !is_encoded(answer.headers) => {
            let credential = answer.credential.map(ClientCredential::secrets);
            let secrets = credential.into_iter().flatten().chain([answer.token]);
            Said::in_error_response(body, secrets)
        }
        _ => Said::Nothing,
    }
}

/// There may be several lines, and several types in a line: each of them counts.
fn content_type_is(headers: &Fields, is_wanted: impl Fn(&[u8]) -> bool) -> bool {
    headers.get_all(Field::ContentType).any(is_wanted)
}

/// `Retry-After` is a number of seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &Fields) -> Option<HeaderValue> {
    let mut names = [Field::RetryAfter, Field::XRetryAfter].into_iter();
    let value = names.find_map(|name| headers.get_all(name).next())?;
    let text = str::from_utf8(value).ok()?;
    let is_seconds = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_seconds || httpdate::parse_http_date(text).is_ok())
        .then(|| HeaderValue::from_bytes(value).ok())
        .flatten()
}

fn is_encoded(headers: &Fields) -> bool {
    headers
        .get_all(Field::ContentEncoding)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

fn read_body<'a>(
    body: &'a [u8],
    headers: &Fields,
    jwt_members: &[impl AsRef<str>],
    now: UnixTime,
) -> Result<Verdict<'a>, Failure> {
    let text = body.trim_ascii_start();
    if text.is_empty() {
        return Err(Failure::Empty);
    }
    if text.starts_with(b"{") {
        return read_json(text, jwt_members, now);
    }
    Jwt::parse(body).map(Verdict::Active).map_err(|error| {
        if content_type_is(headers, media_type::is_html) {
            Failure::HtmlPage
        } else {
            Failure::Jwt(error)
        }
    })
}

/// Reads a JSON answer. What refuses is looked at before what grants.
fn read_json<'a>(
    text: &'a [u8],
    jwt_members: &[impl AsRef<str>],
    now: UnixTime,
) -> Result<Verdict<'a>, Failure> {
    let names: Vec<&str> =
        DECIDING.into_iter().chain(jwt_members.iter().map(AsRef::as_ref)).collect();
    let mut members = vec![Member::Absent; names.len()];
    json::read_into(text, &names, &mut members).map_err(|_| Failure::InvalidJson)?;
    if members.contains(&Member::Repeated) {
        return Err(Failure::RepeatedMember);
    }

    let mut members = members.into_iter();
    let mut next = || members.next().unwrap_or_default();
    let (active, token_type, token_use, nbf, exp) = (next(), next(), next(), next(), next());
    match active {
        Member::Bool(true) => {}
        Member::Bool(false) => return Ok(Verdict::Inactive),
        Member::Absent => return Err(Failure::ActiveMissing),
        _ => return Err(Failure::ActiveInvalid),
    }
    for (name, value) in [(TOKEN_TYPE, token_type), (TOKEN_USE, token_use)] {
        match value {
            Member::Absent | Member::Null => {}
            Member::String(value) => {
                if let Some(other) = OtherToken::of(name, &value) {
                    return Ok(Verdict::NoAccessToken(other));
                }
            }
            _ => return Err(Failure::TokenTypeInvalid),
        }
    }
    if let Some(valid_from) =
        time(&nbf, Failure::NotBeforeInvalid)?.and_then(|nbf| valid_from(nbf, now))
    {
        return Ok(Verdict::NotYetValid(valid_from));
    }
    // Some servers send 0 for a token that does not end.
    let end = Some(exp).filter(|exp| *exp != Member::Date(UnixTime(0)));
    let end = end.map_or(Ok(None), |exp| time(&exp, Failure::ExpiresInvalid))?;
    let jwt = members.find_map(Member::into_string).ok_or(Failure::NoJwt)?;
    let jwt = Jwt::parse(jwt).map_err(Failure::EmbeddedJwt)?;
    Ok(Verdict::Active(jwt.ending_by(end)))
}

fn time(member: &Member<'_>, invalid: Failure) -> Result<Option<UnixTime>, Failure> {
    match member {
        Member::Absent | Member::Null => Ok(None),
        time => time.date().map(Some).ok_or(invalid),
    }
}

/// From when a token with that `nbf` is taken, if that is still to come: a little earlier, since the
/// clocks of two machines may differ (RFC 7519 section 4.1.5).
fn valid_from(nbf: UnixTime, now: UnixTime) -> Option<UnixTime> {
    let valid_from = UnixTime(nbf.0.saturating_sub(LEEWAY.as_secs()));
    (valid_from > now).then_some(valid_from)
}

/// An end that has come counts from that second on (RFC 7519 section 4.1.4).
fn in_time(verdict: Verdict<'_>, now: UnixTime) -> Verdict<'_> {
    let Verdict::Active(jwt) = verdict else {
        return verdict;
    };
    if let Some(valid_from) = jwt.not_before().and_then(|nbf| valid_from(nbf, now)) {
        return Verdict::NotYetValid(valid_from);
    }
    if jwt.expires().is_some_and(|end| end <= now) {
        return Verdict::Expired;
    }
    Verdict::Active(jwt)
}

const TOKEN_TYPE: &str = "token_type";
const TOKEN_USE: &str = "token_use";

/// The members that decide, beside those that may have the JWT.
const DECIDING: [&str; 5] = ["active", TOKEN_TYPE, TOKEN_USE, "nbf", "exp"];

/// What authorization servers call the tokens that are for themselves or for the client.
const OTHER_TOKENS: [&str; 5] = ["refresh_token", "refresh", "offline", "id_token", "id"];

const TOKEN_TYPE_URN: &str = "urn:ietf:params:oauth:token-type";

/// By how much a clock may be behind that of the authorization server.
const LEEWAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
