//! Why the configuration of a location is not accepted.

use core::fmt;
use core::ptr;

use nginx_sys::{ngx_conf_t, ngx_http_core_loc_conf_t, ngx_http_core_srv_conf_t};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleServerConf as _, NgxHttpCoreModule};
use phantom_token_core::challenge::ChallengeSyntaxError;

use super::server;
use super::zones::ZoneError;
use crate::nginx::conf::Place;
use crate::nginx::location;

/// An error that shows only once a location has inherited its directives. The one that causes it may
/// stand far above, in `http` for example, so the location is named as well.
#[derive(Debug, thiserror::Error)]
pub struct MergeError {
    cause: Cause,
    context: Context,
}

/// A directive, where it stands, and what is wrong with it.
#[derive(Debug)]
pub struct Cause {
    pub directive: &'static str,
    pub set: Place,
    pub problem: Problem,
}

/// What is wrong with a directive in a location.
#[derive(Debug)]
pub enum Problem {
    /// It protects a location without an endpoint.
    NoEndpoint,
    /// It protects the endpoint of the location itself.
    OwnEndpoint,
    /// It answers the requests of a location that another directive answers.
    OtherContent,
    Challenge(ChallengeSyntaxError),
    Zone(ZoneError),
}

impl Cause {
    /// A problem of a location that is protected by the directive there.
    pub fn protection(set: &Place, problem: Problem) -> Self {
        Self { directive: "phantom_token on", set: set.clone(), problem }
    }

    /// The error in the location that the parser merges, whose block begins there.
    pub fn at(self, cf: &ngx_conf_t, begin: &Place) -> Box<MergeError> {
        Box::new(MergeError { cause: self, context: Context::of(cf, begin) })
    }
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause: Cause { directive, set, problem }, context } = self;
        write!(f, "\"{directive}\" in {set} ")?;
        match problem {
            Problem::NoEndpoint => write!(
                f,
                "protects {context}, which has no \"phantom_token_introspection_endpoint\""
            ),
            Problem::OwnEndpoint => write!(
                f,
                "protects {context}, which is its own introspection endpoint: name another location, \
                 or, if it does lead to the authorization server, make it \"internal\""
            ),
            Problem::OtherContent => write!(
                f,
                "stands beside another directive that answers the requests of {context}: keep one of them"
            ),
            Problem::Challenge(error) => write!(f, "is invalid in {context}: {error}"),
            Problem::Zone(error) => write!(f, "is invalid in {context}: {error}"),
        }
    }
}

/// A location, or a server outside of any.
#[derive(Debug)]
pub struct Context {
    location: String,
    server: String,
    begin: Place,
}

impl Context {
    /// The one that the parser merges, whose block begins there.
    pub fn of(cf: &ngx_conf_t, begin: &Place) -> Self {
        let core: Option<&ngx_http_core_loc_conf_t> = NgxHttpCoreModule::location_conf(cf);
        let server: Option<&ngx_http_core_srv_conf_t> = NgxHttpCoreModule::server_conf(cf);
        Self::new(cf, server.map_or(ptr::null(), ptr::from_ref), core, begin)
    }

    /// That location of that server, which takes looking at all addresses that NGINX listens on.
    pub fn new(
        cf: &ngx_conf_t,
        server: *const ngx_http_core_srv_conf_t,
        core: Option<&ngx_http_core_loc_conf_t>,
        begin: &Place,
    ) -> Self {
        let location = core.map(location::name).unwrap_or_default();
        Self {
            location: String::from_utf8_lossy(location).into_owned(),
            server: server::title(cf, server),
            begin: begin.clone(),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.location.is_empty() {
            write!(f, "location \"{}\" of ", self.location)?;
        }
        write!(f, "{} in {}", self.server, self.begin)
    }
}
