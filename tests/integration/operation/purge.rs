//! `phantom_token_purge`.

use phantom_token_devkit::{
    Answer, Gate, Gateway, Response,
    jwt::{an_hour_of_claims, jwt},
};
use serde_json::json;

use crate::crowd::{self, connection_to_each_worker};

#[test]
fn a_purged_token_is_introspected_afresh_and_others_are_kept() {
    let gateway = crowd::gateway(1, "");
    for token in ["purged", "kept"] {
        gateway.activate(token);
        gateway.get("/").bearer(token).send();
    }

    let response = purge(&gateway, "token=purged");

    assert_eq!((response.status, response.text().as_str()), (200, r#"{"purged":true}"#));
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(cache_status(&gateway, "purged"), "MISS");
    assert_eq!(cache_status(&gateway, "kept"), "HIT");
}

#[test]
fn all_tokens_are_purged_at_once() {
    let gateway = crowd::gateway(1, "");
    let tokens: Vec<_> = (0..50).map(|number| format!("token-{number}")).collect();
    for token in &tokens {
        gateway.activate(token);
        gateway.get("/").bearer(token).send();
    }

    assert_eq!(purge(&gateway, "all=true").status, 200);

    for token in &tokens {
        assert_eq!(cache_status(&gateway, token), "MISS");
        assert_eq!(cache_status(&gateway, token), "HIT");
    }
}

#[test]
fn a_token_is_purged_in_all_zones_and_for_all_locations() {
    let gateway = Gateway::with_http(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         phantom_token_cache_zone phantom_token:1m;
         phantom_token_cache_zone other:1m;
         add_header X-Cache $phantom_token_cache_status;
         server {
             listen 127.0.0.1:{port};
             location /jwt { proxy_pass http://{api}; }
             location /json {
                 phantom_token_introspection_accept_header application/json;
                 proxy_pass http://{api};
             }
             location /other { phantom_token_cache other; proxy_pass http://{api}; }
             location = /purge { phantom_token off; phantom_token_purge; }
             location = /introspection { internal; proxy_pass http://{as}; }
         }",
    );
    let answer = Answer::json(json!({"active": true, "jwt": jwt(an_hour_of_claims())}));
    gateway.authorization_server.answer("opaque", answer.max_age(60));
    let statuses = || {
        ["/jwt", "/json", "/other"].map(|target| {
            let response = gateway.get(target).bearer("opaque").send();
            response.header("x-cache").unwrap().to_owned()
        })
    };
    assert_eq!(statuses(), ["MISS", "MISS", "MISS"]);
    assert_eq!(statuses(), ["HIT", "HIT", "HIT"]);

    purge(&gateway, "token=opaque");

    assert_eq!(statuses(), ["MISS", "MISS", "MISS"]);
}

#[test]
fn a_purge_is_seen_by_all_workers_at_once() {
    for worker_cache in ["1024", "off"] {
        for form in ["token=opaque", "all=true"] {
            let gateway = crowd::gateway(4, &format!("phantom_token_worker_cache {worker_cache};"));
            let (old, new) = (jwt(json!({"number": 1})), jwt(json!({"number": 2})));
            let answers = [&old, &new].map(|jwt| Answer::jwt(jwt).max_age(60));
            gateway.authorization_server.answer_in_turn("opaque", answers);
            let mut connections = connection_to_each_worker(&gateway);
            for connection in connections.values_mut() {
                for _ in 0..2 {
                    gateway.get("/").bearer("opaque").send_on(connection);
                }
            }
            let before = gateway.api.count();

            purge(&gateway, form);

            for connection in connections.values_mut() {
                gateway.get("/").bearer("opaque").send_on(connection);
            }
            for request in &gateway.api.requests()[before..] {
                let expected = format!("Bearer {new}");
                assert_eq!(request.header("authorization"), Some(expected.as_str()), "{form}");
            }
            assert_eq!(gateway.authorization_server.count(), 2, "{form} {worker_cache}");
        }
    }
}

#[test]
fn an_answer_that_was_asked_for_before_the_purge_is_not_stored() {
    for form in ["token=opaque", "all=true"] {
        let gateway = crowd::gateway(1, "");
        let gate = Gate::closed();
        let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
        gateway.authorization_server.answer("opaque", answer.after(&gate));
        let mut connection = gateway.connect();
        connection.write(&gateway.get("/").bearer("opaque").to_bytes());
        gateway.authorization_server.wait_for(1);

        purge(&gateway, form);
        gate.open();

        assert_eq!(connection.read("GET").status, 200, "{form}");
        assert_eq!(cache_status(&gateway, "opaque"), "MISS", "{form}");
        assert_eq!(cache_status(&gateway, "opaque"), "HIT", "{form}");
    }
}

#[test]
fn what_is_remembered_of_an_inactive_token_is_purged_as_well() {
    for form in ["token=opaque", "all=true"] {
        let gateway = crowd::gateway(1, "phantom_token_cache_inactive_valid 60s;");
        assert_eq!(gateway.get("/").bearer("opaque").send().status, 401);
        gateway.activate("opaque");
        assert_eq!(gateway.get("/").bearer("opaque").send().status, 401);

        purge(&gateway, form);

        assert_eq!(gateway.get("/").bearer("opaque").send().status, 200, "{form}");
    }
}

#[test]
fn a_token_is_decoded_and_its_type_hint_ignored() {
    let gateway = crowd::gateway(1, "");
    gateway.activate("a+b/c==");
    gateway.get("/").bearer("a+b/c==").send();

    let response = purge(&gateway, "token_type_hint=refresh_token&token=a%2Bb%2Fc%3D%3D");

    assert_eq!(response.status, 200);
    assert_eq!(cache_status(&gateway, "a+b/c=="), "MISS");
}

#[test]
fn a_form_that_does_not_say_exactly_what_to_purge_is_refused_and_purges_nothing() {
    let gateway = crowd::gateway(1, "");
    gateway.activate("opaque");
    gateway.get("/").bearer("opaque").send();
    let forms =
        ["", "token=", "token", "all=1", "all=false", "token=opaque&all=true", "opaque", "a=b"];
    for form in forms {
        let response = purge(&gateway, form);

        assert_eq!(response.status, 400, "{form}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{form}");
        assert_eq!(response.json()["code"], "invalid_request", "{form}");
        assert_eq!(cache_status(&gateway, "opaque"), "HIT", "{form}");
    }
}

#[test]
fn what_cannot_be_a_token_is_refused_with_what_to_do() {
    let gateway = crowd::gateway(1, "");
    gateway.activate("ab+cd/ef==");
    gateway.get("/").bearer("ab+cd/ef==").send();
    for form in [
        "token=ab+cd/ef==",
        "token=Bearer+x",
        "token=Bearer%20ab%2Bcd%2Fef%3D%3D",
        "token=x%0A",
        "token=x\n",
        "token=%22x%22",
        "token='x', 'y'",
        "token=t%C3%B6ken",
        "token=%00",
    ] {
        let response = purge(&gateway, form);

        assert_eq!(response.status, 400, "{form}");
        let body = response.json();
        assert_eq!(body["code"], "invalid_request", "{form}");
        let message = body["message"].as_str().unwrap();
        assert!(message.contains("--data-urlencode"), "{form}: {message}");
        assert_eq!(cache_status(&gateway, "ab+cd/ef=="), "HIT", "{form}");
    }
    assert!(!gateway.error_log().contains("purged"));

    let response = purge(&gateway, "token=ab%2Bcd%2Fef%3D%3D");

    assert_eq!(response.status, 200);
    assert_eq!(cache_status(&gateway, "ab+cd/ef=="), "MISS");
}

#[test]
fn a_token_of_any_syntax_is_purged() {
    let gateway = crowd::gateway(1, "phantom_token_token_syntax visible;");
    gateway.activate("12|a:b");
    for form in ["token=12|a:b", "token=12%7Ca%3Ab"] {
        gateway.get("/").bearer("12|a:b").send();

        assert_eq!(purge(&gateway, form).status, 200, "{form}");

        assert_eq!(cache_status(&gateway, "12|a:b"), "MISS", "{form}");
    }
}

#[test]
fn a_request_without_a_body_is_refused() {
    let gateway = crowd::gateway(1, "");

    let response = gateway.request("POST", "/purge").send();

    assert_eq!(response.status, 400);
}

#[test]
fn any_other_method_than_post_is_refused_and_purges_nothing() {
    let gateway = crowd::gateway(1, "");
    gateway.activate("opaque");
    gateway.get("/").bearer("opaque").send();
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let response = gateway.request(method, "/purge?token=opaque").body("all=true").send();

        assert_eq!(response.status, 405, "{method}");
        assert_eq!(cache_status(&gateway, "opaque"), "HIT", "{method}");
    }
}

#[test]
fn a_form_is_read_however_it_arrives() {
    let hint = "h".repeat(100_000);
    let large = format!("token_type_hint={hint}&token=opaque");
    let gateway = crowd::gateway(1, "");
    gateway.activate("opaque");
    let request = || gateway.request("POST", "/purge");
    let requests = [
        request().body("token=opaque"),
        request().chunked_body(b"token=opaque", 3),
        // This one goes through a temporary file.
        request().body(large.as_str()),
        request().chunked_body(large.as_bytes(), 5000),
    ];
    for (number, request) in requests.into_iter().enumerate() {
        gateway.get("/").bearer("opaque").send();

        let response = request.send();

        assert_eq!(response.status, 200, "request {number}: {}", response.text());
        assert_eq!(cache_status(&gateway, "opaque"), "MISS", "request {number}");
    }
}

#[test]
fn a_form_that_is_too_large_is_refused() {
    let gateway = crowd::gateway(1, "");
    let form = format!("token={}", "t".repeat(300_000));

    let response = purge(&gateway, &form);

    assert_eq!(response.status, 413);
    assert_eq!(response.json()["code"], "invalid_request");
}

#[test]
fn a_purge_is_logged_without_the_token() {
    let gateway = crowd::gateway(1, "");

    purge(&gateway, "token=opaque-secret");

    let line = gateway.wait_for_log("purged");
    assert!(line.contains("[notice]"), "{line}");
    assert!(line.contains(r#""phantom_token""#), "the zone is named: {line}");
    assert!(!gateway.error_log().contains("opaque-secret"));
    assert!(!gateway.log_named("access.log").contains("opaque-secret"));
}

#[test]
fn a_connection_is_used_on_after_a_purge() {
    let gateway = crowd::gateway(1, "");
    gateway.activate("opaque");
    let mut connection = gateway.connect();
    for form in ["token=opaque", "nonsense", "all=true"] {
        gateway.request("POST", "/purge").body(form).send_on(&mut connection);

        let response = gateway.get("/").bearer("opaque").send_on(&mut connection);

        assert_eq!(response.status, 200, "{form}");
    }
}

fn purge(gateway: &Gateway, form: &str) -> Response {
    let content_type = "application/x-www-form-urlencoded";
    gateway.request("POST", "/purge").header("Content-Type", content_type).body(form).send()
}

fn cache_status(gateway: &Gateway, token: &str) -> String {
    let response = gateway.get("/").bearer(token).send();
    response.header("x-cache").expect("a cache status").to_owned()
}
