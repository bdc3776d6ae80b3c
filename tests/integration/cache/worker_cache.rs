//! The cache that each worker has in front of the zone.

use phantom_token_devkit::{
    Answer, Connection, Gateway, eventually,
    jwt::{an_hour_of_claims, jwt, jwt_of_length, unix_now},
};
use serde_json::json;

use crate::crowd::{self, connection_to_each_worker};

const SIZES: [&str; 4] = [
    "",
    "phantom_token_worker_cache off;",
    "phantom_token_worker_cache 1;",
    "phantom_token_worker_cache 2;",
];

#[test]
fn clients_see_the_same_with_it_and_without_it() {
    for directive in SIZES {
        let gateway = crowd::gateway(2, directive);
        let tokens = ["a", "b", "c"];
        let jwts = tokens.map(|token| gateway.activate(token));
        let mut connections = connection_to_each_worker(&gateway);
        let mut seen = Vec::new();
        for _ in 0..3 {
            for connection in connections.values_mut() {
                for token in tokens {
                    let response = gateway.get("/").bearer(token).send_on(connection);
                    seen.push(response.header("x-cache").unwrap().to_owned());
                }
            }
        }

        let mut expected = vec!["HIT"; seen.len()];
        expected[..3].fill("MISS");
        assert_eq!(seen, expected, "{directive}");
        for (request, number) in gateway.api.requests().iter().zip(0..) {
            let authorization = format!("Bearer {}", jwts[number % 3]);
            assert_eq!(request.header("authorization"), Some(authorization.as_str()));
        }
    }
}

#[test]
fn it_is_what_answers_a_token_in_use_unless_it_is_off() {
    for (directive, is_used) in [("", true), ("phantom_token_worker_cache off;", false)] {
        let gateway = crowd::gateway(1, directive);
        gateway.activate("opaque");

        for _ in 0..5 {
            gateway.get("/").bearer("opaque").send();
        }

        let status = gateway.get("/status").send().json();
        let cache = &status["zones"]["phantom_token"]["cache"];
        let hits = if is_used { json!([3, 1]) } else { json!([0, 4]) };
        assert_eq!(json!([cache["local_hit"], cache["zone_hit"]]), hits, "{directive}");
    }
}

#[test]
fn a_jwt_of_any_length_is_served() {
    for directive in SIZES {
        let gateway = crowd::gateway(1, directive);
        for length in [500, 4000, 5000, 20_000, 60_000] {
            let jwt = jwt_of_length(json!({}), length);
            let token = length.to_string();
            gateway.authorization_server.answer(&token, Answer::jwt(&jwt).max_age(60));
            for _ in 0..3 {
                gateway.get("/").bearer(&token).send();

                let arrived = gateway.api.requests().pop().unwrap();
                let authorization = format!("Bearer {jwt}");
                assert_eq!(arrived.header("authorization"), Some(authorization.as_str()));
            }
        }
    }
}

#[test]
fn a_jwt_is_never_served_past_its_freshness() {
    let gateway = crowd::gateway(2, "");
    let (old, new) = (jwt(json!({"number": 1})), jwt(json!({"number": 2})));
    let answers = [Answer::jwt(&old).max_age(2), Answer::jwt(&new).max_age(60)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let mut connections = warm(&gateway);
    // It was asked for no later than now.
    let fresh_until = unix_now() + 2;
    let old = format!("Bearer {old}");

    eventually(|| {
        let mut all_new = true;
        for connection in &mut connections {
            let asked = unix_now();
            gateway.get("/").bearer("opaque").send_on(connection);

            let request = gateway.api.requests().pop().unwrap();
            let is_old = request.header("authorization") == Some(&old);
            assert!(!is_old || asked < fresh_until, "a stale JWT was served");
            all_new &= !is_old;
        }
        all_new.then_some(())
    })
    .expect("the new JWT");

    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn a_jwt_is_never_served_past_its_exp() {
    let gateway = crowd::gateway(2, "");
    let exp = unix_now() + 3;
    let answers = [Answer::jwt(&jwt(json!({"exp": exp}))).max_age(600), Answer::inactive()];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let mut connections = warm(&gateway);

    eventually(|| {
        let mut all_refused = true;
        for connection in &mut connections {
            let asked = unix_now();
            let response = gateway.get("/").bearer("opaque").send_on(connection);

            assert!(response.status != 200 || asked < exp, "an expired JWT was served");
            all_refused &= response.status == 401;
        }
        all_refused.then_some(())
    })
    .expect("refusals");
}

#[test]
fn a_reload_leaves_no_copies_behind() {
    let gateway = crowd::gateway(1, "");
    let (old, new) = (jwt(json!({"number": 1})), jwt(an_hour_of_claims()));
    let answers = [&old, &new].map(|jwt| Answer::jwt(jwt).max_age(60));
    gateway.authorization_server.answer_in_turn("opaque", answers);
    warm(&gateway);

    gateway.reload();
    gateway.request("POST", "/purge").body("token=opaque").send();
    gateway.get("/").bearer("opaque").send();

    let arrived = gateway.api.requests().pop().unwrap();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {new}").as_str()));
}

/// Has the token's JWT in the caches of all workers; gives a connection to each.
fn warm(gateway: &Gateway) -> Vec<Connection> {
    let mut connections: Vec<_> = connection_to_each_worker(gateway).into_values().collect();
    for _ in 0..2 {
        for connection in &mut connections {
            assert_eq!(gateway.get("/").bearer("opaque").send_on(connection).status, 200);
        }
    }
    connections
}
