//! Creating zones and taking them up again.

use phantom_token_core::cache::RegionError;
use phantom_token_core_testing::{MEGABYTE, Memory, TestZone};

#[test]
fn a_zone_smaller_than_eight_pages_is_refused() {
    let memory = Memory::new(16 * 1024);

    let refusal = memory.create().err();

    let len = 16 * 1024;
    assert_eq!(refusal, Some(RegionError::TooSmall { len, minimum: 24 * 1024 }));
    assert_eq!(
        refusal.unwrap().to_string(),
        "the zone has 16384 bytes, but it needs at least 24576"
    );
}

#[test]
fn what_is_stored_is_found_after_a_reload() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt("token", b"jwt");

    let taken_up = TestZone::take_up(zone.memory);

    assert_eq!(taken_up.find("token", 0).1, b"jwt");
}

#[test]
fn memory_that_was_used_for_something_else_becomes_an_empty_zone() {
    let memory = Memory::new(MEGABYTE);
    memory.overwrite(0, &vec![0xa5; MEGABYTE]);

    memory.create().unwrap();
    let zone = TestZone::take_up(memory);

    assert!(!zone.has("token"));
    zone.store_jwt("token", b"jwt");
    assert!(zone.has("token"));
    zone.assert_sound();
}

#[test]
fn memory_without_a_zone_is_not_taken_up() {
    assert_eq!(Memory::new(MEGABYTE).attach().err(), Some(RegionError::NotAZone));
}

#[test]
fn a_zone_of_another_layout_version_is_not_taken_up() {
    let memory = Memory::new(MEGABYTE);
    memory.create().unwrap();
    memory.overwrite(8, &99_u64.to_le_bytes());

    let found = 99;
    assert!(
        matches!(memory.attach(), Err(RegionError::OtherVersion { found: f, .. }) if f == found)
    );
}

#[test]
fn a_zone_of_another_length_is_not_taken_up() {
    let memory = Memory::new(MEGABYTE);
    memory.create().unwrap();
    memory.overwrite(16, &1_u64.to_le_bytes());

    assert_eq!(memory.attach().err(), Some(RegionError::OtherLength { found: 1, len: MEGABYTE }));
}

#[test]
fn a_gigabyte_is_laid_out_without_being_touched() {
    let memory = Memory::new(1024 * MEGABYTE);

    memory.create().unwrap();

    let resident = memory.resident();
    assert!(resident < 64 * MEGABYTE, "{resident} bytes are");
}

#[test]
fn the_default_zone_takes_the_longest_answer() {
    assert!(TestZone::new(10 * MEGABYTE).longest_jwt() >= 64 * 1024);
    assert!(TestZone::new(MEGABYTE).longest_jwt() >= 64 * 1024);
    assert!(TestZone::new(28 * 1024).longest_jwt() >= 5 * 1024);
}

#[test]
fn zones_of_all_sizes_work() {
    for len in (24..600).step_by(7).map(|kilobytes| kilobytes * 1024 + 13) {
        let zone = TestZone::new(len);
        let longest = vec![b'j'; zone.longest_jwt()];
        for token in ["a", "b", "c", "d", "e", "f"] {
            zone.store_jwt(token, &longest);
            assert_eq!(zone.find(token, 0).1, longest);
        }
        zone.assert_sound();
    }
}
