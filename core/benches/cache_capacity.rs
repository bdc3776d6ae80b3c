//! What a zone holds, and how well: `cargo bench -p phantom-token-core --bench cache_capacity`.
//!
//! Prints bytes per token for JWTs of several lengths and hit ratios beside exact LRU, and fails
//! if a number is out of its bounds.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "no request depends on a benchmark"
)]

#[path = "../tests/cache/memory.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod memory;
#[path = "support/trace.rs"]
mod trace;

use lru::LruCache;
use memory::{ALONE, MEGABYTE, Random, TestZone, fresh};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Lookup, Profile};
use std::num::NonZeroUsize;

const NOW: UnixTime = UnixTime(0);

fn main() {
    println!("bytes per token, in a zone of 64 MB that has been full for long");
    println!("{:>16} {:>8} {:>10} {:>10} {:>6}", "JWTs", "tokens", "mean JWT", "overhead", "bound");
    for len in [512, 700, 1_000, 1_200, 1_500, 2_000, 4_000, 8_000, 16_000] {
        bytes_per_token(&format!("{len}"), |_| len);
    }
    bytes_per_token("1.1 to 1.4 KB", |random| 1_100 + random.below(300));
    bytes_per_token("0.5 to 16 KB", |random| 512 + random.below(16 * 1024 - 512));
    bytes_per_token("a real mix", |random| match random.below(100) {
        0..70 => 900 + random.below(600),
        70..95 => 1_500 + random.below(1_500),
        95..99 => 3_000 + random.below(5_000),
        _ => 8_000 + random.below(8_000),
    });

    println!("\nhit ratio, JWTs of 1200 bytes");
    println!("{:>40} {:>8} {:>10}", "trace", "zone", "exact LRU");
    let keys = 100_000;
    hit_ratio("Zipf(0.99), room for 10 %", keys / 10, trace::zipf(keys, 0.99));
    hit_ratio("Zipf(0.7), room for 10 %", keys / 10, trace::zipf(keys, 0.7));
    hit_ratio("Zipf(0.99) and scans, room for 10 %", keys / 10, trace::scans(keys, 0.99));
    hit_ratio("a loop somewhat too long", keys / 10, trace::circle(keys / 9));
    hit_ratio("any of all, room for 50 %", keys / 2, trace::uniform(keys));
}

fn bytes_per_token(name: &str, len: impl Fn(&mut Random) -> usize) {
    let zone = TestZone::new(64 * MEGABYTE);
    let mut random = Random(1);
    let jwt = vec![b'j'; 16 * 1024];
    let mut inserted = 0;
    while inserted < 64 * MEGABYTE * 8 {
        let len = len(&mut random);
        store(&zone, random.next(), &jwt[..len]);
        inserted += len;
    }
    let usage = zone.check(&ALONE).unwrap();
    let mean = usage.jwt_bytes as f64 / usage.active as f64;
    let overhead = usage.len as f64 / usage.active as f64 - mean;
    let bound = 96.0 + mean / 10.0;
    println!("{name:>16} {:>8} {mean:>10.0} {overhead:>10.1} {bound:>6.0}", usage.active);
    assert!(overhead <= bound, "{name}");
}

fn hit_ratio(name: &str, room: usize, mut trace: impl FnMut() -> u64) {
    let zone = TestZone::new(128 * 1024 + room * 1300);
    let jwt = [b'j'; 1200];
    let mut number = 0;
    while number < 2 * room as u64 {
        number += 1;
        store(&zone, u64::MAX - number, &jwt);
    }
    // Now that each shard is full, exact LRU gets room for as many entries.
    let mut lru = LruCache::new(NonZeroUsize::new(zone.usage().active as usize).unwrap());
    let mut found = Vec::new();
    let (mut hits, mut lru_hits) = (0, 0);
    let warm_up = room * 20;
    let lookups = room * 100;
    for step in 0..warm_up + lookups {
        let token = trace();
        let key = zone.key(&token.to_le_bytes(), Profile::new(&[]));
        let hit = zone.lookup(&ALONE, &key, NOW, &mut found) != Lookup::Miss;
        if !hit {
            store(&zone, token, &jwt);
        }
        let lru_hit = lru.get(&token).is_some();
        if !lru_hit {
            lru.put(token, ());
        }
        if step >= warm_up {
            hits += usize::from(hit);
            lru_hits += usize::from(lru_hit);
        }
    }
    let [zone, lru] = [hits, lru_hits].map(|hits| 100.0 * hits as f64 / lookups as f64);
    println!("{name:>40} {zone:>7.2}% {lru:>9.2}%");
    assert!(zone >= lru - 1.0, "{name}");
}

fn store(zone: &TestZone, token: u64, jwt: &[u8]) {
    let key = zone.key(&token.to_le_bytes(), Profile::new(&[]));
    zone.insert(&ALONE, &key, fresh(zone, jwt), NOW).unwrap();
}
