//! The opaque token on its way from the client to the authorization server.

use phantom_token_devkit::{Gateway, ReceivedRequest};

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

fn parameters(request: &ReceivedRequest) -> Vec<(String, String)> {
    form_urlencoded::parse(&request.body).into_owned().collect()
}
