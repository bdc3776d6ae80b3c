//! The variables of a request, which a subrequest shares with its parent unless it gets its own.

use core::ptr;

use nginx_sys::{
    NGX_HTTP_VAR_WEAK, ngx_conf_t, ngx_hash_key_t, ngx_http_core_main_conf_t,
    ngx_http_get_indexed_variable, ngx_http_get_variable_index, ngx_http_variable_t,
    ngx_http_variable_value_t, ngx_pcalloc, ngx_str_t, ngx_uint_t,
};
use ngx::http::{HttpModuleMainConf as _, NgxHttpCoreModule};

use super::bits::variable_value::{LEN, NO_CACHEABLE, NOT_FOUND, VALID};
use super::lasting::Lasting;
use super::request::{OutOfMemory, Request};

/// Variables of which none has a value yet.
pub fn fresh(request: Request) -> Result<*mut ngx_http_variable_value_t, OutOfMemory> {
    let size = all(&request).len().saturating_mul(size_of::<ngx_http_variable_value_t>());
    // SAFETY: the pool is the request's, and aligns for any type; NGINX makes them so itself.
    let variables =
        unsafe { ngx_pcalloc(request.pool(), size) }.cast::<ngx_http_variable_value_t>();
    if variables.is_null() { Err(OutOfMemory) } else { Ok(variables) }
}

/// Variables with the values that those of the request have.
pub fn copy(request: Request) -> Result<*mut ngx_http_variable_value_t, OutOfMemory> {
    let variables = fresh(request)?;
    let count = all(&request).len();
    // SAFETY: both have room for the variables of the configuration, and one is new.
    unsafe { ptr::copy_nonoverlapping(request.raw().variables, variables, count) };
    Ok(variables)
}

/// The places of the variables that speak of a client's request, wherever they are read.
///
/// NGINX reads many of them out of `headers_in`, of which an introspection has its own, and makes
/// `$request_id` anew for each request.
pub struct OfClient {
    /// Those that NGINX finds out when they are read.
    read: Vec<usize>,
    /// Those that `set` has in its hands.
    set: Vec<usize>,
    /// `$http_authorization`.
    authorization: Option<usize>,
    /// `$request_method`, which NGINX takes from the main request.
    method: Option<usize>,
}

impl OfClient {
    /// Those of the configuration that a request is handled by.
    pub fn of(request: &Request) -> Self {
        let indexes = |is_wanted: fn(&ngx_http_variable_t) -> bool| {
            let all = all(request).iter().enumerate();
            all.filter(move |(_, variable)| is_wanted(variable)).map(|(index, _)| index)
        };
        Self {
            read: indexes(|variable| speaks_of_client(name(variable))).collect(),
            set: indexes(is_set_by_rewrite).collect(),
            authorization: indexes(|variable| name(variable) == b"http_authorization").next(),
            method: indexes(|variable| name(variable) == b"request_method").next(),
        }
    }

    /// Gives the subrequest of an introspection fresh variables, but for these, which have the values
    /// that they have in the client's request. The Authorization is the client's, whatever it is by
    /// now.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn hand_on(
        &self,
        client: Request,
        mut to: Request,
        authorization: Lasting<[u8]>,
    ) -> Result<(), OutOfMemory> {
        let variables = fresh(client)?;
        for &index in &self.read {
            // SAFETY: a live request, and the index of a variable. NGINX keeps the value there.
            unsafe { ngx_http_get_indexed_variable(client.as_ptr(), index) };
        }
        for &index in self.read.iter().chain(&self.set) {
            // SAFETY: both have a place for each variable of the configuration.
            let value = unsafe {
                let (from, to) = (client.raw().variables.add(index), variables.add(index));
                ptr::copy_nonoverlapping(from, to, 1);
                &mut *to
            };
            // NGINX would read it once more.
            NO_CACHEABLE.set(value, 0);
        }
        let method = to.raw().method_name;
        for (index, value) in [(self.authorization, authorization.string()), (self.method, method)]
        {
            if let Some(index) = index {
                // SAFETY: as above.
                write(unsafe { &mut *variables.add(index) }, Some(value));
            }
        }
        to.raw_mut().variables = variables;
        Ok(())
    }
}

/// Whether a variable may have another value in an introspection than in the request that it is made for:
/// one that a `set` gives its value, and those that speak of the upstream.
pub fn may_change(cf: &ngx_conf_t, name: &[u8]) -> bool {
    let core: Option<&ngx_http_core_main_conf_t> = NgxHttpCoreModule::main_conf(cf);
    // SAFETY: what the configuration declares, while it is being read.
    let keys = core.and_then(|core| unsafe { core.variables_keys.as_ref() });
    // SAFETY: as above.
    let keys: &[ngx_hash_key_t] = keys.map_or(&[], |keys| unsafe { keys.keys.as_slice() });
    let mut named = keys.iter().filter(|key| {
        // SAFETY: names live as long as the configuration.
        unsafe { super::bytes(key.key) }.eq_ignore_ascii_case(name)
    });
    name.starts_with(b"proxy_host")
        || name.starts_with(b"proxy_port")
        || name.starts_with(b"upstream_")
        // SAFETY: the value of such a key is a variable.
        || named.any(|key| unsafe { key.value.cast::<ngx_http_variable_t>().as_ref() }.is_some_and(is_set_by_rewrite))
}

/// Has NGINX find out anew what a variable of a request is.
pub fn forget(mut request: Request, index: usize) {
    // SAFETY: NGINX gave out the index, and a request has a place for each indexed variable.
    let variable = unsafe { &mut *request.raw_mut().variables.add(index) };
    VALID.set(variable, 0);
    NOT_FOUND.set(variable, 0);
}

/// The place of an indexed variable, which a configuration reads.
pub fn index(cf: &mut ngx_conf_t, name: &'static [u8]) -> Option<usize> {
    let mut name = super::string(name);
    // SAFETY: the parser is live, and the name static.
    let index = unsafe { ngx_http_get_variable_index(cf, &mut name) };
    usize::try_from(index).ok()
}

/// Gives a variable a value, or none.
pub fn write(variable: &mut ngx_http_variable_value_t, value: Option<ngx_str_t>) {
    NO_CACHEABLE.set(variable, 0);
    VALID.set(variable, value.is_some().into());
    NOT_FOUND.set(variable, value.is_none().into());
    if let Some(value) = value {
        // A value is far shorter than 256 MB.
        LEN.set(variable, value.len as u64);
        variable.data = value.data;
    }
}

/// By name: those out of the client's headers, and what NGINX makes of headers. An introspection has two
/// headers of its own, and is given the Authorization that it is about. `$arg_...`, `$uri`, `$request_method` and `$request_body` are the
/// introspection's, and so are `map`s: they are made again of what they are made of.
fn speaks_of_client(name: &[u8]) -> bool {
    const OWN: [&[u8]; 3] = [b"http_authorization", b"http_content_type", b"http_content_length"];
    const OTHERS: [&[u8]; 7] = [
        b"ancient_browser",
        b"invalid_referer",
        b"modern_browser",
        b"msie",
        b"proxy_add_x_forwarded_for",
        b"remote_user",
        b"request_id",
    ];
    let is_header = name.starts_with(b"http_") || name.starts_with(b"cookie_");
    is_header && !OWN.contains(&name) || OTHERS.contains(&name)
}

pub fn name(variable: &ngx_http_variable_t) -> &[u8] {
    // SAFETY: the name of a variable lives as long as the configuration.
    unsafe { super::bytes(variable.name) }
}

/// `set` alone declares variables so.
fn is_set_by_rewrite(variable: &ngx_http_variable_t) -> bool {
    variable.flags & NGX_HTTP_VAR_WEAK as ngx_uint_t != 0
}

/// The variables of the configuration, whose values a request has in the same places.
fn all(request: &Request) -> &[ngx_http_variable_t] {
    let core: Option<&ngx_http_core_main_conf_t> = NgxHttpCoreModule::main_conf(request.raw());
    // SAFETY: `variables` is an array of variables, which lives as long as the configuration.
    core.map_or(&[], |core| unsafe { core.variables.as_slice() })
}
