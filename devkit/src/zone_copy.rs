//! The zone of a running NGINX, read from outside and proved to be sound.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    fs::File,
    num::NonZeroU64,
    os::unix::fs::FileExt,
    path::Path,
    ptr::NonNull,
    slice, thread,
    time::Duration,
};

use phantom_token_core::cache::{CheckError, OwnerId, Process, Usage, Zone};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Nginx, eventually};

/// A zone begins with these bytes, at the begin of a page.
const MAGIC: &[u8] = b"phantom\0";
/// Where the length of a zone stands in it.
const LENGTH_AT: usize = 16;
const PAGE: usize = 4096;
/// How processes that share memory which is in no file call it.
const MAPPING: &str = "/dev/zero (deleted)";

impl Nginx {
    /// Copies each zone of the cache out of a worker's memory, while all workers are stopped, and
    /// walks the copies; gives what is in use in each.
    ///
    /// # Errors
    ///
    /// The invariant that does not hold.
    ///
    /// # Panics
    ///
    /// When there is no zone, or locks are held whenever this looks.
    pub fn check_zones(&self) -> Result<Vec<Usage>, CheckError> {
        let checked = eventually(|| {
            let usages: Result<Vec<_>, _> = self.copies().iter().map(Copy::check).collect();
            // A worker was stopped with a lock in its hands.
            (!matches!(usages, Err(CheckError::Busy { .. }))).then_some(usages)
        });
        checked.expect("a moment without locks")
    }

    fn copies(&self) -> Vec<Copy> {
        let workers: Vec<Pid> = self
            .workers()
            .into_iter()
            .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
            .collect();
        let _stopped = Stopped::all(&workers);
        let copies = workers.first().map(|&worker| copies_of(worker)).unwrap_or_default();
        assert!(!copies.is_empty(), "no zone in the memory of a worker");
        copies
    }
}

/// Processes that do not run until this is dropped.
struct Stopped<'a>(&'a [Pid]);

impl<'a> Stopped<'a> {
    fn all(pids: &'a [Pid]) -> Self {
        let stopped = Self(pids);
        for &pid in pids {
            let _ = kill_process(pid, Signal::STOP);
        }
        for &pid in pids {
            eventually(|| (state(pid) != Some('R')).then_some(())).expect("a process to stop");
        }
        stopped
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        for &pid in self.0 {
            let _ = kill_process(pid, Signal::CONT);
        }
    }
}

fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn copies_of(pid: Pid) -> Vec<Copy> {
    let pid = pid.as_raw_nonzero();
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("a worker's mappings");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("a worker's memory");
    let mappings = maps.lines().filter(|line| line.ends_with(MAPPING)).filter_map(|line| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
    });
    mappings.filter_map(|(start, end)| Copy::read(&memory, start, end)).collect()
}

/// A copy of the memory of a zone.
struct Copy {
    memory: NonNull<u8>,
    layout: Layout,
}

impl Copy {
    /// Finds a zone in a mapping and copies it.
    fn read(memory: &File, start: u64, end: u64) -> Option<Self> {
        let mut page = [0; PAGE];
        let start = (start..end)
            .step_by(PAGE)
            .find(|&at| memory.read_exact_at(&mut page, at).is_ok() && page.starts_with(MAGIC))?;
        let length = page[LENGTH_AT..LENGTH_AT + 8].try_into().map(u64::from_le_bytes).ok()?;
        let length = usize::try_from(length).ok().filter(|&length| length as u64 <= end - start)?;
        let copy = Self::zeroed(Layout::from_size_align(length, PAGE).ok()?);
        // SAFETY: the memory is allocated, initialised, and nobody else's.
        let bytes = unsafe { slice::from_raw_parts_mut(copy.memory.as_ptr(), length) };
        memory.read_exact_at(bytes, start).ok()?;
        Some(copy)
    }

    fn zeroed(layout: Layout) -> Self {
        // SAFETY: the layout has a size.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) });
        Self { memory: memory.unwrap_or_else(|| handle_alloc_error(layout)), layout }
    }

    fn check(&self) -> Result<Usage, CheckError> {
        // SAFETY: the memory lives as long as `self`, longer than the zone, which is its only user.
        let zone = unsafe { Zone::attach(self.memory, self.layout.size()) };
        zone.expect("a zone of this layout").check(&Observer)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

/// This process, which looks at a copy.
struct Observer;

impl Process for Observer {
    fn id(&self) -> OwnerId {
        OwnerId(NonZeroU64::MAX)
    }

    /// The id of a process is in the upper half of that of an owner.
    fn is_alive(&self, id: OwnerId) -> bool {
        Path::new(&format!("/proc/{}", id.0.get() >> 32)).exists()
    }

    fn relax(&self) {
        thread::sleep(Duration::from_micros(50));
    }
}
