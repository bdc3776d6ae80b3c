//! What is configured for a location that passes requests on: by `proxy_pass`, `fastcgi_pass`,
//! `uwsgi_pass` or `scgi_pass`.
//!
//! The structures of these modules are private to them. But their directives say where in them the
//! values go, and with which type: so a value is found as the directive's own setter finds it, and not
//! at all if a module keeps it in another way than those known here.

use core::ffi::CStr;
use core::mem::offset_of;

#[cfg(ngx_feature = "http_cache")]
use nginx_sys::NGX_HTTP_UPSTREAM_FT_UPDATING;
use nginx_sys::{
    ngx_array_t, ngx_command_t, ngx_conf_set_keyval_slot, ngx_conf_set_msec_slot, ngx_conf_t,
    ngx_http_core_loc_conf_t, ngx_http_upstream_conf_t, ngx_http_upstream_param_set_slot,
    ngx_http_upstream_param_t, ngx_keyval_t,
};

use super::conf::{self, Setter};

/// The modules, by their names and by what their directives begin with.
const MODULES: [(&CStr, &str); 4] = [
    (c"ngx_http_fastcgi_module", "fastcgi"),
    (c"ngx_http_uwsgi_module", "uwsgi"),
    (c"ngx_http_scgi_module", "scgi"),
    (c"ngx_http_proxy_module", PROXY),
];
const PROXY: &str = "proxy";

/// How a location passes requests on.
pub struct Passing<'a> {
    prefix: &'static str,
    commands: *const ngx_command_t,
    conf: *const u8,
    upstream: Option<&'a ngx_http_upstream_conf_t>,
}

/// What the upstream of a location gets as `Host`.
pub enum Host<'a> {
    /// The same for all requests.
    Fixed(&'a [u8]),
    /// This, which has variables.
    Variable(&'a [u8]),
    /// What the client sent.
    OfClient,
}

impl<'a> Passing<'a> {
    /// How a location passes requests on, if it does so at all: one with variables in its `..._pass` is
    /// taken for one of `proxy_pass`.
    ///
    /// Called once NGINX has merged the configurations of all locations.
    pub fn of(cf: &ngx_conf_t, core: &'a ngx_http_core_loc_conf_t) -> Option<Self> {
        core.handler?;
        MODULES.into_iter().find_map(|(name, prefix)| {
            let module = conf::module(cf, name)?;
            // SAFETY: a location has a place for the configuration of each HTTP module.
            let conf = unsafe { *core.loc_conf.add(module.ctx_index) }.cast::<u8>().cast_const();
            let mut passing = Self { prefix, commands: module.commands, conf, upstream: None };
            passing.upstream = passing.find_upstream();
            let has_upstream = passing.upstream.is_some_and(|conf| !conf.upstream.is_null());
            (!conf.is_null() && (has_upstream || prefix == PROXY)).then_some(passing)
        })
    }

    /// Whether the upstream depends on variables. The module that passes on is not known then.
    pub fn has_variables(&self) -> bool {
        self.upstream.is_none_or(|conf| conf.upstream.is_null())
    }

    /// Whether a request goes on when its client closes its connection (`proxy_ignore_client_abort`).
    pub fn ignores_client_abort(&self) -> bool {
        self.upstream.is_some_and(|conf| conf.ignore_client_abort == 1)
    }

    /// Whether the body of a request is passed on (`proxy_pass_request_body`).
    pub fn passes_body(&self) -> bool {
        self.upstream.is_none_or(|conf| conf.pass_request_body != 0)
    }

    /// Whether NGINX's cache goes on with an answer of the location while it asks for another one
    /// (`proxy_cache_use_stale updating`).
    #[cfg(ngx_feature = "http_cache")]
    pub fn serves_stale_while_updating(&self) -> bool {
        self.upstream.is_some_and(|conf| {
            let is_cached = !conf.cache_zone.is_null() || !conf.cache_value.is_null();
            is_cached && conf.cache_use_stale & NGX_HTTP_UPSTREAM_FT_UPDATING as usize != 0
        })
    }

    /// Without a cache it does not.
    #[cfg(not(ngx_feature = "http_cache"))]
    pub fn serves_stale_while_updating(&self) -> bool {
        false
    }

    /// What the upstream gets as `Host`.
    pub fn host(&self) -> Host<'a> {
        let set =
            if self.prefix == PROXY { self.header(b"host") } else { self.param(b"HTTP_HOST") };
        match set {
            Some(Some(value)) if value.contains(&b'$') => Host::Variable(value),
            Some(Some(value)) => Host::Fixed(value),
            Some(None) if self.has_variables() => Host::OfClient,
            // `$proxy_host`, the host in `proxy_pass`.
            Some(None) if self.prefix == PROXY => Host::Fixed(b""),
            Some(None) if self.upstream.is_some_and(|conf| conf.pass_request_headers == 0) => {
                Host::Fixed(b"")
            }
            Some(None) | None => Host::OfClient,
        }
    }

    /// The directive's name, as `proxy_cache`.
    pub fn directive(&self, rest: &str) -> String {
        format!("{}_{rest}", self.prefix)
    }

    /// The value of a `proxy_set_header`, if there is one for that name; nothing if that cannot be known.
    fn header(&self, name: &[u8]) -> Option<Option<&'a [u8]>> {
        let headers: &[ngx_keyval_t] = self.list("set_header", ngx_conf_set_keyval_slot)?;
        // SAFETY: strings of the configuration live as long as it does.
        let mut headers = headers
            .iter()
            .map(|header| unsafe { (super::bytes(header.key), super::bytes(header.value)) });
        Some(headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    /// The value of a `fastcgi_param`, as above.
    fn param(&self, name: &[u8]) -> Option<Option<&'a [u8]>> {
        let params: &[ngx_http_upstream_param_t] =
            self.list("param", ngx_http_upstream_param_set_slot)?;
        // SAFETY: strings of the configuration live as long as it does.
        let mut params = params
            .iter()
            .map(|param| unsafe { (super::bytes(param.key), super::bytes(param.value)) });
        Some(params.find(|(key, _)| *key == name).map(|(_, value)| value))
    }

    fn list<T>(&self, directive: &str, setter: Setter) -> Option<&'a [T]> {
        let offset = self.offset(directive, setter)?;
        // SAFETY: this setter has put a pointer to an array of such values there, or left what the
        // merge of locations has replaced by such a pointer or by none.
        let list = unsafe { self.conf.add(offset).cast::<*const ngx_array_t>().read().as_ref() };
        // SAFETY: as above.
        Some(list.map_or(&[], |list| unsafe { list.as_slice() }))
    }

    fn find_upstream(&self) -> Option<&'a ngx_http_upstream_conf_t> {
        let offset = self
            .offset("connect_timeout", ngx_conf_set_msec_slot)?
            .checked_sub(offset_of!(ngx_http_upstream_conf_t, connect_timeout))?;
        // SAFETY: the directive sets that member of such a structure within the configuration.
        unsafe { self.conf.add(offset).cast::<ngx_http_upstream_conf_t>().as_ref() }
    }

    fn offset(&self, directive: &str, setter: Setter) -> Option<usize> {
        conf::offset(self.commands, &self.directive(directive), setter)
    }
}
