//! Bodies of introspection answers, most of them nearly right.

#![allow(missing_docs, reason = "each variant is a shape of input, and named after it")]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use phantom_token_core::UnixTime;

/// Wed, 18 May 2033 03:33:20 GMT: in the future of who runs this, so that a JWT that ends near to it is
/// good for a real NGINX.
const NOW: u64 = 2_000_000_000;

/// A time, near to others or not.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Time {
    Near(i16),
    Any(u64),
}

impl Time {
    pub fn unix(self) -> UnixTime {
        UnixTime(match self {
            Self::Near(seconds) => NOW.saturating_add_signed(seconds.into()),
            Self::Any(seconds) => seconds,
        })
    }
}

/// A body.
#[derive(Arbitrary, Debug)]
pub enum Text<'a> {
    Bytes(&'a [u8]),
    Jwt(Compact<'a>),
    Json { members: Vec<(Name<'a>, Value<'a>)>, after: &'a [u8] },
}

/// A JWT, or something that looks like one.
#[derive(Arbitrary, Debug)]
pub struct Compact<'a> {
    header: Header<'a>,
    payload: Payload<'a>,
    tail: Tail<'a>,
}

#[derive(Arbitrary, Debug)]
pub enum Header<'a> {
    Plain,
    Typ(&'a str),
    IntrospectionResponse,
    Bytes(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
pub enum Payload<'a> {
    Empty,
    Exp(Number<'a>),
    Members(Vec<(Name<'a>, Value<'a>)>),
    Bytes(&'a [u8]),
}

/// What comes after the payload.
#[derive(Arbitrary, Debug)]
pub enum Tail<'a> {
    Signature(&'a [u8]),
    Encrypted,
    Bytes(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
pub enum Name<'a> {
    Active,
    Exp,
    Jwt,
    PhantomToken,
    /// With an escape in it.
    Escaped(u8),
    Other(&'a str),
    NotBefore,
    TokenType,
    TokenUse,
    Error,
    ErrorDescription,
}

#[derive(Arbitrary, Debug)]
pub enum Value<'a> {
    True,
    False,
    Null,
    Number(Number<'a>),
    Text(&'a str),
    Jwt(Compact<'a>),
    Array(Vec<Value<'a>>),
    Json(&'a str),
    /// A type of token.
    Type(u8),
}

#[derive(Arbitrary, Debug)]
pub enum Number<'a> {
    Time(Time),
    Integer(i64),
    Float(f64),
    Text(&'a str),
}

const TYPES: [&str; 8] = [
    "Bearer",
    "DPoP",
    "access_token",
    "Refresh",
    "refresh_token",
    "ID",
    "Offline",
    "urn:ietf:params:oauth:token-type:id_token",
];

impl Text<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Jwt(jwt) => jwt.bytes(),
            Self::Json { members, after } => {
                [object(members, Value::json).as_bytes(), after].concat()
            }
        }
    }
}

impl Compact<'_> {
    fn bytes(&self) -> Vec<u8> {
        let header = match self.header {
            Header::Plain => br#"{"alg":"RS256"}"#.to_vec(),
            Header::Typ(typ) => format!("{{\"typ\":{}}}", quoted(typ)).into_bytes(),
            Header::IntrospectionResponse => br#"{"typ":"token-introspection+jwt"}"#.to_vec(),
            Header::Bytes(bytes) => bytes.to_vec(),
        };
        let payload = match &self.payload {
            Payload::Empty => b"{}".to_vec(),
            Payload::Exp(number) => format!("{{\"exp\":{}}}", number.json()).into_bytes(),
            Payload::Members(members) => object(members, Value::claim).into_bytes(),
            Payload::Bytes(bytes) => bytes.to_vec(),
        };
        let [header, payload] = [header, payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        let tail = match self.tail {
            Tail::Signature(bytes) => BASE64_URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
            Tail::Encrypted => b"aXY.dGV4dA.dGFn".to_vec(),
            Tail::Bytes(bytes) => bytes.to_vec(),
        };
        [header.as_bytes(), b".", payload.as_bytes(), b".", &tail].concat()
    }
}

impl Name<'_> {
    fn json(&self) -> String {
        match self {
            Self::Active => "\"active\"".to_owned(),
            Self::Exp => "\"exp\"".to_owned(),
            Self::Jwt => "\"jwt\"".to_owned(),
            Self::PhantomToken => "\"phantom_token\"".to_owned(),
            Self::Escaped(which) => ["\"\\u0061ctive\"", "\"e\\u0078p\"", "\"\\u006Awt\""]
                [usize::from(which % 3)]
            .to_owned(),
            Self::Other(name) => quoted(name),
            Self::NotBefore => "\"nbf\"".to_owned(),
            Self::TokenType => "\"token_type\"".to_owned(),
            Self::TokenUse => "\"token_use\"".to_owned(),
            Self::Error => "\"error\"".to_owned(),
            Self::ErrorDescription => "\"error_description\"".to_owned(),
        }
    }
}

impl Value<'_> {
    /// The value of a claim: a JWT in a JWT in a JWT would outgrow all bounds.
    fn claim(&self) -> String {
        match self {
            Self::Jwt(_) => quoted("e30.e30.c2ln"),
            Self::Array(values) => array(values, Self::claim),
            _ => self.json(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::True => "true".to_owned(),
            Self::False => "false".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Number(number) => number.json(),
            Self::Text(text) => quoted(text),
            Self::Jwt(jwt) => quoted(&String::from_utf8_lossy(&jwt.bytes())),
            Self::Array(values) => array(values, Self::json),
            Self::Json(text) => (*text).to_owned(),
            Self::Type(which) => quoted(TYPES[usize::from(*which) % TYPES.len()]),
        }
    }
}

impl Number<'_> {
    fn json(&self) -> String {
        match self {
            Self::Time(time) => time.unix().0.to_string(),
            Self::Integer(integer) => integer.to_string(),
            Self::Float(float) => float.to_string(),
            Self::Text(text) => (*text).to_owned(),
        }
    }
}

fn object<'a>(members: &[(Name<'a>, Value<'a>)], json: fn(&Value<'a>) -> String) -> String {
    let members = members.iter().map(|(name, value)| format!("{}:{}", name.json(), json(value)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

fn array<'a>(values: &[Value<'a>], json: fn(&Value<'a>) -> String) -> String {
    format!("[{}]", values.iter().map(json).collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
