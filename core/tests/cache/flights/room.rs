//! More flights than there is room for.

use super::*;

#[test]
fn a_request_goes_alone_when_there_is_no_room_for_its_flight() {
    let zone = TestZone::new(SMALL);
    let tickets = zone.fill(&ONE, NOW);

    assert_eq!(zone.join_as(&TWO, "token", NOW), Join::Alone);

    assert_eq!(tickets.len(), FLIGHTS);
    assert!(matches!(zone.join_as(&TWO, "0", NOW), Join::Follow(_)));
}

#[test]
fn a_flight_that_landed_makes_room() {
    for landing in landings() {
        let zone = TestZone::new(SMALL);
        let mut tickets = zone.fill(&ONE, NOW);
        zone.follower(&TWO, "0", NOW);
        zone.land(&ONE, tickets.remove(0), landing, NOW);

        let _ticket = zone.lead(&TWO, "token", NOW);

        zone.assert_sound();
    }
}

#[test]
fn the_flight_that_landed_first_makes_room_first() {
    let zone = TestZone::new(SMALL);
    let tickets = zone.fill(&ONE, NOW);
    let tokens: Vec<String> = (0..FLIGHTS).map(|token| token.to_string()).collect();
    let flights: Vec<Flight> = tokens.iter().map(|token| zone.follower(&TWO, token, NOW)).collect();
    for (at, ticket) in (NOW..).zip(tickets.into_iter().rev()) {
        zone.land(&ONE, ticket, failed(), at);
    }

    let _ticket = zone.lead(&TWO, "token", NOW + 10);

    let known = tokens
        .iter()
        .zip(flights)
        .map(|(token, flight)| zone.ask(&TWO, token, flight, NOW + 10) == Follow::Landed(failed()));
    assert_eq!(known.collect::<Vec<_>>(), [true, true, true, true, true, true, true, false]);
}

#[test]
fn a_flight_that_was_abandoned_makes_room() {
    let zone = TestZone::new(SMALL);
    let mut tickets = zone.fill(&ONE, NOW);
    let flight = zone.follower(&TWO, "0", NOW);
    zone.abandon(&ONE, tickets.remove(0));

    let _ticket = zone.lead(&THREE, "token", NOW);

    assert_eq!(zone.ask(&TWO, "0", flight, NOW), Follow::Gone);
    zone.assert_sound();
}

#[test]
fn flights_that_take_too_long_make_room() {
    let zone = TestZone::new(SMALL);
    let _slow = zone.fill(&ONE, NOW);

    let _ticket = zone.lead(&TWO, "token", NOW + TIMEOUT);

    zone.assert_sound();
}

#[test]
fn flights_of_a_dead_leader_make_room() {
    let zone = TestZone::new(SMALL);
    let _lost = zone.fill(&ONE, NOW);

    assert_eq!(zone.join_as(&SURVIVOR, "token", NOW + 49), Join::Alone);
    let _ticket = zone.lead(&SURVIVOR, "token", NOW + 50);

    let _other = zone.lead(&SURVIVOR, "another", NOW + 50);
    zone.assert_sound();
}

#[test]
fn a_full_table_asks_every_50_ms_whether_its_leader_is_alive() {
    let zone = TestZone::new(SMALL);
    let _tickets = zone.fill(&ONE, NOW);
    let process = Curious::default();

    for now in NOW..=NOW + 1_000 {
        assert_eq!(zone.join_as(&process, "token", now), Join::Alone);
    }

    assert_eq!(process.questions.get(), 20);
}
