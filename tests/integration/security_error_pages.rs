//! What is left of a refused token on the way to an error page, and of one whose endpoint is not
//! where its name leads.

use std::fs;

use phantom_token_devkit::{
    Answer, AuthorizationServer, Gateway, Nginx,
    jwt::{an_hour_of_claims, jwt},
};

/// `/open` and `@plain` lead to the API, which may not see a refused token there.
const ERROR_PAGES: &str = "location @plain { proxy_pass http://{api}; }
     location /open { proxy_pass http://{api}; }";

fn assert_no_authorization(gateway: &Gateway, what: &str) {
    for request in gateway.api.requests() {
        assert_eq!(request.header("authorization"), None, "{what}: {}", request.target);
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
fn an_error_page_for_introspection_is_not_taken_for_x_accel_redirect() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask {
             internal;
             proxy_pass http://{as};
             proxy_intercept_errors on;
             error_page 500 = /second;
         }
         location = /second { internal; return 204; }",
    );
    let answer = Answer::status(500).header("X-Accel-Redirect", "/elsewhere");
    gateway.authorization_server.answer("opaque", answer);

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 401, "the second server says that it is inactive");
}

#[test]
fn a_misspelt_endpoint_sends_nothing_to_where_it_leads() {
    let gateway = Gateway::with_server(
        "location /things {
             phantom_token on;
             phantom_token_introspection_endpoint /introspektion;
             phantom_token_client_credential gateway secret;
             proxy_pass http://{api};
         }
         location / { proxy_pass http://{api}; }",
    );

    let response = gateway.get("/things").bearer("opaque").send();

    assert_eq!(response.status, 502);
    assert_eq!(gateway.api.count(), 0);
    gateway.wait_for_log("introspection endpoint \"/introspektion\" leads to location \"/\"");
}

#[test]
fn a_misspelt_endpoint_sends_nothing_to_the_error_page_of_where_it_leads() {
    for error_page in ["error_page 500 502 = @fallback;", "error_page 500 502 /fallback;"] {
        let gateway = Gateway::with_server(&format!(
            "location /things {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspektion;
                 phantom_token_client_credential gateway secret;
                 proxy_pass http://{{api}};
             }}
             location / {{ proxy_pass http://{{api}}; {error_page} }}
             location @fallback {{ proxy_pass http://{{as}}; }}
             location /fallback {{ proxy_pass http://{{as}}; }}"
        ));
        gateway.activate("opaque");

        let response = gateway.get("/things").bearer("opaque").send();

        assert_eq!(response.status, 502, "{error_page}");
        assert_eq!(gateway.authorization_server.count(), 0, "{error_page}");
        assert_eq!(gateway.api.count(), 0, "{error_page}");
    }
}

#[test]
fn what_returns_where_a_misspelt_endpoint_leads_is_no_answer() {
    let gateway = Gateway::with_server(&format!(
        "location /things {{
             phantom_token on;
             phantom_token_introspection_endpoint /introspektion;
             proxy_pass http://{{api}};
         }}
         location / {{ default_type application/jwt; return 200 {}; }}",
        jwt(an_hour_of_claims())
    ));

    let response = gateway.get("/things").bearer("opaque").send();

    assert_eq!(response.status, 502);
    assert_eq!(gateway.api.count(), 0);
    gateway.wait_for_log("introspection endpoint \"/introspektion\" leads to location \"/\"");
}

#[test]
fn an_x_accel_redirect_sends_nothing_to_the_error_page_of_where_it_leads() {
    for error_page in ["error_page 502 = @fallback;", "error_page 502 /fallback;"] {
        let gateway = Gateway::with_server(&format!(
            "location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 phantom_token_client_credential gateway secret;
                 proxy_pass http://{{api}};
             }}
             location /elsewhere {{ proxy_pass http://{{api}}; {error_page} }}
             location @fallback {{ proxy_pass http://{{api}}; }}
             location /fallback {{ proxy_pass http://{{api}}; }}"
        ));
        let answer = Answer::status(200).header("X-Accel-Redirect", "/elsewhere");
        gateway.authorization_server.answer("opaque", answer);

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 502, "{error_page}");
        assert_eq!(gateway.api.count(), 0, "{error_page}");
    }
}

#[test]
fn a_path_above_the_endpoint_may_be_its_location() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /oauth/introspect;
             proxy_pass http://{api};
         }
         location /oauth/ { proxy_pass http://{as}; }",
    );
    gateway.activate("opaque");

    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
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

#[test]
fn an_error_page_is_asked_about_to_no_other_authorization_server() {
    let others = AuthorizationServer::start();
    others.answer("opaque", Answer::jwt(&jwt(an_hour_of_claims())));
    let gateway = Gateway::with_server(&format!(
        "phantom_token on;
         phantom_token_introspection_endpoint /ask;
         error_page 401 502 503 504 /page;
         location /page {{ proxy_pass http://{{api}}; }}
         location /b {{
             phantom_token_introspection_endpoint /ask-b;
             proxy_pass http://{{api}};
         }}
         location /down {{
             phantom_token_introspection_endpoint /ask-b;
             proxy_pass http://127.0.0.1:1;
         }}
         location = /ask {{ internal; proxy_pass http://{}; }}
         location = /ask-b {{ internal; proxy_pass http://{{as}}; }}",
        others.address()
    ));
    let server = &gateway.authorization_server;
    for (path, answer, status) in [
        ("/b", Answer::status(429).header("Retry-After", "7"), 503),
        ("/b", Answer::inactive(), 401),
        ("/b", Answer::status(500), 502),
        ("/down", Answer::jwt(&jwt(an_hour_of_claims())), 502),
    ] {
        server.answer("opaque", answer.clone());

        let response = gateway.get(path).bearer("opaque").send();

        assert_eq!(response.status, status, "{path} {answer:?}");
        assert_eq!(response.header("www-authenticate").is_some(), status == 401, "{answer:?}");
    }
    assert_eq!((others.count(), gateway.api.count()), (0, 0));
}

#[test]
fn a_page_in_place_of_an_error_is_as_if_it_had_been_asked_for() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask-b;
             error_page 401 = @second;
             proxy_pass http://{api};
         }
         location @second {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask { internal; proxy_pass http://{as}; }
         location = /ask-b { internal; return 204; }",
    );
    let jwt = gateway.activate("opaque");

    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);

    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
}
