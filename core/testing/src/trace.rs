//! Made-up sequences of tokens.

use crate::random::Random;

/// Any of `keys`, each as likely as the next.
pub fn uniform(keys: usize) -> impl FnMut() -> u64 {
    let mut random = Random(7);
    move || random.below(keys) as u64
}

/// Any of `keys`, the n-th most popular with a likelihood of `1 / n^exponent`.
pub fn zipf(keys: usize, exponent: f64) -> impl FnMut() -> u64 {
    let mut total = 0.0;
    let mut sums = Vec::with_capacity(keys);
    for rank in 1..=keys {
        total += (rank as f64).powf(-exponent);
        sums.push(total);
    }
    let mut random = Random(7);
    move || {
        let point = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * total;
        sums.partition_point(|&sum| sum <= point) as u64
    }
}

/// The same, with runs of keys that come once and never again.
pub fn scans(keys: usize, exponent: f64) -> impl FnMut() -> u64 {
    let mut popular = zipf(keys, exponent);
    let mut step = 0_u64;
    move || {
        step += 1;
        if step % 40_000 < 10_000 { keys as u64 + step } else { popular() }
    }
}

/// `keys` over and over, in order.
pub fn circle(keys: usize) -> impl FnMut() -> u64 {
    let mut step = 0;
    move || {
        step += 1;
        (step % keys) as u64
    }
}
