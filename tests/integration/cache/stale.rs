//! What is served when a JWT is past its freshness and introspection fails or is under way.

use phantom_token_devkit::{
    Answer, Gate, Gateway, Response, eventually, expect,
    jwt::{an_hour_of_claims, jwt, unix_now},
};
use serde_json::json;

use crate::crowd::{self, Crowd, assert_all, count_of, request_until_introspected};

const ALL: &str = "error timeout http_429 http_500 http_502 http_503 http_504 updating";

/// A failure, the names that let a stale JWT be served for it, and the status without one.
fn failures() -> Vec<(Answer, &'static [&'static str], u16)> {
    let truncated = Answer::jwt(&jwt(an_hour_of_claims())).truncated_to(20);
    vec![
        (Answer::none(), &["error", "http_502"], 502),
        (truncated, &["error"], 502),
        (Answer::hang(), &["timeout", "http_504"], 504),
        (Answer::status(429), &["http_429"], 503),
        (Answer::status(500), &["http_500"], 502),
        (Answer::status(502), &["error", "http_502"], 502),
        (Answer::status(503), &["http_503"], 503),
        (Answer::status(504), &["timeout", "http_504"], 504),
        (to_login_page(), &["http_500"], 502),
        (Answer::status(401), &[], 502),
        (Answer::jwt("no jwt"), &[], 502),
    ]
}

/// Where a server redirects to when its store fails.
fn to_login_page() -> Answer {
    Answer::status(302).header("Location", "http://localhost/login")
}

#[test]
fn a_stale_jwt_is_served_for_each_failure_that_is_named() {
    let cases: Vec<_> = failures()
        .into_iter()
        .flat_map(|(failure, names, _)| names.iter().map(move |&name| (name, failure.clone())))
        .collect();
    let (gateway, stale) = with_failures(&cases);
    for (number, (name, failure)) in cases.iter().enumerate() {
        let response = fetch_when_stale(&gateway, number);

        assert_eq!(response.status, 200, "{name}: {failure:?}");
        assert_eq!(response.header("x-cache"), Some("STALE"), "{name}: {failure:?}");
        assert_eq!(last_jwt(&gateway), stale);
    }
    let line = gateway.wait_for_log("served a stale JWT");
    assert!(line.contains("[warn]"), "{line}");
}

#[test]
fn a_failure_that_is_not_named_refuses_the_request() {
    let all_but = |names: &[&str]| {
        let others = ALL.split(' ').filter(|name| !names.contains(name));
        others.collect::<Vec<_>>().join(" ")
    };
    let failures = failures();
    let off = failures.iter().map(|(failure, _, _)| ("off".to_owned(), failure.clone()));
    let others = failures.iter().map(|(failure, names, _)| (all_but(names), failure.clone()));
    let cases: Vec<_> = others.chain(off).collect();
    let (gateway, _) = with_failures(&cases);
    for (number, (names, failure)) in cases.iter().enumerate() {
        let response = fetch_when_stale(&gateway, number);

        let (_, _, status) = failures[number % failures.len()];
        assert_eq!(response.status, status, "{names}: {failure:?}");
        assert_eq!(response.header("x-cache"), Some("EXPIRED"), "{names}: {failure:?}");
    }
}

#[test]
fn a_jwt_is_never_served_past_its_exp() {
    let gateway = Gateway::with(&format!("phantom_token_cache_use_stale {ALL};"));
    let exp = unix_now() + 5;
    let answers = [Answer::jwt(&jwt(json!({"exp": exp}))).max_age(1), Answer::status(503)];
    gateway.authorization_server.answer_in_turn("opaque", answers);

    let refused = eventually(|| {
        let asked = unix_now();
        let response = gateway.get("/").bearer("opaque").send();
        // NGINX looks at the clock once for many events, so its second may begin a little later.
        assert!(response.status != 200 || asked <= exp, "an expired JWT was served");
        (response.status != 200).then_some(response)
    })
    .expect("refusal");

    expect::server_error(&refused, 503);
    assert!(unix_now() >= exp, "it was refused while it could still be used");
    gateway.wait_for_log("served a stale JWT");
}

#[test]
fn an_answer_that_must_be_revalidated_is_never_served_stale() {
    let answer = Answer::jwt(&jwt(an_hour_of_claims()));
    let cases = [
        answer.clone().header("Cache-Control", "max-age=1, must-revalidate"),
        answer.clone().header("Cache-Control", "max-age=1, proxy-revalidate"),
        answer.header("Cache-Control", "s-maxage=1"),
    ];
    for (number, answer) in cases.into_iter().enumerate() {
        let gateway = Gateway::with(&format!("phantom_token_cache_use_stale {ALL};"));
        gateway.authorization_server.answer_in_turn("opaque", [answer, Answer::status(503)]);

        let first_refused = eventually(|| {
            let response = gateway.get("/").bearer("opaque").send();
            (gateway.authorization_server.count() == 2).then_some(response)
        })
        .expect("refusal");

        assert_eq!(first_refused.status, 503, "case {number}");
    }
}

#[test]
fn a_jwt_whose_end_is_not_known_is_never_served_stale() {
    let gateway = Gateway::with(&format!("phantom_token_cache_use_stale {ALL};"));
    let endless = Answer::jwt(&jwt(json!({"sub": "alice"})));
    let answers = [endless.max_age(1), Answer::status(503)];
    gateway.authorization_server.answer_in_turn("opaque", answers);

    let first_refused = eventually(|| {
        let response = gateway.get("/").bearer("opaque").send();
        (gateway.authorization_server.count() == 2).then_some(response)
    })
    .expect("refusal");

    assert_eq!(first_refused.status, 503);
}

#[test]
fn a_token_that_is_not_active_any_more_is_refused() {
    let gateway = Gateway::with(&format!("phantom_token_cache_use_stale {ALL};"));
    let active = Answer::jwt(&jwt(an_hour_of_claims())).max_age(1);
    let answers = [active, Answer::inactive(), Answer::status(503)];
    gateway.authorization_server.answer_in_turn("opaque", answers);

    let first_refused = eventually(|| {
        let response = gateway.get("/").bearer("opaque").send();
        (response.status != 200).then_some(response)
    })
    .expect("refusal");
    let after_that = gateway.get("/").bearer("opaque").send();

    expect::unauthorized(&first_refused);
    expect::server_error(&after_that, 503);
}

#[test]
fn all_who_wait_for_an_introspection_that_fails_are_served_the_stale_jwt() {
    let gateway = crowd::gateway(2, "phantom_token_cache_use_stale http_503;");
    let gate = Gate::closed();
    let answers =
        [Answer::jwt(&jwt(an_hour_of_claims())).max_age(1), Answer::status(503).after(&gate)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let mut leader = request_until_introspected(&gateway, "opaque", 2);
    let followers = Crowd::send(&gateway, 20, "opaque");

    gate.open();
    let mut answers = followers.answers();
    answers.push(leader.read("GET"));

    assert_all(&answers, 200);
    assert_eq!(count_of(&answers, "STALE"), 21);
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn a_stale_jwt_is_served_while_another_request_introspects() {
    let gateway = crowd::gateway(2, "phantom_token_cache_use_stale updating;");
    let (gate, old, new) = renewed_behind_a_gate(&gateway);
    let mut leader = request_until_introspected(&gateway, "opaque", 2);

    let meanwhile: Vec<_> = (0..10).map(|_| gateway.get("/").bearer("opaque").send()).collect();
    let served_meanwhile = last_jwt(&gateway);
    gate.open();
    let renewed = leader.read("GET");

    assert_all(&meanwhile, 200);
    assert_eq!((count_of(&meanwhile, "UPDATING"), served_meanwhile), (10, old));
    assert_eq!((renewed.status, renewed.header("x-cache")), (200, Some("EXPIRED")));
    assert_eq!(last_jwt(&gateway), new);
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn nobody_waits_for_a_renewal_in_the_background() {
    let gateway = crowd::gateway(
        2,
        "phantom_token_cache_use_stale updating;
         phantom_token_cache_background_update on before=0s;",
    );
    let (gate, old, new) = renewed_behind_a_gate(&gateway);
    let mut leader = request_until_introspected(&gateway, "opaque", 2);

    let first = leader.read("GET");
    let served_first = last_jwt(&gateway);
    let second = gateway.get("/").bearer("opaque").send();
    gate.open();
    eventually(|| {
        gateway.get("/").bearer("opaque").send();
        (last_jwt(&gateway) == new).then_some(())
    })
    .expect("new JWT");

    assert_eq!((first.header("x-cache"), served_first), (Some("UPDATING"), old));
    assert_eq!(second.header("x-cache"), Some("UPDATING"));
    assert_eq!(gateway.authorization_server.count(), 2);
}

/// Protects a location for each case, which has something to say of stale JWTs and fails to renew
/// the JWT, which is given too. The token is named by the number of the case, as the location.
fn with_failures<T: AsRef<str>>(cases: &[(T, Answer)]) -> (Gateway, String) {
    let locations: String = (0..)
        .zip(cases)
        .map(|(number, (names, _))| {
            format!(
                "location /{number} {{
                     phantom_token_cache_use_stale {};
                     proxy_pass http://{{api}};
                 }}",
                names.as_ref()
            )
        })
        .collect();
    let gateway = Gateway::with_server(&format!(
        "phantom_token on;
         phantom_token_introspection_endpoint /introspection;
         add_header X-Cache $phantom_token_cache_status always;
         proxy_read_timeout 300ms;
         {locations}"
    ));
    let stale = jwt(an_hour_of_claims());
    for (number, (_, failure)) in cases.iter().enumerate() {
        let answers = [Answer::jwt(&stale).max_age(1), failure.clone()];
        gateway.authorization_server.answer_in_turn(&number.to_string(), answers);
        fetch(&gateway, number);
    }
    (gateway, stale)
}

/// The first answer for which its token was introspected a second time.
fn fetch_when_stale(gateway: &Gateway, number: usize) -> Response {
    let form = format!("token={number}");
    eventually(|| {
        let response = fetch(gateway, number);
        let introspections = gateway.authorization_server.requests();
        let own = introspections.into_iter().filter(|request| request.text() == form);
        (own.count() == 2).then_some(response)
    })
    .expect("second introspection")
}

fn fetch(gateway: &Gateway, number: usize) -> Response {
    gateway.get(&format!("/{number}")).bearer(&number.to_string()).send()
}

/// Lets a token have one JWT for a second, and another one behind a gate after that.
fn renewed_behind_a_gate(gateway: &Gateway) -> (Gate, String, String) {
    let mut claims = an_hour_of_claims();
    let old = jwt(claims.clone());
    claims["renewed"] = true.into();
    let new = jwt(claims);
    let gate = Gate::closed();
    let answers = [Answer::jwt(&old).max_age(1), Answer::jwt(&new).max_age(60).after(&gate)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    (gate, old, new)
}

/// The JWT of the last request at the API.
fn last_jwt(gateway: &Gateway) -> String {
    let request = gateway.api.requests().pop().expect("a request at the API");
    let authorization = request.header("authorization").expect("an Authorization");
    authorization.strip_prefix("Bearer ").expect("a JWT").to_owned()
}
