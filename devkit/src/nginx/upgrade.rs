//! The upgrade of NGINX's executable while it runs: `USR2`, `WINCH`, `QUIT`.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::process::Nginx;
use crate::polling::eventually;

impl Nginx {
    /// Starts a new master from the executable and has it take over: the old workers finish what
    /// is in flight, then the old master ends. It must run as a daemon.
    ///
    /// # Panics
    ///
    /// When a step does not happen within ten seconds.
    pub fn upgrade(&mut self) {
        let old = self.current_master();
        let old_workers = self.workers();
        self.signal(Signal::USR2);
        let new = eventually(|| self.pid_file().filter(|&new| new != old && has_children(new)));
        let new = new.unwrap_or_else(|| panic!("no new master:\n{}", self.error_log()));

        kill_process(old, Signal::WINCH).expect("to signal the old master");
        let gone = || old_workers.iter().all(|&worker| !exists(worker)).then_some(());
        eventually(gone).unwrap_or_else(|| panic!("workers stay:\n{}", self.error_log()));

        kill_process(old, Signal::QUIT).expect("to signal the old master");
        self.successor = Some(new);
        eventually(|| (!exists(raw(old))).then_some(())).expect("the old master to end");
    }

    /// Whether nothing of it runs any more.
    pub(super) fn has_ended(&mut self) -> bool {
        let first_ended = !matches!(self.master.try_wait(), Ok(None));
        first_ended && self.successor.is_none_or(|successor| !exists(raw(successor)))
    }

    pub(super) fn pid_file(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.prefix().join("logs/nginx.pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }
}

fn has_children(pid: Pid) -> bool {
    let pid = raw(pid);
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.is_ok_and(|children| !children.trim().is_empty())
}

/// Whether a process runs; one that waits to be reaped does not.
fn exists(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}
