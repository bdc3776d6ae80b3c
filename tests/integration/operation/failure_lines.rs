//! What the error log advises when an introspection fails.

use phantom_token_devkit::{
    Answer, Gate, Gateway, GatewayBuilder,
    jwt::{an_hour_of_claims, jwt, jwt_with_header},
};
use serde_json::{Value, json};

use crate::crowd::{self, Crowd, assert_all};

const CREDENTIAL: &str = "phantom_token_client_credential gateway hush-4711;";

/// The line about the answer, with these directives in the protected location.
fn line_about(answer: Answer, directives: &str) -> String {
    line_of(Gateway::builder().directives(directives), answer)
}

fn line_of(builder: GatewayBuilder, answer: Answer) -> String {
    let gateway = builder.start();
    gateway.authorization_server.answer_otherwise(move |_| answer.clone());

    let response = gateway.get("/").bearer("secret-opaque-token").send();

    assert!(response.status >= 500, "{}", response.status);
    let line = gateway.wait_for_log("refused in location");
    assert!(!line.contains("opaque-token"), "{line}");
    line
}

fn error(status: u16, error: Value) -> Answer {
    Answer::status(status).header("Content-Type", "application/json").body(error.to_string())
}

#[test]
fn a_line_never_advises_what_is_set_already() {
    let active = || Answer::json(json!({"active": true, "sub": "jane"}));
    let signed = || {
        let header = json!({"alg": "RS256", "typ": "token-introspection+jwt"});
        Answer::jwt(&jwt_with_header(header, json!({})))
    };
    let accept = |media_type| format!("phantom_token_introspection_accept_header {media_type};");
    let set_to =
        |media_type| format!("set phantom_token_introspection_accept_header to {media_type}");
    for (answer, media_type) in [
        (active(), "application/jwt"),
        (signed(), "application/jwt"),
        (signed(), "application/json"),
    ] {
        let line = line_about(answer, &accept(media_type));
        assert!(!line.contains(&set_to(media_type)), "{line}");
    }
    let line = line_about(active(), &accept("application/json"));
    assert!(line.contains(&set_to("application/jwt")), "{line}");
    let line = line_about(signed(), &accept("application/jwt"));
    assert!(line.contains(&set_to("application/json")), "{line}");
    let line = line_about(signed(), &accept("application/token-introspection+jwt"));
    assert!(line.contains(&set_to("application/jwt or to application/json")), "{line}");
    for status in [400, 401, 403] {
        let line = line_about(Answer::status(status), CREDENTIAL);
        assert!(!line.contains("set phantom_token_client_credential"), "{status}: {line}");
    }
}

#[test]
fn a_line_says_where_no_credential_is_sent() {
    let invalid_client = || error(400, json!({"error": "invalid_client"}));
    let answers = [400, 401, 403, 302].map(Answer::status).into_iter().chain([invalid_client()]);
    for answer in answers {
        let line = line_about(answer.clone(), "");
        assert!(line.contains("this module sends no client credential"), "{answer:?}: {line}");
        assert!(line.contains("set phantom_token_client_credential"), "{answer:?}: {line}");

        let line = line_about(answer.clone(), CREDENTIAL);
        assert!(!line.contains("no client credential"), "{answer:?}: {line}");
        assert!(line.contains("credential"), "{answer:?}: {line}");
    }
}

#[test]
fn a_line_names_what_withholds_the_question_from_the_authorization_server() {
    let builder = Gateway::builder().http(
        "server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 phantom_token_client_credential gateway secret;
                 proxy_pass http://{api};
             }
             location = /introspection {
                 internal;
                 proxy_pass_request_body off;
                 proxy_set_header Content-Length '';
                 proxy_pass http://{as};
             }
         }",
    );
    let body = json!({"error": "invalid_request", "error_description": "Token not provided."});

    let line = line_of(builder, error(400, body));

    assert!(line.contains("proxy_pass_request_body off"), "{line}");
    assert!(line.contains("invalid_request") && line.contains("Token not provided."), "{line}");
}

#[test]
fn a_line_says_what_the_authorization_server_says_and_nothing_that_harms() {
    let jwt = jwt(an_hour_of_claims());
    let said = |description: &str| {
        error(401, json!({"error": "invalid_client", "error_description": description}))
    };
    for (answer, expected) in [
        (said("Invalid client credentials"), "\"invalid_client\" (\"Invalid client credentials\")"),
        (said("line\r\nend \"quoted\" \\ t\u{f6}ken"), "(\"line??end ?quoted? ? t?ken\")"),
        (said("the token secret-opaque-token is strange"), "error \"invalid_client\": "),
        (said(&format!("not {jwt}, please")), "(\"not ... please\")"),
        (said("the secret of gateway is not hush-4711"), "error \"invalid_client\": "),
        (error(404, json!({"error": "no_such_place"})), "404 and error \"no_such_place\""),
        (error(400, json!({"error": ["invalid_client"]})), "status 400: "),
        (Answer::status(404).body("404 page not found"), "status 404: "),
        (
            Answer::status(403).header("Content-Type", "text/html; charset=utf-8").body("<html>"),
            "403 and an HTML page: ",
        ),
        (
            Answer::status(200).header("Content-Type", "text/html").body("<html>"),
            "is an HTML page: ",
        ),
    ] {
        let line = line_about(answer.clone(), CREDENTIAL);
        assert!(line.contains(expected), "{answer:?}: {line}");
        assert!(!line.contains(&jwt[..40]), "{answer:?}: {line}");
    }
}

#[test]
fn a_line_about_a_redirect_says_when_servers_redirect() {
    let answer = Answer::status(302).header("Location", "http://localhost/login");
    let line = line_about(answer, CREDENTIAL);
    for expected in [
        "status 302",
        "a login page when the path or the credential is wrong",
        "or when their store fails",
    ] {
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn a_line_says_where_nginx_itself_has_answered() {
    for (rule, status, expected) in [
        ("if ($request_method = POST) { return 301 https://$host$request_uri; }", 502, "301"),
        ("if ($request_method = POST) { return 403; }", 502, "403"),
        ("rewrite ^/introspection$ /nowhere last; location = /nowhere { internal; }", 502, "404"),
        ("if ($request_method = POST) { return 503; }", 503, "503"),
    ] {
        let gateway = Gateway::with_server(&format!(
            "{rule}
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 proxy_pass http://{{api}};
             }}"
        ));

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, status, "{rule}");
        let line = gateway.wait_for_log("refused in location");
        let expected = format!("NGINX itself answered the introspection with {expected}, ");
        assert!(line.contains(&expected), "{line}");
        assert_eq!(gateway.authorization_server.count(), 0, "{rule}");
    }
}

#[test]
fn a_line_says_so_where_nginx_throws_the_answer_of_the_server_away() {
    for (status, expected) in [
        (401, "the introspection answer has status 401: this module sends no client credential"),
        (404, "the introspection answer has status 404"),
        (429, "the authorization server is overloaded or down: it answered 429"),
        (500, "the authorization server failed: it answered 500"),
        (504, "the authorization server failed: it answered 504"),
    ] {
        let builder = Gateway::builder().server(
            "proxy_intercept_errors on;
             error_page 401 403 404 429 500 502 503 504 /page.html;
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 proxy_pass http://{api};
             }
             location = /page.html { return 200 page; }",
        );

        let gateway = builder.start();
        gateway.authorization_server.answer_otherwise(move |_| Answer::status(status));
        gateway.get("/").bearer("opaque").send();

        let line = gateway.wait_for_log("refused in location");
        assert!(line.contains(expected) && line.contains("[error]"), "{status}: {line}");
    }
}

#[test]
fn a_line_says_where_the_server_was_not_reached() {
    let builder = Gateway::builder().server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask { internal; proxy_pass http://127.0.0.1:1; }",
    );

    let line = line_of(builder, Answer::none());

    assert!(line.contains("the authorization server cannot be reached"), "{line}");
    assert!(line.contains("[error]"), "{line}");
}

#[test]
fn a_limit_of_the_introspection_location_is_not_said_to_be_the_servers() {
    let gateway = Gateway::with_http(
        "limit_req_zone $binary_remote_addr zone=introspections:1m rate=1r/m;
         server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 proxy_pass http://{api};
             }
             location = /introspection {
                 internal;
                 limit_req zone=introspections;
                 limit_req_status 429;
                 proxy_pass http://{as};
             }
         }",
    );
    gateway.get("/").bearer("one").send();

    let response = gateway.get("/").bearer("two").send();

    assert_eq!(response.status, 503);
    let line = gateway.wait_for_log("NGINX itself answered the introspection with 429");
    assert!(
        line.contains("[info]") && line.contains("a limit_req, limit_conn or return"),
        "{line}"
    );
}

#[test]
fn those_who_wait_in_other_workers_learn_what_fits() {
    let gateway = crowd::gateway(2, CREDENTIAL);
    let gate = Gate::closed();
    let body = json!({"error": "invalid_client", "error_description": "Not of this world"});
    let answer = error(401, body).after(&gate);
    gateway.authorization_server.answer("opaque", answer);
    let crowd = Crowd::send(&gateway, 40, "opaque");

    gate.open();
    let answers = crowd.answers();

    assert_all(&answers, 502);
    let log = gateway.error_log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("refused in location")).collect();
    assert_eq!(lines.len(), 40);
    assert!(lines.iter().all(|line| line.contains("401 and error \"invalid_client\"")), "{log}");
    assert!(lines.iter().any(|line| line.contains("Not of this world")), "{log}");
}
