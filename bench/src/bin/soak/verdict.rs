//! What must hold at the end.

use std::{fmt, time::Duration};

use crate::{
    gateway::{Run, WORKERS},
    samples::{Sample, megabytes},
};

/// One thing that must hold.
pub struct Criterion {
    pub what: &'static str,
    pub found: String,
    pub holds: bool,
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mark = if self.holds { "ok    " } else { "FAILED" };
        write!(f, "{mark} {}: {}", self.what, self.found)
    }
}

/// Judges a run. Growth is told by comparing the first and the last third of the samples.
pub fn judge(run: &Run) -> Vec<Criterion> {
    let workers = thirds(run, |sample| megabytes(sample.resources.memory));
    let master = thirds(run, |sample| megabytes(sample.resources.master_memory));
    let descriptors = thirds(run, |sample| sample.resources.descriptors as f64);
    let p50 = thirds(run, |sample| micros(sample.p50));
    let p99 = thirds(run, |sample| micros(sample.p99));
    let most_workers = run.samples.iter().map(|sample| sample.resources.workers).max();
    let totals = &run.totals;
    vec![
        count("wrong answers", totals.wrong),
        count("refused by NGINX", totals.refusals()),
        count("lost", totals.lost),
        Criterion {
            what: "alerts, signs of damage, and other findings",
            found: if run.findings.is_empty() { "0".to_owned() } else { run.findings.join("; ") },
            holds: run.findings.is_empty(),
        },
        growth("memory of the workers, MB", workers, 1.1, 1.0),
        growth("memory of the master, MB", master, 1.1, 1.0),
        growth("file descriptors of the workers", descriptors, 1.1, 10.0),
        growth("p50, us", p50, 1.25, 50.0),
        growth("p99, us", p99, 1.5, 500.0),
        count("reloads after which old workers stayed for more than 10 s", run.slow_reloads),
        Criterion {
            what: "most workers in a sample",
            found: most_workers.unwrap_or_default().to_string(),
            // A sample may be taken while old workers finish what is in flight.
            holds: most_workers.is_some_and(|most| most <= 2 * WORKERS),
        },
    ]
}

fn count(what: &'static str, count: u64) -> Criterion {
    Criterion { what, found: count.to_string(), holds: count == 0 }
}

/// The median of the last third is at most so many times that of the first, and so much more.
fn growth(what: &'static str, thirds: (f64, f64), times: f64, more: f64) -> Criterion {
    let (first, last) = thirds;
    let bound = first * times + more;
    let found = format!("{first:.1} in the first third, {last:.1} in the last, at most {bound:.1}");
    Criterion { what, found, holds: last <= bound }
}

fn thirds(run: &Run, value: impl Fn(&Sample) -> f64) -> (f64, f64) {
    let values: Vec<f64> = run.samples.iter().map(value).collect();
    let third = values.len().div_ceil(3);
    (median(&values[..third]), median(&values[values.len() - third..]))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
