//! Reloads, the end of NGINX, and requests that are under way meanwhile.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use phantom_token_devkit::{
    Answer, Gate, Gateway, eventually,
    jwt::{an_hour_of_claims, jwt},
};

#[test]
fn no_request_fails_while_the_configuration_is_reloaded_under_load() {
    let gateway = Gateway::builder().directives("").nginx(|nginx| nginx.workers(2)).start();
    gateway.authorization_server.answer_otherwise(|token| {
        Answer::jwt(&jwt(serde_json::json!({"jti": token}))).max_age(60).head_apart()
    });
    let (finished, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = |client: usize| {
        let mut number = 0;
        while !finished.load(Ordering::SeqCst) {
            number += 1;
            let token = format!("token-{client}-{}", number / 3);
            assert_eq!(gateway.get("/").bearer(&token).send().status, 200);
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };

    thread::scope(|scope| {
        for client in 0..4 {
            let load = &load;
            scope.spawn(move || load(client));
        }
        // Dropped also when a reload fails, or the clients would never end.
        let _end = SetWhenDropped(&finished);
        for reload in 1..=4 {
            eventually(|| (answered.load(Ordering::SeqCst) >= 20 * reload).then_some(()))
                .expect("requests to be answered between reloads");
            gateway.reload();
        }
    });
}

#[test]
fn a_request_under_way_is_finished_by_the_old_worker_after_a_reload() {
    let gateway = Gateway::with("");
    let gate = Gate::closed();
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
    gateway.authorization_server.answer("opaque", answer.after(&gate));
    let mut connection = gateway.connect();
    connection.write(&gateway.get("/").bearer("opaque").to_bytes());
    gateway.authorization_server.wait_for(1);

    gateway.reload();
    gate.open();

    assert_eq!(connection.read("GET").status, 200);
}

#[test]
fn quitting_finishes_what_is_under_way() {
    let mut gateway = Gateway::with("");
    let gate = Gate::closed();
    let answer = Answer::jwt(&jwt(an_hour_of_claims())).max_age(60);
    gateway.authorization_server.answer("opaque", answer.body_after(&gate));
    let mut connection = gateway.connect();
    connection.write(&gateway.get("/").bearer("opaque").to_bytes());
    gateway.authorization_server.wait_for(1);

    gateway.quit();
    gateway.wait_for_log("gracefully shutting down");
    gate.open();

    assert_eq!(connection.read("GET").status, 200);
    assert!(gateway.nginx.wait_for_exit().success());
}

#[test]
fn a_reload_can_change_what_is_protected_and_how() {
    let mut gateway = Gateway::with("");
    gateway.activate("opaque");
    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);

    gateway.nginx.set_http(
        "phantom_token_cache_zone phantom_token:10m;
         phantom_token_cache_zone new:1m;
         server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_realm changed;
                 phantom_token_cache new;
                 phantom_token_introspection_endpoint /introspection;
                 proxy_pass http://{api};
             }
             location = /introspection { internal; proxy_pass http://{as}; }
         }",
    );
    gateway.reload();
    let refused = gateway.get("/").send();
    let granted = gateway.get("/").bearer("opaque").send();

    assert_eq!(refused.header("www-authenticate"), Some(r#"Bearer realm="changed""#));
    assert_eq!(granted.status, 200);
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn requests_are_served_on_after_a_worker_crashed() {
    let gateway = Gateway::builder()
        .directives("")
        .nginx(|nginx| nginx.tolerate("exited on signal 9"))
        .start();
    gateway.activate("opaque");
    gateway.get("/").bearer("opaque").send();
    let crashed = gateway.workers()[0];

    gateway.kill_worker(crashed);
    gateway.wait_for_log("exited on signal 9");
    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
