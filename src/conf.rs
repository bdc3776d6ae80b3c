//! What the configuration says: inherited as NGINX does, checked, and resolved once.
//!
//! Each directive is a row of one of the groups: [`protect`], [`introspection`], [`challenge`], [`cache`]
//! and [`endpoints`]. From the rows come the table for NGINX, what is set and inherited, the reference in
//! `docs/directives.md`, and `docs/directives.json`.

#[macro_use]
mod directive;

mod arguments;
mod cache;
mod challenge;
mod credential;
mod endpoints;
mod error;
mod introspection;
mod protect;
mod resolve;
mod values;

use core::cell::Cell;
use core::ptr;

use nginx_sys::{ngx_command_t, ngx_conf_t, ngx_http_core_loc_conf_t};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleMainConf as _, NgxHttpCoreModule};

use crate::Module;
use crate::guard::Guard;
use crate::introspect::endpoint::Location;
use crate::nginx::conf::{ConfExt as _, Place};
use crate::nginx::request::ContentHandler;
use credential::InheritedCredential;
pub use error::Context;
pub use error::MergeError;
use error::{Cause, Problem};
pub use values::OnOptions;

/// The table that NGINX reads: one array, of which each group has a part.
pub static mut COMMANDS: Commands = Commands {
    protect: protect::COMMANDS,
    introspection: introspection::COMMANDS,
    challenge: challenge::COMMANDS,
    cache: cache::COMMANDS,
    endpoints: endpoints::COMMANDS,
    end: ngx_command_t::empty(),
};

/// In the layout of C the parts, all of one type, follow each other without gaps.
#[repr(C)]
pub struct Commands {
    protect: [ngx_command_t; protect::COMMANDS.len()],
    introspection: [ngx_command_t; introspection::COMMANDS.len()],
    challenge: [ngx_command_t; challenge::COMMANDS.len()],
    cache: [ngx_command_t; cache::COMMANDS.len()],
    endpoints: [ngx_command_t; endpoints::COMMANDS.len()],
    end: ngx_command_t,
}

/// The directives of one level; what is not given there is inherited.
#[derive(Clone, Default)]
pub struct Settings {
    pub protect: protect::Settings,
    pub introspection: introspection::Settings,
    pub challenge: challenge::Settings,
    pub cache: cache::Settings,
}

/// The configuration of a location, or of a server or the http block outside of any.
pub struct LocationConf {
    /// Where the block begins.
    pub begin: Place,
    pub settings: Settings,
    /// The first directive there that says how a location is protected.
    pub own: Option<(String, Place)>,
    pub content: Option<Content>,
    pub protection: Protection,
    /// Whether this worker has warned of it as an introspection location that clients can reach.
    pub is_said_to_be_open: Cell<bool>,
}

/// A directive that has the module itself answer the requests of a location.
pub struct Content {
    pub directive: &'static str,
    pub set: Place,
    pub handler: ContentHandler,
}

/// Whether and how a location is protected.
#[derive(Default)]
pub enum Protection {
    #[default]
    Off,
    /// Switched on without an endpoint, in a place that clients do not reach.
    NotConfigured,
    On(Box<Guard>),
    /// An introspection endpoint: requests of clients do not get in. Others may be protected.
    Endpoint(Option<Box<Guard>>),
}

impl Protection {
    /// Makes it that of an introspection endpoint.
    pub fn be_endpoint(&mut self) {
        *self = match core::mem::take(self) {
            Self::On(guard) => Self::Endpoint(Some(guard)),
            Self::Off | Self::NotConfigured => Self::Endpoint(None),
            endpoint @ Self::Endpoint(_) => endpoint,
        };
    }
}

impl LocationConf {
    /// That of the block which the parser has come to.
    pub fn new(cf: &ngx_conf_t) -> Self {
        Self {
            begin: cf.place(),
            settings: Settings::default(),
            own: None,
            content: None,
            protection: Protection::Off,
            is_said_to_be_open: Cell::new(false),
        }
    }

    /// Takes over from the level above what is not set here, and resolves the result.
    /// (`ngx::http::Merge` has no way to say what is wrong.)
    ///
    /// # Errors
    ///
    /// What is wrong with which directive in which location.
    pub fn merge(&mut self, above: &Self, cf: &mut ngx_conf_t) -> Result<(), Box<MergeError>> {
        self.check_content(cf).map_err(|cause| cause.at(cf, &self.begin))?;
        let names_endpoint = self.settings.introspection.endpoint.is_some();
        self.settings.inherit(&above.settings);
        if names_endpoint {
            self.warn_of_inherited_credential(cf);
        }
        self.protection =
            self.settings.protection(cf).map_err(|cause| cause.at(cf, &self.begin))?;
        let location = Location::merged(cf, self);
        if let Some(main) = Module::main_conf_mut(cf) {
            main.locations.extend(location);
        }
        Ok(())
    }

    /// A directive behind ours, as `proxy_pass`, takes the location over without a word.
    fn check_content(&self, cf: &ngx_conf_t) -> Result<(), Cause> {
        let Some(Content { directive, set, handler }) = &self.content else {
            return Ok(());
        };
        let core: Option<&ngx_http_core_loc_conf_t> = NgxHttpCoreModule::location_conf(cf);
        let handles = core.and_then(|core| core.handler);
        if handles.is_some_and(|other| ptr::fn_addr_eq(other, *handler)) {
            return Ok(());
        }
        Err(Cause { directive, set: set.clone(), problem: Problem::OtherContent })
    }

    fn warn_of_inherited_credential(&self, cf: &ngx_conf_t) {
        let settings = &self.settings.introspection;
        let (Some(credential), Some(endpoint)) = (&settings.credential, &settings.endpoint) else {
            return;
        };
        if let Some(first) = credential.set_for_other_than(endpoint) {
            cf.warn(&InheritedCredential {
                set: credential.place(),
                first: String::from_utf8_lossy(first).into_owned(),
                second: String::from_utf8_lossy(endpoint).into_owned(),
                context: Context::of(cf, &self.begin),
            });
        }
    }
}

impl Settings {
    fn inherit(&mut self, above: &Self) {
        self.protect.inherit(&above.protect);
        self.introspection.inherit(&above.introspection);
        self.challenge.inherit(&above.challenge);
        self.cache.inherit(&above.cache);
    }
}
