//! Measures the module beside bare NGINX and its alternatives; `scripts/bench` runs it.

mod authority;
mod budget;
mod burst;
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
    let mut results = Results::default();
    if options.wants("counts") {
        results.counts = counting::count(&options.folder, Extent::Everything)?;
    }
    if options.wants("throughput") {
        results.scenes = throughput::measure(options)?;
    }
    if options.wants("burst") {
        results.bursts = burst::measure(options)?;
    }
    if options.wants("start") {
        results.starts = start::measure(options)?;
    }
    if options.wants("faults") {
        results.faults = faults::measure(options)?;
    }
    match &options.report {
        Some(folder) => results.write(folder)?,
        None => println!("{}", results.markdown(false)),
    }
    Ok(true)
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
