//! The module among NGINX's other ways to decide over access.

use std::time::{Duration, Instant};

use phantom_token_devkit::{Answer, Gateway, expect};

#[test]
fn satisfy_any_lets_an_allowed_address_in_without_a_token() {
    let gateway = Gateway::with("satisfy any; allow 127.0.0.1; deny all;");
    for method in ["GET", "HEAD", "POST"] {
        let response = gateway.request(method, "/").send();

        assert_eq!(response.status, 200, "{method}");
        assert!(!response.headers.contains("www-authenticate"), "{method}");
        assert!(!gateway.api.requests().pop().unwrap().headers.contains("authorization"));
    }
}

#[test]
fn satisfy_any_never_lets_an_opaque_token_reach_the_api() {
    let gateway = Gateway::with("satisfy any; allow 127.0.0.1; deny all;");
    for authorization in
        ["Bearer inactive", "Bearer no b64token", "Bearer\tinactive", "Basic dTpw, Bearer inactive"]
    {
        let response = gateway.get("/").header("Authorization", authorization).send();

        assert_eq!(response.status, 200, "{authorization}");
        assert!(!response.headers.contains("www-authenticate"), "{authorization}");
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization").unwrap_or_default(), "", "{authorization}");
    }
}

#[test]
fn satisfy_any_gives_the_jwt_for_an_active_token_from_any_address() {
    for access in ["allow 127.0.0.1; deny all;", "deny all;"] {
        let gateway = Gateway::with(&format!("satisfy any; {access}"));
        let jwt = gateway.activate("opaque");
        for method in ["GET", "HEAD"] {
            let response = gateway.request(method, "/").bearer("opaque").send();

            assert_eq!(response.status, 200, "{access} {method}");
            let arrived = gateway.api.requests().pop().unwrap();
            assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
        }
    }
}

#[test]
fn satisfy_any_challenges_a_denied_address_without_an_active_token() {
    let gateway = Gateway::with("satisfy any; deny all;");
    let mut connection = gateway.connect();

    let head = gateway.request("HEAD", "/").send_on(&mut connection);
    let without = gateway.get("/").send_on(&mut connection);
    let inactive = gateway.get("/").bearer("inactive").send_on(&mut connection);

    assert_eq!(head.status, 401);
    assert_eq!(head.header("www-authenticate"), Some(r#"Bearer realm="api""#));
    assert_eq!(expect::unauthorized(&without), r#"Bearer realm="api""#);
    assert!(expect::unauthorized(&inactive).contains("invalid_token"));
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn satisfy_all_needs_both_the_address_and_the_token() {
    let table = [("allow 127.0.0.1; deny all;", 200), ("deny all;", 403)];
    for (access, status) in table {
        let gateway = Gateway::with(access);
        gateway.activate("opaque");

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, status, "{access}");
    }
}

#[test]
fn a_403_of_another_module_stays_its_own() {
    let gateway = Gateway::with("deny all;");
    gateway.activate("opaque");

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 403);
    assert_eq!(response.header("content-type"), Some("text/html"));
    assert!(!response.headers.contains("www-authenticate"));
}

#[test]
fn auth_delay_holds_back_a_401_and_nothing_else() {
    // NGINX's clock may lag a little behind the test's.
    const NEARLY_THE_DELAY: Duration = Duration::from_millis(900);
    let delaying = Gateway::with("auth_delay 1s;");
    for token in ["inactive", "no b64token"] {
        let started = Instant::now();

        let response = delaying.get("/").bearer(token).send();

        let took = started.elapsed();
        expect::unauthorized(&response);
        assert!(took >= NEARLY_THE_DELAY, "{token} took {took:?}");
    }

    // Longer than the test waits for an answer.
    let silencing = Gateway::with("auth_delay 600s;");
    silencing.activate("opaque");
    silencing.authorization_server.answer("broken", Answer::status(500));
    for (token, status) in [("opaque", 200), ("broken", 502)] {
        assert_eq!(silencing.get("/").bearer(token).send().status, status, "{token}");
    }
}

#[test]
fn limit_req_and_the_module_work_together() {
    let gateway = Gateway::with_http(
        "limit_req_zone $binary_remote_addr zone=clients:1m rate=1r/m;
         server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 limit_req zone=clients;
                 proxy_pass http://{api};
             }
             location = /introspection { internal; proxy_pass http://{as}; }
         }",
    );
    gateway.activate("opaque");

    let first = gateway.get("/").bearer("opaque").send();
    let second = gateway.get("/").bearer("opaque").send();

    assert_eq!((first.status, second.status), (200, 503));
    assert_eq!(second.header("content-type"), Some("text/html"));
}

#[test]
fn auth_request_in_the_same_location_decides_too() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             auth_request /second;
             proxy_pass http://{api};
         }
         location = /second { internal; if ($http_x_second) { return 204; } return 403; }",
    );
    gateway.activate("opaque");

    let neither = gateway.get("/").send();
    let token_only = gateway.get("/").bearer("opaque").send();
    let second_only = gateway.get("/").header("X-Second", "1").send();
    let both = gateway.get("/").header("X-Second", "1").bearer("opaque").send();

    assert!([401, 403].contains(&neither.status));
    assert_eq!((token_only.status, second_only.status, both.status), (403, 401, 200));
    assert_eq!(gateway.api.count(), 1);
}

#[test]
fn limit_except_leaves_all_methods_protected() {
    let gateway = Gateway::with("limit_except GET { allow all; }");

    for method in ["GET", "POST", "DELETE", "PROPFIND"] {
        let response = gateway.request(method, "/").send();

        assert_eq!(response.status, 401, "{method}");
    }
    assert_eq!(gateway.api.count(), 0);
}
