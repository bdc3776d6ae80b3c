//! Tokens that are active, but no access tokens, or not valid yet.

use phantom_token_devkit::{
    Answer, Gateway, eventually, expect,
    jwt::{an_hour_of_claims, jwt, unix_now},
};
use serde_json::{Value, json};

use crate::crowd;

/// What Keycloak before 26.7 says of a token of that type when the gateway's client may have a JWT: it
/// makes a new one, with the user's roles.
fn keycloak(token_type: &str) -> Value {
    let claims = json!({
        "exp": unix_now() + 1800,
        "iat": unix_now(),
        "iss": "https://login.example.com/realms/lab",
        "aud": ["https://login.example.com/realms/lab", "gateway", "account"],
        "sub": "faf93653-36d5-4feb-aa14-b18f6f1b751c",
        "typ": token_type,
        "azp": "app",
        "realm_access": {"roles": ["offline_access", "uma_authorization"]},
        "scope": "openid profile email",
    });
    let mut answer = claims.clone();
    answer["client_id"] = "app".into();
    answer["username"] = "jane".into();
    answer["token_type"] = token_type.into();
    answer["active"] = true.into();
    answer["jwt"] = jwt(claims).into();
    answer
}

/// What Hydra says, in front of which something puts a JWT.
fn hydra(token_use: &str) -> Value {
    json!({
        "active": true,
        "scope": "openid offline",
        "client_id": "app",
        "sub": "jane",
        "exp": unix_now() + 1800,
        "iat": unix_now(),
        "nbf": unix_now(),
        "aud": [],
        "iss": "https://login.example.com/",
        "token_type": "Bearer",
        "token_use": token_use,
        "jwt": jwt(an_hour_of_claims()),
    })
}

fn no_access_tokens() -> Vec<(Value, &'static str, &'static str)> {
    let mut with_claim = keycloak("refresh_token");
    with_claim["jwt"] = json!({"no": "text"});
    with_claim["phantom_token"] = jwt(an_hour_of_claims()).into();
    vec![
        (keycloak("Refresh"), "token_type", "refresh"),
        (keycloak("Offline"), "token_type", "offline"),
        (keycloak("ID"), "token_type", "id"),
        (keycloak("id_token"), "token_type", "id_token"),
        (with_claim, "token_type", "refresh_token"),
        (hydra("refresh_token"), "token_use", "refresh_token"),
    ]
}

#[test]
fn a_token_that_is_no_access_token_is_refused_whatever_else_the_answer_says() {
    for (answer, member, kind) in no_access_tokens() {
        let gateway = Gateway::with("phantom_token_cache_valid 60s;");
        gateway.authorization_server.answer("opaque", Answer::json(answer.clone()));

        for _ in 0..2 {
            let response = gateway.get("/").bearer("opaque").send();
            let challenge = expect::unauthorized(&response);
            assert!(challenge.contains(r#"error="invalid_token""#), "{answer}: {challenge}");
        }

        assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (2, 0), "{answer}");
        let line = gateway.wait_for_log("the token is no access token");
        assert!(line.contains("[info]"), "{line}");
        assert!(line.contains(&format!("the member {member} of")), "{line}");
        assert!(line.contains(&format!("\"{kind}\"")), "{line}");
        assert!(!line.contains("jane") && !line.contains("faf93653"), "{line}");
    }
}

#[test]
fn an_access_token_of_the_same_servers_is_granted() {
    for answer in [keycloak("Bearer"), keycloak("DPoP"), hydra("access_token")] {
        let gateway = Gateway::with("");
        gateway.authorization_server.answer("opaque", Answer::json(answer.clone()));

        assert_eq!(gateway.get("/").bearer("opaque").send().status, 200, "{answer}");
    }
}

#[test]
fn a_token_that_is_no_access_token_is_remembered_as_an_inactive_one() {
    let gateway = crowd::gateway(1, "phantom_token_cache_inactive_valid 60s;");
    gateway.authorization_server.answer("opaque", Answer::json(keycloak("Refresh")));

    let responses: Vec<_> = (0..3).map(|_| gateway.get("/").bearer("opaque").send()).collect();

    let seen = responses.iter().map(|response| (response.status, response.header("x-cache")));
    let expected = [(401, Some("MISS")), (401, Some("HIT")), (401, Some("HIT"))];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn a_member_that_tells_the_kind_and_is_there_twice_or_no_text_is_a_bad_gateway() {
    let good = jwt(an_hour_of_claims());
    for members in [
        r#""token_type": "Bearer", "token_type": "Refresh""#,
        r#""token_use": "access_token", "t\u006fken_use": "refresh_token""#,
        r#""token_type": ["Refresh"]"#,
        r#""token_use": 1"#,
    ] {
        let gateway = Gateway::with("");
        let body = format!(r#"{{"active": true, {members}, "jwt": "{good}"}}"#);
        gateway.authorization_server.answer("opaque", Answer::status(200).body(body));

        expect::server_error(&gateway.get("/").bearer("opaque").send(), 502);
        assert_eq!(gateway.api.count(), 0, "{members}");
    }
}

#[test]
fn a_token_that_is_not_valid_yet_is_refused() {
    let claims = |nbf: Value| json!({"sub": "alice", "exp": unix_now() + 3600, "nbf": nbf});
    let with_member = |nbf: Value| {
        Answer::json(json!({"active": true, "nbf": nbf, "jwt": jwt(an_hour_of_claims())}))
    };
    let now = unix_now();
    let later = now + 600;
    let in_json = |claims| Answer::json(json!({"active": true, "jwt": jwt(claims)}));
    for (answer, status) in [
        (with_member(later.into()), 401),
        (with_member(json!(later as f64 + 0.5)), 401),
        (Answer::jwt(&jwt(claims(later.into()))), 401),
        (in_json(claims(later.into())), 401),
        (with_member((now + 30).into()), 200),
        (with_member(now.into()), 200),
        (with_member(Value::Null), 200),
        (Answer::jwt(&jwt(claims((now + 30).into()))), 200),
        (with_member(json!(later.to_string())), 502),
    ] {
        let gateway = Gateway::with("");
        gateway.authorization_server.answer("opaque", answer.clone());

        assert_eq!(gateway.get("/").bearer("opaque").send().status, status, "{answer:?}");
        if status == 401 {
            let line = gateway.wait_for_log("the token is not valid yet");
            assert!(line.contains("[info]"), "{line}");
        }
    }
}

#[test]
fn a_token_that_is_not_valid_yet_is_remembered_no_longer_than_until_it_is() {
    let gateway = Gateway::with("phantom_token_cache_inactive_valid 600s;");
    // Clocks may differ by a minute, so this one is taken in two seconds.
    let answer = json!({"active": true, "nbf": unix_now() + 62, "jwt": jwt(an_hour_of_claims())});
    gateway.authorization_server.answer("opaque", Answer::json(answer));
    expect::unauthorized(&gateway.get("/").bearer("opaque").send());

    eventually(|| (gateway.get("/").bearer("opaque").send().status == 200).then_some(()))
        .expect("the token to become valid");

    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn an_exp_of_0_beside_active_true_says_nothing() {
    let good = jwt(an_hour_of_claims());
    for (exp, status) in [(json!(0), 200), (json!(0.0), 200), (json!(-1), 401), (json!(1), 401)] {
        let gateway = Gateway::with("");
        let answer = json!({"active": true, "exp": exp, "jwt": good});
        gateway.authorization_server.answer("opaque", Answer::json(answer));

        assert_eq!(gateway.get("/").bearer("opaque").send().status, status, "{exp}");
    }
}
