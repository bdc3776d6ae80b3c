//! The shared zone: who shares an answer with whom, and what is never kept.

use std::collections::HashSet;

use phantom_token_devkit::{
    Answer, Gateway, Response,
    jwt::{an_hour_of_claims, jwt, jwt_of_length},
};
use serde_json::json;

/// Adds what the module says of the cache to the answer.
const SHOW: &str = "add_header X-Cache $phantom_token_cache_status always;";

#[test]
fn a_token_is_introspected_once() {
    let gateway = Gateway::with(SHOW);
    let jwt = gateway.activate("opaque");

    let statuses = ["GET", "GET", "HEAD", "POST"].map(|method| {
        let response = gateway.request(method, "/").bearer("opaque").send();
        assert_eq!(response.status, 200);
        status_of(&response)
    });

    assert_eq!(statuses, ["MISS", "HIT", "HIT", "HIT"]);
    assert_eq!(gateway.authorization_server.count(), 1);
    for request in gateway.api.requests() {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
}

#[test]
fn a_jwt_of_any_length_comes_out_of_the_cache_whole() {
    let gateway = Gateway::with(SHOW);
    let lengths = [100, 1000, 4000, 4096, 5000, 10_000, 30_000, 65_536];
    for length in lengths {
        let jwt = jwt_of_length(json!({}), length);
        let token = length.to_string();
        gateway.authorization_server.answer(&token, Answer::jwt(&jwt).max_age(60));
        gateway.get("/").bearer(&token).send();

        let response = gateway.get("/").bearer(&token).send();

        assert_eq!(status_of(&response), "HIT", "{length}");
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
}

#[test]
fn every_token_has_its_own_jwt() {
    let gateway = Gateway::with("");
    let tokens: Vec<_> = (0..50).map(|number| format!("token-{number}")).collect();
    let jwts: Vec<_> = tokens.iter().map(|token| gateway.activate(token)).collect();
    for _ in 0..2 {
        for (token, jwt) in tokens.iter().zip(&jwts) {
            gateway.get("/").bearer(token).send();

            let arrived = gateway.api.requests().pop().unwrap();
            assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
        }
    }
    assert_eq!(gateway.authorization_server.count(), tokens.len());
}

#[test]
fn without_a_cache_every_request_is_introspected() {
    let gateway = Gateway::with(&format!("phantom_token_cache off; {SHOW}"));
    gateway.activate("opaque");
    for _ in 0..3 {
        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 200);
        assert!(!response.headers.contains("x-cache"), "there is no cache to speak of");
    }
    assert_eq!(gateway.authorization_server.count(), 3);
}

#[test]
fn what_is_no_grant_is_not_kept() {
    let table = [
        Answer::inactive().max_age(60),
        Answer::json(json!({"active": false})).max_age(60),
        Answer::status(500).max_age(60),
        Answer::status(404).max_age(60),
        Answer::jwt("no jwt").max_age(60),
        Answer::jwt("").max_age(60),
        Answer::jwt(&jwt(json!({"exp": 1}))).max_age(60),
        Answer::jwt(&jwt(json!({}))).max_age(60).truncated_to(20),
    ];
    for answer in table {
        let gateway = Gateway::with("phantom_token_cache_valid 60s;");
        let good = Answer::jwt(&jwt(an_hour_of_claims()));
        gateway.authorization_server.answer_in_turn("opaque", [answer.clone(), good]);

        let first = gateway.get("/").bearer("opaque").send();
        let second = gateway.get("/").bearer("opaque").send();

        assert!(first.status >= 400, "{answer:?}");
        assert_eq!(second.status, 200, "{answer:?}");
    }
}

#[test]
fn locations_that_ask_the_same_share_an_answer() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         location /a { phantom_token_realm a; proxy_pass http://{api}; }
         location /b { phantom_token_realm b; proxy_pass http://{api}; }",
    );
    gateway.activate("opaque");

    gateway.get("/a").bearer("opaque").send();
    gateway.get("/b").bearer("opaque").send();

    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 2));
}

#[test]
fn locations_that_ask_differently_never_share_an_answer() {
    let table = [
        ("", "phantom_token_introspection_endpoint /other;"),
        ("", "phantom_token_introspection_accept_header application/json;"),
        ("", "phantom_token_client_credential other secret;"),
        ("phantom_token_client_credential id one;", "phantom_token_client_credential id two;"),
        ("phantom_token_jwt_claim one;", "phantom_token_jwt_claim two;"),
        ("", "phantom_token_cache second;"),
    ];
    for (in_a, in_b) in table {
        let gateway = Gateway::with_http(&format!(
            "phantom_token_cache_zone phantom_token:1m;
             phantom_token_cache_zone second:1m;
             server {{
                 listen 127.0.0.1:{{port}};
                 location /a {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /introspection;
                     {in_a}
                     proxy_pass http://{{api}};
                 }}
                 location /b {{
                     phantom_token on;
                     {in_b}
                     {}
                     proxy_pass http://{{api}};
                 }}
                 location = /introspection {{ internal; proxy_pass http://{{as}}; }}
                 location = /other {{ internal; proxy_pass http://{{as}}; }}
             }}",
            if in_b.contains("endpoint") {
                ""
            } else {
                "phantom_token_introspection_endpoint /introspection;"
            }
        ));
        let claims = an_hour_of_claims();
        let (one, two) = (jwt_of_length(claims.clone(), 400), jwt_of_length(claims, 500));
        let answer = |jwt: &str| {
            Answer::json(json!({"active": true, "jwt": jwt, "one": jwt, "two": jwt})).max_age(60)
        };
        gateway.authorization_server.answer_in_turn("opaque", [answer(&one), answer(&two)]);

        gateway.get("/a").bearer("opaque").send();
        gateway.get("/b").bearer("opaque").send();

        let arrived = gateway.api.requests();
        assert_eq!(arrived[0].header("authorization"), Some(format!("Bearer {one}").as_str()));
        assert_eq!(
            arrived[1].header("authorization"),
            Some(format!("Bearer {two}").as_str()),
            "{in_a} against {in_b}"
        );
    }
}

#[test]
fn locations_of_the_same_name_in_two_servers_never_share_an_answer() {
    let gateway = Gateway::with_http(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         server {
             listen 127.0.0.1:{port};
             server_name one;
             location / { proxy_pass http://{api}; }
             location = /introspection { internal; proxy_pass http://{as}/one; }
         }
         server {
             listen 127.0.0.1:{port};
             server_name two;
             location / { proxy_pass http://{api}; }
             location = /introspection { internal; proxy_pass http://{as}/two; }
         }",
    );
    gateway.activate("opaque");
    for host in ["one", "two"] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer opaque\r\n\r\n");
        let mut connection = gateway.connect();
        connection.write(request.as_bytes());
        assert_eq!(connection.read("GET").status, 200);
    }

    let targets: Vec<_> =
        gateway.authorization_server.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/one", "/two"]);
}

#[test]
fn all_workers_share_the_zone() {
    let gateway = Gateway::builder()
        .http(
            "server {
                 listen 127.0.0.1:{port} reuseport;
                 location / {
                     phantom_token on;
                     phantom_token_introspection_endpoint /introspection;
                     add_header X-Worker $pid;
                     proxy_pass http://{api};
                 }
                 location = /introspection { internal; proxy_pass http://{as}; }
             }",
        )
        .nginx(|nginx| nginx.workers(4))
        .start();
    gateway.activate("opaque");
    let mut workers = HashSet::new();
    for _ in 0..1000 {
        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 200);
        workers.insert(response.header("x-worker").unwrap().to_owned());
        if workers.len() == 4 {
            break;
        }
    }

    assert_eq!(workers.len(), 4, "requests reached too few workers");
    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn the_zone_is_kept_over_a_reload() {
    let gateway = Gateway::with(SHOW);
    let jwt = gateway.activate("opaque");
    gateway.get("/").bearer("opaque").send();

    gateway.reload();
    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(status_of(&response), "HIT");
    assert_eq!(gateway.authorization_server.count(), 1);
    let arrived = gateway.api.requests().pop().unwrap();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
}

#[test]
fn a_full_zone_drops_the_least_recently_used_token_and_never_fails() {
    let gateway = Gateway::with_http(&format!(
        "phantom_token_cache_zone small:256k;
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_cache small;
                 phantom_token_introspection_endpoint /introspection;
                 {SHOW}
                 proxy_pass http://{{api}};
             }}
             location = /introspection {{ internal; proxy_pass http://{{as}}; }}
         }}"
    ));
    gateway.authorization_server.answer_otherwise(|token| {
        let length = 500 + token.len() * 997 % 7500;
        Answer::jwt(&jwt_of_length(json!({"jti": token}), length.max(400 + token.len())))
            .max_age(600)
    });
    let mut connection = gateway.connect();
    let mut fetch = |token: &str| {
        let response = gateway.get("/").bearer(token).send_on(&mut connection);
        assert_eq!(response.status, 200, "{token}");
        status_of(&response)
    };
    for number in 0..300 {
        let token = format!("token-{number}-{}", "x".repeat(number % 10));
        fetch(&token);

        assert_eq!(fetch(&token), "HIT", "right after it was stored");
    }
    // A new worker has nothing but the zone.
    gateway.reload();
    let mut connection = gateway.connect();
    let mut status =
        |token: &str| status_of(&gateway.get("/").bearer(token).send_on(&mut connection));
    assert_eq!(status("token-299-xxxxxxxxx"), "HIT");
    assert_eq!(status("token-0-"), "MISS");
}

#[test]
fn a_jwt_that_does_not_fit_the_zone_is_granted_and_not_kept() {
    let gateway = Gateway::with_http(&format!(
        "phantom_token_cache_zone small:64k;
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_cache small;
                 phantom_token_max_response_size 1m;
                 phantom_token_introspection_endpoint /introspection;
                 {SHOW}
                 proxy_pass http://{{api}};
             }}
             location = /introspection {{ internal; proxy_pass http://{{as}}; }}
         }}"
    ));
    let large = jwt_of_length(an_hour_of_claims(), 200 * 1024);
    gateway.authorization_server.answer("opaque", Answer::jwt(&large).max_age(60));
    for _ in 0..2 {
        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!((response.status, status_of(&response).as_str()), (200, "MISS"));
    }
}

fn status_of(response: &Response) -> String {
    response.header("x-cache").expect("a cache status").to_owned()
}
