//! The module's variables, in the log and elsewhere.

use phantom_token_devkit::{Answer, Gateway};
use serde_json::json;

#[test]
fn the_log_tells_the_result_of_every_request() {
    let table = [
        ("Bearer good", "granted"),
        ("", "missing_token"),
        ("Basic YTpi", "missing_token"),
        ("Bearer a b", "malformed_token"),
        ("Bearer inactive", "inactive_token"),
        ("Bearer broken", "introspection_failed"),
        ("Bearer busy", "unavailable"),
        ("Bearer late", "unavailable"),
    ];
    for (authorization, result) in table {
        let gateway = with_log("$phantom_token_result");
        gateway.activate("good");
        gateway.authorization_server.answer("broken", Answer::status(500));
        gateway.authorization_server.answer("busy", Answer::status(503));
        gateway.authorization_server.answer("late", Answer::status(504));

        gateway.get("/").header("Authorization", authorization).send();

        let line = gateway.wait_for_log_named("seen.log", "seen:");
        assert_eq!(line, format!("seen:{result}"), "{authorization}");
    }
}

#[test]
fn the_log_tells_that_an_options_request_was_answered() {
    let gateway = with_log("$phantom_token_result");

    gateway.request("OPTIONS", "/").send();

    assert_eq!(gateway.wait_for_log_named("seen.log", "seen:"), "seen:options");
}

#[test]
fn the_log_has_the_cache_status_and_the_jwt() {
    let gateway = with_log("$phantom_token_cache_status $phantom_token_jwt $http_authorization");
    let jwt = gateway.activate("good");

    gateway.get("/").bearer("good").send();
    gateway.get("/").bearer("good").send();

    let seen = format!("{jwt} Bearer {jwt}");
    gateway.wait_for_log_named("seen.log", &format!("seen:MISS {seen}"));
    gateway.wait_for_log_named("seen.log", &format!("seen:HIT {seen}"));
}

#[test]
fn they_are_empty_where_the_module_had_nothing_to_say() {
    let log = "[$phantom_token_cache_status][$phantom_token_result][$phantom_token_jwt]";
    let gateway = Gateway::with_http(&format!(
        "log_format seen 'seen:{log}';
         server {{
             listen 127.0.0.1:{{port}};
             access_log logs/seen.log seen;
             location / {{ proxy_pass http://{{api}}; }}
         }}"
    ));

    gateway.get("/").bearer("good").send();

    assert_eq!(gateway.wait_for_log_named("seen.log", "seen:"), "seen:[-][-][-]");
}

#[test]
fn they_work_in_headers_and_maps() {
    let gateway = Gateway::with_http(
        "map $phantom_token_result $sort { granted yes; default no; }
         map $phantom_token_cache_status $cached { HIT yes; default no; }
         server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 proxy_set_header X-JWT $phantom_token_jwt;
                 proxy_set_header X-Result $phantom_token_result;
                 add_header X-Granted $sort always;
                 add_header X-Cached $cached always;
                 proxy_pass http://{api};
             }
             location = /introspection { internal; proxy_pass http://{as}; }
         }",
    );
    let jwt = gateway.activate("good");

    let refused = gateway.get("/").send();
    let missed = gateway.get("/").bearer("good").send();
    let hit = gateway.get("/").bearer("good").send();

    let seen = [refused, missed, hit].map(|response| {
        ["x-granted", "x-cached"].map(|name| response.header(name).unwrap().to_owned()).join(" ")
    });
    assert_eq!(seen, ["no no", "yes no", "yes yes"]);
    for request in gateway.api.requests() {
        assert_eq!(request.header("x-jwt"), Some(jwt.as_str()));
        assert_eq!(request.header("x-result"), Some("granted"));
    }
}

#[test]
fn they_keep_their_values_over_an_internal_redirect() {
    let gateway = Gateway::with_http(
        "log_format seen 'seen:$phantom_token_result $phantom_token_cache_status';
         server {
             listen 127.0.0.1:{port};
             access_log logs/seen.log seen;
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 error_page 401 404 /page;
                 proxy_intercept_errors on;
                 proxy_pass http://{api};
             }
             location = /page { internal; return 200 page; }
             location = /introspection { internal; proxy_pass http://{as}; }
         }",
    );
    gateway.activate("good");
    gateway.api.answer("/missing", Answer::status(404));

    gateway.get("/missing").bearer("good").send();
    gateway.get("/").bearer("inactive").send();

    gateway.wait_for_log_named("seen.log", "seen:granted MISS");
    gateway.wait_for_log_named("seen.log", "seen:inactive_token MISS");
}

#[test]
fn an_embedded_jwt_is_the_variables_value_too() {
    let gateway = with_log("$phantom_token_jwt");
    let jwt = phantom_token_devkit::jwt::jwt(json!({"sub": "alice"}));
    gateway.authorization_server.answer("good", Answer::json(json!({"active": true, "jwt": jwt})));

    gateway.get("/").bearer("good").send();

    assert_eq!(gateway.wait_for_log_named("seen.log", "seen:"), format!("seen:{jwt}"));
}

/// Logs this format, after `seen:`.
fn with_log(format: &str) -> Gateway {
    Gateway::with_http(&format!(
        "log_format seen 'seen:{format}';
         server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 access_log logs/seen.log seen;
                 proxy_pass http://{{api}};
             }}
             location = /introspection {{ internal; proxy_pass http://{{as}}; }}
         }}"
    ))
}
