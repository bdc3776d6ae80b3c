//! The zone alone, without NGINX: how its cost grows, what it holds, and what it keeps.

use std::{hint::black_box, time::Instant};

use phantom_token_core::{
    UnixTime,
    cache::{Lookup, Profile},
};
use phantom_token_core_testing::{
    ALONE, MEGABYTE, Random, TestZone,
    capacity::{self, HitRatio, Room},
    fresh,
};

use crate::statistics::median;

const NOW: UnixTime = UnixTime(0);
const JWT: [u8; 1200] = [b'j'; 1200];
/// As many tokens as a busy gateway sees in a moment.
const IN_USE: u64 = 1_000;
const SMALL: u64 = 1_000;
const LARGE: u64 = 1_000_000;
const ROUNDS: usize = 31;
const LOOKUPS: u64 = 20_000;

/// What was measured of the zone.
pub struct Cache {
    /// Of the tokens in a zone with few, and in one with many.
    pub lookups: Vec<Growth>,
    /// By the lengths of the JWTs.
    pub rooms: Vec<(&'static str, Room)>,
    /// Of tokens by popularity.
    pub hits: HitRatio,
}

/// How much longer a lookup takes in a large zone.
pub struct Growth {
    /// Which tokens are looked up.
    pub tokens: &'static str,
    /// Nanoseconds of a lookup among 1,000 entries.
    pub small: f64,
    /// Nanoseconds of a lookup among 1,000,000 entries.
    pub large: f64,
    /// The median of the ratios.
    pub ratio: f64,
}

/// Measures.
pub fn measure() -> Cache {
    eprintln!("    the zone alone: what it holds");
    let rooms = vec![
        ("512 bytes", capacity::room(|_| 512)),
        ("1200 bytes", capacity::room(|_| 1200)),
        ("16000 bytes", capacity::room(|_| 16_000)),
        ("0.5 to 16 KB, mixed", capacity::room(capacity::mixed_lengths)),
    ];
    eprintln!("    the zone alone: what it keeps");
    let hits = capacity::hit_ratio_of_zipf();
    eprintln!("    the zone alone: lookups among 1,000 and among 1,000,000");
    let (small, large) = (filled(SMALL), filled(LARGE));
    let lookups = vec![
        growth("1,000 in use", [&small, &large], |random, entries| {
            random.next() % IN_USE * (entries / IN_USE)
        }),
        growth("any of all", [&small, &large], |random, entries| random.next() % entries),
    ];
    Cache { lookups, rooms, hits }
}

fn growth(
    tokens: &'static str,
    zones: [&TestZone; 2],
    choose: impl Fn(&mut Random, u64) -> u64,
) -> Growth {
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let mut random = Random(round as u64);
        times.push(zones.map(|zone| {
            let entries = zone.usage().active;
            let numbers: Vec<u64> = (0..LOOKUPS).map(|_| choose(&mut random, entries)).collect();
            time(zone, &numbers)
        }));
    }
    Growth {
        tokens,
        small: median(times.iter().map(|[small, _]| *small)),
        large: median(times.iter().map(|[_, large]| *large)),
        ratio: median(times.iter().map(|[small, large]| large / small)),
    }
}

/// Nanoseconds of a lookup, from the token to its JWT.
fn time(zone: &TestZone, numbers: &[u64]) -> f64 {
    let profile = Profile::new(&[]);
    let mut jwt = Vec::new();
    let started = Instant::now();
    for &number in numbers {
        let found = zone.lookup(&ALONE, &zone.key(&token(number), profile), NOW, &mut jwt);
        assert!(matches!(black_box(found), Lookup::Fresh(_)));
    }
    started.elapsed().as_secs_f64() * 1e9 / numbers.len() as f64
}

fn filled(entries: u64) -> TestZone {
    let zone = TestZone::new(MEGABYTE + entries as usize * 1600);
    let profile = Profile::new(&[]);
    for number in 0..entries {
        let stored =
            zone.insert(&ALONE, &zone.key(&token(number), profile), fresh(&zone, &JWT), NOW);
        stored.expect("there is room for all");
    }
    zone
}

/// A token of 32 bytes.
fn token(number: u64) -> [u8; 32] {
    let mut token = [b't'; 32];
    token[..8].copy_from_slice(&number.to_le_bytes());
    token
}
