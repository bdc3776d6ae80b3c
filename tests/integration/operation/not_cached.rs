//! What the error log says where an answer must not be cached.

use phantom_token_devkit::{Answer, Gateway, jwt};

const NOT_CACHED: &str = "is not cached in location";

#[test]
fn a_location_where_answers_are_not_cached_says_so_once_and_another_location_for_itself() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         location / { proxy_pass http://{api}; }
         location /other { proxy_pass http://{api}; }",
    );
    gateway.authorization_server.answer_otherwise(|_| active());

    for request in 0..20 {
        let response = gateway.get("/").bearer(&format!("token-{}", request % 10)).send();
        assert_eq!(response.status, 200);
    }
    let after_twenty = lines(&gateway);
    gateway.get("/other").bearer("opaque").send();

    assert_eq!(gateway.authorization_server.count(), 21);
    assert_eq!(after_twenty.len(), 1, "{after_twenty:?}");
    let both = lines(&gateway);
    assert_eq!(both.len(), 2, "{both:?}");
    for (line, location) in both.iter().zip(["\"/\"", "\"/other\""]) {
        assert!(line.contains("[warn]"), "{line}");
        assert!(line.contains(&format!("{NOT_CACHED} {location}, since")), "{line}");
        assert!(line.contains("\"phantom_token_cache_valid\""), "{line}");
        assert!(!line.contains("token-") && !line.contains("opaque"), "{line}");
    }
}

#[test]
fn the_line_says_why_an_answer_is_not_cached_and_what_to_set() {
    const VALID: &str = "set \"phantom_token_cache_valid\" ";
    const IGNORE: &str = "set \"phantom_token_cache_ignore_headers Cache-Control\" ";
    const BOTH: &str = "set \"phantom_token_cache_ignore_headers Cache-Control Expires\" and \
                        \"phantom_token_cache_valid\" ";
    let no_headers: &[(&str, &str)] = &[];
    let table = [
        ("", no_headers, "since nothing in it that counts here says", VALID),
        (
            "",
            &[("Cache-Control", "no-store")],
            "since its Cache-Control has no-store",
            "Cache-Control\" and \"phantom_token_cache_valid\" ",
        ),
        (
            "phantom_token_cache_valid 1m;",
            &[("Cache-Control", "private")],
            "since its Cache-Control has private",
            IGNORE,
        ),
        (
            "phantom_token_cache_ignore_headers Cache-Control;",
            &[("Cache-Control", "no-cache")],
            "since nothing in it",
            VALID,
        ),
        (
            "",
            &[("Cache-Control", "max-age=0, no-cache"), ("Pragma", "no-cache"), ("Expires", "0")],
            "since its Cache-Control has no-cache",
            BOTH,
        ),
        ("", &[("Cache-Control", "max-age=0")], "since its max-age or s-maxage", "ignore_headers"),
        (
            "",
            &[("Cache-Control", "max-age=60"), ("Vary", "*")],
            "since its Vary is \"*\" while checking the token, client",
            "",
        ),
        (
            "phantom_token_cache_max_valid 0;",
            &[("Cache-Control", "max-age=60")],
            "since phantom_token_cache_max_valid is 0 while",
            "",
        ),
    ];
    for (directives, headers, reason, remedy) in table {
        let gateway = Gateway::with(directives);
        let answer =
            headers.iter().fold(active(), |answer, (name, value)| answer.header(name, value));
        gateway.authorization_server.answer("opaque", answer);

        let statuses = [(); 2].map(|()| gateway.get("/").bearer("opaque").send().status);

        assert_eq!((statuses, gateway.authorization_server.count()), ([200; 2], 2), "{headers:?}");
        let lines = lines(&gateway);
        let [line] = &lines[..] else { panic!("{headers:?}: {lines:?}") };
        assert!(line.contains(reason), "{headers:?}: {line}");
        assert!(line.contains(remedy), "{headers:?}: {line}");
    }
}

#[test]
fn nothing_is_said_of_what_is_cached_of_what_is_refused_and_where_there_is_no_cache() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         location / { proxy_pass http://{api}; }
         location /uncached { phantom_token_cache off; proxy_pass http://{api}; }",
    );
    gateway.activate("cached");
    gateway.authorization_server.answer("opaque", active());
    gateway.authorization_server.answer("failed", Answer::status(500));

    let statuses =
        ["cached", "inactive", "failed"].map(|token| gateway.get("/").bearer(token).send().status);
    let uncached = gateway.get("/uncached").bearer("opaque").send().status;

    assert_eq!((statuses, uncached), ([200, 401, 502], 200));
    gateway.wait_for_log("refused in location \"/\": the authorization server failed");
    assert_eq!(lines(&gateway), [""; 0]);
}

/// A JWT that is good for an hour, without a word about caching.
fn active() -> Answer {
    Answer::jwt(&jwt::jwt(jwt::an_hour_of_claims()))
}

/// The lines so far. NGINX writes them before it answers.
fn lines(gateway: &Gateway) -> Vec<String> {
    let log = gateway.error_log();
    log.lines().filter(|line| line.contains(NOT_CACHED)).map(str::to_owned).collect()
}
