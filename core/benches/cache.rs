//! How long the zone takes: `cargo bench -p phantom-token-core --bench cache`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    missing_docs,
    reason = "no request depends on a benchmark"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Lookup, Profile};
use phantom_token_core_testing::{ALONE, MEGABYTE, Random, TestProcess, TestZone, fresh, trace};
use std::hint::black_box;
use std::thread;
use std::time::Instant;

const NOW: UnixTime = UnixTime(0);
const JWT: [u8; 1200] = [b'j'; 1200];
const ENTRIES: [u64; 3] = [1_000, 100_000, 1_000_000];

criterion_group!(benches, lookup, insert, contention);
criterion_main!(benches);

/// A token of 32 bytes, made up without touching memory.
fn token(number: u64) -> [u8; 32] {
    let mut token = [0; 32];
    let mut random = Random(number);
    for part in token.chunks_exact_mut(8) {
        part.copy_from_slice(&random.next().to_le_bytes());
    }
    token
}

fn store(zone: &TestZone, number: u64, jwt: &[u8]) {
    let key = zone.key(&token(number), Profile::new(&[]));
    zone.insert(&ALONE, &key, fresh(zone, jwt), NOW).unwrap();
}

fn filled(entries: u64) -> TestZone {
    let zone = TestZone::new(MEGABYTE + entries as usize * 1600);
    (0..entries).for_each(|number| store(&zone, number, &JWT));
    assert_eq!(zone.usage().active, entries);
    zone
}

/// From the token to its JWT, or to knowing that there is none: at random among all entries, by
/// popularity, and among a thousand entries, as many as a busy gateway may see in a moment. The
/// last compares zones of different sizes; the others compare the processor's caches as well,
/// which hold all of the smallest zone and next to nothing of the largest.
fn lookup(c: &mut Criterion) {
    let profile = Profile::new(&[]);
    let mut group = c.benchmark_group("lookup");
    for entries in ENTRIES {
        let zone = filled(entries);
        let mut jwt = Vec::new();
        let mut random = Random(1);
        let mut look =
            |number: u64| zone.lookup(&ALONE, &zone.key(&token(number), profile), NOW, &mut jwt);
        group.bench_function(BenchmarkId::new("hit, any of all", entries), |b| {
            b.iter(|| {
                let found = look(random.next() % entries);
                assert!(matches!(found, Lookup::Fresh(_)));
            });
        });
        group.bench_function(BenchmarkId::new("hit, one of 1000 in use", entries), |b| {
            b.iter(|| {
                let found = look(random.next() % 1_000 * (entries / 1_000));
                assert!(matches!(found, Lookup::Fresh(_)));
            });
        });
        let mut trace = trace::zipf(entries as usize, 0.99);
        let trace: Vec<u64> = (0..1 << 18).map(|_| trace()).collect();
        let mut trace = trace.iter().cycle();
        group.bench_function(BenchmarkId::new("hit, Zipf(0.99)", entries), |b| {
            b.iter(|| {
                let found = look(*trace.next().unwrap());
                assert!(matches!(found, Lookup::Fresh(_)));
            });
        });
        group.bench_function(BenchmarkId::new("miss", entries), |b| {
            b.iter(|| black_box(look(entries + random.next() % entries)));
        });
    }
}

/// Into a full zone, JWTs of 0.5 to 16 KB.
fn insert(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert into a full zone");
    let jwt = vec![b'j'; 16 * 1024];
    for megabytes in [10, 100, 1000] {
        let zone = TestZone::new(megabytes * MEGABYTE);
        let mut random = Random(1);
        let mut number = 0;
        let mut insert = || {
            number += 1;
            store(&zone, number, &jwt[..512 + random.below(16 * 1024 - 512)]);
        };
        (0..megabytes * 200).for_each(|_| insert());
        assert!(zone.usage().evictions > 0);
        group.bench_function(BenchmarkId::new("MB", megabytes), |b| b.iter(&mut insert));
    }
}

/// Lookups by several threads at once, of one token and of a thousand.
fn contention(c: &mut Criterion) {
    let zone = filled(1_000);
    let profile = Profile::new(&[]);
    let mut group = c.benchmark_group("lookup at once");
    for tokens in [1, 1_000] {
        for threads in [1, 2, 4] {
            let name = format!("{tokens} tokens, {threads} users");
            group.throughput(Throughput::Elements(threads));
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter_custom(|lookups| {
                    let start = Instant::now();
                    thread::scope(|scope| {
                        for id in 1..=threads {
                            let zone = &zone;
                            scope.spawn(move || {
                                let process = TestProcess { id, living: threads };
                                let mut random = Random(id);
                                let mut jwt = Vec::new();
                                for _ in 0..lookups {
                                    let key = zone.key(&token(random.next() % tokens), profile);
                                    black_box(zone.lookup(&process, &key, NOW, &mut jwt));
                                }
                            });
                        }
                    });
                    start.elapsed()
                });
            });
        }
    }
}
