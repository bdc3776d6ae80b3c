//! Requests with a body, and the methods that are special.

use phantom_token_devkit::{Gateway, expect};

const MEGABYTE: usize = 1 << 20;
/// What would be taken for a request if a body were not read to its end.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_megabyte_reaches_the_api_intact() {
    for directives in ["", "proxy_request_buffering off; proxy_http_version 1.1;"] {
        let gateway = Gateway::with(&format!("client_max_body_size 2m; {directives}"));
        gateway.activate("opaque");
        let body = a_megabyte();
        for request in [
            gateway.request("POST", "/").bearer("opaque").body(body.clone()),
            gateway.request("PUT", "/").bearer("opaque").chunked_body(&body, 10_000),
        ] {
            let response = request.send();

            assert_eq!(response.status, 200, "{directives}");
            let arrived = gateway.api.requests().pop().unwrap();
            assert!(arrived.body == body, "{directives}: the body changed");
        }
        assert_eq!(gateway.authorization_server.requests()[0].text(), "token=opaque");
    }
}

#[test]
fn a_body_that_comes_after_the_grant_reaches_the_api() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");
    let request = gateway.request("POST", "/").bearer("opaque").body("slowly");
    let mut connection = gateway.connect();

    connection.write(&request.head());
    gateway.authorization_server.wait_for(1);
    connection.write(b"slow");
    connection.write(b"ly");
    let response = connection.read("POST");

    assert_eq!(response.status, 200);
    assert_eq!(gateway.api.only_request().text(), "slowly");
}

#[test]
fn after_a_refused_request_with_a_body_the_next_one_on_the_connection_is_answered_correctly() {
    let gateway = Gateway::with("client_max_body_size 2m;");
    gateway.activate("opaque");
    let megabyte = a_megabyte();
    let refused = [
        gateway.request("POST", "/").body(SMUGGLED),
        gateway.request("POST", "/").chunked_body(SMUGGLED, 7),
        gateway.request("POST", "/").bearer("inactive").body(SMUGGLED),
        gateway.request("POST", "/").bearer("inactive").chunked_body(SMUGGLED, 7),
        gateway.request("POST", "/").bearer("no b64token").body(SMUGGLED),
        gateway.request("POST", "/").body(megabyte.clone()),
        gateway.request("POST", "/").bearer("inactive").body(megabyte.clone()),
        gateway.request("POST", "/").bearer("inactive").chunked_body(&megabyte, 5000),
    ];
    let mut connection = gateway.connect();
    for request in refused {
        let refused = request.send_on(&mut connection);
        let granted = gateway.get("/next").bearer("opaque").send_on(&mut connection);

        expect::unauthorized(&refused);
        assert_eq!(granted.status, 200);
        assert_eq!(gateway.api.requests().pop().unwrap().target, "/next");
    }
    assert_eq!(gateway.api.count(), 8);
}

#[test]
fn a_body_that_comes_only_after_the_refusal_is_no_request() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");
    let request = gateway.request("POST", "/").bearer("inactive").body(SMUGGLED);
    let mut connection = gateway.connect();

    connection.write(&request.head());
    let refused = connection.read("POST");
    connection.write(SMUGGLED);
    let granted = gateway.get("/next").bearer("opaque").send_on(&mut connection);

    expect::unauthorized(&refused);
    assert_eq!(granted.status, 200);
    assert_eq!(gateway.api.only_request().target, "/next");
}

#[test]
fn a_client_that_expects_100_continue_gets_it_when_the_token_is_active() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");
    let request = gateway
        .request("POST", "/")
        .bearer("opaque")
        .header("Expect", "100-continue")
        .body("the body");
    let mut connection = gateway.connect();

    connection.write(&request.head());
    let interim = connection.read("POST");
    connection.write(b"the body");
    let response = connection.read("POST");

    assert_eq!((interim.status, response.status), (100, 200));
    assert_eq!(gateway.api.only_request().text(), "the body");
    let asked = gateway.authorization_server.only_request();
    assert_eq!((asked.text().as_str(), asked.headers.contains("expect")), ("token=opaque", false));
}

#[test]
fn a_client_that_expects_100_continue_is_refused_without_it() {
    let gateway = Gateway::with("");
    for token in ["inactive", "no b64token"] {
        let request = gateway
            .request("POST", "/")
            .bearer(token)
            .header("Expect", "100-continue")
            .body("the body");
        let mut connection = gateway.connect();

        connection.write(&request.head());
        let refused = connection.read("POST");

        expect::unauthorized(&refused);
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn head_is_granted_as_get_is() {
    let gateway = Gateway::with("");
    let jwt = gateway.activate("opaque");
    let mut connection = gateway.connect();

    let head = gateway.request("HEAD", "/").bearer("opaque").send_on(&mut connection);
    let get = gateway.get("/").bearer("opaque").send_on(&mut connection);

    assert_eq!((head.status, get.status), (200, 200));
    assert_eq!(head.header("content-type"), Some("application/json"));
    let arrived = gateway.api.requests().remove(0);
    assert_eq!(arrived.method, "HEAD");
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
}

#[test]
fn options_is_answered_with_204_by_default() {
    for directives in ["", "phantom_token_options reply;"] {
        let gateway = Gateway::with(directives);
        let mut connection = gateway.connect();
        for request in [
            gateway.request("OPTIONS", "/"),
            gateway.request("OPTIONS", "/").bearer("opaque"),
            gateway.request("OPTIONS", "/").body("a body"),
        ] {
            let response = request.send_on(&mut connection);

            assert_eq!(response.status, 204, "{directives}");
            assert!(!response.headers.contains("www-authenticate"));
        }
        assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
    }
}

#[test]
fn options_can_pass_without_a_token_but_never_with_an_opaque_one() {
    let gateway = Gateway::with("phantom_token_options pass;");

    let without = gateway.request("OPTIONS", "/").header("Origin", "http://elsewhere").send();
    let with = gateway.request("OPTIONS", "/").bearer("opaque").send();

    assert_eq!((without.status, with.status), (200, 200));
    assert_eq!(gateway.authorization_server.count(), 0);
    let arrived = gateway.api.requests();
    assert_eq!(arrived[0].header("origin"), Some("http://elsewhere"));
    assert_eq!(arrived[1].header("authorization").unwrap_or_default(), "");
}

#[test]
fn options_can_need_a_token_as_any_request() {
    let gateway = Gateway::with("phantom_token_options check;");
    gateway.activate("opaque");

    let refused = gateway.request("OPTIONS", "/").send();
    let granted = gateway.request("OPTIONS", "/").bearer("opaque").send();

    expect::unauthorized(&refused);
    assert_eq!(granted.status, 200);
    assert_eq!(gateway.api.only_request().method, "OPTIONS");
}

fn a_megabyte() -> Vec<u8> {
    (0..MEGABYTE).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}
