//! What holds when others are faster or slower than a request would have it.

use crate::stale_settings;
use crate::world::{Reply, World, grant, question, ticket_of};
use http::StatusCode;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::Lookup;
use phantom_token_core::flow::{Flow, Next, Settings, Step};
use phantom_token_core::freshness;
use phantom_token_core::stale::UseStale;
use std::time::Duration;

#[test]
fn who_begins_anew_waits_for_the_whole_timeout_again() {
    let world = World::with(Settings { lock_timeout_ms: 1_000, ..World::settings() });
    question(world.start(&Flow::default(), "token"));
    world.start(&world.waiting, "token");
    world.waiting.give_up();
    world.set_now_ms(5_000);
    world.purge("token");
    question(world.start(&Flow::default(), "token"));

    assert_eq!(world.start(&world.waiting, "token"), Step::Other(Next::Wait));
    assert_eq!(world.waiting.pause(5_000, false), 1_000);
}

#[test]
fn who_loses_its_flight_at_the_deadline_does_not_begin_to_wait_again() {
    let world = World::with(Settings { lock_timeout_ms: 1_000, ..World::settings() });
    question(world.start(&Flow::default(), "token"));
    world.start(&world.waiting, "token");
    world.set_now_ms(1_000);
    world.purge("token");
    question(world.start(&Flow::default(), "token"));

    assert_eq!(ticket_of(&question(world.look_back())), None);
}

#[test]
fn of_those_who_wait_for_an_answer_that_is_gone_one_leads_and_the_others_wait() {
    let world = World::new();
    let leader = world.begin(question(world.start(&Flow::default(), "token")));
    let other = Flow::default();
    for flow in [&world.waiting, &other] {
        world.start(flow, "token");
    }
    world.conclude(&leader, &Reply::jwt(60));
    world.evict("token");

    assert!(ticket_of(&question(world.look_back())).is_some());
    assert_eq!(world.look(&other), Step::Other(Next::Wait));
}

#[test]
fn where_there_is_no_stale_jwt_one_leads_and_the_others_wait() {
    let world = World::with(stale_settings());
    question(world.start(&Flow::default(), "token"));

    assert_eq!(world.start(&world.waiting, "token"), Step::Other(Next::Wait));
}

#[test]
fn a_stale_jwt_is_not_served_while_another_asks_unless_that_is_set() {
    let mut use_stale = UseStale::default();
    assert!(use_stale.add(b"http_500"));
    let world = World::with(Settings { use_stale, ..stale_settings() });
    world.store_stale("token");
    question(world.start(&Flow::default(), "token"));

    assert_eq!(world.start(&world.waiting, "token"), Step::Other(Next::Wait));
}

#[test]
fn a_jwt_that_came_meanwhile_takes_the_place_of_a_failure_as_a_stale_one_does() {
    let world = World::with(stale_settings());
    let flow = Flow::default();
    question(world.start(&flow, "token"));
    world.store("token", 100);
    let refusal = World::failure(StatusCode::INTERNAL_SERVER_ERROR);

    let step = world.fail(&flow, refusal.clone());

    assert_eq!(grant(step).instead_of, Some(refusal));
}

#[test]
fn a_token_that_is_not_valid_yet_is_remembered_no_longer_than_until_it_is() {
    let freshness = freshness::Settings {
        inactive_valid: Some(Duration::from_secs(1_000)),
        ..freshness::Settings::default()
    };
    let world = World::with(Settings { freshness, ..World::settings() });
    let leader = world.begin(question(world.start(&Flow::default(), "token")));
    let body = br#"{"active":true,"nbf":100,"jwt":"eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"}"#;

    world.conclude(&leader, &Reply { body, ..Reply::status(200) });

    let Lookup::Inactive(lifetime) = world.find("token") else { panic!() };
    // A minute before its `nbf`.
    assert_eq!(lifetime.fresh_until, UnixTime(40));
}
