//! What a zone holds, and how well.

use crate::{ALONE, MEGABYTE, Random, TestZone, fresh, trace};
use lru::LruCache;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Lookup, Profile};
use std::num::NonZeroUsize;

const NOW: UnixTime = UnixTime(0);
/// Keys of the Zipf traces.
pub const KEYS: usize = 100_000;

/// What there is room for in a zone of 64 MB that has been full for long.
pub struct Room {
    /// Tokens that are in it.
    pub tokens: u64,
    /// The mean length of a JWT in bytes.
    pub mean: f64,
    /// Bytes of the zone for each token, beyond its JWT.
    pub overhead: f64,
    /// Inserts that were tried.
    pub inserts: u64,
    /// Inserts that failed.
    pub failures: u64,
}

impl Room {
    /// The overhead that is allowed.
    pub fn bound(&self) -> f64 {
        96.0 + self.mean / 10.0
    }
}

/// Fills a zone with JWTs of lengths that `len` chooses, eight times over.
pub fn room(len: impl Fn(&mut Random) -> usize) -> Room {
    let zone = TestZone::new(64 * MEGABYTE);
    let mut random = Random(1);
    let jwt = vec![b'j'; 16 * 1024];
    let (mut bytes, mut inserts, mut failures) = (0, 0, 0);
    while bytes < 64 * MEGABYTE * 8 {
        let len = len(&mut random);
        failures += u64::from(!store(&zone, random.next(), &jwt[..len]));
        inserts += 1;
        bytes += len;
    }
    let usage = zone.check(&ALONE).unwrap();
    let mean = usage.jwt_bytes as f64 / usage.active as f64;
    let overhead = usage.len as f64 / usage.active as f64 - mean;
    Room { tokens: usage.active, mean, overhead, inserts, failures }
}

/// From half a kilobyte to 16 of them, each length as likely as the next.
pub fn mixed_lengths(random: &mut Random) -> usize {
    512 + random.below(16 * 1024 - 512)
}

/// How many of a hundred lookups find their JWT.
pub struct HitRatio {
    /// Of the zone.
    pub zone: f64,
    /// The same of an exact LRU list with room for as many.
    pub exact_lru: f64,
}

/// Of tokens by popularity, with room for a tenth of them.
pub fn hit_ratio_of_zipf() -> HitRatio {
    hit_ratio(KEYS / 10, trace::zipf(KEYS, 0.99))
}

/// Of the tokens of `trace`, in a zone with room for about as many as `room`.
pub fn hit_ratio(room: usize, mut trace: impl FnMut() -> u64) -> HitRatio {
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
    let [zone, exact_lru] = [hits, lru_hits].map(|hits| 100.0 * hits as f64 / lookups as f64);
    HitRatio { zone, exact_lru }
}

fn store(zone: &TestZone, token: u64, jwt: &[u8]) -> bool {
    let key = zone.key(&token.to_le_bytes(), Profile::new(&[]));
    zone.insert(&ALONE, &key, fresh(zone, jwt), NOW).is_ok()
}
