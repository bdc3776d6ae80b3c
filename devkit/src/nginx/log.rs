//! The error log of a running NGINX.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::polling::eventually;

/// What must not stand in an error log, whatever a test does.
const FAULTS: [&str; 7] = [
    "[alert]",
    "[emerg]",
    "exited on signal",
    "panicked",
    "AddressSanitizer",
    "LeakSanitizer",
    "Memcheck:",
];

/// A log file that may not exist yet.
pub(super) struct Log(pub(super) PathBuf);

impl Log {
    pub(super) fn in_prefix(prefix: &Path, name: &str) -> Self {
        Self(prefix.join("logs").join(name))
    }

    pub(super) fn text(&self) -> String {
        fs::read(&self.0).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Waits for a line with that text in it.
    pub(super) fn wait_for(&self, wanted: &str) -> String {
        let found = || self.text().lines().find(|line| line.contains(wanted)).map(str::to_owned);
        eventually(found).unwrap_or_else(|| panic!("no {wanted:?} in the log:\n{}", self.text()))
    }

    /// The lines that tell of a fault, but for those with one of these texts in them.
    pub(super) fn faults(&self, tolerated: &[String]) -> Vec<String> {
        self.text()
            .lines()
            .filter(|line| FAULTS.iter().any(|fault| line.contains(fault)))
            .filter(|line| !tolerated.iter().any(|text| line.contains(text)))
            .map(str::to_owned)
            .collect()
    }
}
