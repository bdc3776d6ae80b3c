//! What became of requests.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::histogram::Histogram;

/// As many wrong answers are described; all are counted.
const DESCRIBED: usize = 10;

/// Things that must not be.
#[derive(Default)]
pub struct Findings {
    count: AtomicU64,
    first: Mutex<Vec<String>>,
}

impl Findings {
    /// Adds one.
    pub fn add(&self, what: String) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut first = self.first.lock().expect("the findings");
        if first.len() < DESCRIBED {
            first.push(what);
        }
    }

    /// The number of all.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// The first of them.
    pub fn first(&self) -> Vec<String> {
        self.first.lock().expect("the findings").clone()
    }
}

/// The counts of a load, while it runs.
#[derive(Default)]
pub struct Tally {
    pub(super) sent: AtomicU64,
    pub(super) granted: AtomicU64,
    pub(super) unauthorized: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) resent: AtomicU64,
    pub(super) refused: Mutex<BTreeMap<u16, u64>>,
    pub(super) last_failure: Mutex<Option<Instant>>,
    /// Wrong answers.
    pub wrong: Findings,
    /// How long the expected answers took.
    pub latency: Histogram,
}

/// The counts of a load at one moment.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Requests.
    pub sent: u64,
    /// Answered by the API, with the right JWT.
    pub granted: u64,
    /// Refused with 401, rightly.
    pub unauthorized: u64,
    /// Refused with one of the statuses that are accepted.
    pub refused: BTreeMap<u16, u64>,
    /// Without an answer, because the connection ended.
    pub lost: u64,
    /// Sent once more, because the connection had been closed while nothing was under way on it.
    pub resent: u64,
    /// Anything else.
    pub wrong: u64,
}

impl Tally {
    /// The counts now.
    pub fn totals(&self) -> Totals {
        let load = |count: &AtomicU64| count.load(Ordering::SeqCst);
        Totals {
            sent: load(&self.sent),
            granted: load(&self.granted),
            unauthorized: load(&self.unauthorized),
            refused: self.refused.lock().expect("the refused").clone(),
            lost: load(&self.lost),
            resent: load(&self.resent),
            wrong: self.wrong.count(),
        }
    }

    /// When a request last had anything but the expected answer.
    pub fn last_failure(&self) -> Option<Instant> {
        *self.last_failure.lock().expect("the last failure")
    }

    pub(super) fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn fail(&self) {
        *self.last_failure.lock().expect("the last failure") = Some(Instant::now());
    }

    pub(super) fn refuse(&self, status: u16) {
        *self.refused.lock().expect("the refused").entry(status).or_default() += 1;
        self.fail();
    }
}

impl Totals {
    /// Answered as expected.
    pub fn expected(&self) -> u64 {
        self.granted + self.unauthorized
    }

    /// Refused with an accepted status, all together.
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// These and others together.
    pub fn with(mut self, others: &Self) -> Self {
        self.sent += others.sent;
        self.granted += others.granted;
        self.unauthorized += others.unauthorized;
        self.lost += others.lost;
        self.resent += others.resent;
        self.wrong += others.wrong;
        for (&status, count) in &others.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self
    }

    /// Whether each request became something.
    pub fn is_complete(&self) -> bool {
        self.sent == self.expected() + self.refusals() + self.lost + self.wrong
    }
}
