//! What the processes of an NGINX take of the system.

use std::fs;

use super::process::Nginx;

/// What all workers together, and the master, have in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Worker processes.
    pub workers: usize,
    /// Memory of the workers that they share with nobody, in bytes.
    pub memory: u64,
    /// Memory of the master that it shares with nobody, in bytes.
    pub master_memory: u64,
    /// File descriptors of the workers.
    pub descriptors: usize,
}

impl Nginx {
    /// What is in use now.
    pub fn resources(&self) -> Resources {
        let workers = self.workers();
        Resources {
            workers: workers.len(),
            memory: workers.iter().map(|&pid| private_memory(pid)).sum(),
            master_memory: private_memory(
                self.current_master().as_raw_nonzero().get().unsigned_abs(),
            ),
            descriptors: workers.iter().map(|&pid| descriptors(pid)).sum(),
        }
    }
}

/// Anonymous pages only: those of a zone count as shared.
fn private_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count).unwrap_or_default()
}
