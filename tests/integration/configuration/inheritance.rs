//! Directives in the http, server and location blocks.

use std::fs;

use phantom_token_devkit::{Gateway, expect};

use super::verdict::test_http;

#[test]
fn protection_is_inherited_from_the_http_block() {
    let gateway = Gateway::with_http(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         phantom_token_realm everything;
         phantom_token_scopes 'a b';
         server {
             listen 127.0.0.1:{port};
             location / { proxy_pass http://{api}; }
             location = /introspection { internal; proxy_pass http://{as}; }
         }",
    );
    gateway.activate("opaque");

    let refused = gateway.get("/").send();
    let granted = gateway.get("/").bearer("opaque").send();

    let challenge = r#"Bearer realm="everything", scope="a b""#;
    assert_eq!(expect::unauthorized(&refused), challenge);
    assert_eq!(granted.status, 200);
}

#[test]
fn a_location_can_be_opened_in_a_protected_server() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         location / { proxy_pass http://{api}; }
         location /open { phantom_token off; proxy_pass http://{api}; }",
    );

    let protected = gateway.get("/").send();
    let open = gateway.get("/open").send();

    expect::unauthorized(&protected);
    assert_eq!(open.status, 200);
}

#[test]
fn every_directive_of_an_inner_block_replaces_that_of_the_outer_one() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         phantom_token_realm outer;
         phantom_token_scope outer;
         phantom_token_challenge_error off;
         location /outer { proxy_pass http://{api}; }
         location /inner {
             phantom_token_realm inner;
             phantom_token_scope inner;
             phantom_token_challenge_error on;
             proxy_pass http://{api};
             location /inner/most { phantom_token_realm innermost; proxy_pass http://{api}; }
         }",
    );
    let table = [
        ("/outer", r#"Bearer realm="outer", scope="outer""#),
        ("/inner", r#"Bearer realm="inner", scope="inner", error="invalid_token""#),
        ("/inner/most", r#"Bearer realm="innermost", scope="inner", error="invalid_token""#),
    ];
    for (path, start) in table {
        let response = gateway.get(path).bearer("inactive").send();

        let challenge = expect::unauthorized(&response);
        assert!(challenge.starts_with(start), "{path}: {challenge}");
        assert_eq!(challenge == start, path == "/outer", "{path}: {challenge}");
    }
}

#[test]
fn an_if_block_in_a_protected_location_is_protected() {
    let gateway = Gateway::with(
        "if ($arg_a) { add_header X-A 1 always; }
         limit_except GET { allow all; }",
    );
    let jwt = gateway.activate("opaque");
    for (method, target) in [("GET", "/?a=1"), ("POST", "/"), ("POST", "/?a=1")] {
        let refused = gateway.request(method, target).send();
        let granted = gateway.request(method, target).bearer("opaque").send();

        expect::unauthorized(&refused);
        assert_eq!(granted.status, 200, "{method} {target}");
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
}

#[test]
fn the_endpoint_can_be_set_once_for_many_locations() {
    let gateway = Gateway::with_server(
        "phantom_token_introspection_endpoint /introspection;
         location /a { phantom_token on; proxy_pass http://{api}; }
         location ~ ^/b { phantom_token on; proxy_pass http://{api}; }
         location / { proxy_pass http://{api}; }",
    );
    gateway.activate("opaque");

    let statuses = ["/a", "/b", "/"].map(|path| gateway.get(path).send().status);
    let granted = ["/a", "/b"].map(|path| gateway.get(path).bearer("opaque").send().status);

    assert_eq!((statuses, granted), ([401, 401, 200], [200, 200]));
}

#[test]
fn a_location_can_end_an_inherited_credential() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         phantom_token_client_credential gateway secret;
         location / { proxy_pass http://{api}; }
         location /other {
             phantom_token_client_credential off;
             proxy_pass http://{api};
             location /other/inner { proxy_pass http://{api}; }
         }",
    );
    gateway.activate("opaque");

    let statuses = ["/", "/other", "/other/inner"]
        .map(|path| gateway.get(path).bearer("opaque").send().status);

    assert_eq!(statuses, [200; 3]);
    let asked = gateway.authorization_server.requests();
    let credentials: Vec<_> =
        asked.iter().map(|request| request.headers.all("authorization")).collect();
    // The two without one ask the same, and share the answer.
    assert_eq!(credentials, [vec!["Basic Z2F0ZXdheTpzZWNyZXQ="], vec![]]);
}

#[test]
fn a_credential_that_another_endpoint_inherits_is_a_warning_where_it_was_set_beside_one() {
    const CREDENTIAL: &str = "phantom_token_client_credential gateway secret;";
    let table = [
        // What is set beside an endpoint is likely to be for that one alone.
        (
            "",
            "phantom_token_introspection_endpoint /a; {credential}",
            "phantom_token_introspection_endpoint /b;",
            Some("location \"/things\""),
        ),
        (
            "phantom_token_introspection_endpoint /a; {credential}",
            "phantom_token_introspection_endpoint /b;",
            "",
            Some("server \"api.example.com\""),
        ),
        (
            "phantom_token_introspection_endpoint /a;",
            "{credential}",
            "phantom_token_introspection_endpoint /b; if ($arg_a) { return 204; }",
            Some("location \"/things\""),
        ),
        // Elsewhere it is meant for all endpoints below, or for the very one.
        ("", "{credential}", "phantom_token_introspection_endpoint /b;", None),
        (
            "{credential}",
            "phantom_token_introspection_endpoint /a;",
            "phantom_token_introspection_endpoint /b;",
            None,
        ),
        (
            "",
            "phantom_token_introspection_endpoint /a; {credential}",
            "phantom_token_introspection_endpoint /b; {credential}",
            None,
        ),
        (
            "",
            "phantom_token_introspection_endpoint /a; {credential}",
            "phantom_token_introspection_endpoint /b; phantom_token_client_credential off;",
            None,
        ),
        (
            "",
            "phantom_token_introspection_endpoint /a; {credential}",
            "phantom_token_introspection_endpoint /a;",
            None,
        ),
        (
            "",
            "phantom_token_introspection_endpoint /a; phantom_token_client_credential off;",
            "phantom_token_introspection_endpoint /b;",
            None,
        ),
    ];
    for (http, server, location, warned) in table {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.conf");
        let text = format!(
            "server {{
                 listen {{port}}; server_name api.example.com; {server}
                 location /things {{ phantom_token on; {location} }}
                 location = /a {{ internal; }}
                 location = /b {{ internal; }}
             }}"
        );
        let [http, text] = [http, &text].map(|text| text.replace("{credential}", CREDENTIAL));
        fs::write(&file, text.replace("{port}", "8080")).unwrap();

        let verdict = test_http(&format!("{http} include {};", file.display()));

        assert!(verdict.accepted, "{}", verdict.output);
        let warnings: Vec<_> =
            verdict.output.lines().filter(|line| line.contains("[warn]")).collect();
        match (warned, &warnings[..]) {
            (None, []) => {}
            (Some(context), [warning]) => {
                assert!(warning.contains("\"phantom_token_client_credential\" in "), "{warning}");
                assert!(warning.contains("for endpoint \"/a\""), "{warning}");
                assert!(warning.contains(context), "{warning}");
                assert!(warning.contains(&format!("in {}", file.display())), "{warning}");
                assert!(!warning.contains("secret"), "{warning}");
            }
            _ => panic!("{http} {server} {location}: {}", verdict.output),
        }
    }
}

#[test]
fn what_the_introspection_location_inherits_can_be_set_back_as_documented() {
    let gateway = Gateway::with_http(
        "server {
             listen 127.0.0.1:{port};
             proxy_set_header X-For-The-Api secret;
             proxy_pass_request_headers off;
             proxy_pass_request_body off;
             proxy_set_body nothing;
             proxy_method GET;
             phantom_token_introspection_endpoint /introspection;
             phantom_token_client_credential gateway secret;
             location / { phantom_token on; proxy_pass http://{api}; }
             location = /introspection {
                 internal;
                 proxy_set_header Accept-Encoding '';
                 proxy_pass_request_headers on;
                 proxy_pass_request_body on;
                 proxy_set_body $request_body;
                 proxy_method POST;
                 proxy_pass http://{as};
             }
         }",
    );
    gateway.activate("opaque");

    let granted = gateway.get("/").bearer("opaque").send();

    assert_eq!(granted.status, 200);
    let asked = gateway.authorization_server.only_request();
    assert_eq!((asked.method.as_str(), asked.text().as_ref()), ("POST", "token=opaque"));
    assert_eq!(asked.header("x-for-the-api"), None);
    assert_eq!(asked.header("accept"), Some("application/jwt"));
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.header("authorization"), Some("Basic Z2F0ZXdheTpzZWNyZXQ="));
    assert_eq!(gateway.api.only_request().header("x-for-the-api"), Some("secret"));
}
