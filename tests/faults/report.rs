//! The row of a fault in the table that `scripts/faults` writes.

use std::{env, fs, path::PathBuf, time::Duration};

use phantom_token_devkit::{Resources, load::Totals};

pub struct Row<'a> {
    /// What the fault is. The rows are sorted by it.
    pub name: &'a str,
    /// How it is made.
    pub how: &'a str,
    pub totals: &'a Totals,
    /// The most requests that may be lost; none, if NGINX refuses requests by closing connections.
    pub bound: Option<u64>,
    pub before: Resources,
    pub after: Resources,
    pub recovery: Duration,
}

impl Row<'_> {
    /// Prints the row, and writes it where the environment says.
    pub fn report(&self) {
        report(self.name, &self.markdown());
    }

    fn markdown(&self) -> String {
        let Self { name, how, totals, before, after, .. } = self;
        let refused = match totals.refusals() {
            0 => "0".to_owned(),
            all => {
                let statuses: Vec<String> = totals.refused.keys().map(u16::to_string).collect();
                format!("{all} ({})", statuses.join(", "))
            }
        };
        let bound = self.bound.map_or("closed by NGINX".to_owned(), |bound| bound.to_string());
        format!(
            "| {name} | {how} | {sent} | {expected} | {refused} | {wrong} | {lost} | {bound} | \
             {before} / {after} | {recovery} |",
            sent = totals.sent,
            expected = totals.expected(),
            wrong = totals.wrong,
            lost = totals.lost,
            before = megabytes(before.memory),
            after = megabytes(after.memory),
            recovery = time(self.recovery),
        )
    }
}

/// Tells of a fault that cannot be made here.
pub fn skipped(name: &str, why: &str) {
    report(name, &format!("| {name} | not made here: {why} | | | | | | | | |"));
}

fn report(name: &str, row: &str) {
    println!("{row}");
    if let Some(folder) = env::var_os("PHANTOM_FAULTS_REPORT").map(PathBuf::from) {
        fs::write(folder.join(format!("{name}.row")), format!("{row}\n")).expect("to write a row");
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / f64::from(1 << 20))
}

fn time(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "at once".to_owned(),
        millis => format!("{millis} ms"),
    }
}
