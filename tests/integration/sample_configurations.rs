//! The files in `nginx-conf/`, as they are but for addresses and paths.

use std::fs;

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
fn production_conf_brakes_clients_that_are_refused_again_and_again() {
    let gateway = production("login.example.com");
    gateway.activate("opaque");

    // One a second is forgiven, so that it takes more of them where they come slowly.
    let mut refused = Vec::new();
    while refused.len() < 400 && !refused.ends_with(&[429]) {
        let response = gateway.get("/").bearer("inactive").send();
        if response.status == 401 {
            assert!(expect::unauthorized(&response).contains("invalid_token"));
        }
        refused.push(response.status);
    }
    let active = gateway.get("/").bearer("opaque").send();

    let (last, before) = refused.split_last().unwrap();
    assert_eq!(*last, 429);
    assert!(before.len() > 20 && before.iter().all(|&status| status == 401), "{refused:?}");
    assert_eq!(active.status, 200);
    gateway.wait_for_log_named("access.log", "token=inactive_token");
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
