//! How many instructions the ways of a hit take, and what a miss does with its answer, as valgrind counts
//! them:
//! `cargo bench -p phantom-token-core --bench instructions`.
//!
//! Unlike time, instructions are the same on every machine and in every run. Each workload runs
//! twice, for a different number of rounds; the difference is the rounds' alone.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "no request depends on a benchmark"
)]

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{CacheKey, Generation, Lifetime, WorkerCache, WorkerLine};
use phantom_token_core::outcome::{CacheStatus, Outcome};
use phantom_token_core::token::jwt::Jwt;
use phantom_token_core_testing::{ALONE, MEGABYTE, TestZone};
use std::env;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::process::Command;

const NOW: UnixTime = UnixTime(1);
const LATER: UnixTime = UnixTime(100);
const JWT: [u8; 1200] = [b'j'; 1200];
const TOKENS: usize = 1 << 10;
const ROUNDS: [usize; 2] = [10_000, 110_000];

/// What is measured, and how one round of it goes.
type Workload = (&'static str, fn(&mut Worker, usize));

const WORKLOADS: [Workload; 11] = [
    ("nothing", |_, _| {}),
    ("make a key of a token of 36 bytes", |worker, round| {
        black_box(worker.zone.key_of(&worker.tokens[round % TOKENS]));
    }),
    ("hit in the worker cache", |worker, round| {
        let key = worker.key(round);
        let served = worker.cache.serve(&key, worker.generation, NOW, |hit| {
            black_box((hit.jwt.as_ptr(), hit.jwt.len(), hit.lifetime.expires, hit.touch));
            true
        });
        assert!(served && !worker.cache.served().is_empty());
    }),
    ("miss in the worker cache", |worker, round| {
        let key = worker.other_keys[round % TOKENS];
        let served = worker.cache.serve(black_box(&key), worker.generation, NOW, |_| true);
        assert!(!served);
    }),
    ("put into a full worker cache", |worker, round| {
        let key = worker.key(round);
        worker.small_cache.put(key, &JWT, Lifetime::fresh_until(LATER), worker.generation, NOW);
    }),
    ("read the generation", |worker, _| {
        black_box(worker.zone.generation(black_box(&worker.keys[0])));
    }),
    ("hit in the zone", |worker, round| {
        let key = worker.key(round);
        black_box(worker.zone.lookup(&ALONE, &key, NOW, &mut worker.jwt));
    }),
    ("count one thing", |worker, _| {
        worker.zone.counters().count(black_box(WorkerLine::of(3)), Outcome::Granted);
    }),
    ("count two things", |worker, _| {
        let (counters, line) = (worker.zone.counters(), black_box(WorkerLine::of(3)));
        counters.count(line, Outcome::Granted);
        counters.count(line, CacheStatus::WorkerHit);
    }),
    ("record a latency", |worker, round| {
        worker.zone.counters().record_latency(black_box(WorkerLine::of(3)), round as u64);
    }),
    ("read the times of a JWT of 1,200 bytes", |worker, _| {
        black_box(Jwt::parse(black_box(worker.answer.as_bytes())).unwrap().expires().unwrap());
    }),
];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, workload, rounds] = arguments.as_slice() {
        return run(workload, rounds.parse().unwrap());
    }
    let nothing = instructions(WORKLOADS[0].0);
    for (workload, _) in &WORKLOADS[1..] {
        println!("{workload:40} {:8.0} instructions", instructions(workload) - nothing);
    }
}

fn run(workload: &str, rounds: usize) {
    let (_, act) = WORKLOADS.iter().find(|(name, _)| *name == workload).unwrap();
    let mut worker = Worker::new();
    for round in 0..rounds {
        act(black_box(&mut worker), black_box(round));
    }
}

/// Instructions of one round.
fn instructions(workload: &str) -> f64 {
    let [few, many] = ROUNDS.map(|rounds| instructions_of_process(workload, rounds));
    (many - few) as f64 / (ROUNDS[1] - ROUNDS[0]) as f64
}

fn instructions_of_process(workload: &str, rounds: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args([workload, &rounds.to_string()])
        .output()
        .expect("valgrind is installed");
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    collected.unwrap_or_else(|| panic!("{report}")).1.trim().parse().unwrap()
}

/// A worker whose caches hold all tokens.
struct Worker {
    zone: TestZone,
    generation: Generation,
    cache: WorkerCache,
    small_cache: WorkerCache,
    tokens: Vec<String>,
    keys: Vec<CacheKey>,
    other_keys: Vec<CacheKey>,
    jwt: Vec<u8>,
    answer: String,
}

impl Worker {
    fn new() -> Self {
        let zone = TestZone::new(10 * MEGABYTE);
        let tokens: Vec<_> = (0..TOKENS).map(|number| format!("token {number:030}")).collect();
        tokens.iter().for_each(|token| zone.store_jwt(token, &JWT));
        let keys: Vec<_> = tokens.iter().map(|token| zone.key_of(token)).collect();
        let other_keys =
            (0..TOKENS).map(|number| zone.key_of(&format!("other {number}"))).collect();
        let generation = zone.generation(&keys[0]);
        let mut cache = worker_cache(TOKENS);
        for &key in &keys {
            cache.put(key, &JWT, Lifetime::fresh_until(LATER), generation, NOW);
        }
        let small_cache = worker_cache(100);
        let (jwt, answer) = (Vec::new(), answer());
        Self { zone, generation, cache, small_cache, tokens, keys, other_keys, jwt, answer }
    }

    fn key(&self, round: usize) -> CacheKey {
        self.keys[round % TOKENS]
    }
}

/// A JWT with the claims of an access token.
fn answer() -> String {
    let groups: Vec<_> = (0..20).map(|index| format!("orders:read:{index:04}")).collect();
    let claims = serde_json::json!({
        "iss": "https://login.example.com", "aud": "api.example.com", "sub": "alice",
        "exp": 4_000_000_000_u64, "iat": 1_700_000_000, "scope": "openid orders", "groups": groups,
    });
    let [header, claims] = [r#"{"alg":"RS256","typ":"at+jwt"}"#, &claims.to_string()]
        .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let start = format!("{header}.{claims}.");
    let signature = "A".repeat(1200 - start.len());
    start + &signature
}

fn worker_cache(entries: usize) -> WorkerCache {
    WorkerCache::new(NonZeroUsize::new(entries).unwrap(), 16 * MEGABYTE)
}
