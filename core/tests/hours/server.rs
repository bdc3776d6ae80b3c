//! An authorization server that knows what it says.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use phantom_token_core::introspection::{Body, Field, Fields};
use phantom_token_core_testing::Random;
use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

/// The member of a JSON answer that has the JWT.
pub const JWT_MEMBER: &str = "phantom_token";

/// Issues and revokes tokens and tells what they stand for. Tokens are numbers here, times
/// are seconds of its own clock.
#[derive(Default)]
pub struct Server {
    tokens: HashMap<u64, Token>,
    last_token: u64,
    last_serial: u64,
    /// Until then it only fails.
    down_until: u64,
}

struct Token {
    ends: u64,
    is_revoked: bool,
    has_exp: bool,
}

/// An answer on its way.
pub struct Reply {
    pub status: StatusCode,
    pub headers: Fields,
    /// Nothing if the connection ended too early.
    body: Option<Vec<u8>>,
    /// What it means, if there is a JWT in it.
    pub promise: Option<Promise>,
}

/// What an answer allows, told by who wrote it.
pub struct Promise {
    pub serial: u64,
    pub jwt: Vec<u8>,
    pub exp: Option<u64>,
    pub stated: Stated,
    pub must_revalidate: bool,
}

/// What an answer says of its freshness.
#[derive(Clone, Copy)]
pub enum Stated {
    Nothing,
    /// In seconds from the question.
    Lifetime(u64),
    NotStorable,
}

/// The number of a JWT among all: its signature, in a manner of speaking.
pub fn serial_of(jwt: &[u8]) -> u64 {
    let signature = jwt.rsplit(|&byte| byte == b'.').next().unwrap();
    std::str::from_utf8(signature).unwrap().parse().unwrap()
}

impl Server {
    /// A new token.
    pub fn issue(&mut self, now: u64, random: &mut Random) -> u64 {
        self.last_token += 1;
        let lifetime = 60 + random.below(7_200) as u64;
        let token =
            Token { ends: now + lifetime, is_revoked: false, has_exp: random.below(8) != 0 };
        self.tokens.insert(self.last_token, token);
        self.last_token
    }

    pub fn revoke(&mut self, token: u64) {
        if let Some(token) = self.tokens.get_mut(&token) {
            token.is_revoked = true;
        }
    }

    pub fn is_active(&self, token: u64, now: u64) -> bool {
        self.tokens.get(&token).is_some_and(|token| !token.is_revoked && now < token.ends)
    }

    pub fn go_down(&mut self, until: u64) {
        self.down_until = until;
    }

    /// What it says of a token.
    pub fn answer(&mut self, token: u64, now: u64, random: &mut Random) -> Reply {
        if now < self.down_until || random.below(100) == 0 {
            return failure(random);
        }
        let (headers, stated, must_revalidate) = freshness(now, random);
        if !self.is_active(token, now) {
            return inactive(headers, random);
        }
        let exp = self.exp(token, now, random);
        self.last_serial += 1;
        let serial = self.last_serial;
        let jwt = jwt(serial, token, exp, random.below(2_000));
        let (body, exp) = body(&jwt, exp, now, random);
        Reply {
            status: StatusCode::OK,
            headers,
            body: Some(body),
            promise: Some(Promise { serial, jwt, exp, stated, must_revalidate }),
        }
    }

    fn exp(&self, token: u64, now: u64, random: &mut Random) -> Option<u64> {
        let token = &self.tokens[&token];
        let longest = if random.below(5) == 0 { 10 } else { 3_000 };
        let exp = now + 1 + random.below(longest) as u64;
        token.has_exp.then_some(exp.min(token.ends))
    }
}

impl Reply {
    pub fn body(&self) -> Body<'_> {
        self.body.as_deref().map_or(Body::Truncated, Body::Complete)
    }
}

fn failure(random: &mut Random) -> Reply {
    let (status, body) = match random.below(6) {
        0 => (StatusCode::INTERNAL_SERVER_ERROR, Some(Vec::new())),
        1 => (StatusCode::BAD_GATEWAY, Some(Vec::new())),
        2 => (StatusCode::GATEWAY_TIMEOUT, Some(Vec::new())),
        3 => (StatusCode::TOO_MANY_REQUESTS, Some(Vec::new())),
        4 => (StatusCode::OK, None),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Some(Vec::new())),
    };
    Reply { status, headers: Fields::default(), body, promise: None }
}

fn inactive(headers: Fields, random: &mut Random) -> Reply {
    let (status, body) = match random.below(2) {
        0 => (StatusCode::NO_CONTENT, Vec::new()),
        _ => (StatusCode::OK, br#"{"active":false}"#.to_vec()),
    };
    Reply { status, headers, body: Some(body), promise: None }
}

/// The header fields of an answer, and what they mean; whether it must not be served stale.
fn freshness(now: u64, random: &mut Random) -> (Fields, Stated, bool) {
    let seconds = 1 + random.below(900) as u64;
    let age = random.below(300) as u64;
    let max_age = format!("max-age={seconds}");
    let shared = format!("s-maxage={seconds}, max-age=86400");
    let revalidated = format!("{max_age}, must-revalidate");
    let fresh = Stated::Lifetime(seconds);
    match random.below(16) {
        0 | 1 => (Fields::default(), Stated::Nothing, false),
        2 => (fields([(Field::CacheControl, revalidated)]), fresh, true),
        3 => (fields([(Field::CacheControl, shared)]), fresh, true),
        4 => {
            let fields = fields([(Field::CacheControl, max_age), (Field::Age, age.to_string())]);
            (fields, Stated::Lifetime(seconds.saturating_sub(age)), false)
        }
        5 => {
            let fields = fields([(Field::Date, date(now)), (Field::Expires, date(now + seconds))]);
            (fields, fresh, false)
        }
        6 => {
            let never = ["no-store", "no-cache", "private, max-age=60"][random.below(3)];
            (fields([(Field::CacheControl, never.to_owned())]), Stated::NotStorable, false)
        }
        _ => (fields([(Field::CacheControl, max_age)]), fresh, false),
    }
}

fn fields<const N: usize>(lines: [(Field, String); N]) -> Fields {
    let mut fields = Fields::default();
    lines.into_iter().for_each(|(field, value)| fields.append(field, value.as_bytes()));
    fields
}

fn date(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn jwt(serial: u64, token: u64, exp: Option<u64>, padding: usize) -> Vec<u8> {
    let exp = exp.map_or(String::new(), |exp| format!(r#""exp":{exp},"#));
    let padding = serial.to_string().repeat(padding / 8);
    let payload = format!(r#"{{{exp}"sub":"{token}","padding":"{padding}"}}"#);
    let [header, payload] =
        [r#"{"alg":"none"}"#, &payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.{serial:012}").into_bytes()
}

/// An answer around a JWT that ends at `exp`, and when the JWT ends then.
fn body(jwt: &[u8], exp: Option<u64>, now: u64, random: &mut Random) -> (Vec<u8>, Option<u64>) {
    let compact = std::str::from_utf8(jwt).unwrap();
    match random.below(3) {
        0 => (jwt.to_vec(), exp),
        1 => {
            let json = format!(r#"{{"active":true,"{JWT_MEMBER}":"{compact}"}}"#);
            (json.into_bytes(), exp)
        }
        _ => {
            let end = now + 1 + random.below(900) as u64;
            let json = format!(r#"{{"{JWT_MEMBER}":"{compact}","exp":{end},"active":true}}"#);
            (json.into_bytes(), exp.into_iter().chain([end]).min())
        }
    }
}
