//! How long it is remembered that a token is inactive.

use phantom_token_devkit::{
    Answer, Gateway, eventually, expect,
    jwt::{an_hour_of_claims, jwt, jwt_of_length},
};
use serde_json::json;

use crate::crowd::{self, connection_to_each_worker};

const VALID: &str = "phantom_token_cache_inactive_valid 60s;";
const SHOW: &str = "add_header X-Cache $phantom_token_cache_status always;";

#[test]
fn an_inactive_token_is_introspected_each_time_unless_configured() {
    for directive in ["", "phantom_token_cache_inactive_valid off;", "phantom_token_cache off;"] {
        let gateway = Gateway::with(&format!("phantom_token_cache_valid 60s; {directive}"));
        gateway.authorization_server.answer("opaque", Answer::inactive().max_age(60));

        for _ in 0..3 {
            expect::unauthorized(&gateway.get("/").bearer("opaque").send());
        }

        assert_eq!(gateway.authorization_server.count(), 3, "{directive}");
    }
}

#[test]
fn an_inactive_token_is_introspected_once_while_it_is_remembered() {
    let answers = [Answer::inactive(), Answer::json(json!({"active": false}))];
    for answer in answers {
        let gateway = Gateway::with(&format!("{VALID} {SHOW}"));
        gateway.authorization_server.answer("opaque", answer.clone());

        let responses: Vec<_> = (0..3).map(|_| gateway.get("/").bearer("opaque").send()).collect();

        for response in &responses {
            assert!(expect::unauthorized(response).contains("invalid_token"), "{answer:?}");
        }
        let statuses: Vec<_> =
            responses.iter().map(|response| response.header("x-cache").unwrap()).collect();
        assert_eq!(statuses, ["MISS", "HIT", "HIT"], "{answer:?}");
        assert_eq!(gateway.authorization_server.count(), 1, "{answer:?}");
    }
}

#[test]
fn a_jwt_that_came_too_late_does_not_make_its_token_inactive() {
    let gateway = Gateway::with(VALID);
    let answers = [Answer::jwt(&jwt(json!({"exp": 1}))), Answer::jwt(&jwt(an_hour_of_claims()))];
    gateway.authorization_server.answer_in_turn("opaque", answers);

    expect::unauthorized(&gateway.get("/").bearer("opaque").send());
    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
}

#[test]
fn all_workers_remember_it() {
    let gateway = crowd::gateway(4, VALID);
    gateway.get("/").bearer("opaque").send();

    for mut connection in connection_to_each_worker(&gateway).into_values() {
        let response = gateway.get("/").bearer("opaque").send_on(&mut connection);
        assert_eq!((response.status, response.header("x-cache")), (401, Some("HIT")));
    }

    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn an_answer_that_forbids_storing_is_not_remembered_unless_that_is_ignored() {
    let ignore = "phantom_token_cache_ignore_headers Cache-Control;";
    for (directive, introspections) in [("", 2), (ignore, 1)] {
        let gateway = Gateway::with(&format!("{VALID} {directive}"));
        let answer = Answer::inactive().header("Cache-Control", "no-store");
        gateway.authorization_server.answer("opaque", answer);

        gateway.get("/").bearer("opaque").send();
        gateway.get("/").bearer("opaque").send();

        assert_eq!(gateway.authorization_server.count(), introspections, "{directive}");
    }
}

#[test]
fn it_is_remembered_for_as_long_as_the_answer_or_the_directive_says_whichever_is_less() {
    let table = [
        ("phantom_token_cache_inactive_valid 1s;", Answer::inactive()),
        ("phantom_token_cache_inactive_valid 1s;", Answer::inactive().max_age(600)),
        ("phantom_token_cache_inactive_valid 600s;", Answer::inactive().max_age(1)),
        (
            "phantom_token_cache_inactive_valid 600s; phantom_token_cache_max_valid 1s;",
            Answer::inactive(),
        ),
    ];
    for (directives, answer) in table {
        let gateway = Gateway::with(directives);
        let active = Answer::jwt(&jwt(an_hour_of_claims()));
        gateway.authorization_server.answer_in_turn("opaque", [answer.clone(), active]);
        expect::unauthorized(&gateway.get("/").bearer("opaque").send());

        eventually(|| {
            let response = gateway.get("/").bearer("opaque").send();
            (response.status == 200).then_some(())
        })
        .expect("an end of the memory");

        assert_eq!(gateway.authorization_server.count(), 2, "{directives} {answer:?}");
    }
}

#[test]
fn a_flood_of_inactive_tokens_does_not_push_out_an_active_one() {
    let gateway = Gateway::with_http(&format!(
        "phantom_token_cache_zone small:128k;
         keepalive_requests 10000;
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_cache small;
                 phantom_token_worker_cache off;
                 phantom_token_introspection_endpoint /introspection;
                 {VALID}
                 {SHOW}
                 proxy_pass http://{{api}};
             }}
             location = /introspection {{ internal; proxy_pass http://{{as}}; }}
         }}"
    ));
    let active = jwt_of_length(an_hour_of_claims(), 1000);
    gateway.authorization_server.answer("active", Answer::jwt(&active).max_age(600));
    gateway.get("/").bearer("active").send();
    let mut connection = gateway.connect();

    for number in 0..3000 {
        let token = format!("inactive-{number}");
        let response = gateway.get("/").bearer(&token).send_on(&mut connection);
        assert_eq!(response.status, 401);
    }

    let response = gateway.get("/").bearer("active").send();
    assert_eq!((response.status, response.header("x-cache")), (200, Some("HIT")));
}
