//! Leaders that are slow, give up or die.

use super::*;

#[test]
fn a_flight_that_takes_too_long_is_taken_over_by_one_follower() {
    let zone = TestZone::new(SMALL);
    let _slow = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);

    assert_eq!(zone.ask(&TWO, "token", flight, NOW + TIMEOUT - 1), Follow::Wait);
    let taken_over = zone.ask(&TWO, "token", flight, NOW + TIMEOUT);

    assert!(matches!(taken_over, Follow::Lead(_)));
    assert_eq!(zone.ask(&THREE, "token", flight, NOW + TIMEOUT), Follow::Wait);
    assert_eq!(zone.usage().flight_takeovers, 1);
    zone.assert_sound();
}

#[test]
fn a_flight_that_takes_too_long_is_taken_over_by_a_new_request() {
    let zone = TestZone::new(SMALL);
    let _slow = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);

    let ticket = zone.lead(&THREE, "token", NOW + TIMEOUT);

    zone.land(&THREE, ticket, Landing::Stored, NOW + TIMEOUT);
    let end = zone.ask(&TWO, "token", flight, NOW + TIMEOUT);
    assert_eq!(end, Follow::Landed(Landing::Stored));
}

#[test]
fn a_leader_that_was_replaced_has_no_say() {
    let zone = TestZone::new(SMALL);
    let slow = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);
    let ticket = zone.lead(&ONE, "token", NOW + TIMEOUT);

    zone.land(&ONE, slow, failed(), NOW + TIMEOUT);

    assert_eq!(zone.ask(&TWO, "token", flight, NOW + TIMEOUT), Follow::Wait);
    zone.land(&ONE, ticket, Landing::Stored, NOW + TIMEOUT);
    let end = zone.ask(&TWO, "token", flight, NOW + TIMEOUT);
    assert_eq!(end, Follow::Landed(Landing::Stored));
}

#[test]
fn a_replaced_leader_that_gives_up_does_not_give_up_for_the_next() {
    let zone = TestZone::new(SMALL);
    let slow = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);
    let _ticket = zone.lead(&TWO, "token", NOW + TIMEOUT);

    zone.abandon(&ONE, slow);

    assert_eq!(zone.ask(&TWO, "token", flight, NOW + TIMEOUT), Follow::Wait);
}

#[test]
fn an_abandoned_flight_is_led_by_the_next_follower_that_asks() {
    let zone = TestZone::new(SMALL);
    let ticket = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);

    zone.abandon(&ONE, ticket);
    zone.assert_sound();

    assert!(matches!(zone.ask(&TWO, "token", flight, NOW), Follow::Lead(_)));
    assert_eq!(zone.ask(&THREE, "token", flight, NOW), Follow::Wait);
    assert_eq!(zone.usage().flight_takeovers, 1);
}

#[test]
fn an_abandoned_flight_is_led_by_the_next_request() {
    let zone = TestZone::new(SMALL);
    let ticket = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&TWO, "token", NOW);

    zone.abandon(&ONE, ticket);

    let _ticket = zone.lead(&THREE, "token", NOW);
    assert_eq!(zone.ask(&TWO, "token", flight, NOW), Follow::Wait);
}

#[test]
fn an_abandoned_flight_without_followers_is_no_flight() {
    let zone = TestZone::new(SMALL);
    let ticket = zone.lead(&ONE, "token", NOW);

    zone.abandon(&ONE, ticket);

    let _ticket = zone.lead(&TWO, "token", NOW);
    assert_eq!(zone.usage().flight_takeovers, 0);
    zone.assert_sound();
}

#[test]
fn a_dead_leader_is_replaced_by_a_follower() {
    let zone = TestZone::new(SMALL);
    let _lost = zone.lead(&ONE, "token", NOW);
    let flight = zone.follower(&SURVIVOR, "token", NOW);

    assert_eq!(zone.ask(&SURVIVOR, "token", flight, NOW + 49), Follow::Wait);
    let taken_over = zone.ask(&SURVIVOR, "token", flight, NOW + 50);

    assert!(matches!(taken_over, Follow::Lead(_)));
    assert_eq!(zone.usage().flight_takeovers, 1);
}

#[test]
fn a_dead_leader_is_replaced_by_a_new_request() {
    let zone = TestZone::new(SMALL);
    let _lost = zone.lead(&ONE, "token", NOW);

    let _ticket = zone.lead(&SURVIVOR, "token", NOW + 50);

    assert_eq!(zone.usage().flight_takeovers, 1);
    zone.assert_sound();
}

#[test]
fn the_death_of_a_leader_is_noticed_for_all_its_flights_at_once() {
    let zone = TestZone::new(SMALL);
    let _lost = [zone.lead(&ONE, "a", NOW), zone.lead(&ONE, "b", NOW)];
    let a = zone.follower(&SURVIVOR, "a", NOW);
    let b = zone.follower(&SURVIVOR, "b", NOW);

    assert!(matches!(zone.ask(&SURVIVOR, "a", a, NOW + 50), Follow::Lead(_)));
    assert!(matches!(zone.ask(&SURVIVOR, "b", b, NOW + 50), Follow::Lead(_)));
    zone.assert_sound();
}

#[test]
fn whether_a_leader_is_alive_is_asked_every_50_ms_for_all_its_flights() {
    let zone = TestZone::new(SMALL);
    let _tickets = [zone.lead(&ONE, "a", NOW), zone.lead(&ONE, "b", NOW)];
    let process = Curious::default();
    let a = zone.follower(&process, "a", NOW);
    let b = zone.follower(&process, "b", NOW);

    for now in NOW..=NOW + 1_000 {
        assert_eq!(zone.ask(&process, "a", a, now), Follow::Wait);
        assert_eq!(zone.ask(&process, "b", b, now), Follow::Wait);
    }

    assert_eq!(process.questions.get(), 20);
}

#[test]
fn a_process_does_not_ask_whether_it_is_alive_itself() {
    let zone = TestZone::new(SMALL);
    let process = Curious::default();
    let _ticket = zone.lead(&process, "token", NOW);

    let flight = zone.follower(&process, "token", NOW + 100);

    assert_eq!(zone.ask(&process, "token", flight, NOW + 200), Follow::Wait);
    assert_eq!(process.questions.get(), 0);
}

#[test]
fn the_shard_is_not_locked_while_a_process_asks_whether_a_leader_is_alive() {
    let zone = TestZone::new(SMALL);
    zone.store_jwt("another", b"jwt");
    let _ticket = zone.lead(&ONE, "token", NOW);
    let process = LooksUp(&zone);

    let flight = zone.follower(&process, "token", NOW + 50);

    assert_eq!(zone.ask(&process, "token", flight, NOW + 100), Follow::Wait);
}

#[test]
fn a_clock_that_lags_behind_takes_nothing_over() {
    let zone = TestZone::new(SMALL);
    let _ticket = zone.lead(&ONE, "token", NOW);
    let process = Curious::default();

    let flight = zone.follower(&process, "token", NOW - 5_000);

    assert_eq!(zone.ask(&process, "token", flight, NOW - 4_000), Follow::Wait);
    assert_eq!(process.questions.get(), 0);
}

#[test]
fn a_flight_of_an_impossible_time_is_taken_over() {
    let zone = TestZone::new(SMALL);
    let _ticket = zone.lead(&ONE, "token", NOW);

    let _ticket = zone.lead(&TWO, "token", NOW - 60_000);
}

/// Has another process use the zone while it asks.
struct LooksUp<'a>(&'a TestZone);

impl Process for LooksUp<'_> {
    fn id(&self) -> OwnerId {
        TWO.id()
    }

    fn is_alive(&self, _: OwnerId) -> bool {
        assert!(
            self.0
                .touch(&THREE, &self.0.key_of("another"), phantom_token_core::UnixTime(0))
                .is_some(),
            "the shard is locked"
        );
        true
    }

    fn relax(&self) {}
}
