//! NGINX's own cache in the introspection location (`proxy_cache`), as files for the C module have it.

use std::time::{Duration, Instant};

use phantom_token_devkit::{
    Answer, Gateway, eventually,
    jwt::{an_hour_of_claims, jwt, jwt_of_length},
};

const LINE: &str = "under a key that is not bound to the token: set proxy_cache_key $request_body";

#[test]
fn a_key_that_has_the_token_gives_each_its_own_answer_out_of_the_cache() {
    const ALICE: &str = "alice-5c1e0f73-93d6";
    const BOB: &str = "bob/77+f0f73~93d6==";
    for key in [
        "$request_body",
        "$scheme$proxy_host$request_uri$request_body",
        "$http_authorization",
        "$uri|$http_authorization",
        "$presented",
        "\"$host|$presented\"",
    ] {
        let gateway = caching(&format!("proxy_cache_key {key};"));
        let (alice, bob) = (gateway.activate(ALICE), gateway.activate(BOB));
        for (token, jwt) in [(ALICE, &alice), (BOB, &bob), (ALICE, &alice), (BOB, &bob)] {
            assert_eq!(gateway.get("/").bearer(token).send().status, 200, "{key}");

            let arrived = gateway.api.requests().pop().unwrap();
            assert_eq!(arrived.header("authorization"), Some(&*format!("Bearer {jwt}")), "{key}");
        }
        assert_eq!(gateway.get("/").bearer("junk").send().status, 401, "{key}");
        assert_eq!(gateway.authorization_server.count(), 3, "{key}");
    }
}

#[test]
fn a_key_that_tokens_share_gives_nobody_the_answer_of_another() {
    for directives in [
        "",
        "proxy_cache_key $uri;",
        "proxy_cache_key $scheme$proxy_host$request_uri;",
        "proxy_cache_key $http_x_tenant;",
    ] {
        let gateway = caching(directives);
        gateway.activate("alice");
        gateway.activate("introspection");
        assert_eq!(gateway.get("/").bearer("alice").send().status, 200, "{directives}");

        for token in ["introspection", "junk", "alice"] {
            let response = gateway.get("/").bearer(token).send();
            assert_eq!(response.status, 502, "{directives}: {token}");
        }

        let line = gateway.wait_for_log(LINE);
        assert!(line.contains("[error]"), "{line}");
        assert_eq!(gateway.api.count(), 1, "{directives}");
    }
}

#[test]
fn a_token_that_is_chosen_for_the_key_does_not_get_the_answer_of_another() {
    let token_of = |gateway: &Gateway, key: &str| match key {
        "" => format!(
            "{}/introspection",
            gateway.authorization_server.address().split_once(':').unwrap().1
        ),
        _ => "/introspection".into(),
    };
    for (key, path) in [("", "/"), ("$uri", "/"), ("$request_uri", "/?token=/introspection")] {
        let directives =
            if key.is_empty() { String::new() } else { format!("proxy_cache_key {key};") };
        let gateway = caching(&directives);
        gateway.activate("alice");
        assert_eq!(gateway.get(path).bearer("alice").send().status, 200, "{key}");

        let response = gateway.get(path).bearer(&token_of(&gateway, key)).send();

        assert_eq!(response.status, 502, "{key}");
        assert_eq!(gateway.api.count(), 1, "{key}");
    }
}

#[test]
fn a_renewal_in_the_background_does_not_help_such_a_token_either() {
    const CHOSEN: &str = "/introspection";
    let gateway = caching(
        "proxy_cache_key $uri;
         proxy_cache_use_stale updating;
         proxy_cache_background_update on;",
    );
    let server = &gateway.authorization_server;
    let answers = [1, 60].map(|seconds| Answer::jwt(&jwt(an_hour_of_claims())).max_age(seconds));
    server.answer_in_turn("alice", answers);
    gateway.get("/").bearer("alice").send();

    // It goes stale, and is renewed for her.
    eventually(|| {
        gateway.get("/").bearer("alice").send();
        (server.count() == 2).then_some(())
    })
    .expect("a renewal");
    for _ in 0..20 {
        assert_eq!(gateway.get("/").bearer(CHOSEN).send().status, 502);
    }

    assert_eq!(gateway.api.count(), 1);
}

#[test]
fn a_key_that_has_two_tokens_gives_neither_the_answer_of_the_other() {
    const ALICE: &str = "alice-5c1e0f73-93d6";
    for (key, target, x) in [
        ("$request_uri", "/?token=alice-5c1e0f73-93d6&token=zzzbogus", ""),
        ("\"k $http_x\"", "/", "Bearer alice-5c1e0f73-93d6 Bearer zzzbogus"),
    ] {
        let gateway = caching(&format!("proxy_cache_key {key};"));
        gateway.activate(ALICE);
        let get = |token| gateway.get(target).bearer(token).header("X", x).send().status;

        assert_eq!([ALICE, ALICE, "zzzbogus"].map(get), [200, 200, 502], "{key}");

        gateway.wait_for_log(LINE);
        assert_eq!(gateway.authorization_server.count(), 1);
    }
}

#[test]
fn a_token_that_begins_as_another_does_not_get_its_answer_by_what_else_is_in_the_key() {
    let gateway = caching("proxy_cache_key $request_body$http_x;");
    gateway.activate("goodlonger");

    assert_eq!(gateway.get("/").bearer("goodlonger").send().status, 200);
    let response = gateway.get("/").bearer("goo").header("X", "dlonger").send();

    assert_eq!(response.status, 502);
}

#[test]
fn a_large_jwt_comes_out_of_it_whole() {
    let gateway = caching("proxy_cache_key $request_body;");
    let jwt = jwt_of_length(an_hour_of_claims(), 60 * 1024);
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt).max_age(60));
    for _ in 0..3 {
        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 200);
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn an_answer_that_expired_in_it_is_asked_for_again() {
    let gateway = caching("proxy_cache_key $request_body;");
    let first = jwt_of_length(an_hour_of_claims(), 500);
    let second = jwt_of_length(an_hour_of_claims(), 9000);
    let answers = [Answer::jwt(&first).max_age(1), Answer::jwt(&second).max_age(60)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    eventually(|| {
        assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
        (gateway.authorization_server.count() == 2).then_some(())
    })
    .expect("the answer to expire");

    let arrived = gateway.api.requests().pop().unwrap();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {second}").as_str()));
}

#[test]
fn an_answer_out_of_it_lives_no_longer_than_the_server_said() {
    const LIFETIME: Duration = Duration::from_secs(8);
    /// Times in a cache are whole seconds.
    const SECOND: Duration = Duration::from_secs(1);
    let gateway = caching("proxy_cache_key $request_body;");
    let jwt = jwt(an_hour_of_claims());
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt).max_age(LIFETIME.as_secs()));
    gateway.get("/").bearer("opaque").send();
    let answered = Instant::now();

    // Half of the answer's life is over when the zone gets it out of the proxy cache.
    eventually(|| (answered.elapsed() >= LIFETIME / 2).then_some(()));
    gateway.get("/zone").bearer("opaque").send();
    let introspections_within_the_lifetime = gateway.authorization_server.count();
    eventually(|| {
        let age = answered.elapsed();
        gateway.get("/zone").bearer("opaque").send();
        let is_expired = gateway.authorization_server.count() == 2;
        assert!(is_expired || age < LIFETIME + SECOND, "it was used at an age of {age:?}");
        is_expired.then_some(())
    })
    .expect("the answer to expire");

    assert_eq!(introspections_within_the_lifetime, 1);
}

/// `/` without a zone and `/zone` with one, both over an introspection location that has a `proxy_cache`
/// with these directives.
fn caching(directives: &str) -> Gateway {
    Gateway::with_http(&format!(
        "proxy_cache_path cache keys_zone=answers:1m;
         map $http_authorization $presented {{ '~^Bearer (?<token>.*)' $token; }}
         server {{
             listen 127.0.0.1:{{port}};
             phantom_token_introspection_endpoint /introspection;
             location / {{ phantom_token on; phantom_token_cache off; proxy_pass http://{{api}}; }}
             location /zone {{ phantom_token on; proxy_pass http://{{api}}; }}
             location = /introspection {{
                 internal;
                 proxy_pass http://{{as}};
                 proxy_cache answers;
                 proxy_cache_methods POST;
                 proxy_ignore_headers Set-Cookie;
                 {directives}
             }}
         }}"
    ))
}
