//! The zones of shared memory that the cache lives in.

use core::cell::{Cell, OnceCell};
use core::ffi::c_void;
use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_LOG_DEBUG, NGX_LOG_ERR, NGX_LOG_NOTICE, ngx_conf_t, ngx_int_t, ngx_pagesize,
    ngx_shared_memory_add, ngx_shm_zone_t, ngx_slab_pool_t, ngx_str_t, ngx_test_config,
};
use ngx::http::{HttpModule as _, HttpModuleMainConf as _};
use ngx::ngx_log_error;
use phantom_token_core::cache::{RegionError, WorkerCache, Zone};

use crate::Module;
use crate::introspect::endpoint::Location;
use crate::nginx::conf::{ConfExt as _, Place};
use crate::nginx::rc;
use crate::nginx::request::Request;
use crate::nginx::variables::OfClient;
use crate::nginx::{WorkerCell, conf};
use crate::server::Identities;

/// The zone that there is without a declaration.
pub const DEFAULT_NAME: &str = "phantom_token";
const DEFAULT_SIZE: usize = 10 << 20;
/// What the entries of a worker's cache may hold on average. Most JWTs have one or two kilobytes.
const LOCAL_BYTES_PER_ENTRY: usize = 4 << 10;

/// The configuration of the http block: its zones.
#[derive(Default)]
pub struct MainConf {
    zones: Vec<NonNull<CacheZone>>,
    pub identities: Identities,
    /// The place of `$http_authorization` among the variables.
    pub authorization_index: Option<usize>,
    /// The variables that an introspection has from the client's request.
    pub of_client: OnceCell<OfClient>,
    /// The locations that NGINX has merged, until they are resolved.
    pub locations: Vec<Location>,
}

/// A zone, in one configuration.
pub struct CacheZone {
    name: String,
    size: usize,
    /// Where it is declared; nothing for the default one that is not.
    declared: Option<Place>,
    /// Whether a protected location uses it.
    used: Cell<bool>,
    memory: OnceCell<Zone>,
    /// The most entries of a worker's own cache that a location asks for.
    local_entries: Cell<Option<NonZeroUsize>>,
    local: WorkerCell<Option<Box<WorkerCache>>>,
}

/// Why a zone cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    #[error("expected a zone as name:size, such as \"phantom_token:10m\", got \"{0}\"")]
    Syntax(String),
    #[error("zone \"{name}\" is too small, expected at least {minimum} bytes")]
    TooSmall { name: String, minimum: usize },
    #[error("zone \"{0}\" is declared twice")]
    Duplicate(String),
    #[error("expected a zone declared with \"phantom_token_cache_zone\", got \"{0}\"")]
    Unknown(String),
    #[error(
        "zone \"{0}\" cannot be added, its name may be in use by another module: declare one with \
         \"phantom_token_cache_zone\" and name it in \"phantom_token_cache\""
    )]
    NotAdded(String),
}

/// Why a zone takes memory for nothing.
#[derive(Debug, thiserror::Error)]
#[error("\"phantom_token_cache_zone\": no protected location uses zone \"{name}\" in {declared}")]
struct UnusedZone<'a> {
    name: &'a str,
    declared: &'a Place,
}

/// The name of a zone, as it is or behind `zone=`, as other directives of NGINX have it. What is left of
/// another way to write it, such as `keys_zone=name`, is no name.
pub fn zone_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix("zone=").unwrap_or(text);
    (!name.is_empty() && !name.contains(['=', ':'])).then_some(name)
}

impl MainConf {
    /// That which a request is handled by.
    pub fn of(request: &Request) -> Option<&Self> {
        Module::main_conf(request.raw())
    }

    /// Declares the zone of a `phantom_token_cache_zone`.
    ///
    /// # Errors
    ///
    /// The argument is not name:size, the zone is too small or declared already.
    pub fn declare_zone(&mut self, cf: &mut ngx_conf_t, argument: &[u8]) -> Result<(), ZoneError> {
        let text = String::from_utf8_lossy(argument);
        let syntax = || ZoneError::Syntax(text.clone().into_owned());
        let (name, size) = text
            .rsplit_once(':')
            .and_then(|(name, size)| Some((zone_name(name)?, size)))
            .filter(|(name, _)| *name != "off")
            .ok_or_else(syntax)?;
        let size = conf::size(size.as_bytes()).ok_or_else(syntax)?;
        // SAFETY: NGINX sets the size of a page before it reads its configuration.
        let minimum = unsafe { ngx_pagesize }.saturating_mul(8);
        if size < minimum {
            return Err(ZoneError::TooSmall { name: name.to_owned(), minimum });
        }
        if self.find(name).is_some() {
            return Err(ZoneError::Duplicate(name.to_owned()));
        }
        let declared = cf.place();
        self.add(cf, name, size, Some(declared)).map(drop)
    }

    /// The zone of a name, for a location that has each worker keep so many entries in front of it. The
    /// default one is declared when it is first asked for.
    ///
    /// # Errors
    ///
    /// No zone of that name was declared.
    pub fn zone(
        cf: &mut ngx_conf_t,
        name: &str,
        local_entries: Option<NonZeroUsize>,
    ) -> Result<NonNull<CacheZone>, ZoneError> {
        let unknown = || ZoneError::Unknown(name.to_owned());
        let main = Module::main_conf_mut(cf).ok_or_else(unknown)?;
        let zone = match main.find(name) {
            Some(zone) => zone,
            None if name != DEFAULT_NAME => return Err(unknown()),
            None => main.add(cf, DEFAULT_NAME, DEFAULT_SIZE, None)?,
        };
        // SAFETY: zones live in the pool of the configuration, as the list does.
        unsafe { zone.as_ref() }.use_with(local_entries);
        Ok(zone)
    }

    /// Warns of each zone that is declared and that no protected location uses: it takes memory, and
    /// what it was meant for is likely to use another one.
    pub fn warn_of_unused(&self, cf: &ngx_conf_t) {
        for zone in &self.zones {
            // SAFETY: zones live in the pool of the configuration, as the list does.
            let zone = unsafe { zone.as_ref() };
            if let (Some(declared), false) = (&zone.declared, zone.used.get()) {
                cf.warn(&UnusedZone { name: &zone.name, declared });
            }
        }
    }

    /// All zones whose memory can be used.
    pub fn zones(&self) -> impl Iterator<Item = (&str, &Zone)> {
        // SAFETY: zones live in the pool of the configuration, as the list does.
        let zones = self.zones.iter().map(|zone| unsafe { zone.as_ref() });
        zones.filter_map(|zone| Some((zone.name(), zone.memory()?)))
    }

    fn find(&self, name: &str) -> Option<NonNull<CacheZone>> {
        // SAFETY: zones live in the pool of the configuration, as the list does.
        self.zones.iter().copied().find(|zone| unsafe { zone.as_ref() }.name == name)
    }

    fn add(
        &mut self,
        cf: &mut ngx_conf_t,
        name: &str,
        size: usize,
        declared: Option<Place>,
    ) -> Result<NonNull<CacheZone>, ZoneError> {
        let not_added = || ZoneError::NotAdded(name.to_owned());
        // SAFETY: the pool is the configuration's.
        let (pool, shm_name) = unsafe {
            (
                ngx::core::Pool::from_ngx_pool(cf.pool),
                ngx_str_t::from_bytes(cf.pool, name.as_bytes()),
            )
        };
        let zone = CacheZone {
            name: name.to_owned(),
            size,
            declared,
            used: Cell::new(false),
            memory: OnceCell::new(),
            local_entries: Cell::new(None),
            local: WorkerCell::new(None),
        };
        let zone = NonNull::new(pool.allocate(zone)).ok_or_else(not_added)?;
        let mut shm_name = shm_name.ok_or_else(not_added)?;
        let tag = ptr::from_ref(Module::module()).cast_mut().cast();
        // SAFETY: the parser is live; NGINX copies the name's pointer, which is in its pool.
        let shm_zone = unsafe { ngx_shared_memory_add(cf, &mut shm_name, size, tag).as_mut() };
        let shm_zone = shm_zone.ok_or_else(not_added)?;
        shm_zone.init = Some(init);
        shm_zone.data = zone.as_ptr().cast();
        self.zones.push(zone);
        Ok(zone)
    }
}

impl CacheZone {
    /// The cache in this zone; none when its memory could not be used.
    pub fn memory(&self) -> Option<&Zone> {
        self.memory.get()
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A protected location uses it, and lets a worker keep so many entries in front of it, or more.
    fn use_with(&self, local_entries: Option<NonZeroUsize>) {
        self.used.set(true);
        self.local_entries.set(self.local_entries.get().max(local_entries));
    }

    /// Takes the worker's own cache, until it is put back.
    #[inline]
    pub fn take_local(&self) -> Box<WorkerCache> {
        self.local.take().unwrap_or_else(|| self.new_local())
    }

    #[inline]
    pub fn put_local(&self, cache: Box<WorkerCache>) {
        self.local.set(Some(cache));
    }

    #[cold]
    fn new_local(&self) -> Box<WorkerCache> {
        let entries = self.local_entries.get().unwrap_or(NonZeroUsize::MIN);
        Box::new(WorkerCache::new(entries, entries.get().saturating_mul(LOCAL_BYTES_PER_ENTRY)))
    }
}

/// NGINX calls this once its memory is there: new, or, with `inherited`, as the configuration
/// before a reload left it.
unsafe extern "C" fn init(shm_zone: *mut ngx_shm_zone_t, inherited: *mut c_void) -> ngx_int_t {
    // SAFETY: NGINX calls back with the zone that `add` gave it, and its memory starts with a pool
    // of slabs, of which this module is the only user.
    let (zone, pool) = unsafe {
        let Some(shm_zone) = shm_zone.as_ref() else {
            return rc::ERROR;
        };
        (
            shm_zone.data.cast::<CacheZone>().as_ref(),
            shm_zone.shm.addr.cast::<ngx_slab_pool_t>().as_ref(),
        )
    };
    let (Some(zone), Some(pool)) = (zone, pool) else {
        return rc::ERROR;
    };
    let memory = if inherited.is_null() { create(pool) } else { attach(pool) };
    let log = ngx::log::ngx_cycle_log().as_ptr();
    match memory {
        Ok(memory) => {
            let kept = if inherited.is_null() { "new" } else { "kept" };
            // SAFETY: NGINX sets it before it reads its configuration.
            let level =
                if unsafe { ngx_test_config } == 0 { NGX_LOG_NOTICE } else { NGX_LOG_DEBUG };
            ngx_log_error!(
                level,
                log,
                "phantom_token: cache zone \"{}\" of {} bytes is {}",
                zone.name,
                zone.size,
                kept
            );
            _ = zone.memory.set(memory);
        }
        Err(error) => {
            ngx_log_error!(
                NGX_LOG_ERR,
                log,
                "phantom_token: cache zone \"{}\" is not used: {}",
                zone.name,
                error
            );
        }
    }
    rc::OK
}

/// Why the memory of a zone is not used.
#[derive(Debug, thiserror::Error)]
enum MemoryError {
    #[error(transparent)]
    Region(#[from] RegionError),
    #[error("no random bytes: {0}")]
    Secret(#[from] getrandom::Error),
}

fn create(pool: &ngx_slab_pool_t) -> Result<Zone, MemoryError> {
    let mut secret = zeroize::Zeroizing::new([0; 16]);
    getrandom::fill(&mut secret[..])?;
    let (base, len) = region(pool)?;
    // SAFETY: the memory between the pool's first and last page is mapped, shared, and used by
    // nobody else, as no slab is ever allocated; NGINX unmaps it after the configuration.
    Ok(unsafe { Zone::create(base, len, *secret) }?)
}

fn attach(pool: &ngx_slab_pool_t) -> Result<Zone, MemoryError> {
    let (base, len) = region(pool)?;
    // SAFETY: as in `create`; the same memory, with the same bounds.
    Ok(unsafe { Zone::attach(base, len) }?)
}

/// The pages of a pool, from which no slab was allocated.
fn region(pool: &ngx_slab_pool_t) -> Result<(NonNull<u8>, usize), RegionError> {
    let base = NonNull::new(pool.start).ok_or(RegionError::NotAZone)?;
    let len = (pool.end as usize).saturating_sub(pool.start as usize);
    Ok((base, len))
}
