//! A second reading of introspection answers, plain and slow, to compare with.

use std::fmt;

use phantom_token_core::introspection::Failure;
use phantom_token_core::jwt::JwtError;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// What a body says.
#[derive(Debug)]
pub enum Reading {
    Active { jwt: Vec<u8>, expires: Option<u64> },
    Inactive,
    Failure(Failure),
}

/// The strict parser of this reading does not take what may yet be JSON: it wants members that
/// nobody asks for to be valid to the last, and not nested too deeply.
#[derive(Debug)]
pub struct Undecided;

/// Reads a body as the answer to an introspection, without regard to the present time. Where the
/// reason of a failure has details, they do not count.
pub fn read(body: &[u8], jwt_members: &[&str]) -> Result<Reading, Undecided> {
    let text = body.trim_ascii_start();
    match text.first() {
        None => Ok(Reading::Failure(Failure::Empty)),
        Some(b'{') => read_json(text, jwt_members),
        Some(_) => Ok(match expires(body)? {
            Ok(expires) => Reading::Active { jwt: body.to_vec(), expires },
            Err(error) => Reading::Failure(Failure::Jwt(error)),
        }),
    }
}

fn read_json(text: &[u8], jwt_members: &[&str]) -> Result<Reading, Undecided> {
    if str::from_utf8(text).is_err() {
        return Ok(Reading::Failure(Failure::InvalidJson));
    }
    let Members(members) = serde_json::from_slice(text).map_err(|_| Undecided)?;
    let count = |wanted: &str| members.iter().filter(|(name, _)| name == wanted).count();
    let one = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|found| &found.1);

    if ["active", "exp"].iter().chain(jwt_members).any(|name| count(name) > 1) {
        return Ok(Reading::Failure(Failure::RepeatedMember));
    }
    match one("active") {
        None => return Ok(Reading::Failure(Failure::ActiveMissing)),
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Reading::Inactive),
        Some(_) => return Ok(Reading::Failure(Failure::ActiveInvalid)),
    }
    let end = match one("exp") {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) => Some(seconds(number)),
        Some(_) => return Ok(Reading::Failure(Failure::ExpiresInvalid)),
    };
    let Some(jwt) = jwt_members.iter().find_map(|name| one(name)?.as_str()) else {
        return Ok(Reading::Failure(Failure::NoJwt));
    };
    Ok(match expires(jwt.as_bytes())? {
        Err(error) => Reading::Failure(Failure::EmbeddedJwt(error)),
        Ok(expires) => {
            let expires = expires.into_iter().chain(end).min();
            Reading::Active { jwt: jwt.as_bytes().to_vec(), expires }
        }
    })
}

/// The `exp` claim of what can be handed on as a JWT.
fn expires(jwt: &[u8]) -> Result<Result<Option<u64>, JwtError>, Undecided> {
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
        return Ok(Ok(None));
    }
    let Some(claims) = members(parts[1])? else {
        return Ok(Err(JwtError::Payload));
    };
    if !matches!(&all(&claims, "nbf")[..], [] | [Value::Null | Value::Number(_)]) {
        return Ok(Err(JwtError::InvalidNotBefore));
    }
    Ok(match &all(&claims, "exp")[..] {
        [] => Ok(None),
        [Value::Number(number)] => Ok(Some(seconds(number))),
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
