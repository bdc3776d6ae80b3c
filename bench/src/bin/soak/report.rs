//! The report of a soak: `soak.md` and `soak.svg`.

use std::{fmt::Write, fs, io, path::Path, process::Command};

use phantom_token_devkit::Installation;

use crate::{
    gateway::{CONNECTIONS, KNOWN, Run, WORKERS, ZONE},
    plot::{Panel, panels},
    samples::{Sample, megabytes},
    verdict::Criterion,
};

/// As many rows has the table of samples, at most.
const ROWS: usize = 31;

/// Writes both files into that folder.
pub fn write(folder: &Path, run: &Run, verdict: &[Criterion]) -> io::Result<()> {
    fs::write(folder.join("soak.svg"), panels(&lines(run)))?;
    fs::write(folder.join("soak.md"), markdown(run, verdict))
}

fn lines(run: &Run) -> [Panel; 4] {
    let values = |value: &dyn Fn(&Sample) -> f64| run.samples.iter().map(value).collect();
    [
        Panel { title: "requests per second", lines: vec![("", values(&|sample| sample.rate))] },
        Panel {
            title: "latency in us",
            lines: vec![
                ("p50", values(&|sample| sample.p50.as_secs_f64() * 1e6)),
                ("p99", values(&|sample| sample.p99.as_secs_f64() * 1e6)),
            ],
        },
        Panel {
            title: "memory in MB",
            lines: vec![
                ("workers", values(&|sample| megabytes(sample.resources.memory))),
                ("zone", values(&|sample| megabytes(sample.used))),
                ("master", values(&|sample| megabytes(sample.resources.master_memory))),
            ],
        },
        Panel {
            title: "file descriptors of the workers",
            lines: vec![("", values(&|sample| sample.resources.descriptors as f64))],
        },
    ]
}

fn markdown(run: &Run, verdict: &[Criterion]) -> String {
    let totals = &run.totals;
    let minutes = run.samples.last().map_or(0, |sample| sample.at.as_secs().div_ceil(60));
    let mut text = format!(
        "# Soak\n\n`scripts/soak {minutes}` wrote this: {nginx}, {processors} processors, {date}.\n\n\
         {CONNECTIONS} connections keep {WORKERS} workers busy for {minutes} minutes; clients, servers \
         and gateway share the processors. {KNOWN} tokens come again and again, with JWTs of 0.5 to \
         3.5 KB, in a zone of {ZONE} that has room for a part of them; others are new, inactive, good \
         for four seconds, or missing. Fifty times a second at most, a token in use is revoked and \
         purged, and must be refused from then on. The configuration is reloaded each minute. The API \
         checks that each request has the JWT of the client's own token, whole and not expired.\n\n\
         | requests | granted | refused rightly (401) | introspections | revoked and purged | reloads | \
         evictions |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n\
         | {} | {} | {} | {} | {} | {} | {} |\n\n",
        totals.sent,
        totals.granted,
        totals.unauthorized,
        run.introspections,
        run.revoked,
        run.reloads,
        run.status["evictions"],
        nginx = nginx_version(),
        processors = std::thread::available_parallelism().map_or(0, usize::from),
        date = date(),
    );
    text += "## Verdict\n\nGrowth compares the medians of the first and the last third.\n\n\
             | what | found | |\n| --- | --- | --- |\n";
    for Criterion { what, found, holds } in verdict {
        // Writing into a string cannot fail.
        let _ =
            writeln!(text, "| {what} | {found} | {} |", if *holds { "holds" } else { "**fails**" });
    }
    text += "\n![The soak over time](soak.svg)\n\n## Samples\n\n\
             | s | requests/s | p50, us | p99, us | workers | their memory, MB | master's, MB | \
             zone used, MB | descriptors | wrong |\n\
             | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    let step = run.samples.len().div_ceil(ROWS).max(1);
    run.samples.iter().step_by(step).for_each(|sample| text += &row(sample));
    text
}

fn row(sample: &Sample) -> String {
    let Sample { at, rate, p50, p99, resources, used, totals } = sample;
    format!(
        "| {} | {rate:.0} | {} | {} | {} | {:.1} | {:.1} | {:.1} | {} | {} |\n",
        at.as_secs(),
        p50.as_micros(),
        p99.as_micros(),
        resources.workers,
        megabytes(resources.memory),
        megabytes(resources.master_memory),
        megabytes(*used),
        resources.descriptors,
        totals.wrong,
    )
}

fn nginx_version() -> String {
    let output = Command::new(&Installation::get().nginx).arg("-v").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let text = text.unwrap_or_default();
    text.rsplit(' ').next().unwrap_or_default().trim().to_owned()
}

fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
