//! Everything once, with those modules of NGINX alone that every build of it has.

use std::fs;

use phantom_token_devkit::{
    Answer, Connection, Gate, Gateway, expect,
    jwt::{an_hour_of_claims, jwt},
};
use serde_json::Value;

#[test]
fn a_token_is_introspected_once_and_its_jwt_outlives_a_reload() {
    let gateway = with_everything();
    let jwt = gateway.activate("opaque");

    let first = gateway.get("/").bearer("opaque").send();
    let second = gateway.get("/").bearer("opaque").send();
    gateway.reload();
    let after_reload = gateway.get("/").bearer("opaque").send();

    let statuses = [&first, &second, &after_reload].map(|answer| answer.header("x-cache"));
    assert_eq!(statuses, [Some("MISS"), Some("HIT"), Some("HIT")]);
    for arrived in gateway.api.requests() {
        assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")]);
    }
    assert_eq!(gateway.authorization_server.only_request().text(), "token=opaque");
}

#[test]
fn a_bad_token_is_refused_and_a_failing_server_is_a_server_error() {
    let gateway = with_everything();
    gateway.authorization_server.answer("failing", Answer::status(500));

    expect::unauthorized(&gateway.get("/").bearer("inactive").send());
    expect::unauthorized(&gateway.get("/").send());
    expect::server_error(&gateway.get("/").bearer("failing").send(), 502);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn requests_with_one_new_token_wait_for_one_introspection() {
    let gateway = with_everything();
    let gate = Gate::closed();
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
    gateway.authorization_server.answer("opaque", answer.after(&gate));
    let request = gateway.get("/").bearer("opaque").to_bytes();
    let mut connections: Vec<_> = (0..20).map(|_| gateway.connect()).collect();
    connections.iter_mut().for_each(|connection| connection.write(&request));
    gateway.authorization_server.wait_for(1);
    // One of those who wait gives up.
    drop(connections.pop());

    gate.open();

    let read = |mut connection: Connection| connection.read("GET").status;
    assert!(connections.into_iter().map(read).all(|status| status == 200));
    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn each_part_of_a_page_is_checked_also_behind_a_limit_that_delays_introspections() {
    let gateway = with_everything();
    let jwt = gateway.activate("opaque");
    let page = r#"<!--# include virtual="/slow/one" --><!--# include virtual="/slow/two" -->"#;
    fs::write(gateway.prefix().join("html/page"), page).unwrap();

    let granted = gateway.get("/page").bearer("opaque").send();
    let refused = gateway.get("/page").bearer("inactive").send();

    assert_eq!((granted.status, refused.status), (200, 200));
    let arrived = gateway.api.requests();
    let mut targets: Vec<_> = arrived.iter().map(|request| request.target.as_str()).collect();
    targets.sort();
    assert_eq!(targets, ["/slow/one", "/slow/two"]);
    for request in &arrived {
        assert_eq!(request.headers.all("authorization"), [format!("Bearer {jwt}")]);
    }
}

#[test]
fn an_error_page_for_a_refusal_never_sees_the_token() {
    let gateway = with_everything();

    let refused = gateway.get("/with-page/").bearer("inactive").send();

    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").is_some());
    assert_eq!(gateway.api.only_request().headers.all("authorization"), [""; 0]);
}

#[test]
fn a_token_is_purged_and_the_status_counts() {
    let gateway = with_everything();
    gateway.activate("opaque");
    gateway.get("/").bearer("opaque").send();

    let purge = gateway.request("POST", "/purge");
    let purge = purge.header("Content-Type", "application/x-www-form-urlencoded");
    let purged = purge.body("token=opaque").send();
    let after = gateway.get("/").bearer("opaque").send();
    let status = gateway.get("/status").header("Accept", "application/json").send();

    assert_eq!((purged.status, after.header("x-cache")), (200, Some("MISS")));
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(status["zones"]["phantom_token"]["requests"]["granted"], 2, "{status}");
}

fn with_everything() -> Gateway {
    Gateway::with_http(
        "limit_req_zone all zone=slow:1m rate=5r/s;
         server {
             listen 127.0.0.1:{port};
             phantom_token_introspection_endpoint /introspection;
             location / {
                 phantom_token on;
                 add_header X-Cache $phantom_token_cache_status;
                 proxy_pass http://{api};
             }
             location /page { ssi on; ssi_types *; root html; }
             location /slow/ {
                 phantom_token on;
                 phantom_token_cache off;
                 phantom_token_introspection_endpoint /slow_introspection;
                 proxy_pass http://{api};
             }
             location /with-page/ {
                 phantom_token on;
                 error_page 401 /page-for-401;
                 proxy_pass http://{api};
             }
             location = /page-for-401 { proxy_pass http://{api}; }
             location = /introspection { internal; proxy_pass http://{as}; }
             location = /slow_introspection {
                 internal;
                 limit_req zone=slow burst=20;
                 proxy_pass http://{as};
             }
             location = /status { phantom_token_status; }
             location = /purge { phantom_token_purge; }
         }",
    )
}
