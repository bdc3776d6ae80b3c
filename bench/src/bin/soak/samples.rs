//! What is measured every ten seconds.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use phantom_token_devkit::{
    Nginx, Resources,
    load::{Tally, Totals},
};

/// What was measured at one time, or since the last.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Since the begin.
    pub at: Duration,
    /// Requests per second.
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
    pub resources: Resources,
    /// Bytes of the zone in use.
    pub used: u64,
    pub totals: Totals,
}

/// Takes samples.
pub struct Sampler {
    tally: Arc<Tally>,
    last: Instant,
    answered: u64,
    samples: Vec<Sample>,
}

impl Sampler {
    pub fn new(tally: Arc<Tally>) -> Self {
        Self { tally, last: Instant::now(), answered: 0, samples: Vec::new() }
    }

    pub fn sample(&mut self, at: Duration, nginx: &Nginx) -> &Sample {
        let totals = self.tally.totals();
        let seconds = self.last.elapsed().as_secs_f64();
        let answered = totals.expected() - self.answered;
        (self.last, self.answered) = (Instant::now(), totals.expected());
        let [p50, p99] = self.tally.latency.take([0.5, 0.99]);
        let status = nginx.get("/status").send().json();
        self.samples.push(Sample {
            at,
            rate: answered as f64 / seconds,
            p50,
            p99,
            resources: nginx.resources(),
            used: status["zones"]["phantom_token"]["used"].as_u64().unwrap_or_default(),
            totals,
        });
        &self.samples[self.samples.len() - 1]
    }

    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { at, rate, p50, p99, resources, used, totals } = self;
        write!(
            f,
            "{:5} s  {rate:6.0}/s  p50 {:5} us  p99 {:6} us  {} workers {:5.1} MB  master {:4.1} MB  \
             zone {:4.1} MB  {:3} descriptors  refused {}  lost {}  wrong {}",
            at.as_secs(),
            p50.as_micros(),
            p99.as_micros(),
            resources.workers,
            megabytes(resources.memory),
            megabytes(resources.master_memory),
            megabytes(*used),
            resources.descriptors,
            totals.refusals(),
            totals.lost,
            totals.wrong,
        )
    }
}

/// Bytes in millions of bytes, as powers of two.
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
