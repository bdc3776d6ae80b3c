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

use phantom_token_core_testing::capacity::{self, KEYS, hit_ratio, mixed_lengths, room};
use phantom_token_core_testing::{Random, trace};

fn main() {
    println!("bytes per token, in a zone of 64 MB that has been full for long");
    println!("{:>16} {:>8} {:>10} {:>10} {:>6}", "JWTs", "tokens", "mean JWT", "overhead", "bound");
    for len in [512, 700, 1_000, 1_200, 1_500, 2_000, 4_000, 8_000, 16_000] {
        bytes_per_token(&format!("{len}"), |_| len);
    }
    bytes_per_token("1.1 to 1.4 KB", |random| 1_100 + random.below(300));
    bytes_per_token("0.5 to 16 KB", mixed_lengths);
    bytes_per_token("a real mix", |random| match random.below(100) {
        0..70 => 900 + random.below(600),
        70..95 => 1_500 + random.below(1_500),
        95..99 => 3_000 + random.below(5_000),
        _ => 8_000 + random.below(8_000),
    });

    println!("\nhit ratio, JWTs of 1200 bytes");
    println!("{:>40} {:>8} {:>10}", "trace", "zone", "exact LRU");
    hits("Zipf(0.99), room for 10 %", capacity::hit_ratio_of_zipf());
    hits("Zipf(0.7), room for 10 %", hit_ratio(KEYS / 10, trace::zipf(KEYS, 0.7)));
    hits("Zipf(0.99) and scans, room for 10 %", hit_ratio(KEYS / 10, trace::scans(KEYS, 0.99)));
    hits("a loop somewhat too long", hit_ratio(KEYS / 10, trace::circle(KEYS / 9)));
    hits("any of all, room for 50 %", hit_ratio(KEYS / 2, trace::uniform(KEYS)));
}

fn bytes_per_token(name: &str, len: impl Fn(&mut Random) -> usize) {
    let room = room(len);
    let (mean, overhead, bound) = (room.mean, room.overhead, room.bound());
    println!("{name:>16} {:>8} {mean:>10.0} {overhead:>10.1} {bound:>6.0}", room.tokens);
    assert_eq!(room.failures, 0, "{name}: of {} inserts", room.inserts);
    assert!(overhead <= bound, "{name}");
}

fn hits(name: &str, ratio: capacity::HitRatio) {
    println!("{name:>40} {:>7.2}% {:>9.2}%", ratio.zone, ratio.exact_lru);
    assert!(ratio.zone >= ratio.exact_lru - 1.0, "{name}");
}
