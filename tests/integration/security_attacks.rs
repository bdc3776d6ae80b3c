//! Ways around the gateway, and out of it with something that nobody else may have.

use std::fs;

use phantom_token_devkit::{
    Answer, AuthorizationServer, Gateway, eventually,
    jwt::{an_hour_of_claims, jwt},
};

/// The user "alice" with the password "secret".
const BASIC: &str = "Basic YWxpY2U6c2VjcmV0";

#[test]
fn an_error_page_of_the_server_never_gets_what_an_introspection_is_asked_with() {
    for error_page in ["error_page 401 404 502 504 = @fallback", "error_page 401 404 502 504 /open"]
    {
        let gateway = Gateway::with_server(&format!(
            "{error_page};
             proxy_intercept_errors on;
             location /things {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 phantom_token_client_credential gateway secret;
                 proxy_pass http://{{api}};
             }}
             location /unreachable {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /nobody;
                 phantom_token_client_credential gateway secret;
                 proxy_pass http://{{api}};
             }}
             location = /nobody {{ internal; proxy_pass http://127.0.0.1:1; }}
             location /open {{ proxy_pass http://{{api}}; }}
             location @fallback {{ proxy_pass http://{{api}}; }}"
        ));
        for (token, status) in [("unauthorized", 401), ("unknown", 404), ("slow", 504)] {
            gateway.authorization_server.answer(token, Answer::status(status));
            gateway.get("/things").bearer(token).send();
        }
        gateway.get("/unreachable").bearer("opaque").send();

        let arrived = gateway.api.requests();
        assert_eq!(arrived.len(), 4, "{error_page}: the clients' requests");
        for request in arrived {
            assert_eq!(request.text(), "", "{error_page}");
            assert_eq!(request.header("authorization"), None, "{error_page}");
        }
    }
}

#[test]
fn an_introspection_that_renews_a_proxy_cache_is_sent_nowhere_else() {
    let elsewhere =
        Answer::jwt(&jwt(an_hour_of_claims())).header("X-Accel-Redirect", "/things/admin");
    for (error_page, renewal) in [
        ("error_page 502 = @fallback;", Answer::status(502)),
        ("error_page 502 /open;", Answer::status(502)),
        ("error_page 502 /things/page;", Answer::status(502)),
        ("recursive_error_pages on; error_page 500 502 /open;", Answer::status(502)),
        ("", elsewhere),
    ] {
        let gateway = Gateway::with_http(&format!(
            "proxy_cache_path cache keys_zone=answers:1m;
             server {{
                 listen 127.0.0.1:{{port}};
                 {error_page}
                 location /things {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /ask;
                     phantom_token_client_credential gateway secret;
                     phantom_token_cache off;
                     proxy_pass http://{{api}};
                 }}
                 location = /ask {{
                     internal;
                     proxy_pass http://{{as}};
                     proxy_intercept_errors on;
                     proxy_cache answers;
                     proxy_cache_methods POST;
                     proxy_cache_key $request_body;
                     proxy_cache_use_stale updating;
                     proxy_cache_background_update on;
                 }}
                 location /open {{ proxy_pass http://{{api}}; }}
                 location @fallback {{ proxy_pass http://{{api}}; }}
             }}"
        ));
        let jwt = jwt(an_hour_of_claims());
        let answers = [Answer::jwt(&jwt).max_age(1), renewal];
        gateway.authorization_server.answer_in_turn("opaque", answers);

        eventually(|| {
            gateway.get("/things").bearer("opaque").send();
            gateway.error_log().contains("is not sent there").then_some(())
        })
        .expect("a renewal that is redirected");

        for request in gateway.api.requests() {
            assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/things"));
            let authorization = format!("Bearer {jwt}");
            assert_eq!(request.header("authorization"), Some(&*authorization), "{error_page}");
        }
    }
}

#[test]
fn a_granted_part_of_a_refused_page_has_its_jwt() {
    let gateway = Gateway::with_server(
        "location /page {
             satisfy any;
             allow all;
             phantom_token on;
             phantom_token_introspection_endpoint /nobody;
             mirror /part;
             proxy_pass http://{api};
         }
         location = /part {
             internal;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{api};
         }
         location = /nobody { internal; return 204; }",
    );
    let jwt = gateway.activate("opaque");

    gateway.get("/page").bearer("opaque").send();

    let arrived = gateway.api.wait_for(2);
    let part = arrived.iter().find(|request| request.target == "/part").unwrap();
    assert_eq!(part.header("authorization"), Some(&*format!("Bearer {jwt}")));
}

#[test]
fn an_error_page_of_the_server_does_not_change_what_an_introspection_says() {
    let gateway = Gateway::with_server(
        "error_page 404 500 =204 @nothing;
         proxy_intercept_errors on;
         location @nothing { return 204; }
         location / {
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             error_page 418 /none;
             proxy_pass http://{api};
         }",
    );
    gateway.authorization_server.answer("opaque", Answer::status(500));

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 502, "a failure, and not that the token is inactive");
}

#[test]
fn a_second_authorization_header_does_not_come_in_by_an_error_page() {
    for target in ["@things", "/things"] {
        let protected = "phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{api};";
        let gateway = Gateway::with_server(&format!(
            "error_page 400 = {target};
             location / {{ {protected} }}
             location @things {{ {protected} }}"
        ));
        gateway.activate("opaque");

        let response = gateway.get("/").bearer("opaque").bearer("other").send();

        assert_eq!(response.status, 400, "{target}");
        assert_eq!(gateway.api.count(), 0, "{target}");
    }
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
fn limit_except_leaves_all_methods_protected() {
    let gateway = Gateway::with("limit_except GET { allow all; }");

    for method in ["GET", "POST", "DELETE", "PROPFIND"] {
        let response = gateway.request(method, "/").send();

        assert_eq!(response.status, 401, "{method}");
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn trace_never_reaches_an_api_that_would_send_the_jwt_back() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");

    let response = gateway.request("TRACE", "/").bearer("opaque").send();

    assert_eq!(response.status, 405);
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
}

#[test]
fn a_jwt_that_the_client_brings_is_introspected_as_any_token() {
    let gateway = Gateway::with("");
    let brought = jwt(an_hour_of_claims());
    gateway.authorization_server.answer(&brought, Answer::inactive());

    let response = gateway.get("/").bearer(&brought).send();

    assert_eq!(response.status, 401);
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 0));
}

#[test]
fn a_token_in_the_query_or_in_a_form_is_no_token() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");

    let in_query = gateway.get("/?access_token=opaque").send();
    let in_form = gateway
        .request("POST", "/")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("access_token=opaque")
        .send();

    assert_eq!((in_query.status, in_form.status), (401, 401));
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
}

#[test]
fn the_status_page_has_neither_token_nor_jwt() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{api};
         }
         location = /status { phantom_token_status; }",
    );
    let jwt = gateway.activate("opaque-token");
    gateway.get("/").bearer("opaque-token").send();

    for format in ["json", "prometheus"] {
        let page = gateway.get(&format!("/status?format={format}")).send().text();

        assert!(page.contains("granted"), "{page}");
        for secret in ["opaque-token", &jwt[..20], &jwt[jwt.len() - 20..]] {
            assert!(!page.contains(secret), "{page}");
        }
    }
}

#[test]
fn a_part_that_asks_elsewhere_than_its_granted_page_gets_its_own_jwt() {
    let (gateway, second) = two_servers();
    let page = gateway.prefix().join("html/page.html");
    fs::write(page, "<!--#include virtual=\"/second/part\" -->").unwrap();
    let theirs = jwt(an_hour_of_claims());
    gateway.activate("opaque");
    second.answer("opaque", Answer::jwt(&theirs));

    gateway.get("/page.html").bearer("opaque").send();

    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {theirs}")]);
}

#[test]
fn a_grant_does_not_hold_where_a_redirect_leads_that_asks_elsewhere() {
    let (gateway, second) = two_servers();
    gateway.activate("opaque");
    second.answer("opaque", Answer::inactive());

    let response = gateway.get("/first/redirected").bearer("opaque").send();

    assert_eq!(response.status, 401);
    assert_eq!(gateway.api.count(), 0);
}

/// `/first/` and `/page.html` ask the gateway's authorization server, `/second/` another one.
/// `/first/redirected` leads to `/second/`.
fn two_servers() -> (Gateway, AuthorizationServer) {
    let second = AuthorizationServer::start();
    let gateway = Gateway::with_server(&format!(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         location = /page.html {{ ssi on; root html; }}
         location = /first/redirected {{ try_files /nonexistent /second/; }}
         location /second/ {{
             phantom_token_introspection_endpoint /elsewhere;
             proxy_pass http://{{api}};
         }}
         location = /elsewhere {{ internal; proxy_pass http://{}; }}",
        second.address()
    ));
    (gateway, second)
}
