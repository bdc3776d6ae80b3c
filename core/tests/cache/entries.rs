//! What is stored and what is found.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, Entry, InsertError, Lifetime, Lookup, Profile};
use phantom_token_core_testing::{ALONE, MEGABYTE, TestZone, UNTIL_100};

#[test]
fn a_token_that_was_never_stored_is_a_miss() {
    assert_eq!(TestZone::new(MEGABYTE).find("token", 0).0, Lookup::Miss);
}

#[test]
fn the_jwt_of_a_token_comes_back_with_its_times() {
    let zone = TestZone::new(MEGABYTE);
    let lifetime = Lifetime { expires: Some(UnixTime(200)), ..UNTIL_100 };
    let entry = Entry { lifetime, ..zone.fresh(Answer::Active(b"jwt")) };

    zone.store("token", entry).unwrap();

    let fresh = Lookup::Fresh(lifetime);
    assert_eq!(zone.find("token", 99), (fresh, b"jwt".to_vec()));
}

#[test]
fn a_jwt_of_any_length_comes_back_whole() {
    let zone = TestZone::new(MEGABYTE);
    for len in (0..300).chain([4096, 65_536]) {
        let jwt: Vec<u8> = (0..len).map(|byte| byte as u8).collect();

        zone.store_jwt("token", &jwt);

        assert_eq!(zone.find("token", 0).1, jwt);
    }
    zone.assert_sound();
}

#[test]
fn an_inactive_token_is_remembered() {
    let zone = TestZone::new(MEGABYTE);

    zone.store("token", zone.fresh(Answer::Inactive)).unwrap();

    assert_eq!(zone.find("token", 99).0, Lookup::Inactive(UNTIL_100));
    assert_eq!(zone.find("token", 100).0, Lookup::Expired);
}

#[test]
fn a_later_answer_replaces_the_earlier() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt("token", &[b'j'; 5000]);

    zone.store("token", zone.fresh(Answer::Inactive)).unwrap();

    assert_eq!(zone.find("token", 0).0, Lookup::Inactive(UNTIL_100));
    let usage = zone.check(&ALONE).unwrap();
    assert_eq!((usage.active, usage.inactive, usage.used), (0, 1, 64));
}

#[test]
fn an_answer_is_not_fresh_past_its_freshness() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt("token", b"jwt");

    assert!(matches!(zone.find("token", 99).0, Lookup::Fresh(_)));
    assert_eq!(zone.find("token", 100).0, Lookup::Expired);
    assert_eq!(zone.find("token", 99).0, Lookup::Miss, "and it is gone for good");
}

#[test]
fn a_stale_answer_says_so_until_it_is_too_old() {
    let zone = TestZone::new(MEGABYTE);
    let lifetime = Lifetime { stale_until: UnixTime(150), ..UNTIL_100 };
    let entry = Entry { lifetime, ..zone.fresh(Answer::Active(b"jwt")) };
    zone.store("token", entry).unwrap();

    let stale = Lookup::Stale(lifetime);
    assert_eq!(zone.find("token", 100), (stale, b"jwt".to_vec()));
    assert_eq!(zone.find("token", 149), (stale, b"jwt".to_vec()));
    assert_eq!(zone.find("token", 150).0, Lookup::Expired);
}

#[test]
fn an_inactive_answer_is_never_stale() {
    let zone = TestZone::new(MEGABYTE);
    let lifetime = Lifetime { stale_until: UnixTime(150), ..UNTIL_100 };
    let entry = Entry { lifetime, ..zone.fresh(Answer::Inactive) };
    zone.store("token", entry).unwrap();

    assert_eq!(zone.find("token", 100).0, Lookup::Expired);
}

#[test]
fn an_expired_jwt_is_never_found_whatever_its_freshness() {
    let zone = TestZone::new(MEGABYTE);
    let lifetime =
        Lifetime { expires: Some(UnixTime(50)), stale_until: UnixTime(1000), ..UNTIL_100 };
    let entry = Entry { lifetime, ..zone.fresh(Answer::Active(b"jwt")) };
    zone.store("token", entry).unwrap();

    assert!(matches!(zone.find("token", 49).0, Lookup::Fresh(_)));
    assert_eq!(zone.find("token", 50).0, Lookup::Expired);
}

#[test]
fn times_beyond_what_is_stored_are_brought_forward() {
    let zone = TestZone::new(MEGABYTE);
    let never = UnixTime(u64::MAX);
    let lifetime = Lifetime { fresh_until: never, expires: Some(never), ..UNTIL_100 };
    let entry = Entry { lifetime, ..zone.fresh(Answer::Active(b"jwt")) };
    zone.store("token", entry).unwrap();

    let found = zone.find("token", 4_000_000_000).0;
    assert!(matches!(found, Lookup::Fresh(Lifetime { expires: Some(_), .. })));
    assert_eq!(zone.find("token", u64::from(u32::MAX)).0, Lookup::Expired);
}

#[test]
fn an_answer_that_has_expired_is_not_stored_and_removes_the_former() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt("token", b"jwt");
    let lifetime = Lifetime { expires: Some(UnixTime(0)), ..UNTIL_100 };
    let late = Entry { lifetime, ..zone.fresh(Answer::Active(b"jwt")) };

    assert_eq!(zone.store("token", late), Err(InsertError::Expired));

    assert_eq!(zone.find("token", 0).0, Lookup::Miss);
    assert_eq!(zone.usage().refusals, 1);
}

#[test]
fn a_jwt_that_no_shard_can_hold_is_refused_and_counted() {
    let zone = TestZone::new(MEGABYTE);
    let longest = zone.longest_jwt();
    let jwt = vec![b'j'; longest + 1];

    let refusal = zone.store("token", zone.fresh(Answer::Active(&jwt)));

    assert_eq!(refusal, Err(InsertError::TooLarge { len: longest + 1, longest }));
    assert_eq!(zone.usage().refusals, 1);
}

#[test]
fn an_answer_is_served_to_its_own_profile_alone() {
    let zone = TestZone::new(MEGABYTE);
    let [one, other] = [b"one", b"two"].map(|part| zone.key(b"token", Profile::new(&[part])));
    let now = UnixTime(0);
    zone.insert(&ALONE, &one, zone.fresh(Answer::Active(b"jwt")), now).unwrap();

    assert_eq!(zone.lookup(&ALONE, &other, now, &mut Vec::new()), Lookup::Miss);
}

#[test]
fn a_forgotten_token_is_a_miss() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt("token", b"jwt");

    zone.forget(&ALONE, &zone.key_of("token"), zone.ask());

    assert!(!zone.has("token"));
    zone.assert_sound();
}
