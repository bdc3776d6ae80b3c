//! The opaque token on its way from the client to the authorization server.

use phantom_token_devkit::{
    Answer, Gateway, ReceivedRequest, expect,
    jwt::{an_hour_of_claims, jwt},
};

use crate::crowd;

#[test]
fn the_scheme_may_be_in_any_case_and_followed_by_several_spaces() {
    let gateway = Gateway::with("phantom_token_cache off;");
    gateway.activate("opaque");
    for value in ["Bearer opaque", "bearer opaque", "BEARER opaque", "bEaReR    opaque"] {
        let response = gateway.get("/").header("Authorization", value).send();

        assert_eq!(response.status, 200, "{value}");
    }
    assert_eq!(gateway.authorization_server.count(), 4);
}

#[test]
fn a_token_arrives_as_it_was_sent() {
    let gateway = Gateway::builder()
        .http(
            "large_client_header_buffers 4 16k;
             server {
                 listen 127.0.0.1:{port};
                 location / {
                     phantom_token on;
                     phantom_token_introspection_endpoint /introspection;
                     proxy_pass http://{api};
                 }
                 location = /introspection { internal; proxy_pass http://{as}; }
             }",
        )
        .start();
    let eight_kilobytes = "x".repeat(8192);
    let tokens = ["a", "a+b", "a/b==", "+", "-._~+/", &eight_kilobytes];
    for token in tokens {
        gateway.activate(token);

        let response = gateway.get("/").bearer(token).send();

        assert_eq!(response.status, 200, "{token}");
        let last = gateway.authorization_server.requests().pop().unwrap();
        assert_eq!(parameters(&last), [("token".to_owned(), token.to_owned())]);
    }
}

#[test]
fn an_encoded_token_is_plain_b64token_characters_or_percent_encoded() {
    let gateway = Gateway::with("");
    gateway.activate("a+b/c==");

    gateway.get("/").bearer("a+b/c==").send();

    let body = gateway.authorization_server.only_request().text();
    assert_eq!(body, "token=a%2Bb%2Fc%3D%3D");
}

#[test]
fn a_token_of_any_visible_characters_is_taken_where_that_is_the_syntax() {
    let gateway = crowd::gateway(1, "phantom_token_token_syntax visible;");
    for token in ["12|abc", "a:b", "a=b", "==", "a&token=b", "a%20b;c", "b64token-._~+/="] {
        let jwt = gateway.activate(token);

        let responses = [(); 2].map(|()| gateway.get("/").bearer(token).send());

        assert_eq!(responses[0].status, 200, "{token}");
        assert_eq!(responses[1].header("x-cache"), Some("HIT"), "{token}");
        let last = gateway.authorization_server.requests().pop().unwrap();
        assert_eq!(parameters(&last), [("token".to_owned(), token.to_owned())]);
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
    assert_eq!(gateway.authorization_server.count(), 7);
}

#[test]
fn what_means_something_in_a_header_is_in_no_token_of_any_syntax() {
    let gateway = Gateway::with("phantom_token_token_syntax visible;");
    let values: [&[u8]; 9] = [
        b"Bearer a b",
        b"Bearer a,b",
        b"Bearer a, Bearer b",
        b"Bearer \"a\"",
        b"Bearer a\\b",
        b"Bearer a\tb",
        b"Bearer a\x01",
        b"Bearer a\x7f",
        b"Bearer t\xc3\xb6ken",
    ];
    for value in values {
        let response = gateway.get("/").header("Authorization", value).send();

        let challenge = expect::unauthorized(&response);
        assert!(challenge.contains(r#"error="invalid_token""#), "{}", value.escape_ascii());
    }
    assert_eq!(gateway.authorization_server.count(), 0);
}

#[test]
fn the_syntax_is_inherited_and_replaced_as_any_directive() {
    let gateway = Gateway::with_http(
        "phantom_token_token_syntax visible;
         server {
             listen 127.0.0.1:{port};
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             location / { proxy_pass http://{api}; }
             location /strict {
                 phantom_token_token_syntax b64token;
                 proxy_pass http://{api};
                 location /strict/not { phantom_token_token_syntax visible; proxy_pass http://{api}; }
             }
             location = /introspection { internal; proxy_pass http://{as}; }
         }",
    );
    gateway.activate("12|abc");

    let statuses = ["/", "/strict", "/strict/not"]
        .map(|path| gateway.get(path).bearer("12|abc").send().status);

    assert_eq!(statuses, [200, 401, 200]);
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

fn parameters(request: &ReceivedRequest) -> Vec<(String, String)> {
    form_urlencoded::parse(&request.body).into_owned().collect()
}
