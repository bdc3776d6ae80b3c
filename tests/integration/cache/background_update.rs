//! Renewal of a JWT in use before it goes stale.

use phantom_token_devkit::{
    Answer, Connection, Gate, Gateway, eventually, expect, jwt::numbered_jwt,
};

use crate::crowd::{self, connection_to_each_worker};

/// Makes a JWT that is good for a minute due from the start.
const DUE: &str = "phantom_token_cache_background_update on before=120s;";
const MINUTE: u64 = 60;
const TEN_MINUTES: u64 = 600;

#[test]
fn a_hit_shortly_before_the_jwt_goes_stale_is_answered_at_once_and_renews_it() {
    let gateway = crowd::gateway(2, DUE);
    let gate = Gate::closed();
    let (old, new) = (numbered_jwt(1), numbered_jwt(2));
    let answers = [storable(&old, MINUTE), storable(&new, TEN_MINUTES).after(&gate)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    gateway.get("/").bearer("opaque").send();

    let hits: Vec<_> = (0..5).map(|_| gateway.get("/").bearer("opaque").send()).collect();
    gateway.authorization_server.wait_for(2);
    assert!(gateway.api.requests().iter().all(|request| is_with(request, &old)));
    gate.open();

    for hit in hits {
        assert_eq!((hit.status, hit.header("x-cache")), (200, Some("HIT")));
    }
    eventually(|| {
        let hit = gateway.get("/").bearer("opaque").send();
        assert_eq!(hit.header("x-cache"), Some("HIT"));
        is_with(gateway.api.requests().last().unwrap(), &new).then_some(())
    })
    .expect("hit with the new JWT");
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn a_renewed_jwt_is_used_by_all_workers_and_not_renewed_again() {
    for worker_cache in ["1024", "off"] {
        let gateway =
            crowd::gateway(2, &format!("{DUE} phantom_token_worker_cache {worker_cache};"));
        let gate = Gate::closed();
        let (old, new) = (numbered_jwt(1), numbered_jwt(2));
        let answers = [storable(&old, MINUTE), storable(&new, TEN_MINUTES).after(&gate)];
        gateway.authorization_server.answer_in_turn("opaque", answers);
        // One renewal is under way while all workers keep the old JWT.
        gateway.get("/").bearer("opaque").send();
        gateway.get("/").bearer("opaque").send();
        gateway.authorization_server.wait_for(2);
        let mut connections = connection_to_each_worker(&gateway);
        for connection in connections.values_mut() {
            gateway.get("/").bearer("opaque").send_on(connection);
        }
        gate.open();
        eventually(|| {
            gateway.get("/").bearer("opaque").send();
            is_with(gateway.api.requests().last().unwrap(), &new).then_some(())
        })
        .expect("hit with the new JWT");

        for connection in connections.values_mut() {
            for _ in 0..5 {
                gateway.get("/").bearer("opaque").send_on(connection);

                assert!(is_with(gateway.api.requests().last().unwrap(), &new), "{worker_cache}");
            }
        }

        assert_eq!(gateway.authorization_server.count(), 2, "{worker_cache}");
    }
}

#[test]
fn a_jwt_that_is_not_about_to_go_stale_is_not_renewed() {
    for directive in ["on", "on before=30s", "off"] {
        let gateway = Gateway::with(&format!("phantom_token_cache_background_update {directive};"));
        gateway.activate("opaque");

        for _ in 0..10 {
            assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
        }

        assert_eq!(gateway.authorization_server.count(), 1, "{directive}");
    }
}

#[test]
fn a_jwt_is_renewed_five_seconds_before_it_goes_stale_unless_another_time_is_given() {
    let gateway = Gateway::with("phantom_token_cache_background_update on;");
    let answers = [storable(&numbered_jwt(1), 4), storable(&numbered_jwt(2), MINUTE)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    gateway.get("/").bearer("opaque").send();

    gateway.get("/").bearer("opaque").send();

    gateway.authorization_server.wait_for(2);
}

#[test]
fn a_renewal_that_fails_leaves_the_jwt_in_use_until_it_is_stale() {
    let gateway = Gateway::with(&format!("{DUE} add_header X-Cache $phantom_token_cache_status;"));
    let old = numbered_jwt(1);
    let answers = [storable(&old, 5), Answer::status(503)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    gateway.get("/").bearer("opaque").send();

    gateway.get("/").bearer("opaque").send();
    let line = gateway.wait_for_log("not renewed in the background");
    let after_failure = gateway.get("/").bearer("opaque").send();
    let stale = eventually(|| {
        let response = gateway.get("/").bearer("opaque").send();
        (response.status != 200).then_some(response)
    })
    .expect("refusal");

    assert!(line.contains("[warn]"), "{line}");
    assert_eq!((after_failure.status, after_failure.header("x-cache")), (200, Some("HIT")));
    assert!(gateway.api.requests().iter().all(|request| is_with(request, &old)));
    expect::server_error(&stale, 503);
}

#[test]
fn a_token_that_proves_inactive_is_dropped_in_all_workers_at_once() {
    for worker_cache in ["1024", "off"] {
        let gateway =
            crowd::gateway(4, &format!("{DUE} phantom_token_worker_cache {worker_cache};"));
        let gate = Gate::closed();
        let answers = [storable(&numbered_jwt(1), MINUTE), Answer::inactive().after(&gate)];
        gateway.authorization_server.answer_in_turn("opaque", answers);
        gateway.get("/").bearer("opaque").send();
        gateway.get("/").bearer("opaque").send();
        gateway.authorization_server.wait_for(2);
        let mut connections = connection_to_each_worker(&gateway);
        for connection in connections.values_mut() {
            assert_eq!(gateway.get("/").bearer("opaque").send_on(connection).status, 200);
        }

        gate.open();
        eventually(|| {
            let status = gateway.get("/").bearer("opaque").send().status;
            (status == 401).then_some(())
        })
        .expect("refusal");

        for connection in connections.values_mut() {
            let response = gateway.get("/").bearer("opaque").send_on(connection);
            assert_eq!(response.status, 401, "{worker_cache}");
        }
    }
}

#[test]
fn a_request_with_a_body_carries_no_renewal() {
    let gateway = with_renewal();
    for request in [
        gateway.request("POST", "/").body("a body"),
        gateway.request("POST", "/").chunked_body(b"a body", 3),
    ] {
        let response = request.bearer("opaque").send();

        assert_eq!((response.status, response.header("x-cache")), (200, Some("HIT")));
        assert_eq!(renewals(&gateway), 0);
    }
    assert_a_plain_request_renews(&gateway);
}

#[test]
fn a_request_that_ends_its_connection_carries_no_renewal() {
    let gateway = with_renewal();
    let closing = gateway.get("/").bearer("opaque").header("Connection", "close").to_bytes();
    let http_1_0 = b"GET / HTTP/1.0\r\nAuthorization: Bearer opaque\r\n\r\n".to_vec();
    for request in [closing, http_1_0] {
        let mut connection = gateway.connect();
        connection.write(&request);
        let response = connection.read("GET");

        assert_eq!((response.status, response.header("x-cache")), (200, Some("HIT")));
        assert_eq!(renewals(&gateway), 0);
    }
    assert_a_plain_request_renews(&gateway);
}

#[test]
fn a_renewal_that_limit_req_delays_ends_and_lets_its_connection_go_on() {
    let mut gateway = Gateway::with_http(&format!(
        "limit_req_zone all zone=delaying:1m rate=30r/m;
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 {DUE}
                 proxy_pass http://{{api}};
             }}
             location = /ask {{
                 internal;
                 limit_req zone=delaying burst=20;
                 proxy_pass http://{{as}};
             }}
         }}"
    ));
    gateway.activate("opaque");
    let get = |connection: &mut Connection| gateway.get("/").bearer("opaque").send_on(connection);
    let mut connection = gateway.connect();

    let statuses = [(); 3].map(|()| get(&mut connection).status);

    assert_eq!(statuses, [200; 3]);
    gateway.authorization_server.wait_for(2);
    gateway.wait_for_log("delaying request");
    gateway.quit();
    assert!(gateway.nginx.wait_for_exit().success());
    assert!(!gateway.error_log().contains("open socket"), "{}", gateway.error_log());
}

fn storable(jwt: &str, seconds: u64) -> Answer {
    Answer::jwt(jwt).max_age(seconds)
}

fn is_with(request: &phantom_token_devkit::ReceivedRequest, jwt: &str) -> bool {
    request.header("authorization") == Some(format!("Bearer {jwt}").as_str())
}

/// Has a JWT in the cache that is due for renewal.
fn with_renewal() -> Gateway {
    let gateway = Gateway::with_server(&format!(
        "location / {{
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             {DUE}
             add_header X-Cache $phantom_token_cache_status always;
             proxy_pass http://{{api}};
         }}
         location = /status {{ phantom_token_status; }}"
    ));
    gateway.activate("opaque");
    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
    gateway
}

/// Shows that a renewal was due.
fn assert_a_plain_request_renews(gateway: &Gateway) {
    gateway.get("/").bearer("opaque").send();

    eventually(|| (renewals(gateway) == 1).then_some(())).expect("a renewal");
}

fn renewals(gateway: &Gateway) -> u64 {
    let status = gateway.get("/status?format=json").send().json();
    status["zones"]["phantom_token"]["introspection"]["background_updates"].as_u64().unwrap()
}
