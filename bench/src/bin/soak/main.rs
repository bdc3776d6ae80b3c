//! Keeps the gateway under full load for a long time, with tokens that come and go and a reload each
//! minute, and looks whether anything grows, slows down or goes wrong; `scripts/soak` runs it.

mod gateway;
mod plot;
mod report;
mod revocation;
mod samples;
mod verdict;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gateway::Soak;
use phantom_token_devkit::interruption;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(10);
const BETWEEN_RELOADS: Duration = Duration::from_secs(60);
/// How often the main thread looks what is to be done.
const TICK: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let minutes = arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(minutes), Some(folder), None) = (
        minutes.filter(|&minutes| minutes > 0),
        arguments.next().map(PathBuf::from),
        arguments.next(),
    ) else {
        eprintln!("usage: soak MINUTES FOLDER-FOR-THE-REPORT");
        return ExitCode::from(2);
    };
    match run(Duration::from_secs(minutes * 60), folder) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Says whether all was well. Everything that was started has ended then.
fn run(duration: Duration, folder: PathBuf) -> bool {
    let interrupted = interruption();
    let mut soak = Soak::start();
    let began = Instant::now();
    let (mut next_sample, mut next_reload) = (INTERVAL, BETWEEN_RELOADS);
    while began.elapsed() < duration {
        if interrupted.load(Ordering::SeqCst) {
            soak.end();
            eprintln!("interrupted: nothing is written");
            return false;
        }
        if began.elapsed() >= next_reload {
            soak.reload();
            next_reload += BETWEEN_RELOADS;
        }
        if began.elapsed() >= next_sample {
            soak.sample(began.elapsed());
            next_sample += INTERVAL;
        }
        std::thread::sleep(TICK);
    }
    let run = soak.end();
    let verdict = verdict::judge(&run);
    report::write(&folder, &run, &verdict).expect("to write the report");
    verdict.iter().for_each(|criterion| println!("{criterion}"));
    verdict.iter().all(|criterion| criterion.holds)
}
