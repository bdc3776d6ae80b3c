//! Refusals for which the location has a page of its own.

use std::fs;

use phantom_token_devkit::{Answer, Gateway, expect};

#[test]
fn an_error_page_for_401_is_served_with_the_challenge_kept() {
    let table = [
        ("error_page 401 /page.html;", 401, "the page"),
        ("error_page 401 @named;", 401, "named"),
        ("error_page 401 =403 /page.html;", 403, "the page"),
        ("error_page 401 /api/page;", 401, "from the API"),
    ];
    for (error_page, status, body) in table {
        let gateway = with_pages(error_page);
        gateway.api.answer("/api/page", Answer::status(200).body("from the API"));
        for (token, challenge) in [(None, r#"Bearer realm="api""#), (Some("x"), "invalid_token")] {
            let mut request = gateway.get("/");
            if let Some(token) = token {
                request = request.bearer(token);
            }

            let response = request.send();

            assert_eq!((response.status, response.text().as_str()), (status, body), "{error_page}");
            let challenges = response.headers.all("www-authenticate");
            assert_eq!(challenges.len(), 1, "{error_page}");
            assert!(challenges[0].contains(challenge), "{error_page}: {challenges:?}");
        }
    }
}

#[test]
fn an_error_page_for_401_can_redirect_to_a_login() {
    let gateway = with_pages("error_page 401 =302 http://localhost/login;");

    let response = gateway.get("/").send();

    assert_eq!(response.status, 302);
    assert_eq!(response.header("location"), Some("http://localhost/login"));
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn an_error_page_for_502_is_served() {
    let gateway = with_pages("error_page 502 503 504 /page.html;");
    for (answer, status) in
        [(Answer::status(500), 502), (Answer::status(503), 503), (Answer::status(504), 504)]
    {
        gateway.authorization_server.answer("opaque", answer);

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!((response.status, response.text().as_str()), (status, "the page"));
    }
}

#[test]
fn an_error_page_keeps_its_own_content_type() {
    let gateway = with_pages("error_page 401 /page.html;");

    let response = gateway.get("/").send();

    assert_eq!(response.header("content-type"), Some("text/html"));
}

#[test]
fn an_error_page_for_another_status_does_not_change_a_refusal() {
    let gateway = with_pages("error_page 404 500 /page.html;");

    let response = gateway.get("/").send();

    expect::unauthorized(&response);
}

#[test]
fn an_error_page_that_is_protected_itself_refuses_once_with_one_challenge() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         error_page 401 /page;
         location / { proxy_pass http://{api}; }
         location = /page { proxy_pass http://{api}; }",
    );

    let response = gateway.get("/").bearer("inactive").send();

    assert_eq!(response.status, 401);
    assert_eq!(response.headers.all("www-authenticate").len(), 1);
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 0));
}

#[test]
fn an_error_page_of_the_introspection_location_decides_what_the_introspection_says() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask {
             internal;
             proxy_intercept_errors on;
             error_page 500 =204 @inactive;
             proxy_pass http://{as};
         }
         location @inactive { return 204; }",
    );
    gateway.authorization_server.answer("opaque", Answer::status(500));

    let response = gateway.get("/").bearer("opaque").send();

    expect::unauthorized(&response);
    assert_eq!(gateway.api.count(), 0);
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

fn with_pages(error_page: &str) -> Gateway {
    let gateway = Gateway::with_server(&format!(
        "types {{ text/html html; }}
         location / {{
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             {error_page}
             proxy_pass http://{{api}};
         }}
         location = /page.html {{ internal; root html; }}
         location @named {{ return 401 named; }}
         location /api/ {{ proxy_pass http://{{api}}; }}"
    ));
    fs::write(gateway.prefix().join("html/page.html"), "the page").unwrap();
    gateway
}
