//! What makes room for what.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, Entry, Lifetime};
use phantom_token_core_testing::{ALONE, MEGABYTE, Random, TestZone};

const NOW: UnixTime = UnixTime(0);

#[test]
fn inserts_into_a_full_zone_always_succeed() {
    let zone = TestZone::new(2 * MEGABYTE);
    let mut random = Random(1);
    let jwt = vec![b'j'; 16 * 1024];
    for number in 0..20_000 {
        let len = 512 + random.below(16 * 1024 - 512);
        zone.store_jwt(&number.to_string(), &jwt[..len]);
        assert!(zone.has(&number.to_string()));
    }
    zone.assert_sound();
    assert!(zone.usage().evictions > 0);
}

#[test]
fn a_token_in_use_outlives_those_that_are_not() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt("used", &[b'j'; 1000]);
    for number in 0..10_000 {
        zone.store_jwt(&number.to_string(), &[b'j'; 1000]);
        assert!(zone.has("used"));
    }
}

#[test]
fn a_touched_token_outlives_those_that_are_not() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt("used", &[b'j'; 1000]);
    for number in 0..10_000 {
        zone.store_jwt(&number.to_string(), &[b'j'; 1000]);
        assert_eq!(zone.touch(&ALONE, &zone.key_of("used"), NOW), Some(true));
    }
    assert!(zone.has("used"));
}

#[test]
fn a_touch_tells_whether_the_jwt_is_still_there() {
    let zone = TestZone::new(MEGABYTE);
    let key = zone.key_of("token");
    assert_eq!(zone.touch(&ALONE, &key, NOW), Some(false));

    zone.store_jwt("token", &[b'j'; 1000]);
    assert_eq!(zone.touch(&ALONE, &key, NOW), Some(true));

    zone.store("token", zone.fresh(Answer::Inactive)).unwrap();
    assert_eq!(zone.touch(&ALONE, &key, NOW), Some(false));
}

#[test]
fn a_shard_of_tokens_in_use_still_takes_another() {
    let zone = TestZone::new(128 * 1024);
    for number in 0..400 {
        zone.store_jwt(&number.to_string(), &[b'j'; 1000]);
        for earlier in 0..=number {
            zone.touch(&ALONE, &zone.key_of(&earlier.to_string()), NOW);
        }
        assert!(zone.has(&number.to_string()));
    }
}

#[test]
fn what_has_expired_goes_before_what_is_fresh() {
    let zone = TestZone::new(400 * 1024);
    for number in 0..100 {
        let jwt = Answer::Active(&[b'j'; 1000]);
        zone.store(&format!("fresh {number}"), zone.fresh(jwt)).unwrap();
    }
    for number in 0..200 {
        let lifetime = Lifetime::fresh_until(UnixTime(10));
        let entry = Entry { lifetime, ..zone.fresh(Answer::Active(&[b'j'; 1000])) };
        zone.store(&format!("short {number}"), entry).unwrap();
    }
    let evictions = zone.usage().evictions;

    for number in 0..200 {
        let key = zone.key_of(&format!("late {number}"));
        let entry = zone.fresh(Answer::Active(&[b'j'; 1000]));
        zone.insert(&ALONE, &key, entry, UnixTime(20)).unwrap();
    }

    assert_eq!(zone.usage().evictions, evictions);
    assert!((0..100).all(|number| zone.has(&format!("fresh {number}"))));
}

#[test]
fn a_flood_of_inactive_tokens_evicts_only_its_own_kind() {
    let zone = TestZone::new(4 * MEGABYTE);
    let good: Vec<String> = (0..2_600).map(|number| format!("good {number}")).collect();
    for token in &good {
        zone.store_jwt(token, &[b'j'; 1000]);
    }
    let kept_before = good.iter().filter(|token| zone.has(token)).count();

    for number in 0..100_000 {
        zone.store(&number.to_string(), zone.fresh(Answer::Inactive)).unwrap();
    }

    let kept = good.iter().filter(|token| zone.has(token)).count();
    assert_eq!(kept, kept_before);
    let usage = zone.check(&ALONE).unwrap();
    assert!(usage.inactive * 64 * 32 <= usage.capacity, "{usage:?}");
    assert!(zone.has("99999"), "the latest are remembered");
}

#[test]
fn tokens_that_turn_out_inactive_evict_no_jwt_from_a_full_zone() {
    let zone = TestZone::new(512 * 1024);
    let jwts: Vec<String> = (0..1_000).map(|number| format!("jwt {number}")).collect();
    jwts.iter().for_each(|token| zone.store_jwt(token, &[b'j'; 1_200]));
    let evictions = zone.usage().evictions;
    assert!(evictions > 0, "the zone is full");

    for number in 0..700 {
        zone.store(&number.to_string(), zone.fresh(Answer::Inactive)).unwrap();
    }

    let usage = zone.check(&ALONE).unwrap();
    assert_eq!(jwts.iter().filter(|token| zone.has(token)).count() as u64, usage.active);
    assert_eq!(usage.active, 1_000 - evictions);
    assert!(usage.inactive > 200 && zone.has("699"), "{usage:?}");
}

#[test]
fn jwts_leave_the_share_of_inactive_tokens_free_whatever_came_before() {
    let zone = TestZone::new(512 * 1024);
    let mut random = Random(1);
    for number in 0..20_000 {
        let token = random.below(3_000).to_string();
        match random.below(5) {
            0 => zone.store(&token, zone.fresh(Answer::Inactive)).unwrap(),
            1 => zone.forget(&ALONE, &zone.key_of(&token), zone.ask()),
            _ => zone.store_jwt(&token, &vec![b'j'; random.below(6_000)]),
        }
        let usage = zone.usage();
        let share = usage.capacity / 32 - 64;
        let free = usage.capacity - usage.used;
        assert!(usage.inactive * 64 + free >= share, "after {number}: {usage:?}");
    }
    zone.assert_sound();
}
