//! Redirects inside NGINX between protected locations: one introspection, and never of the JWT.

use std::fs;

use phantom_token_devkit::{Answer, Gateway, expect};

/// Two protected locations that both forward to the API.
const TARGET: &str = "
    phantom_token_introspection_endpoint /introspection;
    phantom_token_cache off;
    location /target { phantom_token on; proxy_pass http://{api}; }
";

#[test]
fn a_redirect_from_one_protected_location_into_another_is_introspected_once() {
    let table = [
        ("try_files", "location / { phantom_token on; try_files /nothing /target; }"),
        (
            "error_page",
            "location / {
                 phantom_token on;
                 proxy_intercept_errors on;
                 error_page 404 = /target;
                 proxy_pass http://{api};
             }",
        ),
        ("X-Accel-Redirect", "location / { phantom_token on; proxy_pass http://{api}; }"),
        (
            "a named location",
            "location / { phantom_token on; try_files /nothing @named; }
             location @named { phantom_token on; proxy_pass http://{api}/target; }",
        ),
        (
            "three in a row",
            "location / { phantom_token on; try_files /nothing /second; }
             location /second { phantom_token on; try_files /nothing /target; }",
        ),
        ("a rewrite", "location / { phantom_token on; rewrite ^ /target last; }"),
    ];
    for (redirect, location) in table {
        let location = location.replace("{api}/target", "{api}");
        let gateway = Gateway::with_server(&format!("{TARGET} {location}"));
        let jwt = gateway.activate("opaque");
        let accel = Answer::status(200).header("X-Accel-Redirect", "/target");
        let start = if redirect == "X-Accel-Redirect" { accel } else { Answer::status(404) };
        gateway.api.answer("/start", start);

        let path = if redirect == "a named location" { "/other" } else { "/start" };
        let response = gateway.get(path).bearer("opaque").send();

        assert_eq!(response.status, 200, "{redirect}");
        assert_eq!(gateway.authorization_server.only_request().text(), "token=opaque");
        let requests = gateway.api.requests();
        assert!(!requests.is_empty());
        for request in requests {
            assert_eq!(
                request.headers.all("authorization"),
                [format!("Bearer {jwt}")],
                "{redirect}"
            );
        }
    }
}

#[test]
fn an_index_in_a_protected_location_is_introspected_once() {
    let gateway = Gateway::with_server(&format!(
        "{TARGET}
         location / {{ phantom_token on; root html; index index.html; }}
         location = /index.html {{ phantom_token on; proxy_pass http://{{api}}; }}"
    ));
    fs::write(gateway.prefix().join("html/index.html"), "").unwrap();
    let jwt = gateway.activate("opaque");

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert_eq!(gateway.authorization_server.count(), 1);
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")]);
}

#[test]
fn a_redirect_from_an_open_location_into_a_protected_one_needs_a_token() {
    let gateway =
        Gateway::with_server(&format!("{TARGET} location / {{ try_files /nothing /target; }}"));
    let jwt = gateway.activate("opaque");

    let without = gateway.get("/start").send();
    let inactive = gateway.get("/start").bearer("inactive").send();
    let active = gateway.get("/start").bearer("opaque").send();

    expect::unauthorized(&without);
    expect::unauthorized(&inactive);
    assert_eq!(active.status, 200);
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")]);
}

#[test]
fn a_refusal_does_not_become_a_grant_by_a_redirect() {
    let gateway = Gateway::with_server(&format!(
        "{TARGET}
         location / {{ phantom_token on; error_page 401 =200 /target; proxy_pass http://{{api}}; }}"
    ));

    let response = gateway.get("/").bearer("inactive").send();

    assert_ne!(response.status, 200);
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 0));
}

#[test]
fn the_grant_of_one_request_is_not_the_grant_of_the_next_on_the_connection() {
    let gateway = Gateway::with_server(&format!(
        "{TARGET} location / {{ phantom_token on; try_files /nothing /target; }}"
    ));
    gateway.activate("opaque");
    let mut connection = gateway.connect();

    let granted = gateway.get("/start").bearer("opaque").send_on(&mut connection);
    let without = gateway.get("/start").send_on(&mut connection);
    let inactive = gateway.get("/start").bearer("inactive").send_on(&mut connection);

    assert_eq!(granted.status, 200);
    expect::unauthorized(&without);
    expect::unauthorized(&inactive);
    assert_eq!(gateway.api.count(), 1);
}

#[test]
fn an_options_request_that_passed_is_checked_where_it_is_redirected_to() {
    for legacy in ["/legacy", "@legacy"] {
        let gateway = Gateway::with_server(&format!(
            "phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             location / {{
                 phantom_token_options pass;
                 proxy_intercept_errors on;
                 error_page 404 = {legacy};
                 proxy_pass http://{{api}};
             }}
             location {legacy} {{ phantom_token_options check; proxy_pass http://{{api}}; }}"
        ));
        gateway.api.answer("/missing", Answer::status(404));

        let without = gateway.request("OPTIONS", "/missing").send();
        let inactive = gateway.request("OPTIONS", "/missing").bearer("inactive").send();

        expect::unauthorized(&without);
        expect::unauthorized(&inactive);
        let methods: Vec<_> = gateway.api.requests().into_iter().map(|one| one.method).collect();
        assert_eq!(methods, ["OPTIONS", "OPTIONS"], "{legacy}");
    }
}
