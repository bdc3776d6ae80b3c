//! Any sequence of operations on a zone, beside a model of what it should find:
//! `cargo +nightly fuzz run cache_model`.

#![no_main]

#[path = "../../core/tests/cache/memory.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod memory;
#[path = "../../core/tests/cache/model.rs"]
mod model;

use libfuzzer_sys::fuzz_target;
use model::{Key, Model, Operation};

/// Small enough to be full soon.
const LEN: usize = 28 * 1024;

fuzz_target!(|operations: Vec<[u8; 6]>| {
    let mut model = Model::new(LEN);
    for bytes in operations {
        model.apply(operation(bytes));
    }
    model.zone.assert_sound();
    assert_eq!(model.zone.usage().corruptions, 0);
});

fn operation([kind, key, a, b, c, d]: [u8; 6]) -> Operation {
    let key: Key = (key >> 1, key & 1);
    match kind % 32 {
        0..12 => {
            let len = (kind & 32 == 0).then_some(u16::from_le_bytes([a, b]) % 5_000);
            let expires = (kind & 64 == 0).then_some(c);
            Operation::Insert { key, len, fresh: d % 16, stale: d / 16, expires }
        }
        12..22 => Operation::Lookup(key),
        22..24 => Operation::Touch(key),
        24..26 => Operation::Remove(key),
        26 => Operation::PurgeToken(key.0),
        27 => Operation::PurgeAll,
        28..31 => Operation::Wait(a % 16),
        _ => Operation::Check,
    }
}
