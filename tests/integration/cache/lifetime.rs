//! How long an answer is kept.

use phantom_token_devkit::{
    Answer, Gateway, eventually, expect,
    jwt::{an_hour_of_claims, claims_of, jwt, unix_now},
};
use serde_json::json;

const SHOW: &str = "add_header X-Cache $phantom_token_cache_status always;";

#[test]
fn the_headers_of_the_answer_decide_whether_it_is_kept() {
    let future = "Expires: Fri, 01 Jan 2100 00:00:00 GMT";
    let past = "Expires: Thu, 01 Jan 1970 00:00:10 GMT";
    let valid = "phantom_token_cache_valid 60s;";
    let ignore = "phantom_token_cache_ignore_headers Cache-Control;";
    let valid_ignore = &format!("{valid} {ignore}");
    let valid_ignore_all =
        &format!("{valid} phantom_token_cache_ignore_headers Cache-Control Expires;");
    let table: [(&str, &[&str], bool); 24] = [
        ("", &["Cache-Control: max-age=60"], true),
        ("", &["Cache-Control: s-maxage=60"], true),
        ("", &["cache-control: Public, MAX-AGE=60"], true),
        ("", &[future], true),
        ("", &[], false),
        ("", &["Cache-Control: no-store"], false),
        ("", &["Cache-Control: no-cache"], false),
        ("", &["Cache-Control: max-age=0"], false),
        ("", &["Cache-Control: max-age=60, no-store"], false),
        ("", &["Cache-Control: max-age=60", "Cache-Control: no-store"], false),
        ("", &["Cache-Control: max-age=60", "Age: 60"], false),
        ("", &["Cache-Control: max-age=abc"], false),
        ("", &[past], false),
        ("", &["Expires: 0"], false),
        ("", &["Cache-Control: max-age=0", future], false),
        ("", &["Cache-Control: max-age=60", past], true),
        (valid, &[], true),
        (valid, &["Cache-Control: no-store"], false),
        (valid, &["Cache-Control: max-age=0"], false),
        (valid, &[past], false),
        ("phantom_token_cache_valid off;", &[], false),
        (valid_ignore, &["Cache-Control: no-store"], true),
        (valid_ignore_all, &["Cache-Control: no-store", past], true),
        (ignore, &["Cache-Control: max-age=60"], false),
    ];
    for (directives, headers, kept) in table {
        let gateway = Gateway::with(directives);
        let answer = headers.iter().fold(Answer::jwt(&jwt(json!({}))), |answer, header| {
            let (name, value) = header.split_once(": ").unwrap();
            answer.header(name, value)
        });
        gateway.authorization_server.answer("opaque", answer);

        gateway.get("/").bearer("opaque").send();
        gateway.get("/").bearer("opaque").send();

        let introspections = if kept { 1 } else { 2 };
        assert_eq!(
            gateway.authorization_server.count(),
            introspections,
            "{directives} {headers:?}"
        );
        assert_eq!(gateway.api.count(), 2);
    }
}

#[test]
fn an_answer_whose_headers_cannot_be_read_is_not_kept() {
    let valid = "phantom_token_cache_valid 60s;";
    let future = b"Expires: Fri, 01 Jan 2100 00:00:00 GMT";
    let date = b"Date: Thu, 01 Jan 2099 00:00:00 GMT";
    let table: [&[&[u8]]; 26] = [
        &[b"Cache-Control: no-store; max-age=60"],
        &[b"Cache-Control: max-age=60; no-store"],
        &[b"Cache-Control: public; no-store"],
        &[b"Cache-Control: public no-store"],
        &[b"Cache-Control: no-store\x01"],
        &[b"Cache-Control: \x7fno-store"],
        &[b"Cache-Control: \x0bno-store, max-age=60"],
        &[b"Cache-Control: no-store\xff"],
        &[b"Cache-Control: max-age=60", b"Cache-Control: public\x01"],
        &[b"Cache-Control: max-age=60, x=\"no-store"],
        &[b"Cache-Control: max-age=60, x=\"a\"no-store"],
        &[b"Cache-Control: \"no-store\""],
        &[b"Cache-Control: max-age = 60"],
        &[b"Expires: 0\x01"],
        &[b"Expires: Fri, 01 Jan 2100 00:00:00 GMT\x01"],
        &[b"Expires: Fri, 31 Feb 2100 00:00:00 GMT"],
        &[future, future],
        &[future, b"Expires: 0"],
        &[future, b"Date: today"],
        &[future, date, b"Date: Thu, 01 Jan 1970 00:00:00 GMT"],
        &[future, b"Date: Fri, 01 Jan 2100 00:00:00 GMT\x01"],
        &[b"Pragma: no-cache\x01"],
        &[b"Pragma: no-cache; x"],
        &[b"Vary: *\x01"],
        &[b"Cache-Control: max-age=60", b"Age: 1\x01"],
        &[b"Cache-Control: max-age=60", b"Age: old"],
    ];
    for lines in table {
        let shown: Vec<_> = lines.iter().map(|line| line.escape_ascii().to_string()).collect();
        let gateway = Gateway::with(valid);
        gateway.authorization_server.answer("opaque", with_lines(lines));

        for _ in 0..2 {
            assert_eq!(gateway.get("/").bearer("opaque").send().status, 200, "{shown:?}");
        }

        assert_eq!(gateway.authorization_server.count(), 2, "{shown:?}");
    }
}

#[test]
fn an_inactive_answer_whose_headers_cannot_be_read_is_not_remembered() {
    for line in [&b"Cache-Control: no-store; max-age=60"[..], b"Cache-Control: no-store\x01"] {
        let gateway = Gateway::with("phantom_token_cache_inactive_valid 60s;");
        let answer = with_lines(&[line]).body(r#"{"active":false}"#);
        gateway.authorization_server.answer("opaque", answer);

        for _ in 0..2 {
            expect::unauthorized(&gateway.get("/").bearer("opaque").send());
        }

        assert_eq!(gateway.authorization_server.count(), 2, "{}", line.escape_ascii());
    }
}

/// An active answer with these header lines.
fn with_lines(lines: &[&[u8]]) -> Answer {
    lines.iter().fold(Answer::jwt(&jwt(an_hour_of_claims())), |answer, line| {
        let colon = line.iter().position(|&byte| byte == b':').unwrap();
        let name = str::from_utf8(&line[..colon]).unwrap();
        answer.header(name, &line[colon + 2..])
    })
}

#[test]
fn headers_that_the_location_hides_from_clients_count_as_the_server_sent_them() {
    for (hidden, header, value) in [
        ("Cache-Control", "Cache-Control", "no-store"),
        ("Expires", "Expires", "0"),
        ("Pragma", "Pragma", "no-cache"),
        ("Vary", "Vary", "*"),
    ] {
        let gateway = Gateway::with_http(&format!(
            "server {{
                 listen 127.0.0.1:{{port}};
                 proxy_hide_header {hidden};
                 location / {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /ask;
                     phantom_token_cache_valid 60s;
                     proxy_pass http://{{api}};
                 }}
                 location = /ask {{ internal; proxy_pass http://{{as}}; }}
             }}"
        ));
        let answer = Answer::jwt(&jwt(an_hour_of_claims())).header(header, value);
        gateway.authorization_server.answer("opaque", answer);

        for _ in 0..2 {
            assert_eq!(gateway.get("/").bearer("opaque").send().status, 200, "{header}");
        }

        assert_eq!(gateway.authorization_server.count(), 2, "{header}");
    }
}

#[test]
fn what_an_error_page_answers_is_kept_as_that_says_and_not_as_the_failed_server_said() {
    let good = jwt(an_hour_of_claims());
    let gateway = Gateway::with_http(&format!(
        "server {{
             listen 127.0.0.1:{{port}};
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /ask;
                 phantom_token_cache_valid 60s;
                 proxy_pass http://{{api}};
             }}
             location = /ask {{
                 internal;
                 proxy_intercept_errors on;
                 error_page 500 =200 /second;
                 proxy_pass http://{{as}};
             }}
             location = /second {{ internal; default_type application/jwt; return 200 {good}; }}
         }}"
    ));
    let answer = Answer::status(500).header("Cache-Control", "no-store");
    gateway.authorization_server.answer("opaque", answer);

    for _ in 0..2 {
        assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
    }

    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn expires_counts_from_the_date_of_the_answer_and_not_from_the_clock_here() {
    let gateway = Gateway::with("");
    let answer = Answer::jwt(&jwt(an_hour_of_claims()))
        .header("Date", "Thu, 01 Jan 1970 00:00:10 GMT")
        .header("Expires", "Thu, 01 Jan 1970 00:01:10 GMT");
    gateway.authorization_server.answer("opaque", answer);

    for _ in 0..2 {
        assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
    }

    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn an_answer_is_asked_for_again_when_its_lifetime_is_over() {
    let table = [
        ("", Answer::jwt(&jwt(json!({}))).max_age(1)),
        ("phantom_token_cache_valid 1s;", Answer::jwt(&jwt(json!({})))),
        ("phantom_token_cache_max_valid 1s;", Answer::jwt(&jwt(json!({}))).max_age(600)),
        (
            "phantom_token_cache_max_valid 1s; phantom_token_cache_valid 600s;",
            Answer::jwt(&jwt(json!({}))),
        ),
        ("", Answer::jwt(&jwt(json!({}))).max_age(61).header("Age", "60")),
    ];
    for (directives, answer) in table {
        let gateway = Gateway::with(&format!("{directives} {SHOW}"));
        gateway.authorization_server.answer("opaque", answer);
        let last = eventually(|| {
            let response = gateway.get("/").bearer("opaque").send();
            (gateway.authorization_server.count() == 2).then_some(response)
        });

        let last = last.expect("the answer to expire");
        assert_eq!((last.status, last.header("x-cache")), (200, Some("EXPIRED")), "{directives}");
    }
}

#[test]
fn a_renewed_answer_replaces_the_old_one() {
    let gateway = Gateway::with(SHOW);
    let old = jwt(json!({"generation": 1}));
    let new = jwt(json!({"generation": 2, "more": "x".repeat(5000)}));
    let answers = [Answer::jwt(&old).max_age(1), Answer::jwt(&new).max_age(600)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    eventually(|| {
        gateway.get("/").bearer("opaque").send();
        (gateway.authorization_server.count() == 2).then_some(())
    })
    .expect("the answer to expire");

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.header("x-cache"), Some("HIT"));
    let arrived = gateway.api.requests().pop().unwrap();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {new}").as_str()));
}

#[test]
fn an_expired_jwt_is_never_served_from_the_cache_whatever_headers_and_configuration_say() {
    let table = [
        ("", Answer::status(200).max_age(600)),
        ("phantom_token_cache_valid 600s;", Answer::status(200)),
        (
            "phantom_token_cache_valid 600s; phantom_token_cache_ignore_headers Cache-Control;",
            Answer::status(200).header("Cache-Control", "no-store"),
        ),
    ];
    for (directives, answer) in table {
        let gateway = Gateway::with(directives);
        let exp = unix_now() + 2;
        let answers = [answer.body(jwt(json!({"exp": exp}))), Answer::inactive()];
        gateway.authorization_server.answer_in_turn("opaque", answers);

        let refused = eventually(|| {
            let asked = unix_now();
            let response = gateway.get("/").bearer("opaque").send();
            // NGINX looks at the clock once for many events, so its second may begin a little later.
            assert!(
                response.status != 200 || asked <= exp,
                "{directives}: an expired JWT was served"
            );
            (response.status != 200).then_some(response)
        });

        expect::unauthorized(&refused.expect("a refusal"));
        assert_eq!(gateway.authorization_server.count(), 2, "{directives}");
        assert!(gateway.api.count() > 0, "{directives}");
    }
}

#[test]
fn the_exp_of_a_json_answer_bounds_its_lifetime_as_the_jwts_own_does() {
    let gateway = Gateway::with("");
    let exp = unix_now() + 2;
    let answer = json!({"active": true, "jwt": jwt(an_hour_of_claims()), "exp": exp});
    let answers = [Answer::json(answer).max_age(600), Answer::inactive()];
    gateway.authorization_server.answer_in_turn("opaque", answers);

    eventually(|| {
        let asked = unix_now();
        let response = gateway.get("/").bearer("opaque").send();
        assert!(response.status != 200 || asked <= exp, "an expired token was granted");
        (response.status == 401).then_some(())
    })
    .expect("a refusal");

    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn a_jwt_without_exp_lives_as_long_as_the_headers_say() {
    let gateway = Gateway::with(SHOW);
    let forever = jwt(json!({"sub": "alice"}));
    gateway.authorization_server.answer("opaque", Answer::jwt(&forever).max_age(60));
    gateway.get("/").bearer("opaque").send();

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.header("x-cache"), Some("HIT"));
    let arrived = gateway.api.requests().pop().unwrap();
    let sent = arrived.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_eq!(claims_of(&sent)["sub"], "alice");
}
