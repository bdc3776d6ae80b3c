//! Requests that pass locations with different introspection endpoints: a grant is for the one that gave it.

use std::fs;

use phantom_token_devkit::{
    Answer, AuthorizationServer, Gate, Gateway,
    jwt::{an_hour_of_claims, jwt, jwt_of_length, numbered_jwt},
};
use serde_json::json;

use crate::pages::{authorizations, write_pages_around};

#[test]
fn included_parts_with_different_endpoints_each_get_their_own_jwt() {
    let others = AuthorizationServer::start();
    let gateway =
        with_two_endpoints(&others, "location = /first { internal; proxy_pass http://{as}; }");
    let parts = ["/one/1", "/two/1", "/one/2", "/two/2"];
    write_page(&gateway, &parts);
    let (gate, late_gate) = (Gate::closed(), Gate::closed());
    let [one, two] = [1, 2].map(numbered_jwt);
    gateway.authorization_server.answer("opaque", Answer::jwt(&one).max_age(60).after(&late_gate));
    others.answer("opaque", Answer::jwt(&two).max_age(60).after(&gate));
    let mut connection = gateway.connect();

    connection.write(&gateway.get("/page.html").bearer("opaque").to_bytes());
    gateway.authorization_server.wait_for(1);
    others.wait_for(1);
    gate.open();
    late_gate.open();
    let response = connection.read("GET");

    assert_eq!(response.status, 200);
    for part in parts {
        let jwt = if part.starts_with("/one") { &one } else { &two };
        assert_eq!(authorizations(&gateway, part), [format!("Bearer {jwt}")], "{part}");
    }
}

#[test]
fn a_late_answer_is_not_taken_for_that_of_another_endpoint() {
    // The first server refuses to answer, and the one in its place answers late.
    let (others, in_place) = (AuthorizationServer::start(), AuthorizationServer::start());
    let gateway = with_two_endpoints(
        &others,
        &format!(
            "location = /first {{
                 internal;
                 proxy_intercept_errors on;
                 error_page 403 = /in-place;
                 proxy_pass http://{{as}};
             }}
             location = /in-place {{ internal; proxy_pass http://{}; }}",
            in_place.address()
        ),
    );
    // The end of the part before it wakes the part that waits for its introspection.
    write_page(&gateway, &["/slow", "/one"]);
    let (gate, slow_gate) = (Gate::closed(), Gate::closed());
    let [late, other] = [1, 2].map(numbered_jwt);
    gateway.api.answer("/slow", Answer::status(200).after(&slow_gate));
    gateway.authorization_server.answer("opaque", Answer::status(403));
    let storable = |jwt| Answer::jwt(jwt).max_age(60).byte_by_byte();
    in_place.answer("opaque", storable(&late).after(&gate));
    others.answer("opaque", storable(&other).after(&gate));
    let mut connection = gateway.connect();

    connection.write(&gateway.get("/page.html").bearer("opaque").to_bytes());
    in_place.wait_for(1);
    slow_gate.open();
    gate.open();
    let response = connection.read("GET");
    let direct = gateway.get("/two").bearer("opaque").send();

    assert_eq!((response.status, direct.status), (200, 200));
    assert_eq!(authorizations(&gateway, "/one"), [format!("Bearer {late}")]);
    assert_eq!(authorizations(&gateway, "/two"), [format!("Bearer {other}")]);
}

#[test]
fn a_part_that_moves_to_the_endpoint_of_its_page_gets_the_jwt_of_that() {
    let others = AuthorizationServer::start();
    let gateway = with_two_endpoints(
        &others,
        "location = /first { internal; proxy_pass http://{as}; }
         location = /granted.html {
             phantom_token on;
             phantom_token_introspection_endpoint /first;
             ssi on;
             root html;
         }",
    );
    let page = "<!--#include virtual=\"/two\" -->";
    fs::write(gateway.prefix().join("html/granted.html"), page).unwrap();
    let [one, two] = [1, 2].map(numbered_jwt);
    gateway.authorization_server.answer("opaque", Answer::jwt(&one));
    others.answer("opaque", Answer::jwt(&two));
    gateway.api.answer("/two", Answer::status(200).header("X-Accel-Redirect", "/one/moved"));

    let response = gateway.get("/granted.html").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert_eq!(authorizations(&gateway, "/two"), [format!("Bearer {two}")]);
    assert_eq!(authorizations(&gateway, "/one/moved"), [format!("Bearer {one}")]);
}

#[test]
fn a_grant_does_not_outlive_the_failure_to_get_another_one() {
    let others = AuthorizationServer::start();
    let gateway = with_two_endpoints(
        &others,
        "ssi on;
         location / { root html; }
         location = /first { internal; proxy_pass http://{as}; }
         location = /three {
             phantom_token on;
             phantom_token_introspection_endpoint /other;
             error_page 500 = /two;
             proxy_pass http://{api};
         }",
    );
    write_pages_around(&gateway, "/one");
    let jwt = numbered_jwt(1);
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt).max_age(60));
    gateway.api.answer("/one", Answer::status(200).header("X-Accel-Redirect", "/three"));
    // The JWT for the first endpoint is in the cache from here on.
    gateway.get("/one/first").bearer("opaque").send();

    let response = gateway.get("/0.html").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert_eq!(authorizations(&gateway, "/one"), [format!("Bearer {jwt}")]);
    assert_eq!(gateway.api.count(), 2, "{:?}", gateway.api.requests());
    assert_eq!(others.count(), 0);
}

#[test]
fn a_grant_after_waiting_in_vain_is_for_the_endpoint_that_gave_it() {
    let others = AuthorizationServer::start();
    let gateway = with_two_endpoints(
        &others,
        "ssi on;
         location / { root html; }
         location = /first { internal; proxy_pass http://{as}; }
         location /waits {
             rewrite_log on;
             rewrite ^ $uri break;
             phantom_token on;
             phantom_token_introspection_endpoint /first;
             error_page 500 = /two;
             proxy_pass http://{api};
         }",
    );
    write_pages_around(&gateway, "/waits/deep");
    let gate = Gate::closed();
    let not_stored = Answer::jwt(&numbered_jwt(1)).header("Cache-Control", "no-store");
    gateway.authorization_server.answer("opaque", not_stored.after(&gate));
    others.answer("opaque", Answer::jwt(&numbered_jwt(2)).max_age(60));
    gateway.api.answer("/two", Answer::status(200).header("X-Accel-Redirect", "/waits/moved"));
    gateway.get("/two/first").bearer("opaque").send();
    let (mut leader, mut deep) = (gateway.connect(), gateway.connect());

    leader.write(&gateway.get("/waits/leader").bearer("opaque").to_bytes());
    gateway.authorization_server.wait_for(1);
    deep.write(&gateway.get("/0.html").bearer("opaque").to_bytes());
    gateway.wait_for_log("\"/waits/deep\"");
    gate.open();
    let statuses = (leader.read("GET").status, deep.read("GET").status);

    assert_eq!(statuses, (200, 200));
    assert_eq!(authorizations(&gateway, "/two").len(), 1);
    assert_eq!(authorizations(&gateway, "/waits/moved"), [""; 0]);
}

#[test]
fn a_part_that_asks_elsewhere_than_its_granted_page_gets_its_own_jwt() {
    let (gateway, second) = two_servers();
    let page = gateway.prefix().join("html/page.html");
    fs::write(page, "<!--#include virtual=\"/second/part\" -->").unwrap();
    let theirs = jwt(an_hour_of_claims());
    gateway.activate("opaque");
    second.answer("opaque", Answer::jwt(&theirs));

    gateway.get("/page.html").bearer("opaque").send();

    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {theirs}")]);
}

#[test]
fn a_grant_does_not_hold_where_a_redirect_leads_that_asks_elsewhere() {
    let (gateway, second) = two_servers();
    gateway.activate("opaque");
    second.answer("opaque", Answer::inactive());

    let response = gateway.get("/first/redirected").bearer("opaque").send();

    assert_eq!(response.status, 401);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn a_mirror_keeps_its_jwt_when_its_request_moves_on() {
    let others = AuthorizationServer::start();
    let gateway = Gateway::with_server(&format!(
        "location = /first {{ internal; proxy_pass http://{{as}}; }}
         location = /second {{ internal; proxy_pass http://{}; }}
         phantom_token on;
         phantom_token_introspection_endpoint /first;
         location /one {{ mirror /mirror; proxy_pass http://{{api}}; }}
         location = /mirror {{
             internal;
             proxy_intercept_errors on;
             error_page 502 = @fallback;
             proxy_pass http://{{api}}/mirror;
         }}
         location @fallback {{ phantom_token off; rewrite ^ /fallback break; proxy_pass http://{{api}}; }}
         location /two {{ phantom_token_introspection_endpoint /second; proxy_pass http://{{api}}; }}",
        others.address()
    ));
    let gate = Gate::closed();
    // In place of each other they would show.
    let one = jwt_of_length(json!({"number": 1}), 300);
    let two = jwt_of_length(json!({"number": 2}), 200);
    gateway.authorization_server.answer("opaque", Answer::jwt(&one));
    others.answer("opaque", Answer::jwt(&two));
    gateway.api.answer("/one", Answer::status(200).header("X-Accel-Redirect", "/two"));
    gateway.api.answer("/mirror", Answer::status(502).after(&gate));

    let response = gateway.get("/one").bearer("opaque").send();
    gate.open();
    gateway.api.wait_for(4);

    assert_eq!(response.status, 200);
    for request in gateway.api.requests() {
        let jwt = if request.target == "/two" { &two } else { &one };
        let authorization = format!("Bearer {jwt}");
        assert_eq!(request.header("authorization"), Some(&*authorization), "{}", request.target);
    }
}

/// An open page, and parts that are introspected at `/first`, which is to be among these locations,
/// and by the other server.
fn with_two_endpoints(others: &AuthorizationServer, server: &str) -> Gateway {
    Gateway::with_server(&format!(
        "location = /page.html {{ ssi on; root html; }}
         location /slow {{ proxy_pass http://{{api}}; }}
         location /one {{
             phantom_token on;
             phantom_token_introspection_endpoint /first;
             error_page 502 = /two;
             proxy_pass http://{{api}};
         }}
         location /two {{
             phantom_token on;
             phantom_token_introspection_endpoint /other;
             proxy_pass http://{{api}};
         }}
         {server}
         location = /other {{ internal; proxy_pass http://{}; }}",
        others.address()
    ))
}

/// `/first/` and `/page.html` ask the gateway's authorization server, `/second/` another one.
/// `/first/redirected` leads to `/second/`.
fn two_servers() -> (Gateway, AuthorizationServer) {
    let second = AuthorizationServer::start();
    let gateway = Gateway::with_server(&format!(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         location = /page.html {{ ssi on; root html; }}
         location = /first/redirected {{ try_files /nonexistent /second/; }}
         location /second/ {{
             phantom_token_introspection_endpoint /elsewhere;
             proxy_pass http://{{api}};
         }}
         location = /elsewhere {{ internal; proxy_pass http://{}; }}",
        second.address()
    ));
    (gateway, second)
}

fn write_page(gateway: &Gateway, parts: &[&str]) {
    let includes = parts.iter().map(|part| format!("<!--#include virtual=\"{part}\" -->"));
    fs::write(gateway.prefix().join("html/page.html"), includes.collect::<String>()).unwrap();
}
