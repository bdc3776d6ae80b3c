//! Requests that ask to introspect afresh.

use phantom_token_devkit::{
    Answer, Gate, Gateway, Response, expect,
    jwt::{an_hour_of_claims, jwt},
};
use serde_json::json;

use crate::crowd::{self, connection_to_each_worker};

const BYPASS: &str = "phantom_token_cache_bypass $http_x_fresh;";
const SHOW: &str = "add_header X-Cache $phantom_token_cache_status always;";

#[test]
fn any_value_that_is_neither_empty_nor_0_introspects_afresh() {
    let gateway =
        Gateway::with(&format!("phantom_token_cache_bypass $http_x_fresh $arg_fresh; {SHOW}"));
    gateway.activate("opaque");
    gateway.get("/").bearer("opaque").send();
    let table = [
        ("/", "", "HIT"),
        ("/", "0", "HIT"),
        ("/?fresh=0", "0", "HIT"),
        ("/?fresh=", "", "HIT"),
        ("/", "1", "BYPASS"),
        ("/", "00", "BYPASS"),
        ("/", "no", "BYPASS"),
        ("/?fresh=1", "", "BYPASS"),
        ("/?fresh=1", "0", "BYPASS"),
        ("/?fresh=1", "1", "BYPASS"),
    ];
    for (target, value, status) in table {
        let before = gateway.authorization_server.count();

        let response = gateway.get(target).bearer("opaque").header("X-Fresh", value).send();

        assert_eq!(response.status, 200);
        assert_eq!(response.header("x-cache"), Some(status), "{target} {value:?}");
        let introspections = gateway.authorization_server.count() - before;
        assert_eq!(introspections, usize::from(status == "BYPASS"), "{target} {value:?}");
    }
}

#[test]
fn the_fresh_answer_takes_the_place_of_the_stored_one() {
    for worker_cache in ["1024", "off"] {
        let gateway =
            Gateway::with(&format!("{BYPASS} {SHOW} phantom_token_worker_cache {worker_cache};"));
        let (old, new) = (jwt(json!({"number": 1})), jwt(json!({"number": 2})));
        let answers = [&old, &new].map(|jwt| Answer::jwt(jwt).max_age(60));
        gateway.authorization_server.answer_in_turn("opaque", answers);
        gateway.get("/").bearer("opaque").send();
        gateway.get("/").bearer("opaque").send();

        fetch_afresh(&gateway);
        let next = gateway.get("/").bearer("opaque").send();

        assert_eq!(next.header("x-cache"), Some("HIT"), "{worker_cache}");
        let authorizations: Vec<_> = gateway
            .api
            .requests()
            .into_iter()
            .map(|request| request.header("authorization").unwrap().to_owned())
            .collect();
        let expected = [&old, &old, &new, &new].map(|jwt| format!("Bearer {jwt}"));
        assert_eq!(authorizations, expected, "{worker_cache}");
        assert_eq!(gateway.authorization_server.count(), 2, "{worker_cache}");
    }
}

#[test]
fn it_stores_what_was_not_stored() {
    let gateway = Gateway::with(&format!("{BYPASS} {SHOW}"));
    gateway.activate("opaque");

    fetch_afresh(&gateway);

    let next = gateway.get("/").bearer("opaque").send();
    assert_eq!(next.header("x-cache"), Some("HIT"));
}

#[test]
fn it_does_not_wait_for_another_introspection() {
    let gateway = Gateway::with(&format!("{BYPASS} {SHOW}"));
    let gate = Gate::closed();
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
    gateway.authorization_server.answer_in_turn("opaque", [answer.clone().after(&gate), answer]);
    let mut slow = gateway.connect();
    slow.write(&gateway.get("/").bearer("opaque").to_bytes());
    gateway.authorization_server.wait_for(1);

    let response = fetch_afresh(&gateway);
    gate.open();

    assert_eq!((response.status, response.header("x-cache")), (200, Some("BYPASS")));
    assert_eq!(slow.read("GET").status, 200);
}

#[test]
fn a_fresh_answer_that_may_not_be_stored_leaves_none_behind() {
    for worker_cache in ["1024", "off"] {
        let gateway =
            crowd::gateway(2, &format!("{BYPASS} phantom_token_worker_cache {worker_cache};"));
        let answer = Answer::jwt(&jwt(an_hour_of_claims()));
        let answers = [answer.clone().max_age(60), answer.header("Cache-Control", "no-store")];
        gateway.authorization_server.answer_in_turn("opaque", answers);
        let mut connections = warm(&gateway);

        fetch_afresh(&gateway);

        for connection in &mut connections {
            let next = gateway.get("/").bearer("opaque").send_on(connection);
            assert_eq!(next.header("x-cache"), Some("MISS"), "{worker_cache}");
        }
    }
}

#[test]
fn a_token_that_proves_inactive_is_dropped_in_all_workers() {
    for worker_cache in ["1024", "off"] {
        let gateway =
            crowd::gateway(4, &format!("{BYPASS} phantom_token_worker_cache {worker_cache};"));
        let active = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
        gateway.authorization_server.answer_in_turn("opaque", [active, Answer::inactive()]);
        let mut connections = warm(&gateway);

        expect::unauthorized(&fetch_afresh(&gateway));

        for connection in &mut connections {
            let next = gateway.get("/").bearer("opaque").send_on(connection);
            assert_eq!(next.status, 401, "{worker_cache}");
        }
    }
}

#[test]
fn a_failure_leaves_the_stored_answer_and_is_not_covered_by_it() {
    let gateway = Gateway::with(&format!(
        "{BYPASS} {SHOW} phantom_token_cache_use_stale error timeout http_503 updating;"
    ));
    let active = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
    gateway.authorization_server.answer_in_turn("opaque", [active, Answer::status(503)]);
    gateway.get("/").bearer("opaque").send();

    let failed = fetch_afresh(&gateway);
    let next = gateway.get("/").bearer("opaque").send();

    expect::server_error(&failed, 503);
    assert_eq!(failed.header("x-cache"), Some("BYPASS"));
    assert_eq!((next.status, next.header("x-cache")), (200, Some("HIT")));
}

fn fetch_afresh(gateway: &Gateway) -> Response {
    gateway.get("/").bearer("opaque").header("X-Fresh", "1").send()
}

/// Has the token's JWT cached in all workers; gives a connection to each.
fn warm(gateway: &Gateway) -> Vec<phantom_token_devkit::Connection> {
    gateway.get("/").bearer("opaque").send();
    let mut connections: Vec<_> = connection_to_each_worker(gateway).into_values().collect();
    for connection in &mut connections {
        let hit = gateway.get("/").bearer("opaque").send_on(connection);
        assert_eq!(hit.header("x-cache"), Some("HIT"));
    }
    connections
}
