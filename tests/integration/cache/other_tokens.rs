//! What happens to one token is no concern of the others: not of what is stored for them, nor of
//! those who wait for them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use phantom_token_devkit::{
    Answer, Gate, Gateway, eventually,
    jwt::{an_hour_of_claims, jwt},
};

use crate::crowd::{self, Crowd, assert_all, count_of};

const INTROSPECTION: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(50);
const NO_TIMEOUT: &str = "phantom_token_cache_lock_timeout 60s;";

#[test]
fn a_crowd_with_a_new_token_makes_one_introspection_while_others_are_purged() {
    let gateway = crowd::gateway(2, NO_TIMEOUT);
    gateway.authorization_server.answer("opaque", storable().delayed(INTROSPECTION));

    let answers = while_repeating(
        || assert_eq!(purge(&gateway, "unrelated"), 200),
        || Crowd::send(&gateway, 100, "opaque").answers(),
    );

    assert_all(&answers, 200);
    assert_eq!(gateway.authorization_server.count(), 1);
    assert_eq!(count_of(&answers, "COALESCED"), 99);
}

#[test]
fn tokens_are_stored_while_others_are_purged() {
    let gateway = crowd::gateway(2, "");

    while_repeating(
        || assert_eq!(purge(&gateway, "unrelated"), 200),
        || assert_stored_once(&gateway, "good"),
    );
}

#[test]
fn tokens_are_stored_while_other_sessions_end() {
    let gateway = crowd::gateway(
        2,
        "phantom_token_cache_use_stale error timeout;
         phantom_token_cache_lock off;
         phantom_token_cache_bypass $arg_anew;",
    );
    let mut session = 0;
    let end_a_session = || {
        session += 1;
        let token = format!("session-{session}");
        let answers = [storable(), Answer::inactive()];
        gateway.authorization_server.answer_in_turn(&token, answers);
        assert_eq!(gateway.get("/").bearer(&token).send().status, 200);
        assert_eq!(gateway.get("/?anew=1").bearer(&token).send().status, 401);
    };

    while_repeating(end_a_session, || assert_stored_once(&gateway, "good"));
}

#[test]
fn an_inactive_token_that_is_asked_for_over_and_over_keeps_no_other_from_being_stored() {
    let gateway = crowd::gateway(
        2,
        "phantom_token_cache_inactive_valid 60s;
         phantom_token_cache_bypass $arg_anew;",
    );

    while_repeating(
        || assert_eq!(gateway.get("/?anew=1").bearer("bad").send().status, 401),
        || assert_stored_once(&gateway, "good"),
    );
}

#[test]
fn the_answer_of_a_leader_that_came_too_late_is_not_stored_over_what_is_known_since() {
    let gateway = crowd::gateway(1, "phantom_token_cache_lock_timeout 100ms;");
    let gate = Gate::closed();
    let answers = [storable().after(&gate), Answer::inactive()];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let late = Crowd::send(&gateway, 1, "opaque");
    assert_all(&Crowd::send(&gateway, 1, "opaque").answers(), 401);

    gate.open();

    assert_all(&late.answers(), 200);
    assert_eq!(gateway.get("/").bearer("opaque").send().status, 401);
    assert_eq!(gateway.authorization_server.count(), 3);
}

#[test]
fn an_older_jwt_does_not_take_the_place_of_a_newer_one() {
    let gateway = crowd::gateway(1, "phantom_token_cache_lock off;");
    let gate = Gate::closed();
    let [older, newer] = ["older", "newer"].map(|name| jwt(serde_json::json!({ "name": name })));
    let answers = [Answer::jwt(&older).max_age(60).after(&gate), Answer::jwt(&newer).max_age(60)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let first = Crowd::send(&gateway, 1, "opaque");
    gateway.authorization_server.wait_for(1);
    assert_all(&Crowd::send(&gateway, 1, "opaque").answers(), 200);

    gate.open();
    assert_all(&first.answers(), 200);
    gateway.get("/").bearer("opaque").send();

    let last = gateway.api.requests().pop().unwrap();
    assert_eq!(last.header("authorization"), Some(format!("Bearer {newer}").as_str()));
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn those_who_followed_a_leader_that_a_purge_overtook_make_one_introspection_more() {
    let gateway = crowd::gateway(1, NO_TIMEOUT);
    let gate = Gate::closed();
    let answers = [storable().after(&gate), storable()];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let crowd = Crowd::send(&gateway, 50, "opaque");

    assert_eq!(purge(&gateway, "opaque"), 200);
    gate.open();

    assert_all(&crowd.answers(), 200);
    assert_eq!(gateway.authorization_server.count(), 2);
}

/// Sends a request with each of 20 new tokens, and then another one: the second is a hit, but for one
/// that may have met another token by chance (`Zone` in `core/src/cache/zone.rs`, "stripe").
fn assert_stored_once(gateway: &Gateway, prefix: &str) {
    let before = gateway.authorization_server.count();
    for number in 0..20 {
        let token = format!("{prefix}-{number}");
        let answer = storable().delayed(PAUSE / 5);
        gateway.authorization_server.answer(&token, answer);
        assert_eq!(gateway.get("/").bearer(&token).send().status, 200);
    }
    assert!(gateway.authorization_server.count() >= before + 20);
    let tokens = (0..20).map(|number| format!("{prefix}-{number}"));
    let answers: Vec<_> = tokens.map(|token| gateway.get("/").bearer(&token).send()).collect();
    assert!(count_of(&answers, "HIT") >= 19, "{answers:?}");
}

/// Does one thing some twenty times a second while doing the other, at least once before and once
/// meanwhile.
fn while_repeating<T>(mut repeat: impl FnMut() + Send, act: impl FnOnce() -> T) -> T {
    let (repeated, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                repeat();
                repeated.store(true, Ordering::SeqCst);
                thread::park_timeout(PAUSE);
            }
        });
        // Also when an assertion fails.
        let _end = SetWhenDropped(&is_over);
        eventually(|| repeated.load(Ordering::SeqCst).then_some(())).expect("a first time");
        act()
    })
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn purge(gateway: &Gateway, token: &str) -> u16 {
    gateway.request("POST", "/purge").body(format!("token={token}")).send().status
}

fn storable() -> Answer {
    Answer::jwt(&jwt(an_hour_of_claims())).max_age(60)
}
