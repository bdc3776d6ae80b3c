//! The locations that introspection endpoints name: found once a configuration is read.

use core::ptr;
use std::rc::Rc;

use nginx_sys::ngx_conf_t;
use ngx::http::HttpModuleMainConf as _;

use crate::conf::error::Context;
use crate::conf::location::{Access, MergedLocation};
use crate::module::Module;
use crate::nginx::conf::{ComplexValue, ConfExt as _, Place};
use crate::nginx::upstream_conf::{Host, Passing};
use crate::nginx::{location, rewrite, variables};
use crate::vary::Vary;

/// Why an introspection location does not do what it is meant for.
#[derive(Debug, thiserror::Error)]
enum Warning {
    #[error(
        "introspection {0} is open to clients, whose requests are refused there: add \"internal\" to it"
    )]
    Open(Context),
    #[error(
        "\"{1} updating\" in introspection {0} lets a revoked token live on: take \"{2}\" out of it, \
         since the module has a cache of its own"
    )]
    StaleWhileUpdating(Context, String, String),
    #[error(
        "\"{1} off\" holds in introspection {0}, and keeps the token from the authorization server: set \
         it \"on\" there"
    )]
    NoBody(Context, String),
    #[error(
        "\"{1}\" in {2} has no effect in introspection {0}: it belongs in the location that is protected"
    )]
    OfNoEffect(Context, String, Place),
    #[error(
        "\"phantom_token_introspection_endpoint {1}\" of {0} leads to no location for it, unless a \
         \"rewrite\" does: declare \"location = {1}\" with \"internal\""
    )]
    Nowhere(Context, String),
    #[error(
        "whom introspection {0} asks may depend on the request: name what it depends on in \
         \"phantom_token_cache_vary\", so that each has answers of its own (not what that location sets, but \
         what it is made of)"
    )]
    Variables(Context),
}

/// Tells each protected location what it has to know of its introspection location, and each
/// introspection location that it is one. `None` if memory is used up.
///
/// Called once NGINX has merged all locations, which it does server by server.
pub fn resolve(cf: &mut ngx_conf_t) -> Option<()> {
    let locations = core::mem::take(&mut Module::main_conf_mut(cf)?.locations);
    for of_server in locations.chunk_by(|one, next| ptr::eq(one.server, next.server)) {
        resolve_server(cf, of_server)?;
    }
    Some(())
}

fn resolve_server(cf: &mut ngx_conf_t, locations: &[MergedLocation]) -> Option<()> {
    let mut named: Vec<(&MergedLocation, bool)> = Vec::new();
    let mut lost: Vec<Rc<[u8]>> = Vec::new();
    for location in locations {
        let Access::Protected(protection) = &location.conf().access else {
            continue;
        };
        let endpoint = Rc::clone(&protection.question.endpoint);
        let target = find(locations, &endpoint);
        if !location.name().is_empty()
            && !leads_somewhere(locations, &endpoint)
            && !lost.contains(&endpoint)
        {
            let name = String::from_utf8_lossy(&endpoint).into_owned();
            cf.warn(&Warning::Nowhere(location.context(cf), name));
            lost.push(Rc::clone(&endpoint));
        }
        let given = location.conf().settings.cache.with_defaults().vary;
        let passing = target.and_then(|target| Passing::of(cf, target.core()));
        let vary = vary_of(cf, &given, target, passing.as_ref())?;
        if let Access::Protected(protection) = &mut location.conf_mut().access {
            if let Some(Host::Fixed(host)) = passing.as_ref().map(Passing::host) {
                protection.ask_as(host);
            }
            protection.ignores_client_abort =
                passing.as_ref().is_some_and(Passing::ignores_client_abort);
            protection.ask_by(vary);
        }
        let is_unvaried = given.is_empty();
        let Some(target) = target.filter(|target| target.name() == &*endpoint) else {
            continue;
        };
        match named.iter_mut().find(|(one, _)| ptr::eq(*one, target)) {
            Some((_, is_unvaried_for_any)) => *is_unvaried_for_any |= is_unvaried,
            None => named.push((target, is_unvaried)),
        }
    }
    for (location, is_unvaried) in named {
        warn(cf, location, is_unvaried);
        location.conf_mut().access.be_endpoint();
        let parts = locations
            .iter()
            .filter(|part| location::is_part(part.core()) && part.name() == location.name());
        parts.for_each(|part| part.conf_mut().access.be_endpoint());
    }
    Some(())
}

/// By which values the answers in a location vary: those that are given, and what of the request decides
/// whom its introspection location asks.
fn vary_of(
    cf: &mut ngx_conf_t,
    given: &[ComplexValue],
    target: Option<&MergedLocation>,
    passing: Option<&Passing>,
) -> Option<Vary> {
    let mut vary = Vary::default();
    for &value in given {
        match value.variables().any(|name| variables::may_change(cf, name)) {
            true => vary.add_unsettled(value),
            false => vary.add(value),
        }
    }
    let host: &[u8] = match (target, passing.map(Passing::host)) {
        (Some(_), None) | (_, Some(Host::Fixed(_))) => return Some(vary),
        (_, Some(Host::Variable(host))) => host,
        // What is not known is taken for what may be.
        (None, None) | (_, Some(Host::OfClient)) => b"$http_host",
    };
    let host = ComplexValue::compile(cf, host)?;
    let constants = target.map(|target| rewrite::constants(cf, target.core()));
    let constants = constants.unwrap_or_default();
    if !host.variables().all(|name| constants.contains(&name)) {
        vary.add_unsettled(host);
    }
    // The client may name another host in its URI than in its field, and by HTTP/3 it has none of these.
    if passing.is_none_or(Passing::has_variables) {
        vary.add(ComplexValue::compile(cf, b"$host")?);
    }
    Some(vary)
}

/// The location of a server that NGINX finds for an endpoint: that of its name, else the longest path
/// above it, as an introspection may be served there. A regular expression may come
/// before it.
fn find<'a>(locations: &'a [MergedLocation], endpoint: &[u8]) -> Option<&'a MergedLocation> {
    let whole = || {
        locations.iter().filter(|location| {
            !location::is_part(location.core()) && !location::is_pattern(location.core())
        })
    };
    let is_exact = |location: &&MergedLocation| location::is_exact(location.core());
    let of_name = whole().filter(|location| location.name() == endpoint).max_by_key(is_exact);
    of_name.or_else(|| {
        let above = whole().filter(|location| {
            location::is_above(location.core(), endpoint) && !is_exact(location)
        });
        above.max_by_key(|location| location.name().len())
    })
}

/// Whether NGINX may find a location for an endpoint that serves it. Which regular expressions match is
/// not known.
fn leads_somewhere(locations: &[MergedLocation], endpoint: &[u8]) -> bool {
    locations.iter().any(|location| {
        let (core, name) = (location.core(), location.name());
        let is_found = match location::is_exact(core) {
            true => endpoint == name,
            false => location::is_pattern(core) || !name.is_empty() && endpoint.starts_with(name),
        };
        is_found && location::may_serve(core, endpoint)
    })
}

/// Says what is wrong with an introspection location, for which some protected location does not say by
/// which values its answers vary.
fn warn(cf: &ngx_conf_t, location: &MergedLocation, is_unvaried: bool) {
    if location::is_open(location.core()) {
        cf.warn(&Warning::Open(location.context(cf)));
    }
    if let (Access::Open | Access::NotConfigured, Some((directive, set))) =
        (&location.conf().access, &location.conf().own)
    {
        cf.warn(&Warning::OfNoEffect(location.context(cf), directive.clone(), set.clone()));
    }
    let Some(passing) = Passing::of(cf, location.core()) else {
        return;
    };
    if passing.has_variables() && is_unvaried {
        cf.warn(&Warning::Variables(location.context(cf)));
    }
    if passing.serves_stale_while_updating() {
        let [use_stale, cache] = ["cache_use_stale", "cache"].map(|rest| passing.directive(rest));
        cf.warn(&Warning::StaleWhileUpdating(location.context(cf), use_stale, cache));
    }
    if !passing.passes_body() {
        let directive = passing.directive("pass_request_body");
        cf.warn(&Warning::NoBody(location.context(cf), directive));
    }
}
