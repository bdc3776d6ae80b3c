//! What NGINX calls a module for, as functions of safe Rust.

use core::ffi::{c_char, c_void};
use core::ptr;

use nginx_sys::{ngx_conf_t, ngx_cycle_t, ngx_http_module_t, ngx_int_t, ngx_log_t};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK, Pool};
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf};

use super::conf::ConfExt as _;
use super::rc;

/// A module, in the order of its life. `None` is that memory is used up.
pub trait Life: HttpModule + HttpModuleMainConf + HttpModuleLocationConf {
    /// What is wrong with the configuration of a location.
    type Error: core::fmt::Display;

    /// Before NGINX reads what is in the http block.
    fn preconfigure(cf: &mut ngx_conf_t) -> Option<()>;

    /// The configuration of the http block, where that begins.
    fn new_main() -> Self::MainConf;

    /// The configuration of a location, where its block begins.
    fn new_location(cf: &ngx_conf_t) -> Self::LocationConf;

    /// A location inherits from the level above.
    ///
    /// # Errors
    ///
    /// What is wrong with its configuration.
    fn merge_location(
        cf: &mut ngx_conf_t,
        above: &Self::LocationConf,
        conf: &mut Self::LocationConf,
    ) -> Result<(), Self::Error>;

    /// All locations are merged. Filters and phases are open to the module now.
    fn postconfigure(cf: &mut ngx_conf_t, open: Open) -> Option<()>;

    /// The configuration is read, at a start or a reload.
    fn loaded(log: *mut ngx_log_t);

    /// A worker starts.
    fn start_worker();
}

/// That NGINX is in the postconfiguration of a module, when that may enter phases and filters.
#[derive(Clone, Copy)]
pub struct Open(());

/// The table of what NGINX calls for a module of HTTP.
pub const fn context<M: Life>() -> ngx_http_module_t {
    ngx_http_module_t {
        preconfiguration: Some(preconfiguration::<M>),
        postconfiguration: Some(postconfiguration::<M>),
        create_main_conf: Some(create_main_conf::<M>),
        init_main_conf: None,
        create_srv_conf: None,
        merge_srv_conf: None,
        create_loc_conf: Some(create_loc_conf::<M>),
        merge_loc_conf: Some(merge_loc_conf::<M>),
    }
}

unsafe extern "C" fn preconfiguration<M: Life>(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: NGINX calls with a live parser.
    rc_of(unsafe { cf.as_mut() }.and_then(M::preconfigure))
}

unsafe extern "C" fn postconfiguration<M: Life>(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: NGINX calls with a live parser, once for a configuration, after it has merged all locations,
    // and in the order of its filters.
    rc_of(unsafe { cf.as_mut() }.and_then(|cf| M::postconfigure(cf, Open(()))))
}

unsafe extern "C" fn create_main_conf<M: Life>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: NGINX calls with a live parser, whose pool is the configuration's.
    unsafe {
        cf.as_ref().map_or(ptr::null_mut(), |cf| {
            Pool::from_ngx_pool(cf.pool).allocate(M::new_main()).cast()
        })
    }
}

unsafe extern "C" fn create_loc_conf<M: Life>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: NGINX calls with a live parser, whose pool is the configuration's.
    unsafe {
        cf.as_ref().map_or(ptr::null_mut(), |cf| {
            Pool::from_ngx_pool(cf.pool).allocate(M::new_location(cf)).cast()
        })
    }
}

unsafe extern "C" fn merge_loc_conf<M: Life>(
    cf: *mut ngx_conf_t,
    above: *mut c_void,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: NGINX calls with a live parser and two configurations of `create_loc_conf`.
    let (Some(cf), Some(above), Some(conf)) = (unsafe {
        (
            cf.as_mut(),
            above.cast::<M::LocationConf>().as_ref(),
            conf.cast::<M::LocationConf>().as_mut(),
        )
    }) else {
        return NGX_CONF_ERROR;
    };
    match M::merge_location(cf, above, conf) {
        Ok(()) => NGX_CONF_OK,
        Err(error) => cf.refuse_merged(&error),
    }
}

/// NGINX calls this when it has read its configuration.
pub unsafe extern "C" fn init_module<M: Life>(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: NGINX calls with a cycle, which has a log.
    if let Some(cycle) = unsafe { cycle.as_ref() } {
        M::loaded(cycle.log);
    }
    rc::OK
}

/// NGINX calls this in each worker that it starts.
pub extern "C" fn init_process<M: Life>(_cycle: *mut ngx_cycle_t) -> ngx_int_t {
    M::start_worker();
    rc::OK
}

fn rc_of(done: Option<()>) -> ngx_int_t {
    if done.is_some() { rc::OK } else { rc::ERROR }
}
