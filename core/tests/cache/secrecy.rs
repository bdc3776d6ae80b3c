//! What can be read out of a zone's memory, and what cannot.

use phantom_token_core::cache::{Answer, Join, Profile};
use phantom_token_core_testing::{ALONE, MEGABYTE, Memory, SECRET, TestZone};

const TOKEN: &str = "an-opaque-token-of-somebody";

#[test]
fn a_zone_has_no_opaque_token_in_it() {
    let zone = TestZone::new(MEGABYTE);
    zone.store_jwt(TOKEN, b"header.payload.signature");
    let inactive = format!("{TOKEN}-else");
    zone.store(&inactive, zone.fresh(Answer::Inactive)).unwrap();
    let _flight: Join = zone.join(&ALONE, &zone.key_of("an-opaque-token-asked-for"), 0, 1000);
    zone.find(TOKEN, 0);
    zone.purge_token(&ALONE, inactive.as_bytes());

    assert!(zone.memory.contains(b"header.payload.signature"), "the search finds what is there");
    assert!(!zone.memory.contains(b"an-opaque-token"));
}

#[test]
fn an_answer_is_printed_without_its_jwt() {
    let printed = format!("{:?} {:?}", Answer::Active(b"a.b.c"), Answer::Inactive);

    assert_eq!(printed, "Active(5 bytes) Inactive");
}

#[test]
fn keys_depend_on_the_secret_of_their_zone() {
    let profile = Profile::new(&[]);
    let (one, other) = (Memory::new(MEGABYTE), Memory::new(MEGABYTE));
    let zone = one.create().unwrap();
    let mut secret = SECRET;
    secret[0] ^= 1;
    let of_another_secret = other.create_with(secret).unwrap();

    let key = zone.key(TOKEN.as_bytes(), profile);

    assert!(key == one.attach().unwrap().key(TOKEN.as_bytes(), profile));
    assert!(key != of_another_secret.key(TOKEN.as_bytes(), profile));
}
