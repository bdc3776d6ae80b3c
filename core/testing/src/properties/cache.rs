//! A zone of the cache.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, Lookup, Profile};

use crate::model::{Key, Model, Operation};
use crate::{ALONE, TestZone, fresh};

/// The input is any sequence of operations on a zone, which must find what a model of it knows.
pub fn check_beside_model(input: &[u8]) {
    let Some(operations) = super::made_of::<Vec<[u8; 6]>>(input) else { return };
    // Small enough to be full soon.
    let mut model = Model::new(28 * 1024);
    for bytes in operations {
        model.apply(operation(bytes));
    }
    model.zone.assert_sound();
    assert_eq!(model.zone.usage().corruptions, 0);
}

/// The input is any sequence of operations on a zone into which somebody else writes: whatever it
/// finds, it must come to an end and be usable after a purge.
pub fn check_under_corruption(input: &[u8]) {
    const LEN: usize = 24 * 1024;

    let Some(steps) = super::made_of::<Vec<([u8; 4], u32)>>(input) else { return };
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
            5 => zone.forget(&ALONE, &key, zone.ask()),
            6 => _ = zone.check(&ALONE),
            _ => zone.memory.overwrite(at * 4 % LEN, &word.to_le_bytes()),
        }
    }
    zone.purge_all();
    let key = zone.key(b"token", Profile::new(&[]));
    // The first to use it may find that the clock was set back, and purge it once more.
    assert_eq!(zone.lookup(&ALONE, &key, UnixTime(0), &mut found), Lookup::Miss);
    zone.insert(&ALONE, &key, fresh(&zone, b"jwt"), UnixTime(0)).unwrap();
    zone.assert_sound();
}

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
        28..30 => Operation::Wait(a % 16),
        30 => Operation::SetBack(a),
        _ => Operation::Check,
    }
}
