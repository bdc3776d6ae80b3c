//! Subrequests that other modules start: mirrors and server-side includes.

use std::fs;

use phantom_token_devkit::{Api, Gateway};

#[test]
fn a_mirror_of_a_granted_request_has_the_jwt_and_is_not_introspected() {
    for mirror in [
        "location = /mirror { internal; proxy_pass http://{mirror}; }",
        "location = /mirror {
             internal;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{mirror};
         }",
    ] {
        let mirrored = Api::start();
        let server = format!(
            "location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 phantom_token_cache off;
                 mirror /mirror;
                 proxy_pass http://{{api}};
             }}
             {mirror}"
        );
        let gateway = Gateway::with_server(&server.replace("{mirror}", mirrored.address()));
        let jwt = gateway.activate("opaque");

        let response = gateway.request("POST", "/").bearer("opaque").body("the body").send();

        assert_eq!(response.status, 200);
        for request in [gateway.api.wait_for(1), mirrored.wait_for(1)].concat() {
            assert_eq!(request.headers.all("authorization"), [format!("Bearer {jwt}")]);
            assert_eq!(request.text(), "the body");
        }
        assert_eq!(gateway.authorization_server.count(), 1);
    }
}

#[test]
fn a_refused_request_is_not_mirrored() {
    let mirrored = Api::start();
    let gateway = Gateway::with_server(&format!(
        "location / {{
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             mirror /mirror;
             proxy_pass http://{{api}};
         }}
         location = /mirror {{ internal; proxy_pass http://{}; }}",
        mirrored.address()
    ));

    for token in ["inactive", "no b64token"] {
        assert_eq!(gateway.get("/").bearer(token).send().status, 401);
    }

    assert_eq!((gateway.api.count(), mirrored.count()), (0, 0));
}

#[test]
fn a_mirror_from_an_open_location_into_a_protected_one_needs_a_token() {
    let mirrored = Api::start();
    let gateway = Gateway::with_server(&format!(
        "location / {{ mirror /mirror; proxy_pass http://{{api}}; }}
         location = /mirror {{
             internal;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{};
         }}",
        mirrored.address()
    ));

    let without = gateway.get("/").send();
    let inactive = gateway.get("/").bearer("inactive").send();

    assert_eq!((without.status, inactive.status), (200, 200));
    gateway.wait_for_log("refused in location \"/mirror\": the request has no bearer token");
    gateway.wait_for_log("refused in location \"/mirror\": the authorization server says");
    assert_eq!(mirrored.count(), 0);
}

#[test]
fn an_include_in_a_granted_page_has_the_jwt_and_is_not_introspected() {
    for part in ["phantom_token on;", "phantom_token off;"] {
        let gateway = with_page("phantom_token on;", part);
        let jwt = gateway.activate("opaque");

        let response = gateway.get("/page.html").bearer("opaque").send();

        assert_eq!(response.status, 200, "{part}");
        assert!(response.text().contains("/part"), "{part}: {}", response.text());
        let arrived = gateway.api.only_request();
        assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")], "{part}");
        assert_eq!(gateway.authorization_server.count(), 1, "{part}");
    }
}

#[test]
fn an_include_of_a_protected_part_in_an_open_page_needs_a_token() {
    let gateway = with_page("phantom_token off;", "phantom_token on;");

    let without = gateway.get("/page.html").send();
    let inactive = gateway.get("/page.html").bearer("inactive").send();

    for response in [without, inactive] {
        assert!(response.text().starts_with("before"), "{}", response.text());
        assert!(!response.text().contains("/part"), "{}", response.text());
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn an_include_of_a_protected_part_in_an_open_page_never_sends_the_opaque_token() {
    let gateway = with_page("phantom_token off;", "phantom_token on;");
    let jwt = gateway.activate("opaque");

    let response = gateway.get("/page.html").bearer("opaque").send();

    assert!(response.text().contains("/part"), "{}", response.text());
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")]);
}

#[test]
fn several_includes_of_protected_parts_in_a_granted_page_are_introspected_once() {
    let gateway = with_page("phantom_token on;", "phantom_token on;");
    let page = "<!--#include virtual=\"/part/1\" --><!--#include virtual=\"/part/2\" -->";
    fs::write(gateway.prefix().join("html/page.html"), page).unwrap();
    gateway.activate("opaque");

    let response = gateway.get("/page.html").bearer("opaque").send();

    assert!(response.text().contains("/part/1") && response.text().contains("/part/2"));
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 2));
}

/// A page with these directives that includes a part with those.
fn with_page(page: &str, part: &str) -> Gateway {
    let gateway = Gateway::with_server(&format!(
        "phantom_token_introspection_endpoint /introspection;
         phantom_token_cache off;
         location = /page.html {{ {page} ssi on; root html; }}
         location /part {{ {part} proxy_pass http://{{api}}; }}"
    ));
    let text = "before <!--#include virtual=\"/part\" --> after";
    fs::write(gateway.prefix().join("html/page.html"), text).unwrap();
    gateway
}
