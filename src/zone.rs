//! A zone of shared memory that the cache lives in, and what each worker keeps in front of it.

use core::cell::{Cell, OnceCell};
use core::num::NonZeroUsize;

use nginx_sys::{NGX_LOG_DEBUG, NGX_LOG_ERR, NGX_LOG_NOTICE};
use ngx::ngx_log_error;
use phantom_token_core::cache::{RegionError, WorkerCache, Zone};

use crate::nginx::conf::Place;
use crate::nginx::shared_memory::{Memory, User};
use crate::nginx::{WorkerCell, process};

/// What the entries of a worker's cache may hold on average. Most JWTs have one or two kilobytes.
const BYTES_PER_ENTRY: usize = 4 << 10;

/// A zone, in one configuration.
pub struct CacheZone {
    name: String,
    /// In bytes.
    size: usize,
    /// Where it is declared; nothing for the default one that is not.
    declared: Option<Place>,
    /// Whether a protected location uses it.
    used: Cell<bool>,
    memory: OnceCell<Zone>,
    /// The most entries of a worker's own cache that a location asks for.
    worker_entries: Cell<Option<NonZeroUsize>>,
    worker_cache: WorkerCell<Option<Box<WorkerCache>>>,
}

impl CacheZone {
    /// One that is declared there; nowhere if it is the default one that is not.
    pub fn new(name: &str, size: usize, declared: Option<Place>) -> Self {
        Self {
            name: name.to_owned(),
            size,
            declared,
            used: Cell::new(false),
            memory: OnceCell::new(),
            worker_entries: Cell::new(None),
            worker_cache: WorkerCell::new(None),
        }
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes that a protected location uses the zone, and has each worker keep so many entries in front
    /// of it.
    pub fn use_with(&self, worker_entries: Option<NonZeroUsize>) {
        self.used.set(true);
        self.worker_entries.set(self.worker_entries.get().max(worker_entries));
    }

    /// Where the zone is declared, if no protected location uses it.
    pub fn declared_for_nothing(&self) -> Option<&Place> {
        self.declared.as_ref().filter(|_| !self.used.get())
    }

    /// The cache in this zone; none when its memory could not be used.
    pub fn memory(&self) -> Option<&Zone> {
        self.memory.get()
    }

    /// Takes the worker's own cache, until it is put back.
    #[inline]
    pub fn take_worker_cache(&self) -> Box<WorkerCache> {
        self.worker_cache.take().unwrap_or_else(|| self.new_worker_cache())
    }

    #[inline]
    pub fn put_worker_cache(&self, cache: Box<WorkerCache>) {
        self.worker_cache.set(Some(cache));
    }

    #[cold]
    fn new_worker_cache(&self) -> Box<WorkerCache> {
        let entries = self.worker_entries.get().unwrap_or(NonZeroUsize::MIN);
        Box::new(WorkerCache::new(entries, entries.get().saturating_mul(BYTES_PER_ENTRY)))
    }
}

impl User for CacheZone {
    fn take(&self, memory: Memory, is_new: bool) {
        let log = ngx::log::ngx_cycle_log().as_ptr();
        match if is_new { create(memory) } else { attach(memory) } {
            Ok(memory) => {
                let level = if process::is_testing() { NGX_LOG_DEBUG } else { NGX_LOG_NOTICE };
                ngx_log_error!(
                    level,
                    log,
                    "phantom_token: cache zone \"{}\" of {} bytes is {}",
                    self.name,
                    self.size,
                    if is_new { "new" } else { "kept" }
                );
                _ = self.memory.set(memory);
            }
            Err(error) => {
                ngx_log_error!(
                    NGX_LOG_ERR,
                    log,
                    "phantom_token: cache zone \"{}\" is not used: {}",
                    self.name,
                    error
                );
            }
        }
    }
}

/// Why the memory of a zone is not used.
#[derive(Debug, thiserror::Error)]
enum MemoryError {
    #[error(transparent)]
    Region(#[from] RegionError),
    #[error("no random bytes: {0}")]
    Secret(#[from] getrandom::Error),
}

fn create(Memory { base, len }: Memory) -> Result<Zone, MemoryError> {
    let mut secret = zeroize::Zeroizing::new([0; 16]);
    getrandom::fill(&mut secret[..])?;
    // SAFETY: the memory is mapped, shared, and used by nobody else; NGINX unmaps it after the
    // configuration.
    Ok(unsafe { Zone::create(base, len, *secret) }?)
}

fn attach(Memory { base, len }: Memory) -> Result<Zone, MemoryError> {
    // SAFETY: as in `create`; the same memory, with the same bounds.
    Ok(unsafe { Zone::attach(base, len) }?)
}
