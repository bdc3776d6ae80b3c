//! How long requests took.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Each power of two of microseconds is split in so many.
const PARTS: u32 = 16;
const BUCKETS: usize = 32 * PARTS as usize;

/// Counts durations, each with an error of at most a sixteenth.
pub struct Histogram([AtomicU64; BUCKETS]);

impl Histogram {
    /// Counts one.
    pub fn add(&self, duration: Duration) {
        let micros = duration.as_micros().clamp(1, u128::from(u32::MAX)) as u32;
        let power = micros.ilog2();
        let rest = ((u64::from(micros) * u64::from(PARTS)) >> power) as u32 - PARTS;
        self.0[(power * PARTS + rest) as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The times within which these parts (0 to 1) of all that were counted lie; counting starts
    /// again.
    pub fn take<const N: usize>(&self, parts: [f64; N]) -> [Duration; N] {
        let counts: Vec<u64> =
            self.0.iter().map(|bucket| bucket.swap(0, Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        parts.map(|part| {
            let wanted = (all as f64 * part).ceil() as u64;
            let mut seen = 0;
            let bucket = counts.iter().position(|count| {
                seen += count;
                seen >= wanted.max(1)
            });
            bucket.map(end_of).unwrap_or_default()
        })
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

fn end_of(bucket: usize) -> Duration {
    let (power, rest) = (bucket as u64 / u64::from(PARTS), bucket as u64 % u64::from(PARTS));
    Duration::from_micros((u64::from(PARTS) + rest + 1) << power >> PARTS.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_within_a_sixteenth() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|micros| histogram.add(Duration::from_micros(micros)));

        let [half, most] = histogram.take([0.5, 0.99]).map(|time| time.as_micros() as f64);

        assert!((half / 500.0 - 1.0).abs() < 1.0 / 16.0, "{half}");
        assert!((most / 990.0 - 1.0).abs() < 1.0 / 16.0, "{most}");
        assert_eq!(histogram.take([0.5]), [Duration::ZERO]);
    }
}
