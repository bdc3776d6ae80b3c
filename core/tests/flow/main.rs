//! One step of a flow at a time: what each hangs on. That their order does no harm is for `core/tests/hours`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

mod orders;
mod world;

use http::StatusCode;
use phantom_token_core::cache::Lookup;
use phantom_token_core::flow::{Flow, Found, Next, Settings, Step, Unstored, Wake};
use phantom_token_core::freshness::NotStored;
use phantom_token_core::outcome::CacheStatus;
use phantom_token_core::refusal::Refusal;
use phantom_token_core::stale::UseStale;
use std::time::Duration;
use world::{JWT, Reply, World, authorization, grant, opaque, question, ticket_of};

/// In which stale JWTs are served whatever fails, and renewed two seconds before they go stale.
fn stale_settings() -> Settings {
    let mut use_stale = UseStale::default();
    for failure in ["updating", "http_500"] {
        assert!(use_stale.add(failure.as_bytes()));
    }
    Settings { use_stale, background_update: Some(2), ..World::settings() }
}

#[test]
fn a_jwt_of_the_zone_is_copied_by_the_worker_and_then_found_there() {
    let world = World::new();
    world.store("token", 100);
    let (first, second) = (Flow::default(), Flow::default());

    let steps = [world.start(&first, "token"), world.start(&second, "token")];

    assert_eq!(steps.map(|step| grant(step).jwt), [Found::InZone, Found::InWorker]);
    assert_eq!(first.status(), Some(CacheStatus::ZoneHit));
    assert_eq!(second.status(), Some(CacheStatus::WorkerHit));
    assert_eq!(world.copy(), JWT);
}

#[test]
fn a_copy_is_not_used_after_a_purge() {
    let world = World::new();
    world.store("token", 100);
    world.start(&Flow::default(), "token");
    world.start(&Flow::default(), "token");

    world.purge("token");

    let flow = Flow::default();
    assert!(ticket_of(&question(world.start(&flow, "token"))).is_some());
    assert_eq!(flow.status(), Some(CacheStatus::Miss));
}

#[test]
fn a_copy_goes_when_the_zone_has_dropped_its_jwt() {
    let world = World::new();
    world.store("token", 100);
    world.start(&Flow::default(), "token");

    // As by eviction, which changes no generation.
    world.evict("token");
    world.set_now(1);

    question(world.start(&Flow::default(), "token"));
}

#[test]
fn a_misspelt_jwt_is_refused_before_anybody_is_asked() {
    let misspelt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl=";
    let world = World::new();
    let flow = Flow::default();

    assert_eq!(world.start(&flow, misspelt), Step::Other(Next::Refuse(Refusal::MisspeltJwt)));
    let authorization = authorization(misspelt);
    let token = opaque(&authorization);
    assert_eq!(flow.start_alone(token), Next::Refuse(Refusal::MisspeltJwt));
    let afresh = flow.start_afresh(token, &world.key(misspelt));
    assert_eq!(afresh, Next::Refuse(Refusal::MisspeltJwt));
}

#[test]
fn who_asks_afresh_leads_nobody_and_gets_nothing_stale() {
    let world = World::with(stale_settings());
    world.store_stale("token");
    let flow = Flow::default();

    let Next::Ask(question) = flow.start_afresh(opaque("Bearer token"), &world.key("token")) else {
        panic!()
    };

    assert_eq!((question.key, ticket_of(&question)), (Some(world.key("token")), None));
    assert_eq!(flow.status(), Some(CacheStatus::Bypass));
    let refusal = World::failure(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(world.fail(&flow, refusal.clone()), Step::Other(Next::Refuse(refusal)));
}

#[test]
fn without_a_cache_there_is_no_key() {
    let flow = Flow::default();
    let world = World::new();
    world.start(&flow, "token");

    let Next::Ask(question) = flow.start_alone(opaque("Bearer token")) else { panic!() };

    assert_eq!(question.key, None);
}

#[test]
fn one_leads_and_the_others_wait_unless_each_is_to_ask_for_itself() {
    for lock in [true, false] {
        let world = World::with(Settings { lock, ..World::settings() });
        let leader = question(world.start(&Flow::default(), "token"));

        let other = world.start(&Flow::default(), "token");

        assert_eq!(ticket_of(&leader).is_some(), lock);
        match lock {
            true => assert_eq!(other, Step::Other(Next::Wait)),
            false => assert_eq!(ticket_of(&question(other)), None),
        }
    }
}

#[test]
fn who_waits_is_told_what_the_leader_learned() {
    let refused = |refusal| Step::Other(Next::Refuse(refusal));
    for (reply, expected) in [
        (Reply::jwt(60), None),
        (Reply::inactive(), Some(refused(Refusal::InactiveToken))),
        (Reply::status(500), Some(refused(World::failure(StatusCode::INTERNAL_SERVER_ERROR)))),
    ] {
        let world = World::new();
        let leader = world.begin(question(world.start(&Flow::default(), "token")));
        assert_eq!(world.start(&world.waiting, "token"), Step::Other(Next::Wait));
        assert_eq!(world.look_back(), Step::Other(Next::Wait));

        world.conclude(&leader, &reply);

        assert_eq!(world.woken(), [Wake::All], "{reply:?}");
        let step = world.look_back();
        match expected {
            Some(expected) => assert_eq!(step, expected),
            None => assert_eq!(grant(step).jwt, Found::InZone),
        }
        assert_eq!(world.waiting.status(), Some(CacheStatus::Coalesced), "{reply:?}");
    }
}

#[test]
fn each_asks_for_himself_where_the_answer_may_not_be_stored() {
    let world = World::new();
    let leader = world.begin(question(world.start(&Flow::default(), "token")));
    world.start(&world.waiting, "token");

    world.conclude(&leader, &Reply::jwt(0));

    assert_eq!(ticket_of(&question(world.look_back())), None);
    assert_eq!(world.waiting.status(), Some(CacheStatus::Miss));
}

#[test]
fn one_who_waits_leads_when_the_leader_gives_up() {
    let world = World::new();
    let leader = world.begin(question(world.start(&Flow::default(), "token")));
    world.start(&world.waiting, "token");

    world.abandon(&leader);

    assert_eq!(world.woken(), [Wake::First]);
    assert!(ticket_of(&question(world.look_back())).is_some());
    // The rest of those who wait in this process wait on.
    assert_eq!(world.woken(), []);
}

#[test]
fn nobody_waits_longer_than_the_timeout_however_many_leaders_there_are() {
    let world = World::with(Settings { lock_timeout_ms: 1_000, ..World::settings() });
    question(world.start(&Flow::default(), "token"));
    world.start(&world.waiting, "token");
    world.set_now_ms(600);
    // Its flight is gone with its token, and another one begins.
    world.purge("token");
    let second = question(world.start(&Flow::default(), "token"));
    assert!(ticket_of(&second).is_some());

    assert_eq!(world.look_back(), Step::Other(Next::Wait));
    assert_eq!(world.waiting.pause(600, false), 400);
    world.set_now_ms(1_000);

    assert_eq!(ticket_of(&question(world.look_back())), None);
}

#[test]
fn a_leader_that_takes_too_long_has_its_place_taken() {
    let world = World::with(Settings { lock_timeout_ms: 1_000, ..World::settings() });
    question(world.start(&Flow::default(), "token"));
    world.set_now_ms(500);
    world.start(&world.waiting, "token");
    world.set_now_ms(1_000);

    assert!(ticket_of(&question(world.look_back())).is_some());
}

#[test]
fn pauses_grow_to_eight_milliseconds_and_end_at_the_deadline() {
    let world = World::with(Settings { lock_timeout_ms: 1_000, ..World::settings() });
    question(world.start(&Flow::default(), "token"));
    world.start(&world.waiting, "token");

    let pauses = [(); 6].map(|()| world.waiting.pause(0, true));

    assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
    assert_eq!(world.waiting.pause(0, false), 1_000);
    assert_eq!(world.waiting.pause(995, true), 5);
    world.waiting.give_up();
    assert_eq!(world.waiting.pause(0, true), 0);
}

#[test]
fn a_leader_looks_once_more_before_it_asks() {
    let world = World::new();
    let leader = world.begin(question(world.start(&Flow::default(), "token")));
    let other = Flow::default();
    for flow in [&world.waiting, &other] {
        assert_eq!(world.start(flow, "token"), Step::Other(Next::Wait));
    }
    world.store("token", 100);

    world.abandon(&leader);
    world.woken();

    assert_eq!(grant(world.look_back()).jwt, Found::InZone);
    assert_eq!(world.waiting.status(), Some(CacheStatus::Coalesced));
    assert_eq!(world.woken(), [Wake::All]);
    // The flight has landed with it.
    assert_eq!(grant(world.look(&other)).jwt, Found::InZone);
}

#[test]
fn a_jwt_about_to_go_stale_is_served_and_renewed_once_a_second_whatever_the_lock() {
    for lock in [true, false] {
        let world = World::with(Settings { lock, ..stale_settings() });
        world.store("token", 100);
        world.set_now(98);

        let first = grant(world.start(&Flow::default(), "token"));
        let second = grant(world.start(&Flow::default(), "token"));

        let renewal = first.renewal.unwrap();
        assert!(renewal.is_renewal && renewal.ticket.is_some());
        assert_eq!((second.jwt, second.renewal), (Found::InZone, None));
        // Nor in the next second, while it is under way.
        world.set_now(99);
        assert_eq!(grant(world.start(&Flow::default(), "token")).renewal, None);
    }
}

#[test]
fn a_copy_about_to_go_stale_is_looked_up_in_the_zone() {
    let world = World::with(stale_settings());
    world.store("token", 100);
    world.start(&Flow::default(), "token");
    assert_eq!(grant(world.start(&Flow::default(), "token")).jwt, Found::InWorker);
    world.set_now(98);

    let renewed = grant(world.start(&Flow::default(), "token"));

    assert!(renewed.jwt == Found::InZone && renewed.renewal.is_some());
}

#[test]
fn a_request_that_cannot_carry_a_renewal_starts_none() {
    let world = World::with(stale_settings());
    world.may_renew.set(false);
    world.store("token", 100);
    world.set_now(98);

    assert_eq!(grant(world.start(&Flow::default(), "token")).renewal, None);

    // It did not take the turn of one that can.
    world.may_renew.set(true);
    assert!(grant(world.start(&Flow::default(), "token")).renewal.is_some());
}

#[test]
fn a_stale_jwt_is_served_while_it_is_renewed() {
    let world = World::with(stale_settings());
    world.store_stale("token");
    let flow = Flow::default();

    let first = grant(world.start(&flow, "token"));
    let second = grant(world.start(&Flow::default(), "token"));

    assert!(first.renewal.is_some());
    assert_eq!(flow.status(), Some(CacheStatus::Updating));
    assert_eq!((second.renewal, second.instead_of), (None, None));
}

#[test]
fn a_jwt_is_renewed_once_a_second_though_the_renewal_has_failed() {
    for is_stale in [true, false] {
        let world = World::with(stale_settings());
        match is_stale {
            true => world.store_stale("token"),
            false => {
                world.store("token", 22);
                world.set_now(20);
            }
        }
        let renewal = grant(world.start(&Flow::default(), "token")).renewal.unwrap();
        world.conclude(&world.begin(renewal), &Reply::status(500));

        assert_eq!(grant(world.start(&Flow::default(), "token")).renewal, None);
        world.set_now(21);
        assert!(grant(world.start(&Flow::default(), "token")).renewal.is_some());
    }
}

#[test]
fn who_cannot_carry_a_renewal_of_a_stale_jwt_waits_for_his_own_answer() {
    let world = World::with(stale_settings());
    world.may_renew.set(false);
    world.store_stale("token");

    assert!(ticket_of(&question(world.start(&Flow::default(), "token"))).is_some());
}

#[test]
fn where_nothing_is_renewed_one_asks_for_a_stale_jwt_and_the_others_are_served_it() {
    let world = World::with(Settings { background_update: None, ..stale_settings() });
    world.store_stale("token");

    let leader = world.start(&Flow::default(), "token");
    let other = world.start(&Flow::default(), "token");

    assert!(ticket_of(&question(leader)).is_some());
    assert_eq!(grant(other).renewal, None);
}

#[test]
fn without_the_lock_nobody_is_served_while_others_ask() {
    let world = World::with(Settings { lock: false, ..stale_settings() });
    world.store_stale("token");
    for _ in 0..2 {
        assert_eq!(ticket_of(&question(world.start(&Flow::default(), "token"))), None);
    }
}

#[test]
fn a_stale_jwt_takes_the_place_of_the_failures_that_are_named_and_of_no_other() {
    let world = World::with(stale_settings());
    world.store_stale("token");
    let flow = Flow::default();
    world.start(&flow, "token");

    for (refusal, is_served) in [
        (World::failure(StatusCode::INTERNAL_SERVER_ERROR), true),
        (World::failure(StatusCode::BAD_GATEWAY), false),
        (Refusal::InactiveToken, false),
    ] {
        let step = world.fail(&flow, refusal.clone());

        match is_served {
            true => assert_eq!(grant(step).instead_of, Some(refusal)),
            false => assert_eq!(step, Step::Other(Next::Refuse(refusal))),
        }
    }
    assert_eq!(flow.status(), Some(CacheStatus::Stale));
}

#[test]
fn an_answer_that_is_not_to_the_question_of_its_key_is_not_kept_and_drops_nothing() {
    for reply in [Reply::jwt(60), Reply::inactive(), Reply::status(500)] {
        let world = World::new();
        world.store("token", 100);
        let key = world.key("token");
        let Next::Ask(asking) = Flow::default().start_afresh(opaque("Bearer token"), &key) else {
            panic!()
        };
        let inquiry = world.begin(asking);

        let unstored = world.conclude(&inquiry, &Reply { is_to_other: true, ..reply });

        assert_eq!(unstored, Some(Unstored::Kind(NotStored::OtherQuestion)));
        assert!(matches!(world.find("token"), Lookup::Fresh(_)));
    }
}

#[test]
fn an_answer_takes_the_copies_of_the_one_before_along() {
    for reply in [Reply::inactive(), Reply::jwt(0), Reply::jwt(60)] {
        let world = World::new();
        world.store("token", 100);
        world.start(&Flow::default(), "token");
        let key = world.key("token");
        let Next::Ask(asking) = Flow::default().start_afresh(opaque("Bearer token"), &key) else {
            panic!()
        };

        world.conclude(&world.begin(asking), &reply);

        let step = world.start(&Flow::default(), "token");
        let is_a_copy = matches!(&step, Step::Grant(grant) if grant.jwt == Found::InWorker);
        assert!(!is_a_copy, "{reply:?}");
    }
}

#[test]
fn that_a_token_is_inactive_is_remembered_and_that_its_jwt_has_expired_is_not() {
    for (reply, is_remembered) in [(Reply::inactive(), true), (Reply::expired(), false)] {
        let mut settings = World::settings();
        settings.freshness.inactive_valid = Some(Duration::from_secs(10));
        let world = World::with(settings);
        world.set_now(20);
        let leader = world.begin(question(world.start(&Flow::default(), "token")));

        world.conclude(&leader, &reply);

        match world.start(&Flow::default(), "token") {
            Step::Other(Next::Refuse(Refusal::InactiveToken)) => assert!(is_remembered),
            step => assert!(ticket_of(&question(step)).is_some() && !is_remembered),
        }
    }
}

#[test]
fn those_who_follow_an_answer_that_a_purge_overtook_ask_once_more() {
    let world = World::new();
    let leader = world.begin(question(world.start(&Flow::default(), "token")));
    world.purge("token");

    world.conclude(&leader, &Reply::jwt(60));

    assert_eq!(world.woken(), [Wake::First]);
    assert!(matches!(world.find("token"), Lookup::Miss));
}
