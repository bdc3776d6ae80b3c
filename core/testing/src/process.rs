//! Processes that use a zone.

use phantom_token_core::cache::{OwnerId, Process};
use std::fs;
use std::num::NonZeroU64;
use std::thread;
use std::time::Duration;

/// A process, or a thread that stands for one.
pub struct TestProcess {
    /// From 1.
    pub id: u64,
    /// The highest id of one that is alive.
    pub living: u64,
}

/// The only one that uses a zone.
pub const ALONE: TestProcess = TestProcess { id: 1, living: 1 };

impl Process for TestProcess {
    fn id(&self) -> OwnerId {
        OwnerId(NonZeroU64::new(self.id).unwrap())
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        id.0.get() <= self.living
    }

    fn relax(&self) {
        thread::yield_now();
    }
}

/// A process of the operating system, told apart from others by id and start time.
pub struct RealProcess(OwnerId);

impl RealProcess {
    /// The one that runs this.
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
