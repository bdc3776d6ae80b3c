//! What the numbers were measured on.

use std::{fs, process::Command};

use phantom_token_devkit::Installation;

/// Descriptions for the head of a report: a name and a value each.
pub fn description() -> Vec<(&'static str, String)> {
    vec![
        ("date", output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("commit", commit()),
        ("processor", processor()),
        ("memory", memory()),
        ("kernel", kernel()),
        ("NGINX", nginx()),
        ("compiler", output("rustc", &["--version"])),
        ("valgrind", output("valgrind", &["--version"])),
    ]
}

/// The version of NGINX, comparable.
pub fn nginx_version() -> Vec<u32> {
    let version = nginx();
    let numbers = version.split_ascii_whitespace().next().unwrap_or_default().split('.');
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// The version, without what the machine's owner calls it.
fn kernel() -> String {
    let kernel = output("uname", &["-sr"]);
    kernel.split('-').next().unwrap_or_default().to_owned()
}

fn nginx() -> String {
    let output = Command::new(&Installation::get().nginx).arg("-v").output();
    let printed = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let printed = printed.unwrap_or_default();
    printed.split_once("nginx/").map_or(String::new(), |(_, version)| version.trim().to_owned())
}

fn commit() -> String {
    let commit = output("git", &["rev-parse", "--short", "HEAD"]);
    let changed = output("git", &["status", "--porcelain", "--", "src", "core/src", "bench"]);
    if changed.is_empty() { commit } else { format!("{commit}, with changes") }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value(&text, "model name").unwrap_or("unknown");
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {count} processors")
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        value(&text, "MemTotal").and_then(|total| total.split(' ').next()?.parse().ok());
    format!("{:.0} GB", kilobytes.unwrap_or(0.0_f64) / f64::from(1 << 20))
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let printed = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    printed.unwrap_or_default()
}
