//! Processes of the operating system, told apart by id and start time.

use phantom_token_core::cache::{OwnerId, Process};
use std::fs;
use std::num::NonZeroU64;
use std::thread;
use std::time::Duration;

pub struct RealProcess(OwnerId);

impl RealProcess {
    pub fn this() -> Self {
        Self(named(std::process::id()).unwrap())
    }
}

impl Process for RealProcess {
    fn id(&self) -> OwnerId {
        self.0
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        named(id.0.get() as u32) == Some(id)
    }

    fn relax(&self) {
        thread::sleep(Duration::from_micros(50));
    }
}

/// The name of the process that has this id now: its start time, in clock ticks, above its id.
fn named(id: u32) -> Option<OwnerId> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    // Field 22 of all, of which two come before the parenthesis ends.
    let started: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    NonZeroU64::new(started << 32 | u64::from(id)).map(OwnerId)
}
