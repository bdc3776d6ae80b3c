//! Measures the module beside bare NGINX and its alternatives; `scripts/bench` runs it.

mod budget;
mod counting;
mod cpu;
mod h2load;
mod http;
mod load;
mod machine;
mod nginx;
mod options;
mod profile;
mod setting;
mod statistics;
mod throughput;

use std::{error::Error, path::Path, process::ExitCode};

use counting::Extent;
use options::{Options, USAGE};

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
    match &options.budget {
        Some(file) => check_budget(options, file),
        None => {
            for s in throughput::measure(options)? {
                println!("{}", s.title);
                for r in s.rows {
                    println!(
                        "  {:36} {:7.2} {:.3} ({:.3}-{:.3}) {:7.0} {:?} {:?}",
                        r.name, r.cpu, r.ratio.0, r.ratio.1, r.ratio.2, r.rate, r.latency, r.memory
                    );
                }
            }
            Ok(true)
        }
    }
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
