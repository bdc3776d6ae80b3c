//! How a location is protected, once it has inherited its settings.

use std::rc::Rc;

use nginx_sys::{ngx_conf_t, ngx_http_core_loc_conf_t};
use ngx::http::{HttpModuleLocationConf as _, NgxHttpCoreModule};
use phantom_token_core::admit::Rules;
use phantom_token_core::challenge::{Challenge, ChallengeSyntaxError};
use phantom_token_core::flow;
use phantom_token_core::freshness::Settings as Freshness;
use phantom_token_core::introspection::Question;

use super::credential::CredentialChoice;
use super::error::{Cause, MergeError, Problem};
use super::location::{Access, LocationConf, MergedLocation};
use super::main::MainConf;
use super::settings::Settings;
use super::values::{CacheChoice, Placed};
use super::{cache, challenge, introspection};
use crate::nginx::conf::Place;
use crate::nginx::lasting::Lasting;
use crate::nginx::{WorkerCell, location};
use crate::protection::{Profiles, Protection};
use crate::vary::Vary;
use crate::zone::CacheZone;

impl LocationConf {
    /// Takes over from the level above what is not set here, and resolves the result.
    /// (`ngx::http::Merge` has no way to say what is wrong.)
    ///
    /// # Errors
    ///
    /// What is wrong with which directive in which location.
    pub fn merge(
        &mut self,
        above: &Self,
        main: &mut MainConf,
        cf: &mut ngx_conf_t,
    ) -> Result<(), Box<MergeError>> {
        let resolved = self.inherit(above, cf).and_then(|()| self.settings.access(main, cf));
        self.access = resolved.map_err(|cause| cause.at(cf, &self.begin))?;
        main.locations.extend(MergedLocation::new(cf, self));
        Ok(())
    }
}

impl Settings {
    /// Whether and how the location that the parser merges is protected.
    ///
    /// # Errors
    ///
    /// What is wrong with which directive.
    fn access(&self, main: &mut MainConf, cf: &mut ngx_conf_t) -> Result<Access, Cause> {
        let Placed { value: true, place: Some(on) } = self.protect.with_defaults().enable else {
            return Ok(Access::Open);
        };
        let Some(endpoint) = self.introspection.endpoint.clone() else {
            if reachable_location(cf).is_some() {
                return Err(Cause::protection(&on, Problem::NoEndpoint));
            }
            return Ok(Access::NotConfigured);
        };
        if reachable_location(cf).is_some_and(|name| name == &*endpoint) {
            return Err(Cause::protection(&on, Problem::OwnEndpoint));
        }
        Ok(Access::Protected(Box::new(self.protection(endpoint, &on, main, cf)?)))
    }

    fn protection(
        &self,
        endpoint: Rc<[u8]>,
        on: &Place,
        main: &mut MainConf,
        cf: &mut ngx_conf_t,
    ) -> Result<Protection, Cause> {
        let protect = self.protect.with_defaults();
        let introspection::WithDefaults { accept, jwt_members, max_response_size } =
            self.introspection.with_defaults();
        let cache = self.cache.with_defaults();
        let credential = self.introspection.credential.as_ref();
        let credential = credential.and_then(CredentialChoice::credential).cloned();
        let cache_zone = zone(&cache, on, main, cf)?;
        let freshness = freshness(&cache);
        let server = main.identities.of(cf);
        let question = Question { server, endpoint, accept, credential, jwt_members };
        let profile = question.profile();
        Ok(Protection {
            rules: Rules::default(),
            token_syntax: protect.token_syntax,
            profiles: Profiles { question: profile, answer: profile.and(&[&freshness.to_bytes()]) },
            question,
            max_response_size,
            settings: flow::Settings {
                freshness,
                lock: cache.lock,
                lock_timeout_ms: cache.lock_timeout_ms,
                use_stale: cache.use_stale,
                background_update: cache.background_update,
            },
            cache_zone,
            options: protect.options,
            challenge: self.challenge(on)?,
            bypass: self.cache.bypass,
            vary: Vary::default(),
            ignores_client_abort: false,
            uses_worker_cache: cache.worker_cache.is_some(),
            location: location_name(cf),
            not_storable_said: WorkerCell::default(),
        })
    }

    fn challenge(&self, on: &Place) -> Result<Challenge, Cause> {
        let challenge::WithDefaults { realm, scopes, with_error } = self.challenge.with_defaults();
        Challenge::new(&realm.value, scopes.text().as_deref(), with_error).map_err(|error| {
            let (directive, set) = match error {
                ChallengeSyntaxError::Realm(_) => ("phantom_token_realm", realm.place.as_ref()),
                ChallengeSyntaxError::Scope(_) => scopes.source(),
            };
            let set = set.unwrap_or(on).clone();
            Cause { directive, set, problem: Problem::Challenge(error) }
        })
    }
}

fn freshness(cache: &cache::WithDefaults) -> Freshness {
    Freshness {
        valid: cache.valid,
        inactive_valid: cache.inactive_valid,
        max_valid: cache.max_valid,
        ignore_cache_control: cache.ignored_headers.cache_control,
        ignore_expires: cache.ignored_headers.expires,
    }
}

fn zone(
    cache: &cache::WithDefaults,
    on: &Place,
    main: &mut MainConf,
    cf: &mut ngx_conf_t,
) -> Result<Option<Lasting<CacheZone>>, Cause> {
    let Placed { value: CacheChoice::Zone(name), place } = &cache.zone else {
        return Ok(None);
    };
    main.zone(cf, name, cache.worker_cache).map(Some).map_err(|error| match place.clone() {
        Some(set) => Cause { directive: "phantom_token_cache", set, problem: Problem::Zone(error) },
        None => Cause::protection(on, Problem::Zone(error)),
    })
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
