//! What the authorization server is asked.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use phantom_token_devkit::{Gateway, Installation, ReceivedRequest};

#[test]
fn it_is_a_form_with_the_token_and_nothing_else() {
    let gateway = Gateway::with("");
    gateway.activate("opaque");

    gateway.get("/things?a=b").bearer("opaque").send();

    let request = gateway.authorization_server.only_request();
    assert_eq!(request.method, "POST");
    assert_eq!(request.text(), "token=opaque");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("content-length"), Some("12"));
    assert_eq!(request.header("accept"), Some("application/jwt"));
    let mut names = request.headers.names();
    names.sort();
    assert_eq!(names, names_of_headers());
}

/// The names of all headers that an introspection has, in alphabetical order.
pub fn names_of_headers() -> Vec<&'static str> {
    let mut names = vec!["accept", "connection", "content-length", "content-type", "host"];
    if Installation::get().keeps_upstreams_alive() {
        names.retain(|&name| name != "connection");
    }
    names
}

#[test]
fn it_goes_to_the_uri_that_proxy_pass_names() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask { internal; proxy_pass http://{as}/oauth/v2/introspect; }",
    );
    gateway.activate("opaque");

    gateway.get("/things?a=b").bearer("opaque").send();

    assert_eq!(gateway.authorization_server.only_request().target, "/oauth/v2/introspect");
}

#[test]
fn its_method_is_post_whatever_the_clients_is() {
    let gateway = Gateway::with("phantom_token_cache off;");
    gateway.activate("opaque");
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "PROPFIND"] {
        gateway.request(method, "/").bearer("opaque").send();

        let last = gateway.authorization_server.requests().pop().unwrap();
        assert_eq!((last.method.as_str(), last.text().as_str()), ("POST", "token=opaque"));
        assert_eq!(gateway.api.requests().pop().unwrap().method, method);
    }
}

#[test]
fn the_accept_header_can_be_set() {
    let gateway = Gateway::with("phantom_token_introspection_accept_header application/json;");
    gateway.activate("opaque");

    gateway.get("/").header("Accept", "text/html").bearer("opaque").send();

    let request = gateway.authorization_server.only_request();
    assert_eq!(request.headers.all("accept"), ["application/json"]);
}

#[test]
fn the_client_credential_is_form_encoded_basic_authentication() {
    let table = [
        (r#""id" "secret""#, "id:secret"),
        (r#""a b:c" "p%&+=/?""#, "a+b%3Ac:p%25%26%2B%3D%2F%3F"),
        (r#""idé" "ключ""#, "id%C3%A9:%D0%BA%D0%BB%D1%8E%D1%87"),
    ];
    for (arguments, credential) in table {
        let gateway = Gateway::with(&format!("phantom_token_client_credential {arguments};"));
        gateway.activate("opaque");

        gateway.get("/").bearer("opaque").send();

        let request = gateway.authorization_server.only_request();
        assert_eq!(basic_credential(&request), credential, "{arguments}");
    }
}

#[test]
fn the_client_secret_can_be_in_a_file_and_is_read_again_at_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "first\n").unwrap();
    let gateway = Gateway::with(&format!(
        "phantom_token_cache off; phantom_token_client_credential id file:{};",
        path.display()
    ));
    gateway.activate("opaque");
    gateway.get("/").bearer("opaque").send();

    fs::write(&path, "second").unwrap();
    gateway.reload();
    gateway.get("/").bearer("opaque").send();

    let requests = gateway.authorization_server.requests();
    let credentials: Vec<_> = requests.iter().map(basic_credential).collect();
    assert_eq!(credentials, ["id:first", "id:second"]);
}

#[test]
fn proxy_set_header_lines_of_the_introspection_location_work() {
    let gateway = Gateway::with_server(
        r#"location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask {
             internal;
             proxy_pass_request_headers off;
             proxy_set_header Accept "application/jwt";
             proxy_set_header Content-Type "application/x-www-form-urlencoded";
             proxy_set_header Authorization "Basic aWQ6c2VjcmV0";
             proxy_pass http://{as};
         }"#,
    );
    gateway.activate("opaque");

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    let request = gateway.authorization_server.only_request();
    assert_eq!(request.text(), "token=opaque");
    assert_eq!(basic_credential(&request), "id:secret");
    assert_eq!(request.headers.all("accept"), ["application/jwt"]);
    let media_types = request.headers.all("content-type");
    assert_eq!(media_types, ["application/x-www-form-urlencoded"]);
}

#[test]
fn its_host_is_the_clients_where_the_location_passes_it_on() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask { internal; proxy_set_header Host $http_host; proxy_pass http://{as}; }",
    );
    gateway.activate("opaque");

    gateway.get("/").bearer("opaque").send();

    assert_eq!(gateway.authorization_server.only_request().header("host"), Some("localhost"));
}

fn basic_credential(request: &ReceivedRequest) -> String {
    let value = request.header("authorization").expect("an Authorization header");
    let credential = STANDARD.decode(value.strip_prefix("Basic ").expect("Basic")).unwrap();
    String::from_utf8(credential).unwrap()
}

#[test]
fn limits_on_what_clients_may_send_do_not_apply_to_it() {
    let gateway = Gateway::with_http(
        "client_max_body_size 64;
         client_body_buffer_size 1;
         client_body_timeout 1s;
         large_client_header_buffers 4 1k;
         server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 proxy_pass http://{api};
             }
             location = /introspection {
                 internal;
                 limit_except GET { deny all; }
                 proxy_pass http://{as};
             }
         }",
    );
    let token = "x".repeat(200);
    gateway.activate(&token);

    let response = gateway.get("/").bearer(&token).send();

    assert_eq!(response.status, 200);
    let asked = gateway.authorization_server.only_request();
    assert_eq!(asked.text(), format!("token={token}"));
    assert_eq!(asked.header("content-length"), Some("206"));
    let too_large = gateway.request("POST", "/").bearer(&token).body("x".repeat(65)).send();
    assert_eq!(too_large.status, 413, "the client's own body");
}

#[test]
fn limits_on_what_clients_may_send_do_not_apply_to_it_where_an_error_page_leads() {
    let gateway = Gateway::with_server(
        "client_max_body_size 64;
         location / {
             phantom_token on;
             phantom_token_introspection_endpoint /first;
             proxy_pass http://{api};
         }
         location = /first { internal; error_page 502 503 = /second; return 503; }
         location = /second { internal; proxy_pass http://{as}; }",
    );
    let token = "x".repeat(200);
    gateway.activate(&token);

    assert_eq!(gateway.get("/").bearer(&token).send().status, 200);

    let asked = gateway.authorization_server.only_request();
    assert_eq!(asked.text(), format!("token={token}"));
}
