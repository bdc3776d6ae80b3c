//! A client with an active token gets the API's own answer.

use phantom_token_devkit::{Answer, Gateway};

#[test]
fn the_api_gets_the_jwt_in_place_of_the_opaque_token() {
    let gateway = Gateway::with("");
    let jwt = gateway.activate("opaque");

    let response = gateway.get("/things?a=b").bearer("opaque").send();

    assert_eq!(response.status, 200);
    let request = gateway.api.only_request();
    assert_eq!(request.target, "/things?a=b");
    assert_eq!(request.headers.all("authorization"), [format!("Bearer {jwt}")]);
}

#[test]
fn the_client_gets_the_answer_of_the_api_unchanged() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");
    let answer = Answer::status(418).header("X-Tea", "green").body("short and stout");
    gateway.api.answer("/pot", answer);

    let response = gateway.get("/pot").bearer("opaque").send();

    assert_eq!(response.status, 418);
    assert_eq!(response.header("x-tea"), Some("green"));
    assert_eq!(response.text(), "short and stout");
    assert!(!response.headers.contains("www-authenticate"));
    assert!(!response.headers.contains("cache-control"));
}

#[test]
fn a_401_of_the_api_itself_stays_the_apis_own() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");
    let challenge = r#"Bearer realm="the api", error="invalid_token""#;
    let answer = Answer::status(401).header("WWW-Authenticate", challenge).body("go away");
    gateway.api.answer("/", answer);

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 401);
    assert_eq!(response.text(), "go away");
    assert_eq!(response.headers.all("www-authenticate"), [challenge]);
}

#[test]
fn the_client_never_sees_the_jwt() {
    let gateway = Gateway::with("");
    let jwt = gateway.activate("opaque");
    gateway.api.answer("/", Answer::status(200).body("hello"));

    let response = gateway.get("/").bearer("opaque").send();

    for (name, value) in response.headers.iter() {
        assert!(!String::from_utf8_lossy(value).contains(&jwt), "{name}");
    }
    assert_eq!(response.text(), "hello");
}

#[test]
fn a_location_without_the_directive_is_open_and_its_authorization_header_untouched() {
    let gateway = Gateway::with_server("location / { proxy_pass http://{api}; }");

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert_eq!(gateway.api.only_request().header("authorization"), Some("Bearer opaque"));
    assert_eq!(gateway.authorization_server.count(), 0);
}

#[test]
fn trace_never_reaches_an_api_that_would_send_the_jwt_back() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");

    let response = gateway.request("TRACE", "/").bearer("opaque").send();

    assert_eq!(response.status, 405);
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
}
