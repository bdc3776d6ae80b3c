//! A second reading of introspection answers, plain and slow, to compare with.

use std::fmt;

use phantom_token_core::introspection::{Failure, OtherToken};
use phantom_token_core::token::jwt::JwtError;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// What a body says.
#[derive(Debug)]
pub enum Reading {
    /// The token is active.
    Active {
        /// What the API gets.
        jwt: Vec<u8>,
        /// The earliest end that is told, as a Unix time.
        expires: Option<u64>,
    },
    /// The token is not active.
    Inactive,
    /// It is no access token, as this member says.
    NoAccessToken(&'static str),
    /// It is not valid before this time and the leeway.
    NotYetValid,
    /// It says neither.
    Failure(Failure),
}

/// The strict parser of this reading does not take what may yet be JSON: it wants members that
/// nobody asks for to be valid to the last, and not nested too deeply.
#[derive(Debug)]
pub struct Undecided;

/// Reads a body as the answer to an introspection at a time, without regard to the end of a JWT. Where
/// the reason of a failure has details, they do not count.
pub fn read(
    body: &[u8],
    content_types: &[&[u8]],
    jwt_members: &[&str],
    now: u64,
) -> Result<Reading, Undecided> {
    let lower: Vec<_> = content_types.iter().map(|text| text.to_ascii_lowercase()).collect();
    let is_of_type =
        |wanted: &str| lower.iter().any(|text| String::from_utf8_lossy(text).contains(wanted));
    let reading = read_body(body, jwt_members, now)?;
    Ok(match reading {
        Reading::Inactive | Reading::NoAccessToken(_) => reading,
        _ if is_of_type("token-introspection+jwt") => {
            Reading::Failure(Failure::IntrospectionResponse)
        }
        Reading::Failure(Failure::Jwt(_))
            if is_of_type("text/html") || is_of_type("application/xhtml+xml") =>
        {
            Reading::Failure(Failure::HtmlPage)
        }
        _ => reading,
    })
}

/// Whether the verdict names this member.
pub fn names(other: &OtherToken, member: &str) -> bool {
    other.to_string().contains(&format!(" {member} "))
}

fn read_body(body: &[u8], jwt_members: &[&str], now: u64) -> Result<Reading, Undecided> {
    let text = body.trim_ascii_start();
    match text.first() {
        None => Ok(Reading::Failure(Failure::Empty)),
        Some(b'{') => read_json(text, jwt_members, now),
        Some(_) => Ok(match times(body)? {
            Ok(times) if is_to_come(times.not_before, now) => Reading::NotYetValid,
            Ok(times) => Reading::Active { jwt: body.to_vec(), expires: times.expires },
            Err(error) => Reading::Failure(Failure::Jwt(error)),
        }),
    }
}

fn read_json(text: &[u8], jwt_members: &[&str], now: u64) -> Result<Reading, Undecided> {
    if str::from_utf8(text).is_err() {
        return Ok(Reading::Failure(Failure::InvalidJson));
    }
    let Members(members) = serde_json::from_slice(text).map_err(|_| Undecided)?;
    let count = |wanted: &str| members.iter().filter(|(name, _)| name == wanted).count();
    let one = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|found| &found.1);
    let failure = |failure| Ok(Reading::Failure(failure));

    let deciding = ["active", "exp", "nbf", "token_type", "token_use"];
    if deciding.iter().chain(jwt_members).any(|name| count(name) > 1) {
        return failure(Failure::RepeatedMember);
    }
    match one("active") {
        None => return failure(Failure::ActiveMissing),
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Reading::Inactive),
        Some(_) => return failure(Failure::ActiveInvalid),
    }
    for member in ["token_type", "token_use"] {
        match one(member) {
            None | Some(Value::Null) => {}
            Some(Value::String(kind)) if is_no_access_token(kind) => {
                return Ok(Reading::NoAccessToken(member));
            }
            Some(Value::String(_)) => {}
            Some(_) => return failure(Failure::TokenTypeInvalid),
        }
    }
    match one("nbf") {
        None | Some(Value::Null) => {}
        Some(Value::Number(number)) if is_to_come(Some(seconds(number)), now) => {
            return Ok(Reading::NotYetValid);
        }
        Some(Value::Number(_)) => {}
        Some(_) => return failure(Failure::NotBeforeInvalid),
    }
    let end = match one("exp") {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) if is_zero(number) => None,
        Some(Value::Number(number)) => Some(seconds(number)),
        Some(_) => return failure(Failure::ExpiresInvalid),
    };
    let Some(jwt) = jwt_members.iter().find_map(|name| one(name)?.as_str()) else {
        return failure(Failure::NoJwt);
    };
    Ok(match times(jwt.as_bytes())? {
        Err(error) => Reading::Failure(Failure::EmbeddedJwt(error)),
        Ok(times) if is_to_come(times.not_before, now) => Reading::NotYetValid,
        Ok(times) => {
            let expires = times.expires.into_iter().chain(end).min();
            Reading::Active { jwt: jwt.as_bytes().to_vec(), expires }
        }
    })
}

fn is_no_access_token(kind: &str) -> bool {
    let kind = kind.trim_matches(|c: char| c.is_ascii_whitespace()).to_ascii_lowercase();
    let kind = kind.strip_prefix("urn:ietf:params:oauth:token-type:").unwrap_or(&kind);
    ["refresh_token", "refresh", "offline", "id_token", "id"].contains(&kind)
}

/// More than a minute away.
fn is_to_come(not_before: Option<u64>, now: u64) -> bool {
    not_before.is_some_and(|not_before| i128::from(not_before) - i128::from(now) > 60)
}

/// When a JWT may be used.
struct Times {
    not_before: Option<u64>,
    expires: Option<u64>,
}

/// The times of what can be handed on as a JWT.
fn times(jwt: &[u8]) -> Result<Result<Times, JwtError>, Undecided> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if let Some(offset) = jwt.iter().position(|byte| !is_allowed(byte)) {
        return Ok(Err(JwtError::Character { offset }));
    }
    let parts: Vec<&[u8]> = jwt.split(|&byte| byte == b'.').collect();
    let required: &[usize] = match parts.len() {
        3 => &[0, 1],
        5 => &[0, 2, 3, 4],
        _ => return Ok(Err(JwtError::PartCount)),
    };
    if required.iter().any(|&part| parts[part].is_empty()) {
        return Ok(Err(JwtError::EmptyPart));
    }
    if parts[2].is_empty() {
        return Ok(Err(JwtError::Unsigned));
    }
    let Some(header) = members(parts[0])? else {
        return Ok(Err(JwtError::Header));
    };
    for name in ["typ", "cty"] {
        match &all(&header, name)[..] {
            [] | [Value::Null] => {}
            [Value::String(typ)]
                if typ.to_ascii_lowercase().contains("token-introspection+jwt") =>
            {
                return Ok(Err(JwtError::IntrospectionResponse));
            }
            [Value::String(_)] => {}
            _ => return Ok(Err(JwtError::InvalidType)),
        }
    }
    if parts.len() == 5 {
        return Ok(Ok(Times { not_before: None, expires: None }));
    }
    let Some(claims) = members(parts[1])? else {
        return Ok(Err(JwtError::Payload));
    };
    let not_before = match &all(&claims, "nbf")[..] {
        [] | [Value::Null] => None,
        [Value::Number(number)] => Some(seconds(number)),
        _ => return Ok(Err(JwtError::InvalidNotBefore)),
    };
    Ok(match &all(&claims, "exp")[..] {
        [] => Ok(Times { not_before, expires: None }),
        [Value::Number(number)] => Ok(Times { not_before, expires: Some(seconds(number)) }),
        _ => Err(JwtError::InvalidExpires),
    })
}

/// All values of a member.
fn all<'a>(members: &'a [(String, Value)], wanted: &str) -> Vec<&'a Value> {
    members.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value).collect()
}

/// The members of a part; nothing if it certainly is no JSON object.
fn members(part: &[u8]) -> Result<Option<Vec<(String, Value)>>, Undecided> {
    let Some(text) = base64url(part).and_then(|text| String::from_utf8(text).ok()) else {
        return Ok(None);
    };
    let is_blank = |c: char| " \t\r\n".contains(c);
    let is_object = text.trim_matches(is_blank);
    if !is_object.starts_with('{') || !is_object.ends_with('}') {
        return Ok(None);
    }
    match serde_json::from_str(&text) {
        Ok(Members(members)) => Ok(Some(members)),
        Err(_) => Err(Undecided),
    }
}

/// Decodes bit by bit; bits that are left over at the end must be 0.
fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = Vec::new();
    for byte in text {
        let value = alphabet.iter().position(|letter| letter == byte)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let (bytes, rest) = bits.as_chunks::<8>();
    let bytes = bytes.iter().map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8));
    (rest.len() < 6 && rest.iter().all(|bit| *bit == 0)).then(|| bytes.collect())
}

fn is_zero(number: &serde_json::Number) -> bool {
    number.as_f64().is_some_and(|float| (0.0..1.0).contains(&float))
}

/// A NumericDate in whole seconds: none before 1970, none that cannot be counted.
fn seconds(number: &serde_json::Number) -> u64 {
    if let Some(seconds) = number.as_u64() {
        return seconds;
    }
    let float = number.as_f64().expect("a number");
    match float {
        ..1.0 => 0,
        18_446_744_073_709_551_616.0.. => u64::MAX,
        _ => float.trunc() as u64,
    }
}

/// The members of an object, in order, each as often as it is there.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(All)
    }
}

struct All;

impl<'de> Visitor<'de> for All {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
