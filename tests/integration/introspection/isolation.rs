//! Nothing of the client's request reaches the authorization server but the token, and nothing
//! of the introspection shows in the client's request.

use phantom_token_devkit::{Gateway, Request};

use super::request::names_of_headers;

#[test]
fn the_clients_headers_arrive_at_the_api_unchanged_and_never_at_the_authorization_server() {
    let gateway = Gateway::with("");
    let jwt = gateway.activate("opaque");
    let request = with_many_headers(gateway.get("/")).bearer("opaque");

    let response = request.send();

    assert_eq!(response.status, 200);
    let arrived = gateway.api.only_request();
    let arrived: Vec<_> = arrived
        .headers
        .iter()
        .filter(|(name, _)| !["Host", "Connection"].contains(name))
        .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let mut expected = many_headers();
    expected.push(("Authorization".to_owned(), format!("Bearer {jwt}")));
    assert_eq!(sorted(arrived), sorted(expected));
    let mut asked = gateway.authorization_server.only_request().headers.names();
    asked.sort();
    assert_eq!(asked, names_of_headers());
}

#[test]
fn the_order_of_the_clients_other_headers_is_kept() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");

    with_many_headers(gateway.get("/").bearer("opaque")).send();

    let arrived = gateway.api.only_request().headers.names();
    let sent: Vec<_> = many_headers().iter().map(|(name, _)| name.to_lowercase()).collect();
    let arrived: Vec<_> = arrived.into_iter().filter(|name| sent.contains(name)).collect();
    assert_eq!(arrived, sent);
}

#[test]
fn the_clients_body_and_cookies_never_reach_the_authorization_server() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");
    let request = gateway
        .request("POST", "/")
        .bearer("opaque")
        .header("Cookie", "session=secret")
        .header("Content-Type", "text/plain")
        .body("token=mine&body=client");

    request.send();

    let asked = gateway.authorization_server.only_request();
    assert_eq!(asked.text(), "token=opaque");
    assert!(!asked.headers.contains("cookie"));
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.text(), "token=mine&body=client");
    assert_eq!(arrived.header("cookie"), Some("session=secret"));
    assert_eq!(arrived.header("content-type"), Some("text/plain"));
}

#[test]
fn conditions_and_ranges_of_the_client_do_not_change_the_introspection() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask {
             internal;
             proxy_force_ranges on;
             proxy_pass http://{as};
         }",
    );
    let jwt = gateway.activate("opaque");
    let request = gateway
        .get("/")
        .bearer("opaque")
        .header("Range", "bytes=0-3")
        .header("If-None-Match", "*")
        .header("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT")
        .header("If-Match", "\"x\"")
        .header("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:10 GMT");

    request.send();

    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    assert_eq!(arrived.header("range"), Some("bytes=0-3"));
    assert_eq!(arrived.header("if-match"), Some("\"x\""));
}

#[test]
fn variables_of_the_clients_request_are_the_clients_also_when_read_in_the_introspection_location() {
    let gateway = Gateway::with_http(
        r#"log_format seen '$request_body|$content_length|$content_type|$request_method|$args|$http_authorization';
        server {
            listen 127.0.0.1:{port};
            access_log logs/seen.log seen;
            location / {
                phantom_token on;
                phantom_token_introspection_endpoint /ask;
                proxy_set_header X-Seen "$content_length|$content_type|$request_method|$args|$http_authorization";
                proxy_pass http://{api};
            }
            location = /ask {
                internal;
                proxy_set_header X-Seen
                    "$request_body|$content_length|$content_type|$request_method|$args|$http_authorization";
                proxy_pass http://{as};
            }
        }"#,
    );
    let jwt = gateway.activate("opaque");
    let request = gateway
        .request("PUT", "/?a=b")
        .bearer("opaque")
        .header("Content-Type", "text/plain")
        .body("client-body");

    request.send();

    let seen = format!("11|text/plain|PUT|a=b|Bearer {jwt}");
    assert_eq!(gateway.api.only_request().header("x-seen"), Some(seen.as_str()));
    let logged = gateway.wait_for_log_named("seen.log", "|");
    assert_eq!(logged, format!("client-body|{seen}"));
    let asked = gateway.authorization_server.only_request();
    let asked = asked.header("x-seen").unwrap().to_owned();
    assert!(asked.starts_with("token=opaque|"), "{asked}");
}

#[test]
fn variables_read_before_the_access_phase_change_with_the_grant() {
    let gateway = Gateway::with_server(
        r#"set $early "$http_authorization$content_length";
        location / {
            phantom_token on;
            phantom_token_introspection_endpoint /introspection;
            proxy_set_header X-Early-Length $content_length;
            proxy_set_header X-Now $http_authorization;
            proxy_pass http://{api};
        }"#,
    );
    let jwt = gateway.activate("opaque");

    gateway.request("POST", "/").bearer("opaque").body("12345").send();

    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("x-now"), Some(format!("Bearer {jwt}").as_str()));
    assert_eq!(arrived.header("x-early-length"), Some("5"));
}

fn with_many_headers(request: Request) -> Request {
    many_headers().into_iter().fold(request, |request, (name, value)| request.header(&name, value))
}

/// 44 headers: those that NGINX knows, and others.
fn many_headers() -> Vec<(String, String)> {
    let known = [
        ("User-Agent", "test/1.0"),
        ("Accept", "text/html"),
        ("Accept-Language", "en"),
        ("Accept-Encoding", "gzip"),
        ("Referer", "http://localhost/from"),
        ("Cookie", "session=secret; a=b"),
        ("Via", "1.1 somewhere"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Real-IP", "203.0.113.8"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("Content-Type", "text/plain"),
        ("If-None-Match", "\"etag\""),
        ("Range", "bytes=0-10"),
        ("X-Empty", ""),
    ];
    let known = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let others = (known.len()..44).map(|n| (format!("X-Header-{n}"), format!("value {n}")));
    known.iter().cloned().chain(others).collect()
}

fn sorted(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.sort();
    headers
}
