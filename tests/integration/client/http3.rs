//! HTTP/3 clients, where NGINX was built for them.

use phantom_token_devkit::{Gateway, Http3Connection, Installation, certificate_and_key};

#[test]
fn an_active_token_is_granted_and_then_a_hit() {
    let Some((gateway, connection)) = with_http3() else { return };
    let jwt = gateway.activate("opaque");
    let headers = [("authorization", "Bearer opaque"), ("x-mine", "1")];

    let answers = [(); 2].map(|()| connection.send("POST", "/things?a=b", &headers, "hello"));

    assert_eq!(answers.each_ref().map(|answer| answer.status().as_u16()), [200, 200]);
    assert_eq!(answers.each_ref().map(|answer| &answer.headers()["x-cache"]), ["MISS", "HIT"]);
    for arrived in gateway.api.requests() {
        assert_eq!((arrived.target.as_str(), arrived.text().as_str()), ("/things?a=b", "hello"));
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
        assert_eq!(arrived.header("x-mine"), Some("1"));
    }
    assert_eq!(gateway.authorization_server.only_request().text(), "token=opaque");
}

#[test]
fn a_refusal_is_the_same_as_over_http_1() {
    let Some((gateway, connection)) = with_http3() else { return };
    for authorization in [None, Some("Bearer inactive")] {
        let headers: Vec<_> =
            authorization.map(|value| ("authorization", value)).into_iter().collect();
        let mut over_http_1 = gateway.get("/");
        for (name, value) in &headers {
            over_http_1 = over_http_1.header(name, value);
        }
        let over_http_1 = over_http_1.send();

        let answer = connection.send("POST", "/", &headers, "a body");

        assert_eq!(answer.status(), 401);
        for name in ["www-authenticate", "cache-control", "content-type"] {
            let value = answer.headers()[name].to_str().unwrap();
            assert_eq!(Some(value), over_http_1.header(name), "{name}");
        }
        assert_eq!(*answer.body(), over_http_1.text());
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn answers_are_kept_apart_by_the_host_that_chooses_the_server() {
    for host in ["", "proxy_set_header Host $http_host;", "proxy_set_header Host $host;"] {
        let ask = format!("{host} set $upstream {{as}}; proxy_pass http://$upstream/$host;");
        let Some((gateway, connection)) = with_endpoint(&ask) else { return };
        gateway.activate("opaque");
        let headers = [("authorization", "Bearer opaque")];

        for host in ["a.example.com", "b.example.com", "a.example.com"] {
            assert_eq!(connection.send_to(host, "GET", "/", &headers, "").status(), 200);
        }

        let asked = gateway.authorization_server.requests();
        let asked: Vec<_> = asked.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(asked, ["/a.example.com", "/b.example.com"], "{host}");
    }
}

fn with_http3() -> Option<(Gateway, Http3Connection)> {
    with_endpoint("proxy_pass http://{as};")
}

fn with_endpoint(ask: &str) -> Option<(Gateway, Http3Connection)> {
    if !Installation::get().is_built("--with-http_v3_module") {
        eprintln!("this NGINX has no HTTP/3");
        return None;
    }
    let (certificate, key) = certificate_and_key();
    let gateway = Gateway::with_http(&format!(
        "server {{
             listen 127.0.0.1:{{port}};
             listen 127.0.0.1:{{port}} quic;
             ssl_certificate 'data:{certificate}';
             ssl_certificate_key 'data:{key}';
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 add_header X-Cache $phantom_token_cache_status;
                 proxy_pass http://{{api}};
             }}
             location = /introspection {{ internal; {ask} }}
         }}"
    ));
    let connection = Http3Connection::open(gateway.address(), &certificate);
    Some((gateway, connection))
}
