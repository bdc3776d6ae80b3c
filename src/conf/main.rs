//! The configuration of the http block: its zones, and what is found out once for all locations.

use core::cell::OnceCell;
use core::num::NonZeroUsize;

use nginx_sys::{ngx_conf_t, ngx_module_t};
use phantom_token_core::cache::Zone;

use crate::conf::location::MergedLocation;
use crate::conf::server::Identities;
use crate::conf::zones::{DEFAULT_ZONE, ZoneError, zone_name};
use crate::nginx::conf::{self, ConfExt as _, Place};
use crate::nginx::lasting::Lasting;
use crate::nginx::variables::OfClient;
use crate::nginx::{process, shared_memory};
use crate::zone::CacheZone;

const DEFAULT_SIZE: usize = 10 << 20;

/// The configuration of the http block.
pub struct MainConf {
    module: &'static ngx_module_t,
    zones: Vec<Lasting<CacheZone>>,
    pub identities: Identities,
    /// The place of `$http_authorization` among the variables.
    pub authorization_index: Option<usize>,
    /// The variables that an introspection has from the client's request.
    pub of_client: OnceCell<OfClient>,
    /// The locations that NGINX has merged, until they are resolved.
    pub locations: Vec<MergedLocation>,
}

/// Why a zone takes memory for nothing.
#[derive(Debug, thiserror::Error)]
#[error("\"phantom_token_cache_zone\": no protected location uses zone \"{name}\" in {declared}")]
struct UnusedZone<'a> {
    name: &'a str,
    declared: &'a Place,
}

impl MainConf {
    /// One without anything.
    pub fn new(module: &'static ngx_module_t) -> Self {
        Self {
            module,
            zones: Vec::new(),
            identities: Identities::default(),
            authorization_index: None,
            of_client: OnceCell::new(),
            locations: Vec::new(),
        }
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
        let minimum = process::page_size().saturating_mul(8);
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
        &mut self,
        cf: &mut ngx_conf_t,
        name: &str,
        worker_entries: Option<NonZeroUsize>,
    ) -> Result<Lasting<CacheZone>, ZoneError> {
        let zone = match self.find(name) {
            Some(zone) => zone,
            None if name != DEFAULT_ZONE => return Err(ZoneError::Unknown(name.to_owned())),
            None => self.add(cf, DEFAULT_ZONE, DEFAULT_SIZE, None)?,
        };
        zone.use_with(worker_entries);
        Ok(zone)
    }

    /// Warns of each zone that is declared and that no protected location uses: it takes memory, and
    /// what it was meant for is likely to use another one.
    pub fn warn_of_unused(&self, cf: &ngx_conf_t) {
        for zone in &self.zones {
            if let Some(declared) = zone.declared_for_nothing() {
                cf.warn(&UnusedZone { name: zone.name(), declared });
            }
        }
    }

    /// All zones whose memory can be used.
    pub fn zones(&self) -> impl Iterator<Item = (&str, &Zone)> {
        self.zones.iter().filter_map(|zone| Some((zone.name(), zone.memory()?)))
    }

    fn find(&self, name: &str) -> Option<Lasting<CacheZone>> {
        self.zones.iter().copied().find(|zone| zone.name() == name)
    }

    fn add(
        &mut self,
        cf: &mut ngx_conf_t,
        name: &str,
        size: usize,
        declared: Option<Place>,
    ) -> Result<Lasting<CacheZone>, ZoneError> {
        let zone = conf::allocate(cf, CacheZone::new(name, size, declared));
        let added = zone.and_then(|zone| {
            shared_memory::add(cf, self.module, name, size, zone)?;
            Some(zone)
        });
        let zone = added.ok_or_else(|| ZoneError::NotAdded(name.to_owned()))?;
        self.zones.push(zone);
        Ok(zone)
    }
}
