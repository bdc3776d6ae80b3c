//! Ways around a refusal: redirects that forget it, and configurations in which there is none.

use std::fs;

use phantom_token_devkit::{Answer, Gateway, expect};

use crate::verdict::{emerg_of, test_http};

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
fn a_default_zone_whose_name_proxy_cache_uses_is_an_emerg_that_says_what_to_do() {
    let verdict = test_http(
        "proxy_cache_path cache keys_zone=phantom_token:1m;
         server {
             listen {port};
             proxy_cache phantom_token;
             location / { phantom_token on; phantom_token_introspection_endpoint /introspection; }
         }",
    );

    assert!(!verdict.accepted, "{}", verdict.output);
    let emerg = emerg_of(&verdict);
    for named in ["nginx.conf:", "phantom_token_cache_zone", "\"phantom_token_cache\""] {
        assert!(emerg.contains(named), "{emerg}");
    }
}
