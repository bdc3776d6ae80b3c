//! The worker process, as the locks in shared memory know it.

use core::num::NonZeroU64;
use core::time::Duration;

use nginx_sys::ngx_time;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{OwnerId, Process, WorkerLine};

use crate::nginx::{WorkerCell, process};

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
        let (pid, time) = (id.0.get() >> TIME_BITS, id.0.get() & TIME_MASK);
        if time == UNKNOWN {
            return process::exists(pid);
        }
        match start_time(pid) {
            UNKNOWN => process::exists(pid),
            start_time => start_time == time,
        }
    }

    fn relax(&self) {
        // The owner of the lock may need this processor. NGINX waits for its own locks likewise.
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// The line of this worker among a zone's counters.
pub fn line() -> WorkerLine {
    WorkerLine::of(process::worker())
}

/// The time, in whole seconds, as NGINX last read it.
pub fn now() -> UnixTime {
    UnixTime(u64::try_from(ngx_time()).unwrap_or_default())
}

const TIME_BITS: u32 = 32;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const UNKNOWN: u64 = 0;

/// A process id may be used again, but not with the same start time.
fn current() -> OwnerId {
    let pid = process::pid();
    let id = pid << TIME_BITS | start_time(pid);
    OwnerId(NonZeroU64::new(id).unwrap_or(NonZeroU64::MIN))
}

/// When a process started, in clock ticks since the system did: field 22 of `/proc/PID/stat`.
/// Unknown if there is no such process, or no `/proc`.
fn start_time(pid: u64) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program, field 2, may have anything in it but ends with the last parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let start_time = fields.split_ascii_whitespace().nth(19).and_then(|field| field.parse().ok());
    start_time.map_or(UNKNOWN, |start_time: u64| start_time & TIME_MASK)
}
