//! Introspections that fail: the status that the client gets, and which headers.

use phantom_token_devkit::{
    Answer, Gateway, expect,
    jwt::{an_hour_of_claims, jwt},
};

#[test]
fn a_failed_introspection_decides_the_status_and_the_log_names_the_reason() {
    let table = [
        (301, 502, "301"),
        (302, 502, "302"),
        (307, 502, "307"),
        (400, 502, "400"),
        (401, 502, "phantom_token_client_credential"),
        (403, 502, "403"),
        (404, 502, "404"),
        (405, 502, "405"),
        (418, 502, "418"),
        (429, 503, "429"),
        (500, 502, "500"),
        (501, 502, "501"),
        (502, 502, "502"),
        (503, 503, "503"),
        (504, 504, "it answered 504"),
        (201, 502, "201"),
        (206, 502, "206"),
        (304, 502, "304"),
    ];
    for (status, expected, reason) in table {
        let gateway = Gateway::with("");
        let answer = Answer::status(status)
            .header("Location", "http://localhost/elsewhere")
            .header("WWW-Authenticate", "Basic realm=\"introspection\"")
            .header("Set-Cookie", "a=b")
            .body(jwt(an_hour_of_claims()));
        gateway.authorization_server.answer("opaque", answer);

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, expected, "introspection answers {status}");
        expect::server_error(&response, expected);
        for header in ["location", "set-cookie", "retry-after"] {
            assert!(!response.headers.contains(header), "{header} of {status}");
        }
        assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 0));
        let line = gateway.wait_for_log("refused in location");
        assert!(line.contains(reason), "{status}: {line}");
    }
}

#[test]
fn x_retry_after_is_passed_on_where_there_is_no_other() {
    for (fields, expected) in [
        (&[("X-Retry-After", "17")][..], Some("17")),
        (&[("X-Retry-After", "17"), ("Retry-After", "3")], Some("3")),
        (&[("X-Retry-After", "soon")], None),
    ] {
        let gateway = Gateway::with("");
        let answer = fields
            .iter()
            .fold(Answer::status(503), |answer, (name, value)| answer.header(name, value));
        gateway.authorization_server.answer("opaque", answer);

        let response = gateway.get("/").bearer("opaque").send();

        expect::server_error(&response, 503);
        assert_eq!(response.header("retry-after"), expected, "{fields:?}");
        assert_eq!(response.header("x-retry-after"), None);
    }
}

#[test]
fn retry_after_is_passed_on() {
    for status in [429, 503] {
        let gateway = Gateway::with("");
        let answer = Answer::status(status).header("Retry-After", "17");
        gateway.authorization_server.answer("opaque", answer);

        let response = gateway.get("/").bearer("opaque").send();

        expect::server_error(&response, 503);
        assert_eq!(response.header("retry-after"), Some("17"));
    }
}

#[test]
fn a_status_that_nginx_would_close_the_connection_for_is_a_bad_gateway() {
    for introspection in ["return 444;", "return 408;", "return 499;", "return 302 /elsewhere;"] {
        let gateway = Gateway::with_server(&format!(
            "location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{{api}};
             }}
             location = /open {{ return 200 open; }}
             location = /ask {{ internal; {introspection} }}"
        ));
        let mut connection = gateway.connect();

        let refused = gateway.get("/").bearer("opaque").send_on(&mut connection);
        let next = gateway.get("/open").send_on(&mut connection);

        expect::server_error(&refused, 502);
        assert_eq!((next.status, next.text().as_str()), (200, "open"), "{introspection}");
        assert_eq!(gateway.api.count(), 0, "{introspection}");
    }
}
