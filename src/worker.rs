//! The worker process, as the locks in shared memory know it.

use core::num::NonZeroU64;

use nginx_sys::{ngx_pid, ngx_sched_yield};
use phantom_token_core::cache::{OwnerId, Process};

use crate::nginx::WorkerCell;

/// This process.
pub struct Worker;

static ID: WorkerCell<Option<OwnerId>> = WorkerCell::new(None);

/// Finds out what this process is called; a process that was not started so asks each time.
pub fn start() {
    ID.set(Some(current()));
}

impl Process for Worker {
    fn id(&self) -> OwnerId {
        ID.get().unwrap_or_else(current)
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        let pid = id.0.get() >> TIME_BITS;
        match start_time(pid) {
            Ok(start_time) => owner_id(pid, start_time) == id,
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        }
    }

    fn relax(&self) {
        ngx_sched_yield();
    }
}

const TIME_BITS: u32 = 32;

fn current() -> OwnerId {
    // SAFETY: NGINX sets its process id when a process starts.
    let pid = u64::try_from(unsafe { ngx_pid }).unwrap_or_default();
    owner_id(pid, start_time(pid).unwrap_or_default())
}

/// A process id may be used again, but not with the same start time.
fn owner_id(pid: u64, start_time: u64) -> OwnerId {
    let time = start_time & u64::from(u32::MAX);
    OwnerId(NonZeroU64::new(pid << TIME_BITS | time).unwrap_or(NonZeroU64::MIN))
}

/// When a process started, in clock ticks since the system did: field 22 of `/proc/PID/stat`. A
/// zombie is as good as gone, so it is not found.
fn start_time(pid: u64) -> std::io::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, field 2, may have anything in it but ends with the last parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    Ok(fields.nth(18).and_then(|field| field.parse().ok()).unwrap_or_default())
}
