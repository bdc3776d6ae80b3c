//! Introspections that an error page or an `X-Accel-Redirect` would send somewhere else.

use phantom_token_devkit::{
    Answer, AuthorizationServer, Gateway, eventually, expect,
    jwt::{an_hour_of_claims, jwt},
};

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
