//! The configuration of a location.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use nginx_sys::{ngx_conf_t, ngx_http_core_loc_conf_t, ngx_http_core_srv_conf_t};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleServerConf as _, NgxHttpCoreModule};

use super::credential::InheritedCredential;
use super::error::{Cause, Context, Problem};
use super::settings::Settings;
use crate::nginx::conf::{ConfExt as _, Place};
use crate::nginx::location;
use crate::nginx::request::ContentHandler;
use crate::protection::Protection;

/// The configuration of a location, or of a server or the http block outside of any.
pub struct LocationConf {
    /// Where the block begins.
    pub begin: Place,
    pub settings: Settings,
    /// The first directive there that says how a location is protected.
    pub own: Option<(String, Place)>,
    pub content: Option<Content>,
    pub access: Access,
    /// Whether this worker has warned of it as an introspection location that clients can reach.
    pub has_warned_of_clients: Cell<bool>,
}

/// A directive that has the module itself answer the requests of a location.
pub struct Content {
    pub directive: &'static str,
    pub set: Place,
    pub handler: ContentHandler,
}

/// Who gets into a location.
#[derive(Default)]
pub enum Access {
    /// Everybody, as far as this module is concerned.
    #[default]
    Open,
    /// Nobody: it is protected without an endpoint, in a place that clients do not reach.
    NotConfigured,
    /// Who has an active token.
    Protected(Box<Protection>),
    /// No client: it is an introspection endpoint. Others than clients may need a token.
    Endpoint(Option<Box<Protection>>),
}

impl Access {
    /// Makes it that of an introspection endpoint.
    pub fn be_endpoint(&mut self) {
        *self = match core::mem::take(self) {
            Self::Protected(protection) => Self::Endpoint(Some(protection)),
            Self::Open | Self::NotConfigured => Self::Endpoint(None),
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
            access: Access::Open,
            has_warned_of_clients: Cell::new(false),
        }
    }

    /// Takes over from the level above what is not set here.
    ///
    /// # Errors
    ///
    /// What is wrong with which directive in which location.
    pub(super) fn inherit(&mut self, above: &Self, cf: &ngx_conf_t) -> Result<(), Cause> {
        self.check_content(cf)?;
        let names_endpoint = self.settings.introspection.endpoint.is_some();
        self.settings.inherit(&above.settings);
        if names_endpoint {
            self.warn_of_inherited_credential(cf);
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

/// A location, or a server outside of any, as NGINX has merged it.
pub struct MergedLocation {
    pub server: *const ngx_http_core_srv_conf_t,
    core: NonNull<ngx_http_core_loc_conf_t>,
    conf: NonNull<LocationConf>,
}

impl MergedLocation {
    /// The one that the parser merges.
    pub fn new(cf: &ngx_conf_t, conf: &mut LocationConf) -> Option<Self> {
        let core: &ngx_http_core_loc_conf_t = NgxHttpCoreModule::location_conf(cf)?;
        let server: &ngx_http_core_srv_conf_t = NgxHttpCoreModule::server_conf(cf)?;
        let (core, conf) = (NonNull::from(core), NonNull::from(conf));
        Some(Self { server: ptr::from_ref(server), core, conf })
    }

    /// What to call it in a message.
    pub fn context(&self, cf: &ngx_conf_t) -> Context {
        Context::new(cf, self.server, Some(self.core()), &self.conf_mut().begin)
    }

    pub fn core(&self) -> &ngx_http_core_loc_conf_t {
        // SAFETY: locations live in the pool of the configuration, as the list of them does.
        unsafe { self.core.as_ref() }
    }

    pub fn name(&self) -> &[u8] {
        location::name(self.core())
    }

    /// Its configuration.
    pub fn conf(&self) -> &LocationConf {
        // SAFETY: as above, and as below.
        unsafe { self.conf.as_ref() }
    }

    /// The same, to be changed. No reference to it is kept.
    #[expect(clippy::mut_from_ref, reason = "it is in the pool, and not in the list")]
    pub fn conf_mut(&self) -> &mut LocationConf {
        // SAFETY: as above. Nobody keeps a reference while NGINX reads its configuration, nor does
        // `resolve_server` beyond the location that it is at.
        unsafe { &mut *self.conf.as_ptr() }
    }
}
