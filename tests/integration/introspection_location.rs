//! The introspection location, whatever answers in it.

use std::{
    fs,
    time::{Duration, Instant},
};

use phantom_token_devkit::{
    Answer, AuthorizationServer, Gateway, eventually, expect,
    jwt::{an_hour_of_claims, jwt, jwt_of_length},
};

#[test]
fn it_can_return_the_jwt_itself() {
    let jwt = jwt(an_hour_of_claims());
    let gateway = Gateway::with_server(&format!(
        "location / {{
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{{api}};
         }}
         location = /ask {{ internal; default_type application/jwt; return 200 {jwt}; }}"
    ));

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
}

#[test]
fn it_can_return_that_a_token_is_inactive() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask { internal; return 204; }",
    );

    let response = gateway.get("/").bearer("opaque").send();

    expect::unauthorized(&response);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn a_pattern_that_is_open_to_clients_is_warned_of_once() {
    for (location, is_open) in [
        ("location ~ ^/ask {", true),
        ("location = /ask { internal;", false),
        ("location ~ ^/ask { internal;", false),
        ("location ask {", false),
    ] {
        let endpoint = if location.contains('/') { "/ask" } else { "ask" };
        let gateway = Gateway::with_server(&format!(
            "location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint {endpoint};
                 proxy_pass http://{{api}};
             }}
             {location} proxy_pass http://{{as}}; }}"
        ));

        for token in ["one", "another"] {
            expect::unauthorized(&gateway.get("/").bearer(token).send());
        }

        let warnings = gateway.error_log().matches("is open to clients").count();
        assert_eq!(warnings, usize::from(is_open), "{location}");
    }
}

#[test]
fn it_can_be_a_static_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ask"), "").unwrap();
    for sendfile in ["on", "off"] {
        for kilobytes in [1, 60] {
            let jwt = jwt_of_length(an_hour_of_claims(), kilobytes * 1024);
            fs::write(folder.path().join("answer.jwt"), &jwt).unwrap();
            // NGINX serves no file to a POST, but as an error page it does.
            let gateway = Gateway::with_server(&format!(
                "sendfile {sendfile};
                 location / {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /ask;
                     proxy_pass http://{{api}};
                 }}
                 location = /ask {{ internal; error_page 405 =200 /answer.jwt; root {0}; }}
                 location = /answer.jwt {{ internal; root {0}; }}",
                folder.path().display()
            ));

            let response = gateway.get("/").bearer("opaque").send();

            assert_eq!(response.status, 200, "sendfile {sendfile}, {kilobytes} KB");
            let arrived = gateway.api.only_request();
            assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
        }
    }
}

#[test]
fn a_file_that_nginx_does_not_serve_to_post_is_a_bad_gateway() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask { internal; root html; }",
    );
    fs::write(gateway.prefix().join("html/ask"), jwt(an_hour_of_claims())).unwrap();

    let response = gateway.get("/").bearer("opaque").send();

    expect::server_error(&response, 502);
    gateway.wait_for_log("405");
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn its_name_can_go_without_a_leading_slash() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint curity;
             proxy_pass http://{api};
         }
         location curity { internal; proxy_pass http://{as}/introspect; }",
    );
    let jwt = gateway.activate("opaque");

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert_eq!(gateway.authorization_server.only_request().target, "/introspect");
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
}

#[test]
fn it_can_reach_the_authorization_server_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let authorization_server = AuthorizationServer::start_on_unix(&folder.path().join("as.sock"));
    let jwt = jwt(an_hour_of_claims());
    authorization_server.answer("opaque", Answer::jwt(&jwt).head_apart());
    let gateway = Gateway::with_http(&format!(
        "upstream over_unix {{ server {}; }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{{api}};
             }}
             location = /ask {{ internal; proxy_pass http://over_unix; }}
         }}",
        authorization_server.address()
    ));

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert_eq!(authorization_server.only_request().text(), "token=opaque");
}

#[test]
fn connections_to_the_authorization_server_can_be_kept_alive() {
    let gateway = Gateway::with_http(
        "upstream servers { server {as}; keepalive 4; }
         server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 phantom_token_cache off;
                 proxy_pass http://{api};
             }
             location = /ask {
                 internal;
                 proxy_http_version 1.1;
                 proxy_set_header Connection '';
                 proxy_pass http://servers;
             }
         }",
    );
    let answers = ["jwt", "chunked", "inactive", "failure"];
    let jwt = jwt(an_hour_of_claims());
    gateway.authorization_server.answer("jwt", Answer::jwt(&jwt));
    gateway.authorization_server.answer("chunked", Answer::jwt(&jwt).chunked().head_apart());
    gateway.authorization_server.answer("failure", Answer::status(400).body("what?"));
    for token in answers.iter().cycle().take(12) {
        gateway.get("/").bearer(token).send();
    }

    assert_eq!(gateway.authorization_server.count(), 12);
    assert_eq!(gateway.authorization_server.connections(), 1);
}

#[test]
fn a_proxy_cache_in_it_tells_tokens_apart() {
    let gateway = with_proxy_cache("phantom_token_cache off;");
    let alice = gateway.activate("alice");
    let bob = gateway.activate("bob");
    for (token, jwt) in [("alice", &alice), ("bob", &bob), ("alice", &alice), ("bob", &bob)] {
        let response = gateway.get("/").bearer(token).send();

        assert_eq!(response.status, 200);
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn a_large_jwt_comes_out_of_a_proxy_cache_whole() {
    let gateway = with_proxy_cache("phantom_token_cache off;");
    let jwt = jwt_of_length(an_hour_of_claims(), 60 * 1024);
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt).max_age(60));
    for _ in 0..3 {
        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 200);
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn an_answer_that_expired_in_a_proxy_cache_is_asked_for_again() {
    let gateway = with_proxy_cache("phantom_token_cache off;");
    let first = jwt_of_length(an_hour_of_claims(), 500);
    let second = jwt_of_length(an_hour_of_claims(), 9000);
    let answers = [Answer::jwt(&first).max_age(1), Answer::jwt(&second).max_age(60)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    eventually(|| {
        assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
        (gateway.authorization_server.count() == 2).then_some(())
    })
    .expect("the answer to expire");

    let arrived = gateway.api.requests().pop().unwrap();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {second}").as_str()));
}

#[test]
fn an_answer_out_of_a_proxy_cache_lives_no_longer_than_the_server_said() {
    const LIFETIME: Duration = Duration::from_secs(8);
    /// Times in a cache are whole seconds.
    const SECOND: Duration = Duration::from_secs(1);
    let gateway = with_proxy_cache("phantom_token_cache off;");
    let jwt = jwt(an_hour_of_claims());
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt).max_age(LIFETIME.as_secs()));
    gateway.get("/").bearer("opaque").send();
    let answered = Instant::now();

    // Half of the answer's life is over when the zone gets it out of the proxy cache.
    eventually(|| (answered.elapsed() >= LIFETIME / 2).then_some(()));
    gateway.get("/zone").bearer("opaque").send();
    let introspections_within_the_lifetime = gateway.authorization_server.count();
    eventually(|| {
        let age = answered.elapsed();
        gateway.get("/zone").bearer("opaque").send();
        let is_expired = gateway.authorization_server.count() == 2;
        assert!(is_expired || age < LIFETIME + SECOND, "it was used at an age of {age:?}");
        is_expired.then_some(())
    })
    .expect("the answer to expire");

    assert_eq!(introspections_within_the_lifetime, 1);
}

#[test]
fn an_endpoint_without_a_location_of_its_own_lets_nothing_through() {
    let table = [
        // Nothing answers: 404.
        "location /things {
             phantom_token on;
             phantom_token_introspection_endpoint /nowhere;
             proxy_pass http://{api};
         }",
        // The protected location itself would answer: the API must not see the opaque token.
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /nowhere;
             proxy_pass http://{api};
         }",
    ];
    for server in table {
        let gateway = Gateway::with_server(server);

        let response = gateway.get("/things").bearer("opaque").send();

        assert!([500, 502].contains(&response.status), "{server}: {}", response.status);
        expect::server_error(&response, response.status);
        assert_eq!(gateway.api.count(), 0, "{server}");
    }
}

#[test]
fn the_introspection_location_cannot_be_called_from_outside() {
    let gateway = Gateway::with("");

    let response = gateway.request("POST", "/introspection").body("token=opaque").send();

    assert_eq!(response.status, 404);
    assert_eq!(gateway.authorization_server.count(), 0);
}

/// `/` with these directives and `/zone` with a zone, both over an introspection location with a
/// `proxy_cache` as files for the C module have it.
fn with_proxy_cache(directives: &str) -> Gateway {
    Gateway::with_http(&format!(
        "proxy_cache_path cache keys_zone=answers:1m;
         server {{
             listen 127.0.0.1:{{port}};
             phantom_token_introspection_endpoint /ask;
             location / {{ phantom_token on; {directives} proxy_pass http://{{api}}; }}
             location /zone {{ phantom_token on; proxy_pass http://{{api}}; }}
             location = /ask {{
                 internal;
                 proxy_pass http://{{as}};
                 proxy_cache answers;
                 proxy_cache_methods POST;
                 proxy_cache_key $request_body;
                 proxy_ignore_headers Set-Cookie;
             }}
         }}"
    ))
}
