//! Processors: who runs on which, and what the kernel says a process used.

use std::{fs, time::Duration};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The time that these processes have spent on a processor, in user and in kernel mode.
///
/// By the scheduler's own account in nanoseconds; the one in /proc/PID/stat is in hundredths of
/// a second.
pub fn time_used(processes: &[u32]) -> Duration {
    let used = |pid: &u32| {
        let accounts = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        accounts.split(' ').next()?.parse().ok()
    };
    processes.iter().filter_map(used).map(Duration::from_nanos).sum()
}

/// Memory in the address space of these processes, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Of each process alone.
    pub anonymous: u64,
    /// Zones, as far as a process has touched them. The largest number of any process, since they
    /// share them.
    pub shared: u64,
}

/// The memory that these processes have.
pub fn memory_of(processes: &[u32]) -> Memory {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        let bytes = |name| kilobytes(name).unwrap_or(0) * 1024;
        Memory { anonymous: bytes("RssAnon:"), shared: bytes("RssShmem:") }
    };
    processes.iter().map(of).fold(Memory::default(), |sum, one| Memory {
        anonymous: sum.anonymous + one.anonymous,
        shared: sum.shared.max(one.shared),
    })
}

/// Which processors the gateway has, and which all others.
#[derive(Clone, Debug, Default)]
pub struct Division {
    gateway: Vec<usize>,
    others: Vec<usize>,
}

impl Division {
    /// Gives each worker of the gateway a processor of its own, if one is left for the others;
    /// otherwise all share all of them.
    pub fn for_workers(workers: usize) -> Self {
        let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect();
        if all.len() <= workers {
            return Self::default();
        }
        let (gateway, others) = all.split_at(workers);
        Self { gateway: gateway.to_vec(), others: others.to_vec() }
    }

    /// The directive that binds the workers of a gateway.
    pub fn gateway(&self) -> String {
        let masks: Vec<String> = self.gateway.iter().map(|&cpu| mask(&[cpu])).collect();
        if masks.is_empty() {
            return String::new();
        }
        format!("worker_cpu_affinity {};\n", masks.join(" "))
    }

    /// The directive that binds the worker of the backend.
    pub fn backend(&self) -> String {
        if self.others.is_empty() {
            return String::new();
        }
        format!("worker_cpu_affinity {};\n", mask(&self.others))
    }

    /// Runs this with the calling thread on the processors of the others.
    pub fn among_others<T>(&self, run: impl FnOnce() -> T) -> T {
        let Ok(before) = sched_getaffinity(None) else {
            return run();
        };
        if !self.others.is_empty() {
            let mut set = CpuSet::new();
            self.others.iter().for_each(|&cpu| set.set(cpu));
            let _ = sched_setaffinity(None, &set);
        }
        let result = run();
        let _ = sched_setaffinity(None, &before);
        result
    }
}

/// A bit mask as NGINX takes it.
fn mask(cpus: &[usize]) -> String {
    let highest = cpus.iter().max().copied().unwrap_or(0);
    (0..=highest).rev().map(|cpu| if cpus.contains(&cpu) { '1' } else { '0' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_the_first_processor_at_its_end() {
        assert_eq!(mask(&[0]), "1");
        assert_eq!(mask(&[1, 2]), "110");
    }
}
