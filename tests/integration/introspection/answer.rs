//! What the answer of the authorization server means for the client.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use phantom_token_devkit::{
    Answer, Gateway, expect,
    jwt::{an_hour_of_claims, jwt, jwt_with_header, unix_now},
};
use serde_json::json;

#[test]
fn an_active_json_answer_gives_the_jwt_in_it() {
    let good = jwt(an_hour_of_claims());
    let other = jwt(json!({"sub": "other"}));
    let table = [
        ("", json!({"active": true, "jwt": good})),
        ("", json!({"active": true, "phantom_token": good})),
        ("", json!({"active": true, "jwt": good, "phantom_token": other})),
        ("", json!({"active": true, "jwt": {"not": "text"}, "phantom_token": good})),
        ("", json!({"phantom_token": good, "sub": "alice", "aud": ["a"], "active": true})),
        ("phantom_token_jwt_claim access_token;", json!({"active": true, "access_token": good})),
        ("phantom_token_jwt_claim one two;", json!({"active": true, "two": good, "jwt": other})),
    ];
    for (directives, answer) in table {
        let gateway = Gateway::with(directives);
        gateway.authorization_server.answer("opaque", Answer::json(answer.clone()));

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 200, "{answer}");
        let arrived = gateway.api.only_request();
        assert_eq!(arrived.header("authorization"), Some(format!("Bearer {good}").as_str()));
    }
}

#[test]
fn the_body_decides_whether_it_is_json_or_a_jwt() {
    let good = jwt(an_hour_of_claims());
    let json = json!({"active": true, "jwt": good}).to_string();
    let table = [
        Answer::status(200).header("Content-Type", "application/json").body(&*good),
        Answer::status(200).body(&*good),
        Answer::status(200).header("Content-Type", "application/jwt").body(&*json),
        Answer::status(200).body(&*json),
        Answer::json(json!({"active": true, "jwt": good})).header("Content-Encoding", "identity"),
    ];
    for answer in table {
        let gateway = Gateway::with("");
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 200, "{answer:?}");
    }
}

#[test]
fn a_jwe_of_five_parts_is_taken() {
    let gateway = Gateway::with("");
    let jwe = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.QUJD.QUJD.QUJD.QUJD";
    gateway.authorization_server.answer("opaque", Answer::jwt(jwe));

    let response = gateway.get("/").bearer("opaque").send();

    assert_eq!(response.status, 200);
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwe}").as_str()));
}

#[test]
fn a_response_to_introspection_as_a_jwt_never_grants_whatever_its_body_is() {
    const TYPE: &str = "application/token-introspection+jwt";
    let good = jwt(an_hour_of_claims());
    // What oidc-provider sends to a client that wants encrypted answers: nothing in it says what it is.
    let header = json!({"alg": "RSA-OAEP-256", "enc": "A128CBC-HS256", "cty": "JWT", "kid": "gw"});
    let encrypted = encoded(&header.to_string()) + ".a2V5.aXY.dGV4dA.dGFn";
    let active = json!({"active": true, "jwt": good}).to_string();
    for content_types in [
        &["application/token-introspection+jwt; charset=utf-8"][..],
        &["Application/Token-Introspection+JWT"],
        &["application/jwt, application/token-introspection+jwt"],
        &["application/jwt", TYPE],
        &[TYPE, "application/jwt"],
    ] {
        for body in [&encrypted, &good, &active] {
            let gateway = Gateway::with(&format!(
                "phantom_token_introspection_accept_header {TYPE}; phantom_token_cache_valid 60s;"
            ));
            let answer = content_types.iter().fold(Answer::status(200), |answer, content_type| {
                answer.header("Content-Type", content_type)
            });
            gateway.authorization_server.answer("opaque", answer.max_age(60).body(body.as_str()));

            for _ in 0..2 {
                expect::server_error(&gateway.get("/").bearer("opaque").send(), 502);
            }

            let count = (gateway.authorization_server.count(), gateway.api.count());
            assert_eq!(count, (2, 0), "{content_types:?} {body}");
            let line = gateway.wait_for_log("refused in location");
            let mend = "set phantom_token_introspection_accept_header to application/jwt or to \
                        application/json";
            assert!(line.contains(mend), "{line}");
        }
    }
}

#[test]
fn a_response_to_introspection_is_known_where_the_location_hides_or_sets_the_type() {
    let good = jwt(an_hour_of_claims());
    for (introspection, content_type) in [
        (
            "proxy_hide_header Content-Type; proxy_pass http://{as};",
            "application/token-introspection+jwt",
        ),
        (&format!("default_type application/token-introspection+jwt; return 200 {good};"), ""),
    ] {
        let gateway = Gateway::with_http(&format!(
            "server {{
                 listen 127.0.0.1:{{port}};
                 location / {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /ask;
                     proxy_pass http://{{api}};
                 }}
                 location = /ask {{ internal; {introspection} }}
             }}"
        ));
        let answer = Answer::status(200).header("Content-Type", content_type).body(&*good);
        gateway.authorization_server.answer("opaque", answer);

        expect::server_error(&gateway.get("/").bearer("opaque").send(), 502);
        assert_eq!(gateway.api.count(), 0, "{introspection}");
    }
}

#[test]
fn a_jwt_that_is_a_response_to_introspection_by_its_header_is_a_bad_gateway() {
    let claims = encoded(&an_hour_of_claims().to_string());
    for header in [
        r#"{"typ":"token-introspection+jwt"}"#,
        r#"{"typ":"Application/Token-Introspection+JWT"}"#,
        r#"{"typ":" token-introspection+jwt "}"#,
        r#"{"typ":"token-introspection+jwt;charset=utf-8"}"#,
        r#"{"typ":"at+jwt","typ":"token-introspection+jwt"}"#,
        r#"{"typ":"token-introspection+jwt","typ":"at+jwt"}"#,
        r#"{"t\u0079p":"token\u002dintrospection+jwt"}"#,
        r#"{"typ":["token-introspection+jwt"]}"#,
        r#"{"typ":"JWT","cty":"token-introspection+jwt"}"#,
    ] {
        let gateway = Gateway::with("");
        for jwt in [
            format!("{}.{claims}.c2ln", encoded(header)),
            format!("{}.a2V5.aXY.dGV4dA.dGFn", encoded(header)),
        ] {
            for answer in [Answer::jwt(&jwt), Answer::json(json!({"active": true, "jwt": jwt}))] {
                gateway.authorization_server.answer("opaque", answer);
                expect::server_error(&gateway.get("/").bearer("opaque").send(), 502);
            }
        }
        assert_eq!(gateway.api.count(), 0, "{header}");
    }
}

#[test]
fn a_jwt_that_is_not_made_of_json_objects_is_a_bad_gateway() {
    let header = r#"{"alg":"RS256"}"#;
    let good = [header, r#"{"exp":4102444800}"#].map(encoded);
    let expired = |text: &str| text.replace("EXP", "\"exp\":1");
    let texts = [
        "\u{feff}{EXP}",
        "{EXP}\0",
        "{EXP,}",
        "{EXP} {}",
        "{EXP",
        r#"{EXP,"n":NaN}"#,
        r#"{EXP,"\ud800":1}"#,
        "[{EXP}]",
        "null",
        "{'exp':1}",
        "no json",
    ]
    .map(|text| encoded(&expired(text)));
    let numbers = [r#"{"exp":-1e400}"#, r#"{"exp":1e400}"#].map(encoded);
    let not_utf8 = URL_SAFE_NO_PAD.encode(b"{\"exp\":1,\"n\":\"\xff\"}");
    let not_base64url = [good[1].clone() + "a", "e31".to_owned(), "a".to_owned()];
    let gateway = Gateway::with("");
    let refuse = |jwt: String| {
        for answer in [Answer::jwt(&jwt), Answer::json(json!({"active": true, "jwt": jwt}))] {
            gateway.authorization_server.answer("opaque", answer);
            let response = gateway.get("/").bearer("opaque").send();
            assert_eq!(response.status, 502, "{jwt}");
        }
    };

    let payloads = texts.iter().chain(&numbers).chain([&not_utf8]).chain(&not_base64url);
    payloads.for_each(|payload| refuse(format!("{}.{payload}.c2ln", good[0])));
    for header in texts.iter().chain([&not_utf8]).chain(&not_base64url) {
        refuse(format!("{header}.{}.c2ln", good[1]));
        refuse(format!("{header}.a2V5.aXY.dGV4dA.dGFn"));
    }

    assert_eq!(gateway.api.count(), 0);
    let line = gateway.wait_for_log("its payload is not a JSON object in base64url");
    assert!(line.contains("[error]"), "{line}");
    gateway.wait_for_log("its header is not a JSON object in base64url");
}

#[test]
fn a_token_that_is_not_active_any_more_is_refused() {
    let now = unix_now();
    let expired = jwt(json!({"sub": "alice", "exp": now - 1}));
    let long_ago = jwt(json!({"sub": "alice", "exp": 1}));
    let good = jwt(an_hour_of_claims());
    let table = [
        Answer::inactive(),
        Answer::json(json!({"active": false})),
        Answer::json(json!({"active": false, "jwt": good})),
        Answer::jwt(&expired).max_age(600),
        Answer::jwt(&long_ago),
        Answer::json(json!({"active": true, "jwt": expired})),
        Answer::json(json!({"active": true, "jwt": good, "exp": now - 1})),
    ];
    for answer in table {
        let gateway = Gateway::with("");
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        let challenge = expect::unauthorized(&response);
        assert!(challenge.contains(r#"error="invalid_token""#), "{answer:?}: {challenge}");
        assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (1, 0));
    }
}

#[test]
fn an_answer_that_says_neither_active_nor_inactive_is_a_bad_gateway() {
    let good = jwt(an_hour_of_claims());
    let typed = |typ: &str| jwt_with_header(json!({"alg": "RS256", "typ": typ}), json!({}));
    let table = [
        Answer::status(200),
        Answer::jwt(""),
        Answer::jwt(" "),
        Answer::jwt("<html>welcome</html>"),
        Answer::jwt("only.two"),
        Answer::jwt("four.parts.are.wrong"),
        Answer::jwt(&format!("{good}.QUJD")),
        Answer::jwt(&format!("Bearer {good}")),
        Answer::jwt(&typed("token-introspection+jwt")),
        Answer::jwt(&typed("Token-Introspection+JWT")),
        Answer::jwt(&typed("application/token-introspection+jwt")),
        Answer::json(json!({"active": true})),
        Answer::json(json!({"active": true, "jwt": ""})),
        Answer::json(json!({"active": true, "jwt": "opaque"})),
        Answer::json(json!({"active": true, "jwt": [good]})),
        Answer::json(json!({"active": true, "jwt": typed("token-introspection+jwt")})),
        Answer::json(json!({"active": "true", "jwt": good})),
        Answer::json(json!({"active": 1, "jwt": good})),
        Answer::json(json!({"active": null, "jwt": good})),
        Answer::json(json!({"jwt": good})),
        Answer::json(json!([{"active": true, "jwt": good}])),
        Answer::json(json!(good)),
        Answer::json(json!({})),
        Answer::status(200).body(format!(r#"{{"active": true, "jwt": "{good}""#)),
        Answer::status(200).body(format!(r#"{{"active": true, "jwt": "{good}"}} trailing"#)),
        Answer::status(200)
            .body(format!(r#"{{"active": true, "active": false, "jwt": "{good}"}}"#)),
    ];
    let gateway = Gateway::with("");
    for answer in table {
        gateway.authorization_server.answer("opaque", answer.clone());

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 502, "{answer:?}");
        expect::server_error(&response, 502);
        assert_eq!(gateway.api.count(), 0, "{answer:?}");
    }
}

#[test]
fn a_jwt_with_a_byte_that_has_no_place_in_it_is_a_bad_gateway() {
    let gateway = Gateway::with("");
    let good = jwt(an_hour_of_claims());
    let (start, end) = good.split_at(good.len() / 2);
    let intruders: [&[u8]; 11] = [
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\nX-Injected: 1\r\n",
        b"\0",
        b" ",
        b"\t",
        b"\xc3\xa9",
        b"\xff",
        b"\x7f",
        b"=",
    ];
    for intruder in intruders {
        let body = [start.as_bytes(), intruder, end.as_bytes()].concat();
        gateway.authorization_server.answer("opaque", Answer::jwt("").body(body));

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 502, "{intruder:?}");
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn a_jwt_in_json_with_an_escaped_byte_that_has_no_place_in_it_is_a_bad_gateway() {
    let gateway = Gateway::with("");
    let good = jwt(an_hour_of_claims());
    for intruder in ["\r\nX-Injected: 1", "\0", " ", "é"] {
        let broken = format!("{good}{intruder}");
        let answer = Answer::json(json!({"active": true, "jwt": broken}));
        gateway.authorization_server.answer("opaque", answer);

        let response = gateway.get("/").bearer("opaque").send();

        assert_eq!(response.status, 502, "{intruder:?}");
    }
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn headers_of_the_introspection_answer_never_reach_the_client() {
    let gateway = Gateway::with("");
    let answer = Answer::jwt(&jwt(an_hour_of_claims()))
        .header("Set-Cookie", "as=1")
        .header("X-From-Authorization-Server", "1")
        .header("ETag", "\"1\"")
        .header("Link", "</style.css>; rel=preload; as=style");
    gateway.authorization_server.answer("opaque", answer);

    let granted = gateway.get("/").bearer("opaque").send();

    assert_eq!(granted.status, 200);
    for header in ["set-cookie", "x-from-authorization-server", "etag", "link"] {
        assert!(!granted.headers.contains(header), "{header}");
    }
}

/// A part of a JWT, made of any text.
fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}
