//! What keeps answers apart: the host that the authorization server is asked as, values of the request, and
//! for how long an answer is kept.

use phantom_token_devkit::{
    Answer, Gateway, Response,
    jwt::{an_hour_of_claims, jwt},
};
use serde_json::json;

use crate::crowd::{self, Crowd};

const PASS: &str = "proxy_pass http://{as}";

/// Two tenants of one gateway, told apart by the name that the client asks for. An authorization server
/// that knows them by `Host` answers each with a JWT of its own.
fn answers_of_tenants(directives: &str, pass: &str) -> (Gateway, Vec<String>) {
    let gateway = Gateway::with_http(&format!(
        "server {{
             listen 127.0.0.1:{{port}};
             server_name *.example.com;
             {directives}
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{{api}};
             }}
             location = /ask {{ internal; {pass}; }}
         }}"
    ));
    let answers = [1, 2].map(|number| Answer::jwt(&jwt(json!({"number": number}))).max_age(60));
    gateway.authorization_server.answer_in_turn("opaque", answers);
    for host in ["a.example.com", "b.example.com", "a.example.com", "b.example.com"] {
        assert_eq!(get_from(&gateway, host).status, 200, "{directives}");
    }
    let arrived = gateway.api.requests().into_iter();
    let authorizations = arrived.map(|request| request.header("authorization").unwrap().to_owned());
    let authorizations = authorizations.collect();
    (gateway, authorizations)
}

fn get_from(gateway: &Gateway, host: &str) -> Response {
    let mut connection = gateway.connect();
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer opaque\r\n\r\n");
    connection.write(request.as_bytes());
    connection.read("GET")
}

#[test]
fn answers_are_kept_apart_by_the_host_that_the_authorization_server_is_asked_as() {
    for (directives, pass) in [
        ("proxy_set_header Host $host;", PASS),
        ("proxy_set_header Host $http_host;", PASS),
        ("proxy_set_header host login.$host;", PASS),
        ("set $upstream {as};", "proxy_pass http://$upstream/introspect"),
        ("set $upstream {as};", "proxy_set_header Host $host; proxy_pass http://$upstream"),
    ] {
        let (gateway, served) = answers_of_tenants(directives, pass);

        assert_eq!(gateway.authorization_server.count(), 2, "{directives}");
        assert_ne!(served[0], served[1], "{directives}");
        assert_eq!(served[..2], served[2..], "{directives}");
    }
}

#[test]
fn the_host_in_a_uri_counts_where_the_server_depends_on_it() {
    let (gateway, _) = answers_of_tenants("set $upstream {as};", "proxy_pass http://$upstream");
    let mut connection = gateway.connect();
    let request = "GET http://b.example.com/ HTTP/1.1\r\nHost: a.example.com\r\n\
                   Authorization: Bearer opaque\r\n\r\n";
    gateway.activate("opaque");

    connection.write(request.as_bytes());

    assert_eq!(connection.read("GET").status, 200);
    assert_eq!(gateway.authorization_server.count(), 3);
}

#[test]
fn what_the_introspection_location_sets_itself_gives_nobody_the_answer_of_another() {
    for (vary, ask) in [
        ("", "set $h $arg_none; set $h $host; proxy_set_header Host $h; proxy_pass http://{as};"),
        ("phantom_token_cache_vary $h;", "set $h $host; proxy_pass http://{as}/$h;"),
        ("", "proxy_set_header Host $proxy_host; proxy_pass http://{as}/$host;"),
    ] {
        let gateway = Gateway::with_http(&format!(
            "server {{
                 listen 127.0.0.1:{{port}};
                 server_name *.example.com;
                 location / {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /ask;
                     {vary}
                     proxy_pass http://{{api}};
                 }}
                 location = /ask {{ internal; {ask} }}
             }}"
        ));
        let first = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
        gateway.authorization_server.answer_in_turn("opaque", [first, Answer::inactive()]);

        let [of_a, of_b] = ["a.example.com", "b.example.com"].map(|host| get_from(&gateway, host));

        assert_eq!((of_a.status, of_b.status), (200, 401), "{ask}");
        let line = gateway.wait_for_log("has another value in the introspection location");
        assert!(line.contains("[warn]"), "{line}");
    }
}

#[test]
fn what_the_introspection_location_sets_to_one_value_is_the_same_for_all() {
    let gateway = Gateway::with_http(
        "server {
             listen 127.0.0.1:{port};
             server_name *.example.com;
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{api};
             }
             location = /ask {
                 internal;
                 set $upstream {as};
                 set $login login.example.com;
                 proxy_set_header Host $login;
                 proxy_pass http://{as};
             }
         }",
    );
    gateway.activate("opaque");

    for host in ["a.example.com", "b.example.com"] {
        assert_eq!(get_from(&gateway, host).status, 200);
    }

    let asked = gateway.authorization_server.only_request();
    assert_eq!(asked.header("host"), Some("login.example.com"));
    assert!(!gateway.error_log().contains("uninitialized"), "{}", gateway.error_log());
}

#[test]
fn one_value_of_two_variables_keeps_the_answers_of_two_locations_apart() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /ask;
         location /acme {
             set $realm acme;
             phantom_token_cache_vary $realm;
             proxy_pass http://{api};
         }
         location /other { phantom_token_cache_vary $http_x_v; proxy_pass http://{api}; }
         location = /ask { internal; proxy_pass http://{as}; }",
    );
    gateway.activate("opaque");

    gateway.get("/other").bearer("opaque").header("X-V", "acme").send();
    gateway.get("/acme").bearer("opaque").send();

    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn answers_are_shared_by_hosts_that_the_authorization_server_does_not_see() {
    for directives in
        ["", "proxy_set_header Host login.example.com;", "proxy_set_header X-A $host;"]
    {
        let (gateway, _) = answers_of_tenants(directives, PASS);

        assert_eq!(gateway.authorization_server.count(), 1, "{directives}");
    }
}

#[test]
fn answers_are_kept_apart_by_the_values_that_the_configuration_names() {
    let gateway = Gateway::with_server(
        "phantom_token_introspection_endpoint /ask;
         phantom_token_cache_vary $realm fixed;
         location /a { set $realm a; phantom_token on; proxy_pass http://{api}; }
         location /b { set $realm b; phantom_token on; proxy_pass http://{api}; }
         location /also-a { set $realm a; phantom_token on; proxy_pass http://{api}; }
         location = /ask { internal; proxy_pass http://{as}/realms/$realm; }",
    );
    gateway.activate("opaque");

    for _ in 0..2 {
        for target in ["/a", "/b", "/also-a"] {
            assert_eq!(gateway.get(target).bearer("opaque").send().status, 200);
        }
    }

    let asked: Vec<_> =
        gateway.authorization_server.requests().into_iter().map(|asked| asked.target).collect();
    assert_eq!(asked, ["/realms/a", "/realms/b"]);
}

#[test]
fn a_grant_does_not_hold_where_a_redirect_leads_with_other_values() {
    let gateway = Gateway::with_server(
        "phantom_token_introspection_endpoint /ask;
         phantom_token_cache_vary $realm;
         location /a {
             set $realm a;
             phantom_token on;
             error_page 418 = /b;
             try_files /none =418;
         }
         location /b { set $realm b; phantom_token on; proxy_pass http://{api}; }
         location = /ask { internal; proxy_pass http://{as}/realms/$realm; }",
    );
    gateway.activate("opaque");

    assert_eq!(gateway.get("/a").bearer("opaque").send().status, 200);

    let asked: Vec<_> =
        gateway.authorization_server.requests().into_iter().map(|asked| asked.target).collect();
    assert_eq!(asked, ["/realms/a", "/realms/b"]);
}

#[test]
fn those_who_wait_for_each_other_have_the_same_values() {
    let gateway = crowd::gateway(1, "phantom_token_cache_vary $arg_tenant;");
    let gate = phantom_token_devkit::Gate::closed();
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60).after(&gate);
    gateway.authorization_server.answer("opaque", answer);
    let crowd = Crowd::send(&gateway, 5, "opaque");
    let mut other = gateway.connect();
    other.write(&gateway.get("/?tenant=b").bearer("opaque").to_bytes());

    gateway.authorization_server.wait_for(2);
    gate.open();

    crowd::assert_all(&crowd.answers(), 200);
    assert_eq!(other.read("GET").status, 200);
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn locations_that_keep_answers_for_different_times_share_none() {
    let gateway = with_short_and_long();
    gateway.activate("opaque");

    for (path, introspections) in [("/long", 1), ("/short", 2), ("/long", 2), ("/short", 2)] {
        assert_eq!(gateway.get(path).bearer("opaque").send().status, 200, "{path}");

        assert_eq!(gateway.authorization_server.count(), introspections, "{path}");
    }
}

#[test]
fn a_redirect_between_locations_that_keep_answers_for_different_times_is_introspected_once() {
    let gateway = with_short_and_long();
    let jwt = gateway.activate("opaque");

    let response = gateway.get("/redirected").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert_eq!(gateway.authorization_server.only_request().text(), "token=opaque");
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")]);
}

fn with_short_and_long() -> Gateway {
    Gateway::with_server(
        "phantom_token_introspection_endpoint /introspection;
         location /long { phantom_token on; proxy_pass http://{api}; }
         location /short {
             phantom_token on;
             phantom_token_cache_max_valid 30s;
             proxy_pass http://{api};
         }
         location /redirected {
             phantom_token on;
             phantom_token_cache_max_valid 30s;
             try_files /nothing /long;
         }",
    )
}
