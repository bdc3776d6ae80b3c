//! Many requests on one connection, and clients that do not wait.

use std::thread;

use phantom_token_devkit::{Answer, Gate, Gateway, expect, jwt};

#[test]
fn a_hundred_tokens_on_one_connection_each_get_their_own_jwt() {
    let gateway = Gateway::with("");
    let mut connection = gateway.connect();
    for number in 0..100 {
        let token = format!("token-{number}");
        let jwt = gateway.activate(&token);

        let response = gateway.get("/").bearer(&token).send_on(&mut connection);

        assert_eq!(response.status, 200);
        let arrived = gateway.api.requests().pop().unwrap();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let gateway = Gateway::with("");
    gateway.activate("one");
    gateway.activate("two");
    let requests = [
        (gateway.get("/1").bearer("one"), 200),
        (gateway.get("/2"), 401),
        (gateway.request("POST", "/3").bearer("inactive").body("GET /x HTTP/1.1\r\n\r\n"), 401),
        (gateway.request("POST", "/4").bearer("two").body("hello"), 200),
        (gateway.request("POST", "/5").chunked_body(b"GET /y HTTP/1.1\r\n\r\n", 3), 401),
        (gateway.get("/6").bearer("one"), 200),
        (gateway.request("OPTIONS", "/7"), 204),
        (gateway.get("/8").bearer("two"), 200),
    ];
    let mut connection = gateway.connect();

    let bytes: Vec<u8> = requests.iter().flat_map(|(request, _)| request.to_bytes()).collect();
    connection.write(&bytes);

    for (request, status) in &requests {
        assert_eq!(connection.read("GET").status, *status, "{request:?}");
    }
    let targets: Vec<_> =
        gateway.api.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/1", "/4", "/6", "/8"]);
}

#[test]
fn a_client_that_hangs_up_during_the_introspection_does_no_harm() {
    let gateway = Gateway::with("phantom_token_cache off;");
    let gate = Gate::closed();
    let answer = Answer::jwt(&jwt::jwt(jwt::an_hour_of_claims()));
    gateway.authorization_server.answer("slow", answer.clone().after(&gate));
    gateway.authorization_server.answer("half", answer.body_after(&gate));
    gateway.activate("opaque");
    for (count, token) in (1..).zip(["slow", "half", "slow", "half"]) {
        let mut connection = gateway.connect();
        connection.write(&gateway.get("/left").bearer(token).to_bytes());
        gateway.authorization_server.wait_for(count);
        if count > 2 {
            connection.reset();
        }
    }
    gate.open();

    let response = gateway.get("/stayed").bearer("opaque").send();

    assert_eq!(response.status, 200);
    assert!(gateway.api.requests().iter().any(|request| request.target == "/stayed"));
}

#[test]
fn a_client_that_closes_its_sending_side_still_gets_its_answer_when_aborts_are_ignored() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /ask;
             proxy_ignore_client_abort on;
             proxy_pass http://{api};
         }
         location = /ask { internal; proxy_ignore_client_abort on; proxy_pass http://{as}; }",
    );
    let gate = Gate::closed();
    let jwt = jwt::jwt(jwt::an_hour_of_claims());
    gateway.authorization_server.answer("opaque", Answer::jwt(&jwt).after(&gate));
    let mut connection = gateway.connect();

    connection.write(&gateway.get("/").bearer("opaque").to_bytes());
    connection.finish_writing();
    gateway.authorization_server.wait_for(1);
    gate.open();
    let response = connection.read("GET");

    assert_eq!(response.status, 200);
}

#[test]
fn slow_introspections_do_not_hold_up_other_requests() {
    let gateway = Gateway::with("");
    let gate = Gate::closed();
    let jwt = jwt::jwt(jwt::an_hour_of_claims());
    gateway.authorization_server.answer("slow", Answer::jwt(&jwt).after(&gate));
    gateway.activate("fast");
    let mut waiting = gateway.connect();
    waiting.write(&gateway.get("/slow").bearer("slow").to_bytes());
    gateway.authorization_server.wait_for(1);

    let fast = gateway.get("/fast").bearer("fast").send();
    let slow_is_silent = waiting.is_silent();
    gate.open();
    let slow = waiting.read("GET");

    assert!(slow_is_silent);
    assert_eq!((fast.status, slow.status), (200, 200));
}

#[test]
fn many_clients_at_once_each_get_their_own_jwt() {
    let gateway = Gateway::builder().directives("").nginx(|nginx| nginx.workers(2)).start();
    gateway.authorization_server.answer_otherwise(|token| {
        Answer::jwt(&jwt::jwt(serde_json::json!({"jti": token}))).max_age(60).head_apart()
    });
    let check = |client: usize| {
        let mut connection = gateway.connect();
        for round in 0..10 {
            // Some tokens are shared between clients, some are not.
            let token =
                format!("token-{}", if round % 2 == 0 { round } else { client * 100 + round });
            let response =
                gateway.get(&format!("/{token}")).bearer(&token).send_on(&mut connection);
            assert_eq!(response.status, 200);
        }
    };

    thread::scope(|scope| {
        for client in 0..20 {
            scope.spawn(move || check(client));
        }
    });

    let arrived = gateway.api.requests();
    assert_eq!(arrived.len(), 200);
    for request in arrived {
        let sent = request.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
        assert_eq!(format!("/{}", jwt::claims_of(sent)["jti"].as_str().unwrap()), request.target);
    }
}

#[test]
fn a_websocket_passes_with_the_jwt() {
    let gateway = Gateway::with(
        "proxy_http_version 1.1;
         proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade;",
    );
    let jwt = gateway.activate("opaque");
    gateway.api.answer("/socket", Answer::echo_websocket());
    let request = gateway
        .get("/socket")
        .bearer("opaque")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    let mut connection = gateway.connect();

    let switched = request.send_on(&mut connection);
    connection.write(b"there and back");
    let echoed = connection.read_bytes(14);

    assert_eq!(switched.status, 101);
    assert_eq!(echoed, b"there and back");
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    assert_eq!(arrived.header("upgrade"), Some("websocket"));
}

#[test]
fn a_websocket_without_a_token_is_refused() {
    let gateway = Gateway::with(
        "proxy_http_version 1.1;
         proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade;",
    );

    let response = gateway
        .get("/socket")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .send();

    expect::unauthorized(&response);
    assert_eq!(gateway.api.count(), 0);
}
