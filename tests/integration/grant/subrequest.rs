//! Subrequests that other modules start: mirrors and server-side includes.

use std::fs;

use phantom_token_devkit::{
    Answer, Api, Gate, Gateway,
    jwt::{an_hour_of_claims, jwt},
};

use crate::pages::authorizations;

/// Introspection locations that fail before they ask anybody, or as soon as they do.
const FAILING: [&str; 4] = [
    "proxy_pass http://127.0.0.1:1;",
    "return 404;",
    "return 302 /elsewhere;",
    "limit_req zone=nobody; return 204;",
];

#[test]
fn a_mirror_of_a_granted_request_has_the_jwt_and_is_not_introspected() {
    for mirror in [
        "location = /mirror { internal; proxy_pass http://{mirror}; }",
        "location = /mirror {
             internal;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{mirror};
         }",
    ] {
        let mirrored = Api::start();
        let server = format!(
            "location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 phantom_token_cache off;
                 mirror /mirror;
                 proxy_pass http://{{api}};
             }}
             {mirror}"
        );
        let gateway = Gateway::with_server(&server.replace("{mirror}", mirrored.address()));
        let jwt = gateway.activate("opaque");

        let response = gateway.request("POST", "/").bearer("opaque").body("the body").send();

        assert_eq!(response.status, 200);
        for request in [gateway.api.wait_for(1), mirrored.wait_for(1)].concat() {
            assert_eq!(request.headers.all("authorization"), [format!("Bearer {jwt}")]);
            assert_eq!(request.text(), "the body");
        }
        assert_eq!(gateway.authorization_server.count(), 1);
    }
}

#[test]
fn a_refused_request_is_not_mirrored() {
    let mirrored = Api::start();
    let gateway = Gateway::with_server(&format!(
        "location / {{
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             mirror /mirror;
             proxy_pass http://{{api}};
         }}
         location = /mirror {{ internal; proxy_pass http://{}; }}",
        mirrored.address()
    ));

    for token in ["inactive", "no b64token"] {
        assert_eq!(gateway.get("/").bearer(token).send().status, 401);
    }

    assert_eq!((gateway.api.count(), mirrored.count()), (0, 0));
}

#[test]
fn a_mirror_from_an_open_location_into_a_protected_one_needs_a_token() {
    let mirrored = Api::start();
    let gateway = Gateway::with_server(&format!(
        "location / {{ mirror /mirror; proxy_pass http://{{api}}; }}
         location = /mirror {{
             internal;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{};
         }}",
        mirrored.address()
    ));

    let without = gateway.get("/").send();
    let inactive = gateway.get("/").bearer("inactive").send();

    assert_eq!((without.status, inactive.status), (200, 200));
    gateway.wait_for_log("refused in location \"/mirror\": the request has no bearer token");
    gateway.wait_for_log("refused in location \"/mirror\": the authorization server says");
    assert_eq!(mirrored.count(), 0);
}

#[test]
fn an_include_in_a_granted_page_has_the_jwt_and_is_not_introspected() {
    for part in ["phantom_token on;", "phantom_token off;"] {
        let gateway = with_page("phantom_token on;", part);
        let jwt = gateway.activate("opaque");

        let response = gateway.get("/page.html").bearer("opaque").send();

        assert_eq!(response.status, 200, "{part}");
        assert!(response.text().contains("/part"), "{part}: {}", response.text());
        let arrived = gateway.api.only_request();
        assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")], "{part}");
        assert_eq!(gateway.authorization_server.count(), 1, "{part}");
    }
}

#[test]
fn an_include_of_a_protected_part_in_an_open_page_needs_a_token() {
    let gateway = with_page("phantom_token off;", "phantom_token on;");

    let without = gateway.get("/page.html").send();
    let inactive = gateway.get("/page.html").bearer("inactive").send();

    for response in [without, inactive] {
        assert!(response.text().starts_with("before"), "{}", response.text());
        assert!(!response.text().contains("/part"), "{}", response.text());
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn an_include_of_a_protected_part_in_an_open_page_never_sends_the_opaque_token() {
    let gateway = with_page("phantom_token off;", "phantom_token on;");
    let jwt = gateway.activate("opaque");

    let response = gateway.get("/page.html").bearer("opaque").send();

    assert!(response.text().contains("/part"), "{}", response.text());
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization"), [format!("Bearer {jwt}")]);
}

#[test]
fn several_includes_of_protected_parts_in_a_granted_page_are_introspected_once() {
    let gateway = with_page("phantom_token on;", "phantom_token on;");
    let page = "<!--#include virtual=\"/part/1\" --><!--#include virtual=\"/part/2\" -->";
    fs::write(gateway.prefix().join("html/page.html"), page).unwrap();
    gateway.activate("opaque");

    let response = gateway.get("/page.html").bearer("opaque").send();

    assert!(response.text().contains("/part/1") && response.text().contains("/part/2"));
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 2));
}

#[test]
fn a_granted_part_of_a_refused_page_has_its_jwt() {
    let gateway = Gateway::with_server(
        "location /page {
             satisfy any;
             allow all;
             phantom_token on;
             phantom_token_introspection_endpoint /nobody;
             mirror /part;
             proxy_pass http://{api};
         }
         location = /part {
             internal;
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{api};
         }
         location = /nobody { internal; return 204; }",
    );
    let jwt = gateway.activate("opaque");

    gateway.get("/page").bearer("opaque").send();

    let arrived = gateway.api.wait_for(2);
    let part = arrived.iter().find(|request| request.target == "/part").unwrap();
    assert_eq!(part.header("authorization"), Some(&*format!("Bearer {jwt}")));
}

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

/// A page with these directives that includes a part with those.
fn with_page(page: &str, part: &str) -> Gateway {
    let gateway = Gateway::with_server(&format!(
        "phantom_token_introspection_endpoint /introspection;
         phantom_token_cache off;
         location = /page.html {{ {page} ssi on; root html; }}
         location /part {{ {part} proxy_pass http://{{api}}; }}"
    ));
    let text = "before <!--#include virtual=\"/part\" --> after";
    fs::write(gateway.prefix().join("html/page.html"), text).unwrap();
    gateway
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
