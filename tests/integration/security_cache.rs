//! What the cache keeps and renews, where a client could make it do harm.

use phantom_token_devkit::{Connection, Gateway, eventually};

/// Makes a JWT that is good for a minute due from the start.
const DUE: &str = "phantom_token_cache_background_update on before=120s;";

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

#[test]
fn locations_that_keep_answers_for_different_times_share_none() {
    let gateway = with_short_and_long();
    gateway.activate("opaque");

    for (path, introspections) in [("/long", 1), ("/short", 2), ("/long", 2), ("/short", 2)] {
        assert_eq!(gateway.get(path).bearer("opaque").send().status, 200, "{path}");

        assert_eq!(gateway.authorization_server.count(), introspections, "{path}");
    }
}

#[test]
fn a_redirect_between_locations_that_keep_answers_for_different_times_is_introspected_once() {
    let gateway = with_short_and_long();
    let jwt = gateway.activate("opaque");

    let response = gateway.get("/redirected").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert_eq!(gateway.authorization_server.only_request().text(), "token=opaque");
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")]);
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

fn with_short_and_long() -> Gateway {
    Gateway::with_server(
        "phantom_token_introspection_endpoint /introspection;
         location /long { phantom_token on; proxy_pass http://{api}; }
         location /short {
             phantom_token on;
             phantom_token_cache_max_valid 30s;
             proxy_pass http://{api};
         }
         location /redirected {
             phantom_token on;
             phantom_token_cache_max_valid 30s;
             try_files /nothing /long;
         }",
    )
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
