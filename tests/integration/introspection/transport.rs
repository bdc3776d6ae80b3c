//! The introspection answer, however it comes over the wire.

use std::net::TcpListener;

use phantom_token_devkit::{
    Answer, Gateway, GatewayBuilder, expect,
    jwt::{an_hour_of_claims, jwt, jwt_of_length},
};
use serde_json::json;

const KILOBYTE: usize = 1024;

#[test]
fn the_pieces_in_which_an_answer_comes_do_not_matter() {
    let jwt = jwt(an_hour_of_claims());
    let answer = Answer::jwt(&jwt).max_age(60);
    let json = Answer::json(json!({"active": true, "jwt": jwt}));
    let table = [
        answer.clone().head_apart(),
        answer.clone().byte_by_byte(),
        answer.clone().split_at(&[1, 9, 12, 40, 41, 90, 120, 150, 200]),
        answer.clone().chunked(),
        answer.clone().chunked().head_apart(),
        answer.clone().chunked().byte_by_byte(),
        answer.clone().until_close(),
        answer.clone().until_close().head_apart(),
        answer.clone().until_close().byte_by_byte(),
        answer.clone().then_close(),
        json.clone().head_apart(),
        json.clone().byte_by_byte(),
        json.chunked().byte_by_byte(),
    ];
    let gateway = Gateway::with("phantom_token_cache off;");
    for answer in table {
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 200, "{answer:?}");
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
}

#[test]
fn an_inactive_answer_in_pieces_is_a_refusal() {
    let inactive = Answer::json(json!({"active": false}));
    let table = [
        Answer::inactive().byte_by_byte(),
        Answer::inactive().then_close(),
        inactive.clone().byte_by_byte(),
        inactive.clone().chunked().head_apart(),
        inactive.until_close().head_apart(),
    ];
    let gateway = Gateway::with("");
    for answer in table {
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 401, "{answer:?}");
    }
}

#[test]
fn jwts_up_to_64_kilobytes_pass_with_default_proxy_buffers() {
    let gateway = Gateway::with("phantom_token_cache off;");
    for kilobytes in [1, 4, 8, 16, 32, 64] {
        let jwt = jwt_of_length(an_hour_of_claims(), kilobytes * KILOBYTE);
        let answer = Answer::jwt(&jwt);
        for answer in [
            answer.clone(),
            answer.clone().head_apart(),
            answer.clone().chunked(),
            answer.until_close(),
        ] {
            gateway.authorization_server.answer("opaque", answer);

            let response = gateway.get("/").bearer("opaque").send();

            assert_eq!(response.status, 200, "{kilobytes} KB");
            let arrived = gateway.api.requests().pop().unwrap();
            assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
        }
    }
}

#[test]
fn large_jwts_pass_whatever_the_proxy_settings() {
    let table = [
        "proxy_buffering off;",
        "proxy_buffers 2 1k; proxy_buffer_size 1k; proxy_busy_buffers_size 1k;",
        "proxy_max_temp_file_size 0;",
        "proxy_http_version 1.1; proxy_set_header Connection '';",
        "sendfile on; proxy_buffers 2 4k; proxy_busy_buffers_size 4k;",
        "output_buffers 1 4k; postpone_output 1460; gzip on; gzip_types *;",
    ];
    let jwt = jwt_of_length(an_hour_of_claims(), 48 * KILOBYTE);
    for settings in table {
        let gateway = with_introspection_settings("phantom_token_cache off;", settings).start();
        for answer in [Answer::jwt(&jwt), Answer::jwt(&jwt).chunked().head_apart()] {
            gateway.authorization_server.answer("opaque", answer);

            let response = gateway.get("/").bearer("opaque").send();

            assert_eq!(response.status, 200, "{settings}");
            let arrived = gateway.api.requests().pop().unwrap();
            assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
        }
    }
}

#[test]
fn an_answer_up_to_the_limit_is_taken_and_one_byte_more_is_not() {
    let gateway = Gateway::with("phantom_token_cache off; phantom_token_max_response_size 4k;");
    let within = Answer::jwt(&jwt_of_length(an_hour_of_claims(), 4 * KILOBYTE));
    let beyond = Answer::jwt(&jwt_of_length(an_hour_of_claims(), 4 * KILOBYTE + 1));
    for (answer, status) in [
        (within.clone(), 200),
        (within.clone().chunked(), 200),
        (within.until_close().head_apart(), 200),
        (beyond.clone(), 502),
        (beyond.clone().chunked(), 502),
        (beyond.until_close().head_apart(), 502),
    ] {
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, status, "{answer:?}");
    }
    gateway.wait_for_log("phantom_token_max_response_size");
    assert_eq!(gateway.api.count(), 3);
}

#[test]
fn who_sends_more_than_the_limit_is_cut_off() {
    for buffering in ["on", "off"] {
        let gateway = Gateway::with_server(&format!(
            "location / {{
                 phantom_token on;
                 phantom_token_max_response_size 4k;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{{api}};
             }}
             location = /ask {{ internal; proxy_buffering {buffering}; proxy_pass http://{{as}}; }}"
        ));
        gateway.activate("other");
        let endless = Answer::jwt(&"x".repeat(1 << 20)).stalled_after(512 << 10);
        gateway.authorization_server.answer("opaque", endless);
        let mut connection = gateway.connect();

        let refused = gateway.get("/").bearer("opaque").send_on(&mut connection);
        let granted = gateway.get("/").bearer("other").send_on(&mut connection);

        assert_eq!((refused.status, granted.status), (502, 200), "{buffering}");
        gateway.wait_for_log("phantom_token_max_response_size");
    }
}

#[test]
fn the_limit_can_be_raised() {
    let gateway = Gateway::with("phantom_token_max_response_size 256k;");
    let jwt = jwt_of_length(an_hour_of_claims(), 100 * KILOBYTE);
    let answer = Answer::json(json!({"active": true, "jwt": jwt, "more": "x".repeat(100_000)}));
    gateway.authorization_server.answer("opaque", answer);

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
}

#[test]
fn an_answer_that_ends_too_early_is_a_bad_gateway() {
    let jwt = jwt_of_length(an_hour_of_claims(), 8 * KILOBYTE);
    let answer = Answer::jwt(&jwt).max_age(60);
    let table = [
        answer.clone().truncated_to(0),
        answer.clone().truncated_to(100),
        answer.clone().truncated_to(jwt.len() - 1),
        answer.clone().chunked().truncated_to(1000),
        answer.clone().truncated_to(100).then_reset(),
        answer.clone().head_apart().truncated_to(100).then_reset(),
        answer.clone().chunked().truncated_to(1000).then_reset(),
        Answer::none(),
        Answer::none().then_reset(),
        Answer::bytes("HTTP/1.1 200"),
        Answer::bytes("HTTP/1.1 200 OK\r\nContent-Le").then_reset(),
        Answer::bytes("HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\n").byte_by_byte(),
        Answer::bytes("not HTTP at all\r\n\r\n"),
        Answer::bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    ];
    let gateway = Gateway::with("");
    for answer in table {
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 502, "{answer:?}");
        expect::server_error(&response, 502);
    }
    assert_eq!(gateway.api.count(), 0);
    gateway.wait_for_log("truncated");
}

#[test]
fn an_answer_cut_at_a_place_that_still_looks_like_a_jwt_is_never_used() {
    let jwt = jwt(an_hour_of_claims());
    let gateway = Gateway::with("");
    for answer in [
        Answer::jwt(&jwt).truncated_to(jwt.len() - 4),
        Answer::jwt(&jwt).truncated_to(jwt.len() - 4).then_reset(),
        Answer::jwt(&jwt).chunked().head_apart().truncated_to(jwt.len() - 4),
    ] {
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 502, "{answer:?}");
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn an_authorization_server_that_does_not_answer_is_a_gateway_timeout() {
    let gateway = with_introspection_settings("", "proxy_read_timeout 200ms;").start();
    gateway.authorization_server.answer("opaque", Answer::hang());

    let response = gateway.get("/").bearer("opaque").send();

    expect::server_error(&response, 504);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn an_answer_that_stops_half_way_is_no_grant() {
    let gateway = with_introspection_settings("", "proxy_read_timeout 200ms;").start();
    let jwt = jwt_of_length(an_hour_of_claims(), 8 * KILOBYTE);
    for answer in [
        Answer::jwt(&jwt).stalled_after(0),
        Answer::jwt(&jwt).stalled_after(4000),
        Answer::jwt(&jwt).chunked().stalled_after(4000),
    ] {
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        assert!([502, 504].contains(&response.status), "{answer:?}: {}", response.status);
        expect::server_error(&response, response.status);
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn an_authorization_server_that_refuses_connections_is_a_bad_gateway() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::with_server(&format!(
        "location / {{
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_pass http://{{api}};
         }}
         location = /ask {{ internal; proxy_pass http://{nobody}; }}"
    ));

    let response = gateway.get("/").bearer("opaque").send();

    expect::server_error(&response, 502);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn a_compressed_answer_is_a_bad_gateway_and_the_log_says_what_to_set() {
    let gateway = Gateway::with("");
    let compressed: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00";
    let answer = Answer::jwt("").header("Content-Encoding", "gzip").body(compressed);
    gateway.authorization_server.answer("opaque", answer);

    let response = gateway.get("/").bearer("opaque").send();

    expect::server_error(&response, 502);
    gateway.wait_for_log("Accept-Encoding");
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn an_upstream_that_fails_over_to_another_server_gives_one_answer() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::with_http(&format!(
        "upstream servers {{ server {nobody}; server {{as}}; }}
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 phantom_token_cache off;
                 proxy_pass http://{{api}};
             }}
             location = /ask {{ internal; proxy_pass http://servers; }}
         }}"
    ));
    gateway.activate("opaque");
    for _ in 0..4 {
        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 200);
    }
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (4, 4));
}

fn with_introspection_settings(directives: &str, settings: &str) -> GatewayBuilder {
    Gateway::builder().server(&format!(
        "location / {{
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             {directives}
             proxy_pass http://{{api}};
         }}
         location = /ask {{ internal; {settings} proxy_pass http://{{as}}; }}"
    ))
}
