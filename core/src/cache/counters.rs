//! What has happened in a zone, counted in its memory.
//!
//! Each worker counts on cache lines of its own, so that no two processors take a line from each
//! other; whoever reads adds them up. Counting goes on over a reload, and over the largest number
//! it wraps around.

use super::latency::{self, Latency};
use super::layout::{COUNTERS, CounterLine};
use super::sync::AtomicU64;
use crate::outcome::{CacheStatus, Outcome};
use std::array;
use std::sync::atomic::Ordering;

/// Something that is counted. Each request has one outcome, and one cache status if it has a token to
/// look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// The outcome of a request.
    Outcome(Outcome),
    /// Where in the cache a request was answered from.
    CacheStatus(CacheStatus),
    /// An introspection request was made.
    Introspection,
    /// One of these renews an answer in the background.
    BackgroundUpdate,
}

impl Counter {
    /// What it is called in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outcome(outcome) => outcome.name(),
            Self::CacheStatus(status) => status.name(),
            Self::Introspection => "introspections",
            Self::BackgroundUpdate => "background_updates",
        }
    }

    /// Its place in a line. Zones outlive a reload: a change of places is one of the layout.
    const fn place(self) -> usize {
        match self {
            Self::Outcome(outcome) => outcome as usize,
            Self::CacheStatus(status) => CACHE_STATUSES.wrapping_add(status as usize),
            Self::Introspection => OTHERS,
            Self::BackgroundUpdate => OTHERS.wrapping_add(1),
        }
    }
}

const CACHE_STATUSES: usize = Outcome::ALL.len();
const OTHERS: usize = CACHE_STATUSES.wrapping_add(CacheStatus::ALL.len());

impl From<Outcome> for Counter {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<CacheStatus> for Counter {
    fn from(status: CacheStatus) -> Self {
        Self::CacheStatus(status)
    }
}

/// The place where one worker counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerLine(usize);

impl WorkerLine {
    /// The place of worker number `worker`: `ngx_worker`. In a zone with fewer places than there
    /// are workers, several share one, and nothing is lost but a little time.
    #[must_use]
    pub const fn of(worker: usize) -> Self {
        Self(worker)
    }
}

/// The counters of a zone; see [`Zone::counters`](super::Zone::counters).
#[derive(Clone, Copy)]
pub struct Counters<'a> {
    /// A power of two, or none if the memory is not there.
    lines: &'a [CounterLine],
}

impl<'a> Counters<'a> {
    pub(super) fn new(lines: &'a [CounterLine]) -> Self {
        Self { lines }
    }

    /// Counts one more.
    #[inline]
    pub fn count(self, line: WorkerLine, counter: impl Into<Counter>) {
        let place = counter.into().place();
        let counter = self.line(line).and_then(|line| line.counters.get(place));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an introspection that took so many whole milliseconds.
    pub fn record_latency(self, line: WorkerLine, millis: u64) {
        let Some(line) = self.line(line) else {
            return;
        };
        if let Some(bucket) = line.latencies.get(latency::bucket_of(millis)) {
            bucket.fetch_add(1, Ordering::Relaxed);
            line.latency_sum.fetch_add(millis, Ordering::Relaxed);
        }
    }

    /// All of them as they are now. While workers count, the numbers may be a few requests apart.
    #[must_use]
    pub fn snapshot(self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for line in self.lines {
            add(&mut snapshot.counters, &line.counters);
            add(&mut snapshot.latency.buckets, &line.latencies);
            add(array::from_mut(&mut snapshot.latency.sum), array::from_ref(&line.latency_sum));
        }
        snapshot
    }

    fn line(self, WorkerLine(worker): WorkerLine) -> Option<&'a CounterLine> {
        // The remainder, without a division.
        self.lines.get(worker & self.lines.len().wrapping_sub(1))
    }
}

/// The counters of a zone at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    counters: [u64; COUNTERS],
    latency: Latency,
}

impl Snapshot {
    /// How often that has happened.
    #[must_use]
    pub fn get(&self, counter: impl Into<Counter>) -> u64 {
        self.counters.get(counter.into().place()).copied().unwrap_or_default()
    }

    /// How long introspection took.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }
}

fn add(sums: &mut [u64], values: &[AtomicU64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(value.load(Ordering::Relaxed));
    }
}

const _: () = assert!(Counter::BackgroundUpdate.place() < COUNTERS);

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> CounterLine {
        CounterLine {
            counters: array::from_fn(|_| AtomicU64::new(0)),
            latencies: array::from_fn(|_| AtomicU64::new(0)),
            latency_sum: AtomicU64::new(0),
            unused: array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn lines(count: usize) -> Vec<CounterLine> {
        (0..count).map(|_| line()).collect()
    }

    #[test]
    fn what_workers_count_adds_up() {
        let lines = lines(4);
        let counters = Counters::new(&lines);

        for worker in [0, 1, 3, 4, 1_000_001] {
            counters.count(WorkerLine::of(worker), CacheStatus::ZoneHit);
        }
        counters.count(WorkerLine::of(2), CacheStatus::Miss);

        let snapshot = counters.snapshot();
        assert_eq!(snapshot.get(CacheStatus::ZoneHit), 5);
        assert_eq!(snapshot.get(CacheStatus::Miss), 1);
        assert_eq!(snapshot.get(Outcome::Granted), 0);
    }

    #[test]
    fn each_counter_counts_for_itself() {
        let lines = lines(1);
        let counters = Counters::new(&lines);
        let outcomes = Outcome::ALL.map(Counter::Outcome).into_iter();
        let statuses = CacheStatus::ALL.map(Counter::CacheStatus);
        let others = [Counter::Introspection, Counter::BackgroundUpdate];
        let all = outcomes.chain(statuses).chain(others);

        for (times, counter) in all.clone().enumerate() {
            (0..times).for_each(|_| counters.count(WorkerLine::of(0), counter));
        }

        for (times, counter) in all.enumerate() {
            assert_eq!(counters.snapshot().get(counter), times as u64, "{counter:?}");
        }
    }

    #[test]
    fn workers_count_on_lines_of_their_own() {
        let lines = lines(2);

        Counters::new(&lines).count(WorkerLine::of(1), Outcome::Granted);

        assert_eq!(Counters::new(&lines[..1]).snapshot(), Snapshot::default());
        assert_eq!(Counters::new(&lines[1..]).snapshot().get(Outcome::Granted), 1);
    }

    #[test]
    fn sums_wrap_around() {
        let lines = lines(2);
        for line in &lines {
            line.counters[Counter::Outcome(Outcome::Granted).place()]
                .store(u64::MAX, Ordering::Relaxed);
            line.latency_sum.store(u64::MAX, Ordering::Relaxed);
        }
        let counters = Counters::new(&lines);

        counters.count(WorkerLine::of(0), Outcome::Granted);
        counters.record_latency(WorkerLine::of(0), 6);

        assert_eq!(counters.snapshot().get(Outcome::Granted), u64::MAX);
        assert_eq!(counters.snapshot().latency().sum(), 4);
    }

    #[test]
    fn without_memory_nothing_is_counted() {
        let counters = Counters::new(&[]);

        counters.count(WorkerLine::of(0), Outcome::Granted);
        counters.record_latency(WorkerLine::of(0), 1);

        assert_eq!(counters.snapshot(), Snapshot::default());
    }

    #[test]
    fn latencies_of_all_workers_are_one_histogram() {
        let lines = lines(2);
        let counters = Counters::new(&lines);

        counters.record_latency(WorkerLine::of(0), 10);
        counters.record_latency(WorkerLine::of(1), 30);

        assert_eq!(counters.snapshot().latency().count(), 2);
        assert_eq!(counters.snapshot().latency().sum(), 40);
    }
}
