//! A location of the configuration.

use nginx_sys::ngx_http_core_loc_conf_t;

use super::bits::core_loc_conf::{EXACT_MATCH, NONAME};

/// The path or the pattern behind `location`; empty for the context of a server.
pub fn name(core: &ngx_http_core_loc_conf_t) -> &[u8] {
    // SAFETY: the name of a location lives in the pool of the configuration, as the location does.
    unsafe { super::bytes(core.name) }
}

/// Whether it is a part of another one, whose name it has: an `if`, or a `limit_except`.
pub fn is_part(core: &ngx_http_core_loc_conf_t) -> bool {
    NONAME.is_set(core)
}

/// Whether it is for the one path that is its name (`location = /path`).
pub fn is_exact(core: &ngx_http_core_loc_conf_t) -> bool {
    EXACT_MATCH.is_set(core)
}

/// Whether NGINX lets no client's URI lead to it.
pub fn is_internal(core: &ngx_http_core_loc_conf_t) -> bool {
    core.internal == 1
}

/// Whether a client's URI may lead to it. None leads to one whose name, unless it is a regular
/// expression, does not start with a slash.
pub fn is_open(core: &ngx_http_core_loc_conf_t) -> bool {
    !is_internal(core) && (name(core).starts_with(b"/") || is_pattern(core))
}

/// Whether its name is a path above that one, which ends with a slash.
pub fn is_above(core: &ngx_http_core_loc_conf_t, uri: &[u8]) -> bool {
    let name = name(core);
    name.len() > 1 && name.ends_with(b"/") && uri.starts_with(name)
}

/// Whether an introspection may be served there, that was sent to that endpoint: not where it is the API,
/// most likely. The location has the endpoint's name, or is a path above it, or is one that no client's
/// URI leads to, or a regular expression.
pub fn may_serve(core: &ngx_http_core_loc_conf_t, endpoint: &[u8]) -> bool {
    let is_hidden = is_internal(core) || name(core).starts_with(b"@");
    name(core) == endpoint || is_above(core, endpoint) || is_hidden || is_pattern(core)
}

/// Whether it is a regular expression.
#[cfg(ngx_feature = "pcre")]
pub fn is_pattern(core: &ngx_http_core_loc_conf_t) -> bool {
    !core.regex.is_null()
}

/// Without PCRE there are none.
#[cfg(not(ngx_feature = "pcre"))]
pub fn is_pattern(_core: &ngx_http_core_loc_conf_t) -> bool {
    false
}
