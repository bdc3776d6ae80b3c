//! Values that tell whether they are whole, and whose they are.

use crate::random::Random;

/// A value for `token`, of 16 bytes or more.
pub fn value(token: u64, seed: u64, len: usize) -> Vec<u8> {
    let mut value = [token, seed].map(u64::to_le_bytes).concat();
    let mut random = Random(token ^ seed.rotate_left(32));
    while value.len() < len {
        value.extend_from_slice(&random.next().to_le_bytes());
    }
    value.truncate(len.max(16));
    value
}

/// Panics unless `found` is a value for `token`, to the last byte.
pub fn assert_whole(token: u64, found: &[u8]) {
    let seed = u64::from_le_bytes(found[8..16].try_into().unwrap());
    assert!(found == value(token, seed, found.len()), "not a value of token {token}");
}
