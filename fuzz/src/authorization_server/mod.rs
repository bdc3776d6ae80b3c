//! A real NGINX with the module, and an authorization server that answers with any bytes.

mod answer;
mod expectation;
mod feedback;
mod gateway;
mod message;
mod nginx;

use std::sync::Mutex;

use phantom_token_core_testing::properties::made_of;

use answer::{Answer, Ending, Input};
use expectation::Expectation;
use gateway::{Gateway, Outcome};

static GATEWAY: Mutex<Option<Gateway>> = Mutex::new(None);

/// The input is what the authorization server sends. A client comes twice with one token.
pub fn check(input: &[u8]) {
    let Some(input) = made_of::<Input<'_>>(input) else { return };
    let mut gateway = GATEWAY.lock().expect("one at a time");
    let gateway = gateway.get_or_insert_with(Gateway::start);
    let token = new_token();

    let first = gateway.request(&token, &input.answers);
    assert!(first.answered > 0, "an unknown token was not introspected");
    check_answered(&token, &first, &input.answers[(first.answered - 1).min(1)]);

    let second = gateway.request(&token, &input.answers[1..]);
    if second.answered > 0 {
        check_answered(&token, &second, &input.answers[1]);
    } else {
        check_cached(&token, &first, &second, &input.answers[(first.answered - 1).min(1)]);
    }
    tell(gateway, [&first, &second]);
}

/// A token that NGINX has not seen.
fn new_token() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TOKENS: AtomicU64 = AtomicU64::new(0);

    format!("opaque-{:016x}", TOKENS.fetch_add(1, Ordering::Relaxed))
}

fn check_answered(token: &str, outcome: &Outcome, answer: &Answer<'_>) {
    let bytes = answer.segments().concat();
    let status = check_outcome(token, outcome);
    let expectation = Expectation::of(&bytes, answer.ending);
    let shown = || format!("{outcome:?}\n{answer:?}\n{}", String::from_utf8_lossy(&bytes));
    match &expectation {
        Expectation::Grant(jwt) => assert_eq!(granted(outcome), Some(&jwt[..]), "{}", shown()),
        Expectation::Inactive if answer.ending == Ending::Reset => assert_ne!(status, 200),
        Expectation::Inactive => assert_eq!(status, 401, "{}", shown()),
        Expectation::Failure => assert!(status >= 500, "{}", shown()),
        Expectation::NoGrant => assert_ne!(status, 200, "{}", shown()),
        Expectation::Unclear => {
            let jwt = granted(outcome).unwrap_or_default();
            assert!(is_in_order(jwt, &bytes), "{}", shown());
        }
    }
}

/// An answer is used again only if it does not say otherwise, and only for the same.
fn check_cached(token: &str, first: &Outcome, second: &Outcome, answer: &Answer<'_>) {
    let status = check_outcome(token, second);
    assert_eq!(status, first.response.status());
    assert!([200, 401].contains(&status), "a failure was cached");
    assert_eq!(granted(first), granted(second));
    let text = String::from_utf8_lossy(&answer.segments().concat()).to_ascii_lowercase();
    // A line may end without a carriage return.
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let forbidding = ["cache-control: no-store", "cache-control: private"];
    let mut head = lines.take_while(|line| !line.is_empty());
    assert!(!head.any(|line| forbidding.contains(&line)), "{text}");
}

/// What holds of any outcome.
fn check_outcome(token: &str, outcome: &Outcome) -> u16 {
    let response = &outcome.response;
    let status = response.status();
    assert!([200, 401, 502, 503, 504].contains(&status), "{outcome:?}");
    assert_eq!(outcome.at_api.len(), usize::from(status == 200), "{outcome:?}");
    let challenges = response.all("www-authenticate");
    assert_eq!(challenges.len(), usize::from(status == 401), "{outcome:?}");
    let retries = response.all("retry-after");
    assert!(retries.len() <= usize::from(status == 503), "{outcome:?}");
    if status == 200 {
        assert_eq!(response.body, b"api");
    } else {
        assert!(response.has("cache-control", "no-store"), "{outcome:?}");
        let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        let code = if status == 401 { "unauthorized_request" } else { "server_error" };
        assert_eq!(body["code"], code, "{outcome:?}");
    }
    for request in &outcome.at_api {
        assert!(request.start.starts_with("GET / "), "{outcome:?}");
        let authorization = request.all("authorization");
        assert_eq!(authorization.len(), 1, "{outcome:?}");
        let fields = request.fields.iter().map(|(_, value)| String::from_utf8_lossy(value));
        assert!(fields.into_iter().all(|value| !value.contains(token)), "{outcome:?}");
    }
    status
}

/// The JWT that went to the API.
fn granted(outcome: &Outcome) -> Option<&[u8]> {
    let authorization = *outcome.at_api.first()?.all("authorization").first()?;
    Some(authorization.strip_prefix("Bearer ").expect("a bearer token").as_bytes())
}

/// Whether the bytes have all of the JWT in them: with other bytes between, if it came in chunks.
fn is_in_order(jwt: &[u8], bytes: &[u8]) -> bool {
    let mut bytes = bytes.iter();
    jwt.iter().all(|wanted| bytes.any(|byte| byte == wanted))
}

fn tell(gateway: &mut Gateway, outcomes: [&Outcome; 2]) {
    let mut all = Vec::new();
    for outcome in outcomes {
        let said = outcome.response.all("x-outcome").join(" ");
        all.push((outcome.response.status(), said, outcome.answered));
    }
    for message in gateway.log.messages() {
        feedback::saw((&all[0], &message));
        feedback::saw(message);
    }
    feedback::saw(all);
}
