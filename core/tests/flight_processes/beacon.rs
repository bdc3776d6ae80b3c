//! Shows all processes who leads.

use memmap2::MmapRaw;
use phantom_token_core::cache::{OwnerId, Process};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// For each token, who leads its flight.
pub struct Beacons(MmapRaw);

/// One token's: its leader's id or 0, and how many shards had been lost before it joined.
type Beacon = [AtomicU64; 2];

impl Beacons {
    pub fn new(map: MmapRaw) -> Self {
        Self(map)
    }

    /// Shows that `process` leads. Panics if another one does that is alive, unless a shard was
    /// lost since either of them joined: then one has lost its flight.
    pub fn light(
        &self,
        token: usize,
        process: &impl Process,
        lost_before: u64,
        lost_now: impl Fn() -> u64,
    ) {
        let [id, lost_before_its] = self.of(token);
        let other = NonZeroU64::new(id.load(SeqCst)).map(OwnerId);
        let lost_before_either = lost_before_its.load(SeqCst).min(lost_before);
        if let Some(other) = other.filter(|&other| process.is_alive(other)) {
            assert!(lost_now() > lost_before_either, "{other:?} leads already");
        }
        lost_before_its.store(lost_before, SeqCst);
        id.store(process.id().0.get(), SeqCst);
    }

    pub fn put_out(&self, token: usize, process: &impl Process) {
        let [id, _] = self.of(token);
        // If it fails, the flight was lost, and another has lit it since.
        let _ = id.compare_exchange(process.id().0.get(), 0, SeqCst, SeqCst);
    }

    fn of(&self, token: usize) -> &Beacon {
        assert!((token + 1) * size_of::<Beacon>() <= self.0.len());
        // SAFETY: within the mapping, as just seen, and page-aligned; all processes use it as
        // atomics alone.
        unsafe { &*self.0.as_ptr().cast::<Beacon>().add(token) }
    }
}
