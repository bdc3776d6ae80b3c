//! Requests that wait for an introspection which another one began, when something happens to
//! either of them.

use phantom_token_devkit::{
    Answer, Gate, Gateway, eventually,
    jwt::{an_hour_of_claims, jwt},
};

use crate::crowd::{self, Crowd, assert_all, connection_to_each_worker, count_of};

/// Longer than a test waits for anything, so that nobody is answered by reason of it.
const NO_TIMEOUT: &str = "phantom_token_cache_lock_timeout 60s;";

#[test]
fn another_request_takes_over_at_once_when_the_leaders_client_hangs_up() {
    for workers in [1, 2] {
        let gateway = crowd::gateway(workers, NO_TIMEOUT);
        gateway.authorization_server.answer_in_turn("opaque", [Answer::hang(), storable()]);
        let leader = Crowd::send(&gateway, 1, "opaque");
        gateway.authorization_server.wait_for(1);
        let followers = Crowd::send(&gateway, 20, "opaque");

        leader.hang_up();
        let answers = followers.answers();

        assert_all(&answers, 200);
        assert_eq!(gateway.authorization_server.count(), 2);
        assert_eq!(count_of(&answers, "COALESCED"), 19);
    }
}

#[test]
fn the_last_client_is_answered_when_all_others_hang_up() {
    let gateway = crowd::gateway(2, NO_TIMEOUT);
    let gate = Gate::closed();
    gateway.authorization_server.answer("opaque", storable().after(&gate));
    let others = Crowd::send(&gateway, 10, "opaque");
    let last = Crowd::send(&gateway, 1, "opaque");

    others.hang_up();
    wait_for_hung_up(&gateway, 10);
    gate.open();

    assert_all(&last.answers(), 200);
}

#[test]
fn a_follower_in_another_worker_takes_over_when_the_leaders_worker_is_killed() {
    let gateway =
        crowd::builder(2, NO_TIMEOUT).nginx(|nginx| nginx.tolerate("exited on signal 9")).start();
    gateway.authorization_server.answer_in_turn("opaque", [Answer::hang(), storable()]);
    let mut connections = connection_to_each_worker(&gateway);
    let (killed, to_leader) = connections.pop_first().unwrap();
    let (_, to_follower) = connections.pop_first().unwrap();
    let _leader = Crowd::send_on(&gateway, vec![to_leader], "opaque");
    let follower = Crowd::send_on(&gateway, vec![to_follower], "opaque");

    gateway.kill_worker(killed);
    let answers = follower.answers();

    assert_all(&answers, 200);
    assert_eq!(gateway.authorization_server.count(), 2);
}

#[test]
fn followers_that_hang_up_leave_nothing_behind() {
    let mut gateway = crowd::gateway(2, NO_TIMEOUT);
    let gate = Gate::closed();
    gateway.authorization_server.answer("opaque", storable().after(&gate));
    let leader = Crowd::send(&gateway, 1, "opaque");
    let followers = Crowd::send(&gateway, 50, "opaque");

    followers.hang_up();
    wait_for_hung_up(&gateway, 50);
    gate.open();

    assert_all(&leader.answers(), 200);
    assert_eq!(gateway.authorization_server.count(), 1);
    gateway.quit();
    assert!(gateway.nginx.wait_for_exit().success());
}

#[test]
fn a_leader_that_takes_too_long_is_not_waited_for() {
    let gateway = crowd::gateway(2, "phantom_token_cache_lock_timeout 100ms;");
    let gate = Gate::closed();
    let answers = [storable().after(&gate), storable()];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let leader = Crowd::send(&gateway, 1, "opaque");
    let followers = Crowd::send(&gateway, 10, "opaque");

    let answers = followers.answers();
    gate.open();

    assert_all(&answers, 200);
    assert!(gateway.authorization_server.count() <= 11);
    // Late, but right for its own client.
    assert_all(&leader.answers(), 200);
}

#[test]
fn waiting_requests_are_answered_after_a_reload_and_new_workers_wait_with_them() {
    let gateway = crowd::gateway(2, NO_TIMEOUT);
    let gate = Gate::closed();
    gateway.authorization_server.answer("opaque", storable().after(&gate));
    let before = Crowd::send(&gateway, 20, "opaque");

    gateway.reload();
    let after = Crowd::send(&gateway, 20, "opaque");
    gate.open();

    assert_all(&before.answers(), 200);
    let after = after.answers();
    assert_all(&after, 200);
    assert_eq!(count_of(&after, "COALESCED"), 20);
    assert_eq!(gateway.authorization_server.count(), 1);
}

#[test]
fn quitting_finishes_the_requests_that_wait() {
    let mut gateway = crowd::gateway(2, NO_TIMEOUT);
    let gate = Gate::closed();
    gateway.authorization_server.answer("opaque", storable().after(&gate));
    let crowd = Crowd::send(&gateway, 20, "opaque");

    gateway.quit();
    gateway.wait_for_log("gracefully shutting down");
    gate.open();

    assert_all(&crowd.answers(), 200);
    assert!(gateway.nginx.wait_for_exit().success());
}

#[test]
fn requests_that_wait_while_the_token_is_purged_start_over() {
    let gateway = crowd::gateway(2, NO_TIMEOUT);
    let gate = Gate::closed();
    let renewed = jwt(serde_json::json!({"renewed": true}));
    let answers = [storable().after(&gate), Answer::jwt(&renewed).max_age(60)];
    gateway.authorization_server.answer_in_turn("opaque", answers);
    let leader = Crowd::send(&gateway, 1, "opaque");
    let followers = Crowd::send(&gateway, 20, "opaque");

    let purged = gateway.request("POST", "/purge").body("token=opaque").send();
    let answers = followers.answers();
    gate.open();

    assert_eq!(purged.status, 200);
    assert_all(&answers, 200);
    assert_all(&leader.answers(), 200);
    assert_eq!(gateway.authorization_server.count(), 2);
    assert_served(&gateway, &renewed, 20);
}

fn storable() -> Answer {
    Answer::jwt(&jwt(an_hour_of_claims())).max_age(60)
}

/// Waits until so many requests have ended because their clients were gone.
fn wait_for_hung_up(gateway: &Gateway, count: usize) {
    eventually(|| {
        (gateway.log_named("access.log").matches(" 499 ").count() == count).then_some(())
    })
    .expect("end of requests without a client");
}

fn assert_served(gateway: &Gateway, jwt: &str, times: usize) {
    let authorization = format!("Bearer {jwt}");
    let served = gateway.api.requests().into_iter();
    let served = served.filter(|request| request.header("authorization") == Some(&authorization));
    assert_eq!(served.count(), times);
}
