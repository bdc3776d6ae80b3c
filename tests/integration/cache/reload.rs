//! What a reload keeps of the cache.

use phantom_token_devkit::Gateway;

#[test]
fn a_reload_with_the_same_size_keeps_every_entry() {
    let gateway = Gateway::with_http(&http("1m"));
    let tokens = active_tokens(&gateway, 300);
    fetch_all(&gateway, &tokens);

    gateway.reload();
    let statuses = fetch_all(&gateway, &tokens);

    assert!(statuses.iter().all(|status| status == "HIT"), "{statuses:?}");
    assert_eq!(gateway.authorization_server.count(), tokens.len());
    gateway.wait_for_log("is kept");
}

#[test]
fn a_reload_that_changes_something_else_keeps_every_entry_too() {
    let mut gateway = Gateway::with_http(&http("1m"));
    let tokens = active_tokens(&gateway, 50);
    fetch_all(&gateway, &tokens);

    let changed = http("1m").replace("location / {", "location / { phantom_token_realm new;");
    gateway.nginx.set_http(changed);
    gateway.reload();
    let statuses = fetch_all(&gateway, &tokens);

    assert!(statuses.iter().all(|status| status == "HIT"), "{statuses:?}");
    let refused = gateway.get("/").send();
    assert_eq!(refused.header("www-authenticate"), Some(r#"Bearer realm="new""#));
}

#[test]
fn a_reload_with_another_size_starts_afresh_with_a_notice() {
    for size in ["2m", "512k"] {
        let mut gateway = Gateway::with_http(&http("1m"));
        let tokens = active_tokens(&gateway, 50);
        fetch_all(&gateway, &tokens);
        let notices = notices(&gateway);

        gateway.nginx.set_http(http(size));
        gateway.reload();
        let statuses = fetch_all(&gateway, &tokens);
        let again = fetch_all(&gateway, &tokens);

        assert!(statuses.iter().all(|status| status == "MISS"), "{size}: {statuses:?}");
        assert!(again.iter().all(|status| status == "HIT"), "{size}: {again:?}");
        assert_eq!(notices + 1, self::notices(&gateway), "{size}");
    }
}

#[test]
fn a_zone_of_another_name_starts_afresh() {
    let mut gateway = Gateway::with_http(&http("1m"));
    let tokens = active_tokens(&gateway, 10);
    fetch_all(&gateway, &tokens);

    gateway
        .nginx
        .set_http(http("1m").replace("zone:1m", "other:1m").replace("cache zone;", "cache other;"));
    gateway.reload();
    let statuses = fetch_all(&gateway, &tokens);

    assert!(statuses.iter().all(|status| status == "MISS"), "{statuses:?}");
}

#[test]
fn a_reload_that_fails_leaves_the_cache_as_it_was() {
    let mut gateway = Gateway::builder()
        .http(&http("1m"))
        .nginx(|nginx| nginx.tolerate("phantom_token_cache_zone"))
        .start();
    let tokens = active_tokens(&gateway, 10);
    fetch_all(&gateway, &tokens);

    gateway.nginx.set_http(http("1"));
    gateway.ask_to_reload();
    gateway.wait_for_log("is too small");
    let statuses = fetch_all(&gateway, &tokens);

    assert!(statuses.iter().all(|status| status == "HIT"), "{statuses:?}");
}

fn http(size: &str) -> String {
    format!(
        "phantom_token_cache_zone zone:{size};
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_cache zone;
                 phantom_token_introspection_endpoint /introspection;
                 add_header X-Cache $phantom_token_cache_status;
                 proxy_pass http://{{api}};
             }}
             location = /introspection {{ internal; proxy_pass http://{{as}}; }}
         }}"
    )
}

fn active_tokens(gateway: &Gateway, count: usize) -> Vec<String> {
    let tokens: Vec<_> = (0..count).map(|number| format!("token-{number}")).collect();
    for token in &tokens {
        gateway.activate(token);
    }
    tokens
}

fn fetch_all(gateway: &Gateway, tokens: &[String]) -> Vec<String> {
    let mut connection = gateway.connect();
    let statuses = tokens.iter().map(|token| {
        let response = gateway.get("/").bearer(token).send_on(&mut connection);
        assert_eq!(response.status, 200);
        response.header("x-cache").unwrap().to_owned()
    });
    statuses.collect()
}

/// The notices that the zone starts without entries.
fn notices(gateway: &Gateway) -> usize {
    let is_notice = |line: &&str| {
        line.contains("[notice]")
            && line.contains(r#"cache zone "zone""#)
            && line.contains("is new")
    };
    gateway.error_log().lines().filter(is_notice).count()
}
