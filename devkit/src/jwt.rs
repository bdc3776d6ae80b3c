//! JWTs for tests: three well-formed parts, with a signature that nobody checks.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A JWT with these claims.
pub fn jwt(claims: Value) -> String {
    jwt_with_header(json!({"alg": "RS256", "typ": "at+jwt"}), claims)
}

/// A JWT for another hour, which differs from those with other numbers.
pub fn numbered_jwt(number: u64) -> String {
    let mut claims = an_hour_of_claims();
    claims["number"] = number.into();
    jwt(claims)
}

/// A JWT with this header and these claims.
pub fn jwt_with_header(header: Value, claims: Value) -> String {
    format!("{}.{}.{}", part(&header), part(&claims), URL_SAFE_NO_PAD.encode([0x5a; 32]))
}

/// A JWT with these claims that is exactly `length` bytes long.
///
/// # Panics
///
/// When the claims alone need more.
pub fn jwt_of_length(mut claims: Value, length: usize) -> String {
    let header = part(&json!({"alg": "RS256", "typ": "at+jwt"}));
    for padding in ["", "p", "pp", "ppp"] {
        claims["pad"] = json!(padding);
        let start = format!("{header}.{}.", part(&claims));
        let signature = length.checked_sub(start.len()).expect("room for the claims");
        // Base64 of no number of bytes has a length that leaves 1 when divided by 4.
        if signature % 4 != 1 {
            return start + &"A".repeat(signature);
        }
    }
    unreachable!("one of four paddings fits")
}

/// The claims of a JWT, unverified.
///
/// # Panics
///
/// When it is no JWT.
pub fn claims_of(jwt: &str) -> Value {
    let claims = jwt.split('.').nth(1).expect("a JWT has three parts");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("claims in base64url");
    serde_json::from_slice(&claims).expect("claims in JSON")
}

/// Now, in seconds since the Unix epoch.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_secs()
}

/// Claims of a token that is good for another hour.
pub fn an_hour_of_claims() -> Value {
    json!({"sub": "alice", "exp": unix_now() + 3600})
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_has_exactly_the_length_asked_for_and_parts_that_can_be_decoded() {
        for length in 200..220 {
            let jwt = jwt_of_length(json!({"exp": 1}), length);

            assert_eq!(jwt.len(), length);
            assert_eq!(claims_of(&jwt)["exp"], 1);
            let mut parts = jwt.split('.');
            assert!(parts.all(|part| URL_SAFE_NO_PAD.decode(part).is_ok()), "{jwt}");
        }
    }
}
