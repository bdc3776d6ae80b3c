//! Variables in the introspection location, and in the rules of its server: they speak of the client's
//! request, but for those of the introspection's own method, URI and body.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use phantom_token_devkit::{
    Gateway, Response,
    jwt::{an_hour_of_claims, jwt},
};

/// Rules of a server, and a header with which a client keeps to them.
const RULES: [(&str, &str, &str); 11] = [
    (
        r#"if ($http_x_forwarded_proto != "https") { return 301 https://$host$request_uri; }"#,
        "X-Forwarded-Proto",
        "https",
    ),
    (r#"if ($http_user_agent = "") { return 403; }"#, "User-Agent", "curl/8"),
    (r#"if ($http_user_agent !~ curl) { return 403; }"#, "User-Agent", "curl/8"),
    (r#"if ($http_accept !~ json) { return 406; }"#, "Accept", "application/json"),
    (r#"if ($http_referer = "") { return 403; }"#, "Referer", "https://example.com/"),
    (
        "valid_referers example.com; if ($invalid_referer) { return 403; }",
        "Referer",
        "https://example.com/",
    ),
    (r#"if ($cookie_session = "") { return 403; }"#, "Cookie", "a=b; session=1"),
    (r#"if ($http_cookie !~ session) { return 403; }"#, "Cookie", "session=1"),
    (r#"if ($http_authorization !~ "^Bearer ") { return 401; }"#, "X-Any", "1"),
    (r#"if ($version = "old") { return 410; }"#, "X-Version", "2"),
    (r#"set $tenant $http_x_tenant; if ($tenant = "") { return 404; }"#, "X-Tenant", "acme"),
];

#[test]
fn rules_of_the_server_about_client_headers_let_the_introspection_pass_as_they_do_the_client() {
    for (rule, name, value) in RULES {
        let gateway = Gateway::with_http(&format!(
            "map $http_x_version $version {{ default old; 2 new; }}
             server {{
                 listen 127.0.0.1:{{port}};
                 {rule}
                 location / {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /introspection;
                     proxy_pass http://{{api}};
                 }}
                 location = /introspection {{ internal; proxy_pass http://{{as}}; }}
             }}"
        ));
        gateway.activate("opaque");

        let response = gateway.get("/").bearer("opaque").header(name, value).send();

        assert_eq!(response.status, 200, "{rule}");
        let asked = gateway.authorization_server.only_request();
        if name != "Accept" {
            assert_eq!(asked.header(&name.to_lowercase()), None, "{rule}");
        }
    }
}

#[test]
fn headers_of_the_client_can_be_passed_on_as_in_auth_request() {
    let gateway = Gateway::with_http(
        r#"log_format ids '$request_id';
        server {
            listen 127.0.0.1:{port};
            access_log logs/ids.log ids;
            location / {
                phantom_token on;
                phantom_token_introspection_endpoint /introspection;
                proxy_set_header X-Request-Id $request_id;
                proxy_pass http://{api};
            }
            location = /introspection {
                internal;
                proxy_set_header traceparent $http_traceparent;
                proxy_set_header X-Request-Id $request_id;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                proxy_set_header X-Forwarded-Host $http_host;
                proxy_set_header X-User $remote_user;
                proxy_set_header X-Session $cookie_session;
                proxy_set_header X-Of-Client "$http_accept|$http_authorization";
                proxy_set_header X-Of-Introspection
                    "$request_method|$uri|$args|$arg_a|$content_type|$http_content_type|$http_content_length";
                proxy_pass http://{as};
            }
        }"#,
    );
    gateway.activate("opaque");
    let request = gateway
        .request("PUT", "/things?a=b")
        .bearer("opaque")
        .header("Accept", "text/html")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("X-Forwarded-For", "192.0.2.7")
        .header("Cookie", "session=1")
        .header("Content-Type", "text/plain")
        .body("a body");

    assert_eq!(request.send().status, 200);

    let asked = gateway.authorization_server.only_request();
    let arrived = gateway.api.only_request();
    let header = |name| asked.header(name).unwrap_or_default();
    assert_eq!(header("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_eq!(header("x-forwarded-for"), "192.0.2.7, 127.0.0.1");
    assert_eq!(header("x-forwarded-host"), "localhost");
    assert_eq!(header("x-user"), "");
    assert_eq!(header("x-session"), "1");
    assert_eq!(header("x-of-client"), "text/html|Bearer opaque");
    let form = "application/x-www-form-urlencoded";
    assert_eq!(header("x-of-introspection"), format!("POST|/introspection|||{form}|{form}|12"));
    assert_eq!(header("accept"), "application/jwt");
    assert_eq!(asked.text(), "token=opaque");
    let logged = gateway.wait_for_log_named("ids.log", "");
    assert_eq!(header("x-request-id"), logged);
    assert_eq!(arrived.header("x-request-id"), Some(logged.as_str()));
}

#[test]
fn the_clients_authorization_is_the_one_that_came_also_when_a_jwt_is_renewed() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             phantom_token_cache_background_update on before=120s;
             proxy_pass http://{api};
         }
         location = /ask {
             internal;
             proxy_set_header X-Of-Client $http_authorization;
             proxy_pass http://{as};
         }",
    );
    gateway.activate("opaque");

    for _ in 0..2 {
        assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
    }

    for asked in gateway.authorization_server.wait_for(2) {
        assert_eq!(asked.header("x-of-client"), Some("Bearer opaque"));
    }
}

#[test]
fn what_the_calling_location_has_set_is_known_and_what_the_introspection_location_sets_is_not() {
    let gateway = Gateway::with_server(
        "set $of_server server;
         location / {
             set $realm acme;
             set $mine caller;
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_set_header X-Mine $mine;
             proxy_pass http://{api};
         }
         location = /ask {
             internal;
             set $mine introspection;
             proxy_set_header X-Set $of_server|$mine;
             proxy_pass http://{as}/realms/$realm/introspect;
         }",
    );
    gateway.activate("opaque");

    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);

    let asked = gateway.authorization_server.only_request();
    assert_eq!(asked.target, "/realms/acme/introspect");
    assert_eq!(asked.header("x-set"), Some("server|introspection"));
    assert_eq!(gateway.api.only_request().header("x-mine"), Some("caller"));
}

#[test]
fn maps_are_made_anew_of_what_they_are_made_of() {
    let gateway = Gateway::with_http(
        "map $request_method $by_method { default $request_method; }
         map $uri $by_uri { default $uri; }
         map $http_x_tenant $by_tenant { default tenant-$http_x_tenant; }
         server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 set $early $by_method$by_uri$by_tenant;
                 proxy_set_header X-Maps $by_method|$by_uri|$by_tenant;
                 proxy_pass http://{api};
             }
             location = /ask {
                 internal;
                 proxy_set_header X-Maps $by_method|$by_uri|$by_tenant;
                 proxy_pass http://{as};
             }
         }",
    );
    gateway.activate("opaque");

    gateway.get("/things").bearer("opaque").header("X-Tenant", "acme").send();

    let asked = gateway.authorization_server.only_request();
    assert_eq!(asked.header("x-maps"), Some("POST|/ask|tenant-acme"));
    assert_eq!(gateway.api.only_request().header("x-maps"), Some("GET|/things|tenant-acme"));
}

#[test]
fn they_are_the_clients_for_a_part_of_a_page_too() {
    let gateway = Gateway::with_server(
        "location = /page.html { ssi on; root html; }
         location /part {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask {
             internal;
             proxy_set_header X-Of-Client $http_x_mine;
             proxy_pass http://{as};
         }",
    );
    gateway.activate("opaque");
    let page = gateway.prefix().join("html/page.html");
    std::fs::write(page, "<!--#include virtual=\"/part\" -->").unwrap();

    let response = gateway.get("/page.html").bearer("opaque").header("X-Mine", "1").send();

    assert_eq!(response.status, 200);
    assert_eq!(gateway.api.count(), 1);
    assert_eq!(gateway.authorization_server.only_request().header("x-of-client"), Some("1"));
}

#[test]
fn they_are_the_clients_with_scgi_too() {
    let (response, asked) = through("scgi", read_scgi);

    assert_eq!(response.status, 200);
    assert_asked_as_documented(&asked);
}

#[test]
fn they_are_the_clients_with_uwsgi_too() {
    let (response, asked) = through("uwsgi", read_uwsgi);

    assert_eq!(response.status, 200);
    assert_asked_as_documented(&asked);
}

#[test]
fn they_are_the_clients_with_fastcgi_too() {
    let (response, asked) = through("fastcgi", read_fastcgi);

    assert_eq!(response.status, 200);
    assert_asked_as_documented(&asked);
}

fn assert_asked_as_documented(asked: &str) {
    for expected in
        ["X_OF_CLIENT", "mine|Bearer opaque", "X_OF_INTROSPECTION", "POST|/ask", "token=opaque"]
    {
        assert!(asked.contains(expected), "{expected} in {asked:?}");
    }
    assert!(!asked.contains("HTTP_X_MINE"), "{asked:?}");
}

/// Asks an authorization server that speaks another protocol of NGINX's, in which `serve` reads the
/// question and answers it; gives what the client got and the bytes that came.
fn through(
    protocol: &str,
    serve: fn(&mut std::net::TcpStream, &str) -> Vec<u8>,
) -> (Response, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        serve(&mut stream, &jwt(an_hour_of_claims()))
    });
    let gateway = Gateway::with_server(&format!(
        "location / {{
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{{api}};
         }}
         location = /ask {{
             internal;
             {protocol}_param X_OF_CLIENT $http_x_mine|$http_authorization;
             {protocol}_param X_OF_INTROSPECTION $request_method|$uri;
             {protocol}_param CONTENT_LENGTH $content_length;
             {protocol}_pass {address};
         }}"
    ));

    let response = gateway.get("/").bearer("opaque").header("X-Mine", "mine").send();

    let asked = server.join().unwrap();
    (response, String::from_utf8_lossy(&asked).into_owned())
}

fn cgi_answer(jwt: &str) -> String {
    format!("Status: 200 OK\r\nContent-Type: application/jwt\r\n\r\n{jwt}")
}

/// A netstring of names and values, and the body.
fn read_scgi(stream: &mut std::net::TcpStream, jwt: &str) -> Vec<u8> {
    let asked = read_until(stream, |asked| asked.ends_with(b"token=opaque"));
    stream.write_all(cgi_answer(jwt).as_bytes()).unwrap();
    asked
}

fn read_uwsgi(stream: &mut std::net::TcpStream, jwt: &str) -> Vec<u8> {
    let asked = read_until(stream, |asked| asked.ends_with(b"token=opaque"));
    let answer = cgi_answer(jwt).replacen("Status:", "HTTP/1.1", 1);
    stream.write_all(answer.as_bytes()).unwrap();
    asked
}

/// Records: the last one is of standard input (5), and empty.
fn read_fastcgi(stream: &mut std::net::TcpStream, jwt: &str) -> Vec<u8> {
    let asked = read_until(stream, |asked| asked.ends_with(&[1, 5, 0, 1, 0, 0, 0, 0]));
    let answer = cgi_answer(jwt);
    let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
    stream.write_all(&[1, 6, 0, 1, length[0], length[1], 0, 0]).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    stream.write_all(&[1, 6, 0, 1, 0, 0, 0, 0, 1, 3, 0, 1, 0, 8, 0, 0]).unwrap();
    stream.write_all(&[0; 8]).unwrap();
    asked
}

fn read_until(stream: &mut std::net::TcpStream, is_whole: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut asked = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&asked) {
        let length = stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "the end of {:?}", String::from_utf8_lossy(&asked));
        asked.extend_from_slice(&buffer[..length]);
    }
    asked
}
