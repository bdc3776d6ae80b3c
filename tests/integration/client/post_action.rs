//! Clients that hang up before anything is decided: NGINX then goes to `post_action`, if there is one.

use phantom_token_devkit::{
    Answer, AuthorizationServer, Connection, Gate, Gateway, jwt::numbered_jwt,
};

const ACCESS_LOG: &str = "access_log logs/access.log;";

#[test]
fn an_introspection_whose_client_hangs_up_goes_nowhere_else() {
    for action in ["/after", "@after"] {
        let gateway = Gateway::with_server(&format!(
            "{ACCESS_LOG}
             post_action {action};
             location / {{
                 phantom_token on;
                 phantom_token_client_credential gateway secret;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{{api}};
             }}
             location = /ask {{ internal; proxy_pass http://{{as}}; }}
             location = /after {{ internal; proxy_pass http://{{api}}; }}
             location @after {{ proxy_pass http://{{api}}; }}"
        ));
        let gate = Gate::closed();
        let answer = Answer::jwt(&numbered_jwt(1)).after(&gate);
        gateway.authorization_server.answer("opaque", answer);
        let mut connection = gateway.connect();

        connection.write(&gateway.get("/").bearer("opaque").to_bytes());
        gateway.authorization_server.wait_for(1);
        drop(connection);
        gateway.wait_for_log_named("access.log", "\"GET / HTTP/1.1\"");
        gate.open();

        assert_eq!(gateway.api.count(), 0, "{action}: {:?}", gateway.api.requests());
        assert_eq!(gateway.authorization_server.count(), 1, "{action}");
    }
}

#[test]
fn a_preflight_request_goes_to_post_action_without_its_token() {
    for action in ["/after", "@after"] {
        let gateway = Gateway::with_server(&format!(
            "post_action {action};
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 proxy_pass http://{{api}};
             }}
             location = /ask {{ internal; proxy_pass http://{{as}}; }}
             location = /after {{ internal; proxy_pass http://{{api}}; }}
             location @after {{ proxy_pass http://{{api}}; }}"
        ));

        assert_eq!(gateway.request("OPTIONS", "/").bearer("opaque").send().status, 204);

        // The location of the action inherits it, so there may be more than one.
        for after in gateway.api.wait_for(1) {
            assert_eq!(after.header("authorization"), None, "{action}");
        }
    }
}

#[test]
fn a_request_that_waited_goes_to_post_action_without_its_token() {
    let others = AuthorizationServer::start();
    let gateway = with_post_action(&others, "@open");
    let gate = Gate::closed();
    gateway.authorization_server.answer("opaque", Answer::jwt(&numbered_jwt(1)).after(&gate));
    let (mut leader, waiter) = leader_and_waiter(&gateway);

    drop(waiter);
    gateway.api.wait_for(1);
    let after = gateway.api.only_request();
    gate.open();

    assert_eq!(after.header("authorization"), None);
    assert_eq!(leader.read("GET").status, 200);
}

#[test]
fn a_grant_in_post_action_is_not_that_of_where_the_request_waited() {
    let others = AuthorizationServer::start();
    let gateway = with_post_action(&others, "/other/after");
    let gate = Gate::closed();
    let [one, two] = [1, 2].map(numbered_jwt);
    gateway.authorization_server.answer("opaque", Answer::jwt(&one).max_age(60).after(&gate));
    others.answer("opaque", Answer::jwt(&two).max_age(60));
    let moves = Answer::status(200).header("X-Accel-Redirect", "/moved");
    gateway.api.answer("/other/after", moves);
    gateway.get("/other/first").bearer("opaque").send();
    let (mut leader, waiter) = leader_and_waiter(&gateway);

    drop(waiter);
    gateway.api.wait_for(2);
    gate.open();

    assert_eq!(leader.read("GET").status, 200);
    let next = gateway.get("/next").bearer("opaque").send();
    assert_eq!(next.status, 200);
    for request in gateway.api.requests() {
        let jwt = if request.target.starts_with("/other") { &two } else { &one };
        let authorization = format!("Bearer {jwt}");
        assert_eq!(request.header("authorization"), Some(&*authorization), "{}", request.target);
    }
}

/// `/` and `/other` are protected, each with an authorization server of its own. A request to
/// `/waits` notes in the error log that it has arrived.
fn with_post_action(others: &AuthorizationServer, action: &str) -> Gateway {
    Gateway::with_server(&format!(
        "phantom_token_introspection_endpoint /ask;
         location / {{ phantom_token on; proxy_pass http://{{api}}; }}
         location = /waits {{
             rewrite_log on;
             rewrite ^ $uri break;
             phantom_token on;
             post_action {action};
             proxy_pass http://{{api}};
         }}
         location /other {{
             phantom_token on;
             phantom_token_introspection_endpoint /ask-others;
             proxy_pass http://{{api}};
         }}
         location @open {{ proxy_pass http://{{api}}; }}
         location = /answer {{ return 200; }}
         location = /ask {{ internal; proxy_pass http://{{as}}; }}
         location = /ask-others {{ internal; proxy_pass http://{}; }}",
        others.address()
    ))
}

/// Two requests with a token, of which one introspects and the other one waits for it.
fn leader_and_waiter(gateway: &Gateway) -> (Connection, Connection) {
    let (mut leader, mut waiter) = (gateway.connect(), gateway.connect());
    leader.write(&gateway.get("/leads").bearer("opaque").to_bytes());
    gateway.authorization_server.wait_for(1);
    waiter.write(&gateway.get("/waits").bearer("opaque").to_bytes());
    gateway.wait_for_log("\"/waits\"");
    // The worker that answers this is done with what it has noted before.
    assert_eq!(gateway.get("/answer").send().status, 200);
    (leader, waiter)
}
