//! Any sequence of operations on a zone into which somebody else writes: whatever it finds, it
//! must come to an end and be usable after a purge. `cargo +nightly fuzz run cache_corruption`.

#![no_main]

#[path = "../../core/tests/cache/memory.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod memory;

use libfuzzer_sys::fuzz_target;
use memory::{ALONE, TestZone, fresh};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, Profile};

const LEN: usize = 24 * 1024;

fuzz_target!(|steps: Vec<([u8; 4], u32)>| {
    let zone = TestZone::new(LEN);
    let jwt = [b'j'; 5_000];
    let mut found = Vec::new();
    for ([kind, token, a, b], word) in steps {
        let key = zone.key(&[token], Profile::new(&[]));
        let at = usize::from(u16::from_le_bytes([a, b]));
        let now = UnixTime(u64::from(a % 110));
        match kind % 8 {
            0..3 => {
                let jwt = Answer::Active(&jwt[..at % jwt.len()]);
                let _ = zone.insert(&ALONE, &key, zone.fresh(jwt), now);
            }
            3 => _ = zone.insert(&ALONE, &key, zone.fresh(Answer::Inactive), now),
            4 => _ = zone.lookup(&ALONE, &key, now, &mut found),
            5 => _ = zone.remove(&ALONE, &key),
            6 => _ = zone.check(&ALONE),
            _ => zone.memory.overwrite(at * 4 % LEN, &word.to_le_bytes()),
        }
    }
    zone.purge_all();
    let key = zone.key(b"token", Profile::new(&[]));
    zone.insert(&ALONE, &key, fresh(&zone, b"jwt"), UnixTime(0)).unwrap();
    zone.assert_sound();
});
