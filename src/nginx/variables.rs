//! The variables of a request, which a subrequest shares with its parent unless it gets its own.

use core::ptr;

use nginx_sys::{ngx_http_core_main_conf_t, ngx_http_variable_value_t, ngx_pcalloc};
use ngx::http::{HttpModuleMainConf as _, NgxHttpCoreModule};

use super::request::{OutOfMemory, Request};

/// Variables of which none has a value yet.
pub fn fresh(request: Request) -> Result<*mut ngx_http_variable_value_t, OutOfMemory> {
    let size = count(request).saturating_mul(size_of::<ngx_http_variable_value_t>());
    // SAFETY: the pool is the request's, and aligns for any type; NGINX makes them so itself.
    let variables =
        unsafe { ngx_pcalloc(request.pool(), size) }.cast::<ngx_http_variable_value_t>();
    if variables.is_null() { Err(OutOfMemory) } else { Ok(variables) }
}

/// Variables with the values that those of the request have.
pub fn copy(request: Request) -> Result<*mut ngx_http_variable_value_t, OutOfMemory> {
    let variables = fresh(request)?;
    // SAFETY: both have room for the variables of the configuration, and one is new.
    unsafe { ptr::copy_nonoverlapping(request.raw().variables, variables, count(request)) };
    Ok(variables)
}

fn count(request: Request) -> usize {
    let core: Option<&ngx_http_core_main_conf_t> = NgxHttpCoreModule::main_conf(request.raw());
    core.map_or(0, |core| core.variables.nelts)
}
