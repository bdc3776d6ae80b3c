//! A location that an introspection endpoint names: who gets in, and what is known of it at start-up.

use phantom_token_devkit::{
    Answer, Gateway, Nginx, Response,
    jwt::{an_hour_of_claims, jwt},
};

/// `/api` is protected, `/ask` is its introspection location, which is as the test wants it.
fn gateway(ask: &str, others: &str) -> Gateway {
    Gateway::with_server(&format!(
        "location /api {{
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{{api}};
         }}
         location /ask {{ {ask} proxy_pass http://{{as}}; }}
         {others}"
    ))
}

fn assert_kept_out(gateway: &Gateway, response: &Response, mend: &str) {
    assert_eq!(response.status, 403);
    assert_eq!(gateway.authorization_server.count(), 0);
    let line = gateway.wait_for_log("is refused in introspection location \"/ask\"");
    assert!(line.contains("[error]") && line.contains(mend), "{line}");
}

#[test]
fn a_client_does_not_get_into_one_that_is_open() {
    for ask in ["", "allow all; satisfy any;", "limit_except GET { allow all; }"] {
        for target in ["/ask", "/ask/more"] {
            let gateway = gateway(ask, "");

            let response = gateway.request("POST", target).body("token=stolen").send();

            assert_kept_out(&gateway, &response, "add \"internal\" to it");
        }
    }
}

#[test]
fn a_client_does_not_get_into_one_by_way_of_another_location() {
    for (way, status) in [
        ("rewrite ^ /ask last;", None),
        ("try_files /none /ask;", None),
        ("error_page 404 = /ask; return 404;", None),
        ("proxy_pass http://{api};", Some("/ask")),
    ] {
        let gateway = gateway("internal;", &format!("location /way {{ {way} }}"));
        if let Some(redirect) = status {
            let answer = Answer::status(200).header("X-Accel-Redirect", redirect);
            gateway.api.answer("/way", answer);
        }

        let response = gateway.get("/way").bearer("mine").send();

        assert_kept_out(&gateway, &response, "SSI or X-Accel-Redirect lead there");
    }
}

#[test]
fn an_error_page_for_a_client_that_is_kept_out_does_not_get_its_token() {
    let gateway = gateway("", "error_page 403 /page; location /page { proxy_pass http://{api}; }");

    gateway.get("/ask").bearer("opaque").send();

    let page = gateway.api.only_request();
    assert_eq!((page.target.as_str(), page.header("authorization")), ("/page", None));
}

#[test]
fn subrequests_of_other_modules_get_into_one() {
    let gateway =
        gateway("internal;", "location /other { auth_request /ask; proxy_pass http://{api}; }");
    gateway.authorization_server.answer_otherwise(|_| Answer::status(204));

    assert_eq!(gateway.get("/other").send().status, 200);
}

#[test]
fn a_part_of_a_page_does_not_get_into_one() {
    for (way, page) in [
        ("ssi on;", r#"<!--# include virtual="/ask" -->"#),
        ("ssi on;", r#"<!--# include virtual="/ask" set="x" --><!--# echo var="x" -->"#),
        ("ssi on;", r#"<!--# include virtual="/part" -->"#),
        ("mirror /ask;", ""),
        ("mirror /part;", ""),
        ("auth_request /part;", ""),
    ] {
        let gateway = gateway(
            "internal; proxy_method POST;",
            &format!(
                "location /page {{ {way} proxy_pass http://{{api}}; }}
                 location = /part {{
                     proxy_pass_request_body off;
                     proxy_set_header Content-Length \"\";
                     proxy_pass http://{{api}};
                 }}"
            ),
        );
        let page = Answer::status(200).header("Content-Type", "text/html").body(page);
        gateway.api.answer("/page", page);
        let redirect = Answer::status(200).header("X-Accel-Redirect", "/ask");
        gateway.api.answer("/part", redirect);

        let response = gateway.request("POST", "/page").body("token=stolen").send();

        let line = gateway.wait_for_log("is refused in introspection location \"/ask\"");
        assert!(line.contains("[error]"), "{line}");
        assert_eq!(gateway.authorization_server.count(), 0, "{way} {}", response.text());
    }
}

#[test]
fn a_longer_path_above_an_endpoint_is_open_to_clients_where_it_is_so() {
    let gateway = Gateway::with_server(
        "location /api {
             phantom_token on;
             phantom_token_introspection_endpoint /oauth/introspect;
             proxy_pass http://{api};
         }
         location /oauth/ { proxy_pass http://{as}; }",
    );

    assert_eq!(gateway.get("/oauth/authorize").send().status, 204);
}

#[test]
fn one_in_another_server_is_of_no_concern() {
    let gateway = Gateway::with_http(
        "server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{api};
             }
             location = /ask { internal; proxy_pass http://{as}; }
         }
         server {
             listen 127.0.0.1:{port2};
             location = /ask { proxy_pass http://{api}; }
         }",
    );

    let other = gateway.nth_address(1);
    let response = phantom_token_devkit::Request::new(other, "GET", "/ask").send();

    assert_eq!(response.status, 200);
}

#[test]
fn what_is_wrong_with_one_is_a_warning_of_nginx_t() {
    let table = [
        ("", "is open to clients, whose requests are refused there: add \"internal\""),
        (
            "internal; proxy_cache c; proxy_cache_use_stale error updating;",
            "\"proxy_cache_use_stale updating\" in introspection location \"/ask\"",
        ),
        (
            "internal; proxy_pass_request_body off;",
            "\"proxy_pass_request_body off\" holds in introspection",
        ),
        (
            "internal; phantom_token_cache_valid 5s; phantom_token_realm api;",
            "\"phantom_token_cache_valid\" in ",
        ),
    ];
    for (ask, expected) in table {
        let verdict = verdict(ask);

        assert!(verdict.accepted, "{}", verdict.output);
        let warnings: Vec<_> =
            verdict.output.lines().filter(|line| line.contains("[warn]")).collect();
        let [warning] = warnings[..] else { panic!("{ask}: {}", verdict.output) };
        assert!(warning.contains(expected), "{warning}");
        assert!(warning.contains("location \"/ask\" of server \"api.example.com\""), "{warning}");
        assert!(warning.contains("nginx.conf:"), "{warning}");
    }
    for ask in [
        "internal;",
        "internal; proxy_cache c; proxy_cache_key $request_body;",
        "internal; proxy_cache_use_stale updating;",
        "internal; phantom_token off;",
    ] {
        assert!(!verdict(ask).output.contains("[warn]"), "{ask}: {}", verdict(ask).output);
    }
}

#[test]
fn an_endpoint_that_leads_nowhere_is_a_warning() {
    for (endpoint, location, is_warned) in [
        ("/asks", "location = /ask { internal; return 404; }", true),
        ("/ask", "location = /ask/ { internal; return 404; }", true),
        ("ask", "location /ask { internal; return 404; }", true),
        ("/ask/it", "location /ask { return 404; }", true),
        ("/ask/it", "location /ask { internal; return 404; }", false),
        ("/ask/it", "location /ask/ { return 404; }", false),
        ("/ask", "location ~ ^/other { return 404; }", false),
        ("ask", "location ask { return 404; }", false),
    ] {
        let verdict = Nginx::builder()
            .http(format!(
                "server {{
                     listen {{port}};
                     phantom_token_introspection_endpoint {endpoint};
                     location / {{ phantom_token on; }}
                     location /more {{ phantom_token on; }}
                     {location}
                 }}"
            ))
            .test();

        assert!(verdict.accepted, "{}", verdict.output);
        let said = format!("\"phantom_token_introspection_endpoint {endpoint}\" of location");
        let warnings = verdict.output.matches(said.as_str()).count();
        assert_eq!(warnings, usize::from(is_warned), "{endpoint}, {location}: {}", verdict.output);
    }
}

#[test]
fn a_server_that_depends_on_variables_is_a_warning_unless_answers_vary_by_them() {
    for (vary, pass, is_warned) in [
        ("", "http://$host/introspect", true),
        ("", "http://127.0.0.1/realms/$host", true),
        ("", "http://127.0.0.1/introspect", false),
        ("phantom_token_cache_vary $host;", "http://$host/introspect", false),
    ] {
        let verdict = Nginx::builder()
            .http(format!(
                "server {{
                     listen {{port}};
                     location / {{
                         phantom_token on;
                         phantom_token_introspection_endpoint /ask;
                         {vary}
                     }}
                     location = /ask {{ internal; proxy_pass {pass}; }}
                 }}"
            ))
            .test();

        assert!(verdict.accepted, "{}", verdict.output);
        let warns = verdict.output.contains("may depend on the request: name what it depends on");
        assert_eq!(warns, is_warned, "{pass}: {}", verdict.output);
    }
}

fn verdict(ask: &str) -> phantom_token_devkit::Verdict {
    let http = format!(
        "proxy_cache_path cache keys_zone=c:1m;
         server {{
             listen {{port}};
             server_name api.example.com;
             location / {{ phantom_token on; phantom_token_introspection_endpoint /ask; }}
             location /more {{ phantom_token on; phantom_token_introspection_endpoint /ask; }}
             location /ask {{ {ask} proxy_pass http://127.0.0.1:1; }}
         }}"
    );
    Nginx::builder().http(http).test()
}

#[test]
fn a_client_that_has_closed_its_half_is_answered_as_leader_and_as_follower_where_that_is_ignored() {
    for (directive, is_answered) in [("proxy_ignore_client_abort on;", true), ("", false)] {
        let gateway = Gateway::with_server(&format!(
            "{directive}
             location /api {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 proxy_pass http://{{api}};
             }}"
        ));
        let gate = phantom_token_devkit::Gate::closed();
        let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60).after(&gate);
        gateway.authorization_server.answer("opaque", answer);
        let mut connections: Vec<_> = (0..3).map(|_| gateway.connect()).collect();
        for connection in &mut connections {
            connection.write(&gateway.get("/api").bearer("opaque").to_bytes());
        }
        gateway.authorization_server.wait_for(1);
        if is_answered {
            connections.iter_mut().for_each(phantom_token_devkit::Connection::finish_writing);
            // A worker that answers this has seen the ends that came before.
            gateway.get("/none").send();
            gate.open();
            for connection in &mut connections {
                assert_eq!(connection.read("GET").status, 200);
            }
            continue;
        }
        // A follower; the leader may be any of them.
        connections.iter_mut().for_each(phantom_token_devkit::Connection::finish_writing);
        phantom_token_devkit::eventually(|| {
            (gateway.log_named("access.log").matches(" 499 ").count() == 3).then_some(())
        })
        .expect("the end of all requests");
        gate.open();
    }
}
