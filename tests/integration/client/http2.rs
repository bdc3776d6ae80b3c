//! HTTP/2 clients.

use std::net::SocketAddr;

use phantom_token_devkit::{
    Answer, Gate, Gateway, Http2Connection, http2_body,
    jwt::{an_hour_of_claims, jwt},
};

const WINDOW: u32 = 65_535;
const REFUSAL: &str = r#"{"code":"unauthorized_request","message":"Access denied due to missing, invalid or expired credentials"}"#;

#[test]
fn an_active_token_is_granted() {
    let gateway = with_http2("");
    let jwt = gateway.activate("opaque");
    let connection = Http2Connection::open(http2_address(&gateway), WINDOW);
    let headers = [("authorization", "Bearer opaque"), ("x-mine", "1")];

    let (status, _) = connection.send("POST", "/things?a=b", &headers, "hello").finish();

    assert_eq!(status, 200);
    let arrived = gateway.api.only_request();
    assert_eq!((arrived.target.as_str(), arrived.text().as_str()), ("/things?a=b", "hello"));
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    assert_eq!(arrived.header("x-mine"), Some("1"));
    assert_eq!(gateway.authorization_server.only_request().text(), "token=opaque");
}

#[test]
fn a_refusal_is_the_same_as_over_http_1() {
    let gateway = with_http2("");
    let connection = Http2Connection::open(http2_address(&gateway), WINDOW);
    for (headers, body) in [
        (vec![], ""),
        (vec![("authorization", "Bearer inactive")], ""),
        (vec![("authorization", "Bearer inactive")], "a body"),
    ] {
        let response = connection.send("POST", "/", &headers, body).head();

        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with(r#"Bearer realm="api""#), "{challenge}");
        assert_eq!(http2_body(response), REFUSAL);
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn a_refused_client_whose_window_is_closed_gets_the_body_when_it_opens_it() {
    let gateway = with_http2("");
    for authorization in ["Basic YTpi", "Bearer inactive", "Bearer no b64token"] {
        let connection = Http2Connection::open(http2_address(&gateway), 0);
        let headers = [("authorization", authorization)];

        let response = connection.send("GET", "/", &headers, "").head();
        connection.set_window(WINDOW);

        assert_eq!(response.status(), 401);
        assert_eq!(http2_body(response), REFUSAL, "{authorization}");
    }
}

#[test]
fn a_granted_client_whose_window_is_closed_gets_the_body_when_it_opens_it() {
    let gateway = with_http2("");
    gateway.activate("opaque");
    let connection = Http2Connection::open(http2_address(&gateway), 0);
    let headers = [("authorization", "Bearer opaque")];

    let response = connection.send("GET", "/", &headers, "").head();
    connection.set_window(WINDOW);

    assert_eq!(response.status(), 200);
    assert!(http2_body(response).contains("Bearer "));
}

#[test]
fn a_hundred_tokens_at_once_on_one_connection_each_get_their_own_answer() {
    let gateway = with_http2("");
    let gate = Gate::closed();
    let held = gate.clone();
    gateway.authorization_server.answer_otherwise(move |token| {
        if token.ends_with('3') {
            return Answer::inactive().after(&held);
        }
        Answer::jwt(&jwt(serde_json::json!({"jti": token}))).after(&held)
    });
    let connection = Http2Connection::open(http2_address(&gateway), WINDOW);

    let streams: Vec<_> = (0..100)
        .map(|number| {
            let authorization = format!("Bearer token-{number}");
            let target = format!("/{number}");
            connection.send("GET", &target, &[("authorization", &authorization)], "")
        })
        .collect();
    gateway.authorization_server.wait_for(100);
    gate.open();

    for (number, stream) in streams.into_iter().enumerate() {
        let (status, body) = stream.finish();
        let expected = if number % 10 == 3 { 401 } else { 200 };
        assert_eq!(status, expected, "token-{number}");
        let jwt = jwt(serde_json::json!({"jti": format!("token-{number}")}));
        assert!(expected == 401 || body.contains(&jwt), "token-{number}: {body}");
    }
}

#[test]
fn a_client_that_hangs_up_during_the_introspection_does_no_harm() {
    let gateway = with_http2("phantom_token_cache off;");
    let gate = Gate::closed();
    let jwt = jwt(an_hour_of_claims());
    gateway.authorization_server.answer("slow", Answer::jwt(&jwt).after(&gate));
    gateway.activate("opaque");
    let headers = [("authorization", "Bearer slow")];
    let left = Http2Connection::open(http2_address(&gateway), WINDOW);
    let stayed = Http2Connection::open(http2_address(&gateway), WINDOW);

    // One client cancels a stream, another is gone altogether.
    let cancelled = stayed.send("GET", "/cancelled", &headers, "");
    let _unanswered = left.send("GET", "/left", &headers, "");
    gateway.authorization_server.wait_for(2);
    drop((cancelled, left));
    gate.open();
    let granted = [("authorization", "Bearer opaque")];
    let (status, _) = stayed.send("GET", "/stayed", &granted, "").finish();

    assert_eq!(status, 200);
}

#[test]
fn a_jwt_in_use_is_renewed_in_the_background() {
    let gateway = with_http2("phantom_token_cache_background_update on before=120s;");
    let gate = Gate::closed();
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
    gateway
        .authorization_server
        .answer_in_turn("opaque", [answer.clone(), answer.max_age(600).after(&gate)]);
    let connection = Http2Connection::open(http2_address(&gateway), WINDOW);
    let headers = [("authorization", "Bearer opaque")];

    let statuses = [(); 3].map(|()| connection.send("GET", "/", &headers, "").finish().0);

    assert_eq!(statuses, [200; 3]);
    gateway.authorization_server.wait_for(2);
    gate.open();
}

fn with_http2(directives: &str) -> Gateway {
    Gateway::with_http(&format!(
        "server {{
             listen 127.0.0.1:{{port}};
             listen 127.0.0.1:{{port2}} http2;
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 {directives}
                 proxy_pass http://{{api}};
             }}
             location = /introspection {{ internal; proxy_pass http://{{as}}; }}
         }}"
    ))
}

fn http2_address(gateway: &Gateway) -> SocketAddr {
    gateway.nth_address(1)
}
