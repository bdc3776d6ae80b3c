//! What the configuration says: inherited as NGINX does, checked, and resolved once.

mod credential;
mod error;

use core::cell::Cell;
use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};
use std::rc::Rc;
use std::time::Duration;

use nginx_sys::{ngx_conf_t, ngx_http_core_loc_conf_t};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleMainConf as _, NgxHttpCoreModule};
use phantom_token_core::admit::Rules;
use phantom_token_core::bearer::TokenSyntax;
use phantom_token_core::cache::Profile;
use phantom_token_core::challenge::{Challenge, ChallengeSyntaxError};
use phantom_token_core::flow;
use phantom_token_core::freshness::Policy;
use phantom_token_core::introspection::ClientCredential;
use phantom_token_core::stale::UseStale;
use zeroize::Zeroizing;

use crate::Module;
use crate::guard::{Guard, Profiles};
use crate::introspect::endpoint::Location;
use crate::nginx::conf::{ComplexValue, ConfExt as _, Place, Predicates};
use crate::nginx::request::ContentHandler;
use crate::nginx::{WorkerCell, location};
use crate::server;
use crate::vary::Vary;
use crate::zone::{CacheZone, MainConf};
pub use credential::CredentialChoice;
use credential::InheritedCredential;
pub use error::Context;
pub use error::MergeError;
use error::{Cause, Problem};

/// The directives of one level; what is not given there is inherited.
#[derive(Clone, Default)]
pub struct Settings {
    pub enable: Option<(bool, Place)>,
    pub token_syntax: Option<TokenSyntax>,
    pub endpoint: Option<Rc<[u8]>>,
    pub realm: Option<(String, Place)>,
    pub scopes: Option<(String, Place)>,
    pub scope: Option<(Vec<String>, Place)>,
    pub credential: Option<CredentialChoice>,
    pub accept: Option<Rc<str>>,
    pub jwt_members: Option<Rc<[String]>>,
    pub max_response_size: Option<usize>,
    pub cache: Option<(CacheChoice, Place)>,
    pub valid: Option<Option<Duration>>,
    pub max_valid: Option<Option<Duration>>,
    pub ignored_headers: Option<IgnoredHeaders>,
    pub options: Option<OnOptions>,
    pub challenge_error: Option<bool>,
    pub inactive_valid: Option<Option<Duration>>,
    pub lock: Option<bool>,
    pub lock_timeout_ms: Option<u64>,
    pub use_stale: Option<UseStale>,
    /// The seconds before the end of freshness.
    pub background_update: Option<Option<u64>>,
    pub bypass: Option<Predicates>,
    pub vary: Option<Rc<[ComplexValue]>>,
    pub worker_cache: Option<Option<NonZeroUsize>>,
}

/// `phantom_token_cache`.
#[derive(Clone)]
pub enum CacheChoice {
    Off,
    Zone(String),
}

/// `phantom_token_cache_ignore_headers`.
#[derive(Clone, Copy, Default)]
pub struct IgnoredHeaders {
    pub cache_control: bool,
    pub expires: bool,
}

/// `phantom_token_options`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum OnOptions {
    /// Answer 204, as the C module does.
    #[default]
    Reply,
    /// Let the request through, without a token.
    Pass,
    /// Treat it as any other request.
    Check,
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

const WORKER_CACHE_ENTRIES: Option<NonZeroUsize> = NonZeroUsize::new(1024);

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
        let names_endpoint = self.settings.endpoint.is_some();
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
        let (Some(credential), Some(endpoint)) =
            (&self.settings.credential, &self.settings.endpoint)
        else {
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
        fn or<T: Clone>(here: &mut Option<T>, above: &Option<T>) {
            if here.is_none() {
                here.clone_from(above);
            }
        }
        or(&mut self.enable, &above.enable);
        or(&mut self.token_syntax, &above.token_syntax);
        or(&mut self.endpoint, &above.endpoint);
        or(&mut self.realm, &above.realm);
        // They are two ways to say the same: either of them here replaces both above.
        if self.scopes.is_none() && self.scope.is_none() {
            or(&mut self.scopes, &above.scopes);
            or(&mut self.scope, &above.scope);
        }
        if self.credential.is_none() {
            let of_above = above.credential.as_ref();
            self.credential = of_above.map(|one| one.inherited_from(above.endpoint.as_ref()));
        }
        or(&mut self.accept, &above.accept);
        or(&mut self.jwt_members, &above.jwt_members);
        or(&mut self.max_response_size, &above.max_response_size);
        or(&mut self.cache, &above.cache);
        or(&mut self.valid, &above.valid);
        or(&mut self.max_valid, &above.max_valid);
        or(&mut self.ignored_headers, &above.ignored_headers);
        or(&mut self.options, &above.options);
        or(&mut self.challenge_error, &above.challenge_error);
        or(&mut self.inactive_valid, &above.inactive_valid);
        or(&mut self.lock, &above.lock);
        or(&mut self.lock_timeout_ms, &above.lock_timeout_ms);
        or(&mut self.use_stale, &above.use_stale);
        or(&mut self.background_update, &above.background_update);
        or(&mut self.bypass, &above.bypass);
        or(&mut self.vary, &above.vary);
        or(&mut self.worker_cache, &above.worker_cache);
    }

    fn protection(&self, cf: &mut ngx_conf_t) -> Result<Protection, Cause> {
        let Some((true, on)) = &self.enable else {
            return Ok(Protection::Off);
        };
        let Some(endpoint) = self.endpoint.clone() else {
            if reachable_location(cf).is_some() {
                return Err(Cause::protection(on, Problem::NoEndpoint));
            }
            return Ok(Protection::NotConfigured);
        };
        if reachable_location(cf).is_some_and(|name| name == &*endpoint) {
            return Err(Cause::protection(on, Problem::OwnEndpoint));
        }
        Ok(Protection::On(Box::new(self.guard(endpoint, on, cf)?)))
    }

    fn guard(&self, endpoint: Rc<[u8]>, on: &Place, cf: &mut ngx_conf_t) -> Result<Guard, Cause> {
        let accept = self.accept.clone().unwrap_or_else(|| "application/jwt".into());
        let jwt_members = self
            .jwt_members
            .clone()
            .unwrap_or_else(|| ["jwt".to_owned(), "phantom_token".to_owned()].into());
        let credential = self.credential.as_ref().and_then(CredentialChoice::credential).cloned();
        let worker_cache = self.worker_cache.unwrap_or(WORKER_CACHE_ENTRIES);
        let zone = self.zone(on, cf)?;
        if let (Some(zone), Some(entries)) = (zone, worker_cache) {
            // SAFETY: a zone lives as long as the configuration that is being read.
            unsafe { zone.as_ref() }.allow_local(entries);
        }
        let freshness = self.freshness();
        let mut parts = question(cf, &endpoint, &accept, credential.as_deref(), &jwt_members);
        let question = fingerprint(&parts);
        parts.push(freshness.to_bytes().into());
        Ok(Guard {
            token_syntax: self.token_syntax.unwrap_or_default(),
            profiles: Profiles { question, answer: fingerprint(&parts) },
            endpoint,
            accept,
            credential,
            jwt_members,
            max_response_size: self.max_response_size.unwrap_or(64 << 10),
            settings: flow::Settings {
                freshness,
                lock: self.lock.unwrap_or(true),
                lock_timeout_ms: self.lock_timeout_ms.unwrap_or(5000),
                use_stale: self.use_stale.unwrap_or_default(),
                background_update: self.background_update.flatten(),
            },
            rules: Rules::default(),
            cache_zone: zone,
            options: self.options.unwrap_or_default(),
            challenge: self.challenge(on)?,
            bypass: self.bypass,
            vary: Vary::default(),
            ignores_client_abort: false,
            uses_worker_cache: worker_cache.is_some(),
            location: location_name(cf),
            not_storable_said: WorkerCell::default(),
        })
    }

    fn freshness(&self) -> Policy {
        let ignored = self.ignored_headers.unwrap_or_default();
        Policy {
            valid: self.valid.flatten(),
            inactive_valid: self.inactive_valid.flatten(),
            max_valid: self.max_valid.flatten(),
            ignore_cache_control: ignored.cache_control,
            ignore_expires: ignored.expires,
        }
    }

    fn challenge(&self, on: &Place) -> Result<Challenge, Cause> {
        let joined = self.scope.as_ref().map(|(scopes, place)| (scopes.join(" "), place.clone()));
        let scopes = self.scopes.clone().or(joined);
        let realm = self.realm.as_ref().map_or("api", |(realm, _)| realm);
        let scope = scopes.as_ref().map(|(scope, _)| scope.as_str());
        Challenge::new(realm, scope, self.challenge_error.unwrap_or(true)).map_err(|error| {
            let (directive, set) = match error {
                ChallengeSyntaxError::Realm(_) => {
                    ("phantom_token_realm", self.realm.as_ref().map(|(_, place)| place))
                }
                ChallengeSyntaxError::Scope(_) => (
                    if self.scopes.is_some() {
                        "phantom_token_scopes"
                    } else {
                        "phantom_token_scope"
                    },
                    scopes.as_ref().map(|(_, place)| place),
                ),
            };
            let set = set.unwrap_or(on).clone();
            Cause { directive, set, problem: Problem::Challenge(error) }
        })
    }

    fn zone(&self, on: &Place, cf: &mut ngx_conf_t) -> Result<Option<NonNull<CacheZone>>, Cause> {
        let (name, place) = match &self.cache {
            Some((CacheChoice::Off, _)) => return Ok(None),
            Some((CacheChoice::Zone(name), place)) => (Some(name.as_str()), Some(place)),
            None => (None, None),
        };
        MainConf::zone(cf, name).map(Some).map_err(|error| match place.cloned() {
            Some(set) => {
                Cause { directive: "phantom_token_cache", set, problem: Problem::Zone(error) }
            }
            None => Cause::protection(on, Problem::Zone(error)),
        })
    }
}

fn location_name(cf: &ngx_conf_t) -> String {
    let core: Option<&ngx_http_core_loc_conf_t> = NgxHttpCoreModule::location_conf(cf);
    String::from_utf8_lossy(core.map(location::name).unwrap_or_default()).into_owned()
}

/// The name of the location being merged, unless it is one that no request of a client gets to: the
/// context of a server, an internal location, or one whose name has no leading slash.
fn reachable_location(cf: &ngx_conf_t) -> Option<&[u8]> {
    let core: &ngx_http_core_loc_conf_t = NgxHttpCoreModule::location_conf(cf)?;
    let name = location::name(core);
    let is_named = name.starts_with(b"@") && !location::is_internal(core);
    (location::is_open(core) || is_named).then_some(name)
}

/// What is asked, beside the token. Locations of the same name in two servers may lead to two
/// authorization servers, so the server is a part of it.
fn question(
    cf: &mut ngx_conf_t,
    endpoint: &[u8],
    accept: &str,
    credential: Option<&ClientCredential>,
    jwt_members: &[String],
) -> Vec<Zeroizing<Vec<u8>>> {
    let credential = credential.map_or("", ClientCredential::header_value);
    let fixed = [endpoint, accept.as_bytes(), credential.as_bytes()].map(<[u8]>::to_vec);
    let members = jwt_members.iter().map(|member| member.clone().into_bytes());
    [server::identity(cf)].into_iter().chain(fixed).chain(members).map(Zeroizing::new).collect()
}

fn fingerprint(parts: &[Zeroizing<Vec<u8>>]) -> Profile {
    Profile::new(&parts.iter().map(|part| part.as_slice()).collect::<Vec<_>>())
}
