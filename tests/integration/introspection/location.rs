//! The introspection location, whatever answers in it.

use std::fs;

use phantom_token_devkit::{
    Answer, AuthorizationServer, Gateway, expect,
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
