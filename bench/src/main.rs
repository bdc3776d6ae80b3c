//! Measures the module beside bare NGINX and its alternatives; `scripts/bench` runs it.

mod authority;
mod budget;
mod burst;
mod cache;
mod chart;
mod counting;
mod cpu;
mod faults;
mod goals;
mod h2load;
mod http;
mod load;
mod machine;
mod nginx;
mod options;
mod profile;
mod report;
mod setting;
mod start;
mod statistics;
mod throughput;
mod tmpfs;

use std::{error::Error, path::Path, process::ExitCode};

use counting::Extent;
use options::{Options, USAGE};
use report::Results;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    if let Some(file) = &options.budget {
        return check_budget(options, file);
    }
    let (mut results, mut complete) = (Results::default(), true);
    if options.wants("counts") {
        let counts = counting::count(&options.folder, Extent::Everything);
        results.counts = measured(counts, &mut complete);
    }
    if options.wants("throughput") {
        results.scenes = measured(throughput::measure(options), &mut complete);
    }
    if options.wants("burst") {
        results.bursts = measured(burst::measure(options), &mut complete);
    }
    if options.wants("start") {
        results.starts = measured(start::measure(options), &mut complete);
    }
    if options.wants("cache") {
        results.cache = Some(cache::measure());
    }
    if options.wants("faults") {
        results.faults = measured(faults::measure(options), &mut complete);
    }
    match &options.report {
        Some(folder) => results.write(folder)?,
        None => println!("{}", results.markdown(false)),
    }
    Ok(complete)
}

/// What was measured; when that failed nothing, so that the other parts are not lost with it.
fn measured<T>(part: Result<Vec<T>, Box<dyn Error>>, complete: &mut bool) -> Vec<T> {
    part.unwrap_or_else(|why| {
        eprintln!("this part failed and is left out: {why}");
        *complete = false;
        Vec::new()
    })
}

fn check_budget(options: &Options, file: &Path) -> Result<bool, Box<dyn Error>> {
    let costs = budget::costs(&counting::count(&options.folder, Extent::Budget)?);
    if options.write {
        budget::write(file, &costs)?;
    }
    let within = budget::check(file, &costs)?;
    println!("{}", if within { "Within the budget." } else { "Over the budget." });
    Ok(within)
}
