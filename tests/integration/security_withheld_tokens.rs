//! What must never reach the API: a token that was refused, and what the authorization server is
//! asked with.

use std::fs;

use phantom_token_devkit::{
    Answer, Gateway, expect,
    jwt::{an_hour_of_claims, jwt},
};

const JWE: &str = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.QUJD.QUJD.QUJD.QUJD";
/// The user "alice" with the password "secret".
const BASIC: &str = "Basic YWxpY2U6c2VjcmV0";

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
fn an_authorization_server_cannot_send_the_introspection_elsewhere() {
    for target in ["/inside", "/open", "@named"] {
        let gateway = with_credential("");
        let answer = Answer::jwt(&jwt(an_hour_of_claims())).header("X-Accel-Redirect", target);
        gateway.authorization_server.answer("opaque", answer);

        let response = gateway.get("/").bearer("opaque").send();

        expect::server_error(&response, 502);
        assert_eq!(gateway.api.count(), 0, "{target}");
        let line = gateway.wait_for_log("the authorization server sent X-Accel-Redirect");
        assert!(line.contains("[error]") && line.contains(target), "{line}");
        assert!(line.contains("proxy_ignore_headers X-Accel-Redirect"), "{line}");
    }
}

#[test]
fn an_x_accel_redirect_that_the_introspection_location_ignores_changes_nothing() {
    let gateway = with_credential("proxy_ignore_headers X-Accel-Redirect;");
    let jwt = jwt(an_hour_of_claims());
    let answer = Answer::jwt(&jwt).header("X-Accel-Redirect", "/open");
    gateway.authorization_server.answer("opaque", answer);

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")]);
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

/// Introspects with a client credential, and with this in the introspection location.
fn with_credential(introspection: &str) -> Gateway {
    Gateway::with_server(&format!(
        "phantom_token_introspection_endpoint /ask;
         phantom_token_client_credential gateway secret;
         location = /ask {{ internal; {introspection} proxy_pass http://{{as}}; }}
         location / {{ phantom_token on; proxy_pass http://{{api}}; }}
         location /inside {{ internal; phantom_token on; proxy_pass http://{{api}}; }}
         location /open {{ proxy_pass http://{{api}}; }}
         location @named {{ proxy_pass http://{{api}}; }}"
    ))
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
