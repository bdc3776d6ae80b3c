//! Protected locations without an introspection endpoint, or with one that cannot be.

use std::fs;

use phantom_token_devkit::{Gateway, Nginx, expect};

use super::verdict::{emerg_of, test_http};

#[test]
fn a_protected_location_without_an_endpoint_is_an_emerg() {
    let table = [
        "server { listen {port}; location /things { phantom_token on; } }",
        "server { listen {port}; location = /things { phantom_token on; } }",
        "server { listen {port}; location ~ things { phantom_token on; } }",
        "server { listen {port}; phantom_token on; location /things { return 200; } }",
        "phantom_token on; server { listen {port}; location /things { return 200; } }",
        "server { listen {port}; location / { location /things { phantom_token on; } } }",
    ];
    for http in table {
        let verdict = test_http(http);

        assert!(!verdict.accepted, "{http}: {}", verdict.output);
        let emerg = emerg_of(&verdict);
        assert!(emerg.contains("phantom_token_introspection_endpoint"), "{http}: {emerg}");
        assert!(emerg.contains("nginx.conf:"), "{http}: {emerg}");
    }
}

#[test]
fn an_emerg_about_a_location_names_the_server_and_where_the_location_stands() {
    let on = "phantom_token on;";
    let ask = "phantom_token_introspection_endpoint /ask;";
    let table = [
        (
            on.to_owned(),
            "server_name b.example.com c.example.com;\nlocation / {}",
            "phantom_token on",
            "protects location \"/\" of server \"b.example.com\" in {file}:4, which has no \
             \"phantom_token_introspection_endpoint\"",
        ),
        (
            on.to_owned(),
            "location / {\nphantom_token off;\nlocation /b { phantom_token on; } }",
            "phantom_token on",
            "protects location \"/b\" of the server on 127.0.0.1:8082 in {file}:5",
        ),
        (
            format!("{on} {ask}"),
            "server_name b.example.com;\nlocation ~ x {}\nlocation /ask {}",
            "phantom_token on",
            "protects location \"/ask\" of server \"b.example.com\" in {file}:5, which is its own \
             introspection endpoint",
        ),
        (
            format!("{ask} phantom_token_cache nowhere;"),
            "server_name b.example.com;\nlocation / { phantom_token on; }",
            "phantom_token_cache",
            "is invalid in location \"/\" of server \"b.example.com\" in {file}:4: expected a zone",
        ),
        (
            format!("{ask} phantom_token_realm 'é';"),
            "server_name b.example.com;\nphantom_token on;",
            "phantom_token_realm",
            "is invalid in server \"b.example.com\" in {file}:1: ",
        ),
        (
            format!("{ask} phantom_token_scope 'é';"),
            "server_name b.example.com;\nlocation / {\nlocation ~ x { phantom_token on; } }",
            "phantom_token_scope",
            "is invalid in location \"x\" of server \"b.example.com\" in {file}:5: ",
        ),
    ];
    for (http, server, directive, named) in table {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a.conf", "b.conf"].map(|name| folder.path().join(name));
        let of_first = "phantom_token off; location / { return 204; }";
        fs::write(&first, format!("server {{ listen 127.0.0.1:8081; {of_first} }}")).unwrap();
        fs::write(&second, format!("server {{\nlisten 127.0.0.1:8082;\n{server}\n}}")).unwrap();
        let verdict = test_http(&format!("{http} include {}/*.conf;", folder.path().display()));

        let named = named.replace("{file}", &second.display().to_string());
        let emerg = emerg_of(&verdict);
        assert!(emerg.contains(&format!(" \"{directive}\" in ")), "{emerg}");
        assert!(emerg.contains(&named), "{named}: {emerg}");
    }
}

#[test]
fn a_server_block_without_an_endpoint_is_accepted_and_its_requests_get_500() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         root html;
         location /things {
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{api};
         }",
    );
    gateway.activate("opaque");
    fs::write(gateway.prefix().join("html/secret"), "secret").unwrap();

    let granted = gateway.get("/things").bearer("opaque").send();
    let elsewhere = gateway.get("/secret").bearer("opaque").send();

    assert_eq!(granted.status, 200);
    expect::server_error(&elsewhere, 500);
    let line = gateway.wait_for_log("phantom_token_introspection_endpoint");
    assert!(line.contains("[error]"), "{line}");
}

#[test]
fn an_internal_location_without_an_endpoint_is_accepted_and_its_requests_get_500() {
    let gateway = Gateway::with_server(
        "location / { try_files /nothing /inside; }
         location /inside { internal; phantom_token on; proxy_pass http://{api}; }",
    );

    let response = gateway.get("/").bearer("opaque").send();

    expect::server_error(&response, 500);
    let line = gateway.wait_for_log("phantom_token_introspection_endpoint");
    assert!(line.contains("[error]"), "{line}");
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn a_location_that_is_its_own_introspection_endpoint_is_an_emerg() {
    let table = [
        "location /things { phantom_token_introspection_endpoint /things; phantom_token on; }",
        "location = /things { phantom_token_introspection_endpoint /things; phantom_token on; }",
        "phantom_token on;
         phantom_token_introspection_endpoint /things;
         location = /things { return 204; }",
    ];
    for server in table {
        let verdict = test_http(&format!("server {{ listen {{port}}; {server} }}"));

        assert!(!verdict.accepted, "{server}: {}", verdict.output);
        let emerg = emerg_of(&verdict);
        for named in ["nginx.conf:", "/things", "internal", "name another location"] {
            assert!(emerg.contains(named), "{server}: {emerg}");
        }
    }
}

#[test]
fn a_url_as_the_endpoint_is_an_emerg() {
    let configuration = "server {
             listen {port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint https://login.example.com/introspect;
             }
         }";

    let verdict = Nginx::builder().http(configuration).test();

    assert!(!verdict.accepted);
    assert!(verdict.output.contains("not a URL"), "{}", verdict.output);
}
