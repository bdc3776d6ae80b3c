//! What a client sees whose request does not go to the API.

use std::fs;

use phantom_token_devkit::{Answer, Gateway, expect};

const INVALID_TOKEN: &str = r#"error="invalid_token""#;

#[test]
fn a_request_without_a_bearer_token_is_challenged_without_an_error_code() {
    let gateway = Gateway::with("");
    let headers =
        [None, Some(""), Some("Basic YTpi"), Some("Bearer"), Some("Bearer "), Some("Bearerx abc")];
    for header in headers {
        let mut request = gateway.get("/");
        if let Some(value) = header {
            request = request.header("Authorization", value);
        }

        let response = request.send();

        assert_eq!(expect::unauthorized(&response), r#"Bearer realm="api""#, "{header:?}");
    }
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
}

#[test]
fn a_token_that_is_no_b64token_is_invalid_and_never_sent_anywhere() {
    let gateway = Gateway::with("");
    let values: [&[u8]; 12] = [
        b"Bearer a b",
        b"Bearer a,b",
        b"Bearer a=b",
        b"Bearer =",
        b"Bearer \"a\"",
        b"Bearer a%26b",
        b"Bearer a&token=b",
        b"Bearer a;b",
        b"Bearer t\xc3\xb6ken",
        b"Bearer a\tb",
        b"bearer a b",
        b"Bearer a, Bearer b",
    ];
    for value in values {
        let response = gateway.get("/").header("Authorization", value).send();

        let challenge = expect::unauthorized(&response);
        let value = String::from_utf8_lossy(value);
        assert!(challenge.starts_with(r#"Bearer realm="api", error="#), "{value}: {challenge}");
        assert!(challenge.contains(INVALID_TOKEN), "{value}: {challenge}");
    }
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
}

#[test]
fn two_authorization_headers_never_reach_the_api() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");

    let response = gateway.get("/").bearer("opaque").bearer("other").send();

    assert!([400, 401].contains(&response.status), "{}", response.status);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn an_inactive_token_is_invalid() {
    let gateway = Gateway::with("");
    gateway.authorization_server.answer("opaque", Answer::inactive());

    let response = gateway.get("/").bearer("opaque").send();

    let challenge = expect::unauthorized(&response);
    assert!(challenge.contains(INVALID_TOKEN), "{challenge}");
    assert!(challenge.contains(r#"error_description=""#), "{challenge}");
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 0));
}

#[test]
fn the_challenge_has_the_configured_realm_and_scopes() {
    let table = [
        ("", r#"Bearer realm="api""#),
        ("phantom_token_realm shop;", r#"Bearer realm="shop""#),
        (r#"phantom_token_realm "";"#, "Bearer"),
        (r#"phantom_token_realm 'a "b\\c';"#, r#"Bearer realm="a \"b\\c""#),
        (r#"phantom_token_scopes "a b";"#, r#"Bearer realm="api", scope="a b""#),
        ("phantom_token_scope a;", r#"Bearer realm="api", scope="a""#),
        ("phantom_token_scope a; phantom_token_scope b;", r#"Bearer realm="api", scope="a b""#),
        (
            r#"phantom_token_scope a; phantom_token_scopes "x y"; phantom_token_scope b;"#,
            r#"Bearer realm="api", scope="x y""#,
        ),
        (r#"phantom_token_realm ""; phantom_token_scope a;"#, r#"Bearer scope="a""#),
    ];
    for (directives, challenge) in table {
        let gateway = Gateway::with(directives);

        let response = gateway.get("/").send();

        assert_eq!(expect::unauthorized(&response), challenge, "{directives}");
    }
}

#[test]
fn a_challenge_can_go_without_its_error_parts() {
    let gateway = Gateway::with("phantom_token_challenge_error off; phantom_token_scope a;");
    for token in ["inactive", "no b64token"] {
        let response = gateway.get("/").bearer(token).send();

        assert_eq!(expect::unauthorized(&response), r#"Bearer realm="api", scope="a""#, "{token}");
    }
}

#[test]
fn a_refusal_to_head_has_no_body_and_keeps_the_connection() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");
    let mut connection = gateway.connect();

    let refused = gateway.request("HEAD", "/").send_on(&mut connection);
    let granted = gateway.get("/").bearer("opaque").send_on(&mut connection);

    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some(r#"Bearer realm="api""#));
    assert_eq!(refused.header("content-type"), Some("application/json"));
    assert_eq!(granted.status, 200);
}

#[test]
fn no_token_is_written_to_the_error_log() {
    let gateway = Gateway::with("");
    let jwt = gateway.activate("very-secret-opaque-token");
    let broken = Answer::jwt(&format!("{jwt} "));
    gateway.authorization_server.answer("another-secret-token", broken);
    gateway.authorization_server.answer("third-secret-token", Answer::status(500).body(&*jwt));

    for token in
        ["very-secret-opaque-token", "another-secret-token", "third-secret-token", "secret token"]
    {
        gateway.get("/").bearer(token).send();
    }

    let log = gateway.error_log();
    for secret in
        ["opaque-token", "secret-token", "secret token", &jwt[..40], &jwt[jwt.len() - 40..]]
    {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn a_challenge_survives_that_nginx_throws_headers_away() {
    // What `satisfy any` let in fails for another reason, and is led to where it is refused.
    let gateway = Gateway::with_server(
        "phantom_token_introspection_endpoint /introspection;
         location / {
             satisfy any;
             allow all;
             phantom_token on;
             error_page 412 /protected;
             root html;
         }
         location /protected { phantom_token on; proxy_pass http://{api}; }",
    );
    fs::write(gateway.prefix().join("html/page"), "page").unwrap();
    let request = gateway.get("/page").header("If-Match", "\"zz\"");

    let without = request.send();
    let inactive = request.bearer("inactive").send();

    assert_eq!(expect::unauthorized(&without), r#"Bearer realm="api""#);
    assert!(expect::unauthorized(&inactive).contains("invalid_token"));
    assert_eq!(gateway.api.count(), 0);
}
