//! Introspections that end in unusual ways, for requests and for the subrequests of other modules.

use std::fs;

use phantom_token_devkit::{
    Answer, Api, AuthorizationServer, Gate, Gateway, expect,
    jwt::{an_hour_of_claims, jwt, numbered_jwt},
};

/// Introspection locations that fail before they ask anybody, or as soon as they do.
const FAILING: [&str; 4] = [
    "proxy_pass http://127.0.0.1:1;",
    "return 404;",
    "return 302 /elsewhere;",
    "limit_req zone=nobody; return 204;",
];

#[test]
fn a_mirror_that_cannot_be_introspected_leaves_the_worker_and_the_request_alone() {
    for error_page in ["", "error_page 302 404 502 503 /sorry;"] {
        for introspection in FAILING {
            let case = format!("{introspection} {error_page}");
            let mirrored = Api::start();
            let gateway = with_mirror(
                &mirrored,
                &format!("{error_page} location = /ask {{ internal; {introspection} }}"),
            );
            let gate = Gate::closed();
            gateway.api.answer("/slow", Answer::status(200).after(&gate));
            let mut connection = gateway.connect();

            // The first mirror ends before the request that it is of.
            connection.write(&gateway.get("/slow").bearer("one").to_bytes());
            gateway.wait_for_log("refused in location \"/mirror\"");
            gate.open();
            let slow = connection.read("GET");
            let quick = gateway.get("/quick").bearer("two").send_on(&mut connection);
            let next = gateway.get("/quick").bearer("three").send_on(&mut connection);

            // That a worker died would be in the log, which is looked at in the end.
            assert_eq!((slow.status, quick.status, next.status), (200, 200, 200), "{case}");
            assert_eq!((gateway.api.count(), mirrored.count()), (3, 0), "{case}");
        }
    }
}

#[test]
fn a_mirror_is_granted_by_the_error_page_of_its_introspection_location() {
    let mirrored = Api::start();
    let gateway = with_mirror(
        &mirrored,
        "location = /ask { internal; proxy_pass http://127.0.0.1:1; error_page 502 = /second; }
         location = /second { internal; proxy_pass http://{as}; }",
    );
    let gate = Gate::closed();
    let jwt = jwt(an_hour_of_claims());
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt).after(&gate));
    let mut connection = gateway.connect();

    let first = gateway.get("/").bearer("opaque").send_on(&mut connection);
    gateway.authorization_server.wait_for(1);
    gate.open();
    mirrored.wait_for(1);

    let next = gateway.get("/").send_on(&mut connection);
    assert_eq!((first.status, next.status), (200, 200));
    let copy = mirrored.only_request();
    assert_eq!(copy.headers.all("authorization"), [format!("Bearer {jwt}")]);
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
fn a_part_that_is_included_into_a_variable_is_authenticated_as_any_other() {
    let gateway = Gateway::with_server(
        "location = /page.html { ssi on; root html; }
         location = /part {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask { internal; proxy_pass http://{as}; }",
    );
    let page = "<!--#include virtual=\"/part\" set=\"part\" -->\
                [<!--#echo var=\"part\" encoding=\"none\" -->]";
    fs::write(gateway.prefix().join("html/page.html"), page).unwrap();
    let jwt = jwt(an_hour_of_claims());
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt).max_age(60));
    gateway.api.answer("/part", Answer::status(200).body("from the API"));

    let responses = [(); 2].map(|()| gateway.get("/page.html").bearer("opaque").send());

    let bodies = responses.map(|response| response.text());
    assert_eq!(bodies, ["[from the API]"; 2]);
    assert_eq!(authorizations(&gateway, "/part"), [(); 2].map(|()| format!("Bearer {jwt}")));
    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn a_part_that_is_included_into_a_variable_does_not_wait_for_the_parts_before_it() {
    let gateway = Gateway::with_server(
        "location = /page.html { ssi on; root html; }
         location = /slow { proxy_pass http://{api}; }
         location = /part {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{api};
         }
         location = /ask { internal; proxy_pass http://{as}; }",
    );
    let page = "<!--#include virtual=\"/slow\" --><!--#include virtual=\"/part\" set=\"part\" -->\
                [<!--#echo var=\"part\" encoding=\"none\" -->]";
    fs::write(gateway.prefix().join("html/page.html"), page).unwrap();
    let gate = Gate::closed();
    gateway.activate("opaque");
    gateway.api.answer("/slow", Answer::status(200).body("slow").after(&gate));
    gateway.api.answer("/part", Answer::status(200).body("part"));
    let mut connection = gateway.connect();

    connection.write(&gateway.get("/page.html").bearer("opaque").to_bytes());
    gateway.api.wait_for(2);
    gate.open();
    let response = connection.read("GET");

    assert_eq!((response.status, response.text().as_str()), (200, "slow[part]"));
}

#[test]
fn a_part_that_cannot_be_introspected_goes_to_its_error_page_without_the_token() {
    let gateway = Gateway::with_server(
        "ssi on;
         location / { root html; }
         location = /part {
             phantom_token on;
             phantom_token_cache off;
             phantom_token_introspection_endpoint /ask;
             error_page 500 = @plain;
             proxy_pass http://{api};
         }
         location @plain { proxy_pass http://{api}; }
         location = /ask { internal; proxy_pass http://{as}; }",
    );
    write_pages_around(&gateway, "/part");
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt(an_hour_of_claims())));

    let response = gateway.get("/0.html").bearer("opaque").send();

    assert_eq!(response.status, 200);
    let at_error_page = gateway.api.only_request();
    assert_eq!(at_error_page.header("authorization"), None);
    assert_eq!(gateway.authorization_server.count(), 0);
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

/// An open location that is mirrored into a protected one, with the introspection location `/ask`
/// among these locations.
fn with_mirror(mirrored: &Api, server: &str) -> Gateway {
    Gateway::with_http(&format!(
        "limit_req_zone all zone=nobody:1m rate=1r/m;
         server {{
             listen 127.0.0.1:{{port}};
             location / {{ mirror /mirror; proxy_pass http://{{api}}; }}
             location = /mirror {{
                 internal;
                 phantom_token on;
                 phantom_token_cache off;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{};
             }}
             location = /sorry {{ return 200 sorry; }}
             {server}
         }}",
        mirrored.address()
    ))
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

fn write_page(gateway: &Gateway, parts: &[&str]) {
    let includes = parts.iter().map(|part| format!("<!--#include virtual=\"{part}\" -->"));
    fs::write(gateway.prefix().join("html/page.html"), includes.collect::<String>()).unwrap();
}

/// Pages that include each other, as deep as NGINX allows; the last one includes a part, which can
/// make no subrequests any more.
fn write_pages_around(gateway: &Gateway, part: &str) {
    const DEEPEST: usize = 50;
    for page in 0..=DEEPEST {
        let next = format!("/{}.html", page + 1);
        let included = if page == DEEPEST { part } else { &next };
        let content = format!("<!--#include virtual=\"{included}\" -->");
        fs::write(gateway.prefix().join(format!("html/{page}.html")), content).unwrap();
    }
}

/// Every Authorization that came to the API with this target.
fn authorizations(gateway: &Gateway, target: &str) -> Vec<String> {
    let requests = gateway.api.requests().into_iter().filter(|request| request.target == target);
    requests.map(|request| request.header("authorization").unwrap().to_owned()).collect()
}
