//! How long things took: a histogram.
//!
//! Up to 4 ms each millisecond has a bucket, from there on each quarter of a power of two, so
//! that what is read from it is at most a quarter too long.

/// A histogram of durations in whole milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    pub(super) buckets: [u64; BUCKETS],
    /// Of all durations, in milliseconds.
    pub(super) sum: u64,
}

impl Latency {
    /// Number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        sum(&self.buckets)
    }

    /// Sum of all durations, in milliseconds.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The time, in milliseconds, that `percent` of the durations do not exceed; at most
    /// [`Latency::LONGEST`]. `None` if there are none.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<u64> {
        let percent = u128::from(percent.min(100));
        let rank = u128::from(self.count()).saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0_u128;
        let bucket = self.buckets.iter().position(|&bucket| {
            seen = seen.saturating_add(u128::from(bucket));
            seen >= rank
        });
        bucket.map(longest_in)
    }

    /// For each power of two milliseconds, from 1 to [`Latency::LONGEST`]: it, and the number of
    /// durations shorter than it.
    pub fn shorter_than(&self) -> impl Iterator<Item = (u64, u64)> {
        (0..=LONGEST_LOG).map(|log| {
            let limit = 1 << log;
            (limit, sum(self.buckets.iter().take(bucket_of(limit))))
        })
    }

    /// The longest time told apart from longer ones, in milliseconds: a little over a minute.
    pub const LONGEST: u64 = 1 << LONGEST_LOG;
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum: 0 }
    }
}

/// The bucket of a duration in milliseconds; less than [`BUCKETS`].
pub(super) fn bucket_of(millis: u64) -> usize {
    let millis = millis.min(Latency::LONGEST);
    let Some(shift) = millis.checked_ilog2().and_then(|log| log.checked_sub(QUARTERS_LOG)) else {
        return millis as usize;
    };
    let octave = u64::from(shift) << QUARTERS_LOG;
    octave.wrapping_add(millis >> shift) as usize
}

/// The longest duration that goes into `bucket`, in milliseconds.
fn longest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let Some(shift) = (bucket >> QUARTERS_LOG).checked_sub(1) else {
        return bucket;
    };
    let quarters = bucket.wrapping_sub(shift << QUARTERS_LOG);
    let next = quarters.wrapping_add(1) << shift;
    next.wrapping_sub(1).min(Latency::LONGEST)
}

fn sum<'a>(buckets: impl IntoIterator<Item = &'a u64>) -> u64 {
    buckets.into_iter().fold(0, |sum, &bucket| sum.wrapping_add(bucket))
}

/// Buckets of a histogram: the last one is for [`Latency::LONGEST`] and more.
pub(super) const BUCKETS: usize = 61;

/// Binary logarithm of the number of buckets to a power of two.
const QUARTERS_LOG: u32 = 2;

/// Binary logarithm of [`Latency::LONGEST`].
const LONGEST_LOG: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn latency(durations: &[u64]) -> Latency {
        let mut latency = Latency::default();
        for &millis in durations {
            latency.buckets[bucket_of(millis)] = latency.buckets[bucket_of(millis)].wrapping_add(1);
            latency.sum = latency.sum.wrapping_add(millis);
        }
        latency
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut last = 0;
        for millis in 1..=Latency::LONGEST {
            let bucket = bucket_of(millis);
            assert!(bucket == last || bucket == last.wrapping_add(1), "{millis} ms");
            last = bucket;
        }
        assert_eq!(last, BUCKETS.wrapping_sub(1));
    }

    #[test]
    fn the_longest_durations_share_the_last_bucket() {
        assert_eq!(bucket_of(u64::MAX), BUCKETS.wrapping_sub(1));
        assert_eq!(latency(&[u64::MAX]).percentile(50), Some(Latency::LONGEST));
    }

    #[test]
    fn without_durations_there_is_no_percentile() {
        assert_eq!(Latency::default().percentile(99), None);
    }

    #[test]
    fn percentiles_of_short_durations_are_exact() {
        let latency = latency(&[3, 1, 2, 0]);

        assert_eq!(
            [0, 25, 50, 75, 99, 100].map(|percent| latency.percentile(percent).unwrap()),
            [0, 0, 1, 2, 3, 3]
        );
    }

    #[test]
    fn durations_are_counted_by_powers_of_two() {
        let latency = latency(&[0, 1, 7, 8, 65_535, 65_536, 70_000]);

        let shorter: Vec<_> = latency.shorter_than().collect();

        assert_eq!(shorter[..5], [(1, 1), (2, 2), (4, 2), (8, 3), (16, 4)]);
        assert_eq!(shorter[16..], [(65_536, 5)]);
    }

    proptest! {
        #[test]
        fn a_percentile_is_at_most_a_quarter_too_long(
            mut durations in proptest::collection::vec(0..60_000_u64, 1..50),
            percent in 1..=100_u8,
        ) {
            let found = latency(&durations).percentile(percent).unwrap();

            durations.sort_unstable();
            let rank = durations.len().wrapping_mul(usize::from(percent)).div_ceil(100);
            let exact = durations[rank.wrapping_sub(1)];
            prop_assert!(exact <= found && found <= exact.wrapping_add(exact / 4), "{exact}, {found}");
        }
    }
}
