//! A refused token, which the API never gets: not at an error page, nor where something else overrules the refusal.

use std::fs;

use phantom_token_devkit::{
    Answer, Gateway,
    jwt::{an_hour_of_claims, jwt},
};

use crate::pages::write_pages_around;

const JWE: &str = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.QUJD.QUJD.QUJD.QUJD";

/// The user "alice" with the password "secret".
const BASIC: &str = "Basic YWxpY2U6c2VjcmV0";

/// `/open` and `@plain` lead to the API, which may not see a refused token there.
const ERROR_PAGES: &str = "location @plain { proxy_pass http://{api}; }
     location /open { proxy_pass http://{api}; }";

#[test]
fn a_refused_token_does_not_follow_an_error_page_into_an_open_location() {
    let gateway = with_open_error_pages();
    gateway.authorization_server.answer("failing", Answer::status(500));
    gateway.authorization_server.answer("unavailable", Answer::status(503));
    let jwt = jwt(an_hour_of_claims());
    let table = [
        ("failing", 200),
        ("inactive", 200),
        ("unavailable", 503),
        ("no b64token", 200),
        (JWE, 200),
        (&jwt, 200),
    ];
    for (token, status) in table {
        let before = gateway.api.count();

        let response = gateway.get("/protected").bearer(token).send();

        assert_eq!(response.status, status, "{token}");
        assert_eq!(gateway.api.count(), before + 1, "{token}");
        assert_api_got_no_authorization(&gateway, token);
    }
}

#[test]
fn an_error_page_in_an_open_location_is_served_without_a_token_too() {
    let gateway = with_open_error_pages();

    let response = gateway.get("/protected").send();

    assert_eq!(response.status, 200);
    assert_api_got_no_authorization(&gateway, "none");
}

#[test]
fn a_token_that_was_never_refused_reaches_an_open_location() {
    let gateway = with_open_error_pages();
    let mut connection = gateway.connect();
    gateway.get("/protected").bearer("inactive").send_on(&mut connection);
    for path in ["/open", "/redirected"] {
        let response = gateway.get(path).bearer("inactive").send_on(&mut connection);

        assert_eq!(response.status, 200, "{path}");
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.headers.all("authorization"), ["Bearer inactive"], "{path}");
    }
}

#[test]
fn an_included_part_that_is_refused_goes_to_its_error_page_without_the_token() {
    let gateway = Gateway::with_server(&format!(
        "location = /page.html {{ ssi on; root html; }}
         location /part {{
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             error_page 401 502 = @plain;
             error_page 503 /open;
             proxy_pass http://{{api}};
         }}
         {ERROR_PAGES}"
    ));
    let page = gateway.prefix().join("html/page.html");
    fs::write(page, "<!--#include virtual=\"/part\" -->").unwrap();
    gateway.authorization_server.answer("failing", Answer::status(500));
    gateway.authorization_server.answer("unavailable", Answer::status(503));

    for token in ["failing", "inactive", "unavailable"] {
        assert_eq!(gateway.get("/page.html").bearer(token).send().status, 200);
    }

    assert_eq!(gateway.api.count(), 3);
    assert_no_authorization(&gateway, "include");
}

#[test]
fn a_part_that_cannot_be_introspected_goes_to_its_error_page_without_the_token() {
    let gateway = Gateway::with_server(
        "ssi on;
         location / { root html; }
         location = /part {
             phantom_token on;
             phantom_token_cache off;
             phantom_token_introspection_endpoint /ask;
             error_page 500 = @plain;
             proxy_pass http://{api};
         }
         location @plain { proxy_pass http://{api}; }
         location = /ask { internal; proxy_pass http://{as}; }",
    );
    write_pages_around(&gateway, "/part");
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt(an_hour_of_claims())));

    let response = gateway.get("/0.html").bearer("opaque").send();

    assert_eq!(response.status, 200);
    let at_error_page = gateway.api.only_request();
    assert_eq!(at_error_page.header("authorization"), None);
    assert_eq!(gateway.authorization_server.count(), 0);
}

#[test]
fn a_refused_mirror_goes_to_an_inherited_error_page_without_the_token() {
    let gateway = Gateway::with_server(&format!(
        "error_page 401 502 = @plain;
         location /things {{ mirror /mirrored; proxy_pass http://{{api}}; }}
         location /mirrored {{
             internal;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{{api}};
         }}
         {ERROR_PAGES}"
    ));

    let response = gateway.get("/things").bearer("inactive").send();

    assert_eq!(response.status, 200);
    let arrived = gateway.api.wait_for(2);
    let refused = arrived.iter().find(|request| request.target == "/mirrored").unwrap();
    assert_eq!(refused.header("authorization"), None);
}

#[test]
fn nothing_on_the_way_to_an_error_page_reads_the_refused_token() {
    let gateway = Gateway::with_server(
        "location /things {
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             error_page 401 = /page;
             proxy_pass http://{api};
         }
         location /page {
             auth_request /check;
             mirror /mirrored;
             set $token $http_authorization;
             proxy_set_header X-Token $token;
             proxy_pass http://{api};
         }
         location /mirrored { internal; proxy_pass http://{api}; }
         location /check { internal; proxy_pass http://{api}; }",
    );
    let mut connection = gateway.connect();

    for _ in 0..2 {
        gateway.get("/things").bearer("inactive").send_on(&mut connection);
    }

    assert!(gateway.api.count() >= 4);
    assert_no_authorization(&gateway, "error page");
    for request in gateway.api.requests() {
        assert!(!request.header("x-token").is_some_and(|token| token.contains("inactive")));
    }
}

#[test]
fn satisfy_any_withholds_a_refused_token_that_looks_like_a_jwt() {
    let gateway = Gateway::with("satisfy any; allow all;");
    for token in [JWE, &jwt(an_hour_of_claims())] {
        let response = gateway.get("/").bearer(token).send();

        assert_eq!(response.status, 200, "{token}");
        assert_api_got_no_authorization(&gateway, token);
    }
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn satisfy_any_lets_no_opaque_token_in_behind_other_credentials() {
    // NGINX refuses two lines of Authorization itself, but sends them on to its error page.
    let gateway = Gateway::with_server(
        "error_page 400 = /things;
         recursive_error_pages on;
         location /things {
             satisfy any;
             allow all;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             error_page 400 = @open;
             proxy_pass http://{api};
         }
         location @open { proxy_pass http://{api}; }",
    );

    let with_both = gateway.get("/things").header("Authorization", BASIC).bearer("opaque");
    let response = with_both.send();

    assert_eq!(response.status, 200);
    assert_eq!(gateway.api.only_request().headers.all("authorization"), [""; 0]);
    assert_eq!(gateway.authorization_server.count(), 0);
}

#[test]
fn an_options_request_that_may_pass_never_has_a_bearer_token() {
    let gateway = Gateway::with("phantom_token_options pass;");
    for token in ["opaque", "no b64token", JWE, &jwt(an_hour_of_claims())] {
        let response = gateway.request("OPTIONS", "/").bearer(token).send();

        assert_eq!(response.status, 200, "{token}");
        assert_api_got_no_authorization(&gateway, token);
    }
}

#[test]
fn a_refusal_that_auth_request_overrules_leaves_no_trace() {
    let gateway = with_password_or_token("auth_request /ok;");

    let response = gateway.get("/").bearer("inactive").send();

    assert_eq!(response.status, 200);
    assert!(!response.headers.contains("www-authenticate"), "{response:?}");
    assert!(!response.headers.contains("cache-control"), "{response:?}");
    assert_eq!(gateway.authorization_server.count(), 1);
    assert_api_got_no_authorization(&gateway, "inactive");
}

#[test]
fn credentials_that_auth_basic_accepts_reach_the_api() {
    let gateway = with_password_or_token("");

    let response = gateway.get("/").header("Authorization", BASIC).send();

    assert_eq!(response.status, 200);
    assert!(!response.headers.contains("www-authenticate"), "{response:?}");
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [BASIC]);
}

/// A protected location with error pages that the API makes in open locations.
fn with_open_error_pages() -> Gateway {
    Gateway::with_server(
        "location /protected {
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             error_page 401 502 = @plain;
             error_page 503 /open;
             proxy_pass http://{api};
         }
         location @plain { proxy_pass http://{api}; }
         location /open { proxy_pass http://{api}; }
         location /redirected { try_files /nothing /open; }",
    )
}

/// Lets in who has a token, who knows a password, and whom these directives let in.
fn with_password_or_token(directives: &str) -> Gateway {
    let gateway = Gateway::with_server(&format!(
        "location / {{
             satisfy any;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             auth_basic users;
             auth_basic_user_file users;
             {directives}
             proxy_pass http://{{api}};
         }}
         location = /ok {{ internal; return 204; }}"
    ));
    fs::write(gateway.prefix().join("users"), "alice:{PLAIN}secret\n").unwrap();
    gateway
}

/// Checks the last request at the API, for which the client had this token.
fn assert_api_got_no_authorization(gateway: &Gateway, token: &str) {
    let arrived = gateway.api.requests().pop().unwrap();
    assert!(!arrived.headers.contains("authorization"), "{token}: {arrived:?}");
}

fn assert_no_authorization(gateway: &Gateway, what: &str) {
    for request in gateway.api.requests() {
        assert_eq!(request.header("authorization"), None, "{what}: {}", request.target);
    }
}
