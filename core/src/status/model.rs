//! What is shown of the module and of its zones.

use crate::cache::{Snapshot, Usage, Zone};

/// The build of the module.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// Of the module.
    pub version: &'a str,
    /// Of the module's sources.
    pub commit: &'a str,
    /// The version of NGINX that it is for.
    pub nginx: &'a str,
}

/// One zone.
#[derive(Clone, Debug)]
pub struct ZoneStatus<'a> {
    /// As the configuration has it.
    pub name: &'a str,
    /// How full it is.
    pub usage: Usage,
    /// What was counted in it.
    pub counters: Snapshot,
}

impl<'a> ZoneStatus<'a> {
    /// The status of `zone` now. Takes no lock.
    #[must_use]
    pub fn new(name: &'a str, zone: &Zone) -> Self {
        Self { name, usage: zone.usage(), counters: zone.counters().snapshot() }
    }

    /// Bytes that entries can still take before others are evicted.
    pub(super) fn free(&self) -> u64 {
        self.usage.capacity.saturating_sub(self.usage.used)
    }
}
