//! A lock that survives its owner's death.
//!
//! The lock word is 0 or names the process that holds it. A process that dies leaves its name
//! there; whoever waits for it finds out, puts its own name in its place and learns that what the
//! lock guards may be half-written. Should that process die in turn before it has put things
//! right, its name is there for the next one to find: there is no instruction between which a
//! death leaves the lock held by nobody who could be asked for.

use super::sync::{AtomicU64, Instant, spin_loop};
use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Attempts before the processor is given away.
const SPINS: u32 = 100;
/// How long the owner is left in peace between two questions whether it is alive: they cost
/// system calls, and an owner that merely waits for a processor needs no asking.
const PATIENCE: Duration = Duration::from_millis(1);
/// When the wait is given up, if the processor was given away often enough by then: not all of
/// this process's waiting need have been its owner's time to run.
const LIMIT: Duration = Duration::from_millis(100);
const ROUNDS_AT_LEAST: u32 = 1024;

/// Names a process, now and in the future: unlike a process id, it is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub NonZeroU64);

/// What a lock needs to know of processes.
pub trait Process {
    /// The calling process. A process (or thread) never waits for a lock that bears its own id:
    /// it must have lost it in an accident, and takes it back.
    fn id(&self) -> OwnerId;

    /// Whether that process is alive. May err only towards `true`.
    fn is_alive(&self, id: OwnerId) -> bool;

    /// Gives other processes the processor, for some microseconds. Called over and over while
    /// waiting, after a bounded spin, for a tenth of a second at least.
    fn relax(&self);
}

/// A lock held; released when dropped.
pub(super) struct Lock<'a> {
    word: &'a AtomicU64,
    id: u64,
}

/// How a lock was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acquired {
    /// Its last owner released it.
    Released { waited: bool },
    /// Its last owner died holding it.
    Abandoned,
}

/// The lock's owner is alive and keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl<'a> Lock<'a> {
    pub(super) fn acquire(
        word: &'a AtomicU64,
        process: &impl Process,
    ) -> Result<(Self, Acquired), Busy> {
        let id = process.id().0.get();
        let lock = |acquired| (Self { word, id }, acquired);
        if replace(word, 0, id) {
            return Ok(lock(Acquired::Released { waited: false }));
        }
        wait(word, id, process).map(lock)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // A panic may have come half-way through a change. The lock stays in this process's name,
        // and whoever comes next takes it for abandoned.
        if std::thread::panicking() {
            return;
        }
        if self.word.load(Ordering::Relaxed) == self.id {
            self.word.store(0, Ordering::Release);
        }
    }
}

#[cold]
fn wait(word: &AtomicU64, id: u64, process: &impl Process) -> Result<Acquired, Busy> {
    for _ in 0..SPINS {
        if word.load(Ordering::Relaxed) == 0 && replace(word, 0, id) {
            return Ok(Acquired::Released { waited: true });
        }
        spin_loop();
    }
    let start = Instant::now();
    let mut asked = start;
    let mut rounds = 0_u32;
    while rounds < ROUNDS_AT_LEAST || start.elapsed() < LIMIT {
        let Some(owner) = NonZeroU64::new(word.load(Ordering::Relaxed)) else {
            if replace(word, 0, id) {
                return Ok(Acquired::Released { waited: true });
            }
            continue;
        };
        let asks = asked.elapsed() >= PATIENCE;
        if asks {
            asked = Instant::now();
        }
        let abandoned = owner.get() == id || (asks && !process.is_alive(OwnerId(owner)));
        if abandoned && replace(word, owner.get(), id) {
            return Ok(Acquired::Abandoned);
        }
        process.relax();
        rounds = rounds.saturating_add(1);
    }
    Err(Busy)
}

fn replace(word: &AtomicU64, from: u64, to: u64) -> bool {
    word.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Only(u64);

    impl Process for Only {
        fn id(&self) -> OwnerId {
            OwnerId(NonZeroU64::new(self.0).unwrap())
        }
        fn is_alive(&self, id: OwnerId) -> bool {
            id.0.get() < 100
        }
        fn relax(&self) {}
    }

    #[test]
    fn a_free_lock_is_had_at_once_and_is_free_again_when_dropped() {
        let word = AtomicU64::new(0);

        let (lock, acquired) = Lock::acquire(&word, &Only(1)).ok().unwrap();
        assert_eq!(acquired, Acquired::Released { waited: false });
        assert_eq!(word.load(Ordering::Relaxed), 1);
        drop(lock);

        assert_eq!(word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_living_owner_is_not_robbed() {
        let word = AtomicU64::new(2);

        assert_eq!(Lock::acquire(&word, &Only(1)).err(), Some(Busy));
        assert_eq!(word.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_lock_of_a_dead_owner_is_abandoned() {
        let word = AtomicU64::new(100);

        let (_lock, acquired) = Lock::acquire(&word, &Only(1)).ok().unwrap();

        assert_eq!(acquired, Acquired::Abandoned);
        assert_eq!(word.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_lock_lost_in_a_panic_is_abandoned_even_to_its_own_process() {
        let word = AtomicU64::new(0);

        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _lock = Lock::acquire(&word, &Only(1)).ok().unwrap();
            std::panic::resume_unwind(Box::new(()));
        }))
        .unwrap_err();

        let (_lock, acquired) = Lock::acquire(&word, &Only(1)).ok().unwrap();
        assert_eq!(acquired, Acquired::Abandoned);
    }
}
