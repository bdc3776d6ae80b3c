//! The files in `nginx-conf/`, as they are but for addresses and paths.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Instant;

use base64::{Engine, engine::general_purpose::STANDARD};
use phantom_token_devkit::{AuthorizationServer, Gateway, GatewayBuilder, Installation, expect};

/// The folder of the repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn minimal_conf_grants_and_refuses() {
    let gateway = sample("minimal.conf").start();
    let jwt = gateway.activate("opaque");

    let without = gateway.get("/").send();
    let inactive = gateway.get("/").bearer("inactive").send();
    let active = gateway.get("/").bearer("opaque").send();
    let again = gateway.get("/").bearer("opaque").send();

    assert_eq!(expect::unauthorized(&without), r#"Bearer realm="api""#);
    assert!(expect::unauthorized(&inactive).contains("invalid_token"));
    assert_eq!((active.status, again.status), (200, 200));
    let arrived = gateway.api.requests();
    assert_eq!(arrived[0].header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    let asked = gateway.authorization_server.requests();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].target, "/oauth/v2/oauth-introspect");
    assert_eq!(asked[1].header("authorization"), Some(basic("gateway:secret").as_str()));
}

#[test]
fn curity_1_x_conf_grants_and_refuses() {
    let gateway = sample("curity-1.x.conf").start();
    let jwt = gateway.activate("opaque");

    let without = gateway.get("/api").send();
    let active = gateway.get("/api").bearer("opaque").send();
    let cached = gateway.get("/cached").bearer("opaque").send();
    let cached_again = gateway.get("/cached").bearer("opaque").send();

    let challenge = r#"Bearer realm="myGoodAPI", scope="scope_a scope_b""#;
    assert_eq!(expect::unauthorized(&without), challenge);
    assert_eq!([active.status, cached.status, cached_again.status], [200; 3]);
    for request in gateway.api.requests() {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
    let asked = gateway.authorization_server.requests();
    assert_eq!(asked.len(), 2);
    for request in asked {
        assert_eq!(request.target, "/oauth/v2/introspection");
        assert_eq!(request.text(), "token=opaque");
        assert_eq!(request.header("accept"), Some("application/jwt"));
        assert_eq!(request.header("authorization"), Some(basic("gateway:secret").as_str()));
    }
}

#[test]
fn curity_2_x_conf_grants_and_refuses() {
    let gateway = sample("curity-2.x.conf").start();
    let jwt = gateway.activate("opaque");

    let without = gateway.get("/api").send();
    let active = gateway.get("/api").bearer("opaque").send();
    let cached = gateway.get("/cached").bearer("opaque").send();
    let cached_again = gateway.get("/cached").bearer("opaque").send();

    let challenge = r#"Bearer realm="myGoodAPI", scope="scope_a scope_b scope_c""#;
    assert_eq!(expect::unauthorized(&without), challenge);
    assert_eq!([active.status, cached.status, cached_again.status], [200; 3]);
    for request in gateway.api.requests() {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
    let asked = gateway.authorization_server.requests();
    assert_eq!(asked.len(), 2);
    for request in asked {
        assert_eq!(request.target, "/oauth/v2/oauth-introspect");
        assert_eq!(request.text(), "token=opaque");
        assert_eq!(request.headers.all("accept"), ["application/jwt"]);
        assert_eq!(request.headers.all("authorization"), [basic("gateway:secret")]);
        let media_types = request.headers.all("content-type");
        assert_eq!(media_types, ["application/x-www-form-urlencoded"]);
    }
}

#[test]
fn production_conf_asks_over_verified_tls_and_keeps_connections() {
    let gateway = production("login.example.com");
    let jwt = gateway.activate("opaque");

    let first = gateway.get("/").bearer("opaque").send();
    let again = gateway.get("/").bearer("opaque").send();
    for token in 0..20 {
        gateway.get("/").bearer(&format!("inactive-{token}")).send();
    }

    assert_eq!((first.status, again.status), (200, 200));
    for request in gateway.api.requests() {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
    let asked = gateway.authorization_server.requests();
    assert_eq!(asked.len(), 21);
    assert_eq!(asked[0].target, "/oauth/v2/oauth-introspect");
    assert_eq!(asked[0].header("host"), Some("login.example.com"));
    assert_eq!(asked[0].header("authorization"), Some(basic("gateway:secret").as_str()));
    assert!(gateway.authorization_server.connections() <= gateway.workers().len());
    gateway.wait_for_log_named("access.log", "token=granted cache=HIT");
}

#[test]
fn production_conf_bounds_the_introspections_that_one_client_can_cause() {
    const RATE: usize = 10;
    const BURST: usize = 50;
    let gateway = production("login.example.com");
    gateway.activate("known");
    assert_eq!(gateway.get("/").bearer("known").send().status, 200);

    // What the rate lets through comes to little only if many are refused meanwhile.
    let flood = Instant::now();
    let (mut made_up, mut limited) = (0, 0);
    while made_up < 200 || limited < 100 {
        assert!(made_up < 10_000, "{limited} of {made_up} were refused by the limit");
        match gateway.get("/").bearer(&format!("made-up-{made_up}")).send() {
            response if response.status == 503 => limited += 1,
            response => _ = expect::unauthorized(&response),
        }
        made_up += 1;
        if made_up % 20 == 0 {
            let token = format!("of-somebody-else-{made_up}");
            gateway.activate(&token);
            let other = gateway.get("/").from_address(Ipv4Addr::new(127, 0, 0, 2)).bearer(&token);
            assert_eq!(other.send().status, 200, "{token}");
            assert_eq!(gateway.get("/").bearer("known").send().status, 200);
        }
    }
    let seconds = usize::try_from(flood.elapsed().as_secs()).unwrap() + 1;

    let asked = gateway.authorization_server.requests();
    let asked = asked.iter().filter(|request| request.text().contains("made-up")).count();
    assert_eq!(asked, made_up - limited);
    assert!(
        asked <= 1 + BURST + RATE * (seconds + 1),
        "{asked} introspections of {made_up} tokens"
    );
    gateway.wait_for_log_named("access.log", "token=unavailable");
}

#[test]
fn production_conf_remembers_for_some_seconds_that_a_token_is_inactive() {
    const REMEMBERED: usize = 10;
    let gateway = production("login.example.com");

    let start = Instant::now();
    for _ in 0..100 {
        let response = gateway.get("/").bearer("inactive").send();
        assert!(expect::unauthorized(&response).contains("invalid_token"));
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();

    let asked = gateway.authorization_server.count();
    assert!(asked <= 1 + seconds.div_ceil(REMEMBERED), "{asked} introspections");
    gateway.wait_for_log_named("access.log", "token=inactive_token cache=HIT");
}

#[test]
fn production_conf_does_not_ask_a_server_with_somebody_elses_certificate() {
    let gateway = production("somebody.else.example.com");
    gateway.activate("opaque");

    let response = gateway.get("/").bearer("opaque").send();

    expect::server_error(&response, 502);
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
}

/// `production.conf`, whose authorization server has a certificate for that name.
fn production(name: &str) -> Gateway {
    let (authorization_server, certificate) = AuthorizationServer::start_with_tls(name);
    let folder = tempfile::tempdir().unwrap();
    let (secret, authority) = (folder.path().join("secret"), folder.path().join("authority.pem"));
    fs::write(&secret, "secret\n").unwrap();
    fs::write(&authority, certificate).unwrap();
    configured(Gateway::builder_with(authorization_server), "production.conf")
        .nginx(|nginx| {
            nginx
                .replace("/etc/nginx/introspection.secret", secret.display().to_string())
                .replace("/etc/ssl/certs/ca-certificates.crt", authority.display().to_string())
                .replace("/var/log/nginx", "logs")
        })
        .start()
}

fn sample(name: &str) -> GatewayBuilder {
    configured(Gateway::builder(), name)
}

/// The sample with the literals replaced that its README names.
fn configured(builder: GatewayBuilder, name: &str) -> GatewayBuilder {
    let path = format!("{}/nginx-conf/{name}", ROOT);
    let module = Installation::get().module.display().to_string();
    let text = fs::read_to_string(path)
        .unwrap()
        .replace("modules/ngx_http_phantom_token_module.so", &module)
        .replace("listen 8080", "listen 127.0.0.1:{port}")
        .replace("127.0.0.1:3000", "{api}")
        .replace("127.0.0.1:8443", "{as}")
        .replace("/var/cache/nginx", "temp/cache");
    builder.nginx(|nginx| nginx.whole(text))
}

fn basic(credential: &str) -> String {
    format!("Basic {}", STANDARD.encode(credential))
}
