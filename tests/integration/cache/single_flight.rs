//! Requests for the same token at the same time: one introspects for all.

use phantom_token_devkit::{
    Answer, Gate, Gateway, Http2Connection, expect,
    jwt::{an_hour_of_claims, jwt},
};
use serde_json::json;

use crate::crowd::{Crowd, assert_all, count_of, gateway, request_until_introspected};

/// Who waits for that long is given up before.
const FOREVER: &str = "phantom_token_cache_lock_timeout 600s;";

#[test]
fn two_hundred_requests_for_a_new_token_in_two_workers_make_one_introspection() {
    let gateway = gateway(2, FOREVER);
    let (gate, jwt) = gated(&gateway, "opaque", |answer| answer.max_age(60));
    let crowd = Crowd::send(&gateway, 200, "opaque");

    gate.open();
    let answers = crowd.answers();

    assert_all(&answers, 200);
    assert_eq!(gateway.authorization_server.count(), 1);
    assert_eq!((count_of(&answers, "MISS"), count_of(&answers, "COALESCED")), (1, 199));
    let authorization = format!("Bearer {jwt}");
    for arrived in gateway.api.requests() {
        assert_eq!(arrived.header("authorization"), Some(authorization.as_str()));
    }
}

#[test]
fn an_answer_that_may_not_be_stored_lets_all_others_introspect_at_once() {
    const SIZE: usize = 50;
    let gateway = gateway(2, "phantom_token_cache_lock_timeout 60s;");
    let (first, others) = (Gate::closed(), Gate::closed());
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).header("Cache-Control", "no-store");
    let answers = [answer.clone().after(&first), answer.after(&others)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let crowd = Crowd::send(&gateway, SIZE, "opaque");
    assert_eq!(gateway.authorization_server.count(), 1);

    first.open();
    // None of these is answered before all of them are asked.
    gateway.authorization_server.wait_for(SIZE);
    others.open();
    let answers = crowd.answers();

    assert_all(&answers, 200);
    assert_eq!(count_of(&answers, "MISS"), SIZE);
    assert_eq!(gateway.authorization_server.count(), SIZE);
}

#[test]
fn an_inactive_token_is_refused_to_all_who_wait() {
    let gateway = gateway(2, "");
    let gate = Gate::closed();
    gateway.authorization_server.answer("opaque", Answer::inactive().after(&gate));
    let crowd = Crowd::send(&gateway, 20, "opaque");

    gate.open();
    let answers = crowd.answers();

    for answer in &answers {
        assert!(expect::unauthorized(answer).contains("invalid_token"));
    }
    assert_eq!((count_of(&answers, "MISS"), count_of(&answers, "COALESCED")), (1, 19));
    assert_eq!(gateway.authorization_server.count(), 1);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn a_failure_is_shared_by_all_who_wait_and_not_repeated() {
    let table = [
        (Answer::status(503).header("Retry-After", "7"), 503, Some("7")),
        (Answer::status(500), 502, None),
        (Answer::status(504), 504, None),
        (Answer::status(401), 502, None),
        (Answer::jwt("no jwt"), 502, None),
    ];
    for (answer, status, retry_after) in table {
        let gateway = gateway(2, "");
        let gate = Gate::closed();
        gateway.authorization_server.answer("opaque", answer.after(&gate));
        let crowd = Crowd::send(&gateway, 20, "opaque");

        gate.open();
        let answers = crowd.answers();

        for answer in &answers {
            expect::server_error(answer, status);
            assert_eq!(answer.header("retry-after"), retry_after);
        }
        assert_eq!(gateway.authorization_server.count(), 1, "{status}");
    }
}

#[test]
fn a_failure_is_forgotten_when_those_who_waited_know_of_it() {
    let gateway = gateway(2, "");
    let gate = Gate::closed();
    let good = Answer::jwt(&jwt(an_hour_of_claims()));
    let answers = [Answer::status(503).after(&gate), good];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let crowd = Crowd::send(&gateway, 20, "opaque");
    gate.open();
    assert_all(&crowd.answers(), 503);

    let next = gateway.get("/").bearer("opaque").send();

    assert_eq!(next.status, 200);
}

#[test]
fn a_request_after_an_inactive_answer_introspects_afresh() {
    let gateway = gateway(2, "");
    let gate = Gate::closed();
    let good = Answer::jwt(&jwt(an_hour_of_claims()));
    let answers = [Answer::inactive().after(&gate), good];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let crowd = Crowd::send(&gateway, 20, "opaque");
    gate.open();
    assert_all(&crowd.answers(), 401);

    let next = gateway.get("/").bearer("opaque").send();

    assert_eq!(next.status, 200);
}

#[test]
fn an_expired_answer_is_renewed_once_for_all() {
    let gateway = gateway(2, "");
    let gate = Gate::closed();
    let answer = Answer::jwt(&jwt(an_hour_of_claims()));
    let answers = [answer.clone().max_age(1), answer.max_age(60).after(&gate)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    gateway.get("/").bearer("opaque").send();
    let mut leader = request_until_introspected(&gateway, "opaque", 2);
    let crowd = Crowd::send(&gateway, 20, "opaque");

    gate.open();
    let answers = crowd.answers();

    assert_all(&answers, 200);
    assert_eq!(count_of(&answers, "COALESCED"), 20);
    assert_eq!(leader.read("GET").header("x-cache"), Some("EXPIRED"));
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn without_the_lock_every_request_introspects() {
    const SIZE: usize = 20;
    let gateway = gateway(2, "phantom_token_cache_lock off;");
    let (gate, _) = gated(&gateway, "opaque", |answer| answer.max_age(60));
    let crowd = Crowd::send(&gateway, SIZE, "opaque");

    gateway.authorization_server.wait_for(SIZE);
    gate.open();
    let answers = crowd.answers();

    assert_all(&answers, 200);
    assert_eq!(count_of(&answers, "MISS"), SIZE);
}

#[test]
fn requests_for_another_token_do_not_wait() {
    let gateway = gateway(2, "");
    let (gate, _) = gated(&gateway, "slow", |answer| answer.max_age(60));
    gateway.activate("opaque");
    let crowd = Crowd::send(&gateway, 20, "slow");

    let response = gateway.get("/").bearer("opaque").send();
    let waiting = gateway.api.count();
    gate.open();

    assert_eq!((response.status, response.header("x-cache")), (200, Some("MISS")));
    assert_eq!(waiting, 1, "only this request reached the API");
    assert_all(&crowd.answers(), 200);
}

#[test]
fn locations_that_ask_differently_do_not_wait_for_each_other() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         location /a { proxy_pass http://{api}; }
         location /b {
             phantom_token_introspection_accept_header application/json;
             proxy_pass http://{api};
         }",
    );
    let gate = Gate::closed();
    let jwt = jwt(an_hour_of_claims());
    let answers = [
        Answer::jwt(&jwt).max_age(60).after(&gate),
        Answer::json(json!({"active": true, "jwt": jwt})).max_age(60),
    ];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let mut slow = gateway.connect();
    slow.write(&gateway.get("/a").bearer("opaque").to_bytes());
    gateway.authorization_server.wait_for(1);

    let response = gateway.get("/b").bearer("opaque").send();
    gate.open();

    assert_eq!(response.status, 200);
    assert_eq!(slow.read("GET").status, 200);
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn streams_of_http_2_wait_for_one_introspection() {
    let gateway = Gateway::with_http(
        "server {
             listen 127.0.0.1:{port} http2;
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 add_header X-Cache $phantom_token_cache_status always;
                 proxy_pass http://{api};
             }
             location = /worker { return 200; }
             location = /introspection { internal; proxy_pass http://{as}; }
         }",
    );
    let (gate, _) = gated(&gateway, "opaque", |answer| answer.max_age(60));
    let connection = Http2Connection::open(gateway.address(), 65_535);
    let headers = [("authorization", "Bearer opaque")];
    let streams: Vec<_> = (0..50).map(|_| connection.send("GET", "/", &headers, "")).collect();
    // A connection's streams begin in order.
    connection.send("GET", "/worker", &[], "").finish();

    gate.open();
    let statuses: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            let head = stream.head();
            assert_eq!(head.status(), 200);
            head.headers()["x-cache"].to_str().unwrap().to_owned()
        })
        .collect();

    assert_eq!(gateway.authorization_server.count(), 1);
    assert_eq!(statuses.iter().filter(|status| *status == "COALESCED").count(), 49);
}

/// Makes a token active, behind a gate; gives the gate and the JWT.
fn gated(gateway: &Gateway, token: &str, change: impl Fn(Answer) -> Answer) -> (Gate, String) {
    let (gate, jwt) = (Gate::closed(), jwt(an_hour_of_claims()));
    let answer = change(Answer::jwt(&jwt)).after(&gate);
    gateway.authorization_server.answer(token, answer);
    (gate, jwt)
}
