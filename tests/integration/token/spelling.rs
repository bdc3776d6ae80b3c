//! JWTs that clients present in another spelling than that of RFC 7515.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use phantom_token_devkit::{
    Answer, Gateway, expect,
    jwt::{an_hour_of_claims, jwt},
};
use serde_json::json;

use crate::crowd;

/// A JWT as an authorization server gives it to clients, whose last letter has bits that mean nothing.
fn presented() -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let [header, claims] = [r#"{"alg":"RS256","typ":"JWT"}"#, r#"{"sub":"jane"}"#].map(part);
    let token = format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([0x5a; 64]));
    assert!(token.ends_with('g'), "{token}");
    token
}

/// Other spellings, each of which some server takes for the same token.
fn other_spellings() -> Vec<String> {
    let token = presented();
    let stem = token.strip_suffix('g').unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    vec![
        format!("{token}="),
        format!("{token}=="),
        format!("{stem}h"),
        format!("{token}."),
        format!("{token}..."),
        format!("{token}=."),
        format!("{token}~"),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]).replace('=', "~"),
        token.replace('-', "+").replace('_', "/") + "=",
    ]
}

#[test]
fn a_jwt_in_another_spelling_is_invalid_and_never_introspected() {
    let gateway = crowd::gateway(1, "");
    // It takes all of them, as its kind does.
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
    gateway.authorization_server.answer_otherwise(move |_| answer.clone());
    for token in other_spellings() {
        for _ in 0..2 {
            let response = gateway.get("/").bearer(&token).send();

            let challenge = expect::unauthorized(&response);
            assert!(challenge.contains(r#"error="invalid_token""#), "{token}: {challenge}");
        }
    }
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
    let line = gateway.wait_for_log("not spelt as RFC 7515 says");
    assert!(line.contains("[info]"), "{line}");

    assert_eq!(gateway.get("/").bearer(&presented()).send().status, 200);
}

#[test]
fn a_purge_of_a_jwt_leaves_no_other_spelling_of_it_behind() {
    let gateway = crowd::gateway(1, "");
    let token = presented();
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
    for spelling in other_spellings().iter().chain([&token]) {
        gateway.authorization_server.answer(spelling, answer.clone());
        gateway.get("/").bearer(spelling).send();
    }
    assert_eq!(gateway.get("/").bearer(&token).send().header("x-cache"), Some("HIT"));
    // Then it is revoked.
    gateway.authorization_server.answer_otherwise(|_| Answer::inactive());
    for spelling in other_spellings().iter().chain([&token]) {
        gateway.authorization_server.answer(spelling, Answer::inactive());
    }

    let purged = gateway.request("POST", "/purge").body(format!("token={token}")).send();

    assert_eq!(purged.status, 200);
    for spelling in other_spellings().iter().chain([&token]) {
        expect::unauthorized(&gateway.get("/").bearer(spelling).send());
    }
}

#[test]
fn a_purge_of_another_spelling_says_that_there_is_none() {
    let gateway = crowd::gateway(1, "");

    let form = format!("token={}%3D", presented());
    let response = gateway.request("POST", "/purge").body(form).send();

    assert_eq!(response.status, 400);
    let message = response.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("without padding"), "{message}");
}

#[test]
fn the_spelling_is_looked_at_however_the_cache_is_used() {
    for directives in [
        "phantom_token_cache off;",
        "phantom_token_cache_bypass 1;",
        "phantom_token_cache_lock off;",
        "phantom_token_worker_cache off;",
        "phantom_token_cache_use_stale error updating; phantom_token_cache_background_update on;",
        "phantom_token_token_syntax visible;",
    ] {
        let gateway = Gateway::with(directives);
        gateway.activate(&presented());
        assert_eq!(gateway.get("/").bearer(&presented()).send().status, 200, "{directives}");

        for token in other_spellings() {
            expect::unauthorized(&gateway.get("/").bearer(&token).send());
        }

        assert_eq!(gateway.authorization_server.count(), 1, "{directives}");
    }
}

#[test]
fn more_spellings_that_any_visible_character_makes_possible_are_refused_too() {
    let gateway = Gateway::with("phantom_token_token_syntax visible;");
    let token = presented();
    for token in [format!("{token}=x"), format!("{token}|"), token.replace('.', "=.")] {
        expect::unauthorized(&gateway.get("/").bearer(&token).send());
    }
    assert_eq!(gateway.authorization_server.count(), 0);
}

#[test]
fn an_encrypted_jwt_is_looked_at_in_the_same_way() {
    let gateway = Gateway::with("");
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "dir", "enc": "A256GCM"}).to_string());
    let jwe = format!("{header}..aXY.dGV4dA.dGFn");
    gateway.activate(&jwe);

    assert_eq!(gateway.get("/").bearer(&jwe).send().status, 200);
    expect::unauthorized(&gateway.get("/").bearer(&format!("{jwe}=")).send());
    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn an_opaque_token_is_introspected_as_it_came() {
    let gateway = Gateway::with("");
    for token in ["opaque==", "a.b.c", "a.b.c=", "ory_at_abc.def", "e30.e30.c2ln=", "x.y.z.", "..."]
    {
        gateway.activate(token);

        assert_eq!(gateway.get("/").bearer(token).send().status, 200, "{token}");
    }
}
