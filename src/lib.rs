//! NGINX dynamic module for the phantom token pattern.
//!
//! A client calls an API with an opaque access token. In the access phase this module asks the
//! authorization server for the JWT behind the token, keeps it in shared memory, and lets the
//! request go on with `Authorization: Bearer <JWT>`.
//!
//! The way of a request: NGINX calls a handler in [`phases`]; [`request::access`] takes the token;
//! [`request::flow`] carries out what the flow of the crate `phantom_token_core` says, which decides all;
//! [`introspect`] asks the authorization server, in a subrequest whose answer [`filters`] catch; then
//! [`request::authorization`] puts the JWT in, or [`request::refusal`] answers the client.

mod conf;
mod directives;
mod filters;
mod guard;
mod introspect;
mod log;
mod nginx;
mod phases;
mod purge;
mod request;
mod server;
mod status;
mod variables;
mod vary;
mod version;
mod worker;
mod zone;

use core::ffi::{c_char, c_void};
use core::ptr;

use nginx_sys::{
    NGX_HTTP_MODULE, ngx_conf_t, ngx_cycle_t, ngx_http_module_t, ngx_int_t, ngx_module_t,
};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK, Pool};
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf};

use crate::nginx::rc;
use conf::LocationConf;
use nginx::conf::ConfExt as _;
use zone::MainConf;

#[global_allocator]
static ALLOCATOR: nginx::memory::Allocator = nginx::memory::Allocator::new();

struct Module;

/// What NGINX looks for in a dynamic module.
mod exports {
    #![allow(missing_docs, non_upper_case_globals, reason = "NGINX gives the names")]

    use super::*;

    ngx::ngx_modules!(ngx_http_phantom_token_module);

    pub static mut ngx_http_phantom_token_module: ngx_module_t = ngx_module_t {
        ctx: ptr::addr_of!(CONTEXT).cast_mut().cast(),
        commands: ptr::addr_of_mut!(directives::COMMANDS).cast(),
        type_: NGX_HTTP_MODULE as _,
        init_module: Some(version::init_module),
        init_process: Some(init_process),
        ..ngx_module_t::default()
    };
}

static CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(Module::preconfiguration),
    postconfiguration: Some(Module::postconfiguration),
    create_main_conf: Some(Module::create_main_conf),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(create_loc_conf),
    merge_loc_conf: Some(merge_loc_conf),
};

// SAFETY: `create_main_conf` makes a `MainConf`.
unsafe impl HttpModuleMainConf for Module {
    type MainConf = MainConf;
}

// SAFETY: `create_loc_conf` makes a `LocationConf`.
unsafe impl HttpModuleLocationConf for Module {
    type LocationConf = LocationConf;
}

impl HttpModule for Module {
    fn module() -> &'static ngx_module_t {
        // SAFETY: NGINX writes to the module while it loads it, anew with each reload, when no
        // function of the module runs, and only reads otherwise.
        unsafe { &*ptr::addr_of!(exports::ngx_http_phantom_token_module) }
    }

    unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
        // SAFETY: NGINX calls with a live parser.
        rc_of(unsafe { cf.as_mut() }.and_then(preconfigure))
    }

    unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
        // SAFETY: NGINX calls with a live parser, once for a configuration, after it has merged all
        // locations, and in the order of its filters.
        unsafe { rc_of(cf.as_mut().and_then(|cf| postconfigure(cf))) }
    }
}

fn preconfigure(cf: &mut ngx_conf_t) -> Option<()> {
    variables::register(cf)?;
    let index = nginx::variables::index(cf, b"http_authorization")?;
    Module::main_conf_mut(cf)?.authorization_index = Some(index);
    Some(())
}

/// # Safety
///
/// Called once for a configuration, from the module's `postconfiguration`.
unsafe fn postconfigure(cf: &mut ngx_conf_t) -> Option<()> {
    if let Some(main) = Module::main_conf(cf) {
        main.warn_of_unused(cf);
    }
    introspect::endpoint::resolve(cf)?;
    // SAFETY: the caller's promise.
    unsafe {
        nginx::handlers::add_filter::<filters::Output>();
        phases::register(cf)
    }
}

/// NGINX calls this where a block begins, before it reads what is in it.
unsafe extern "C" fn create_loc_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: NGINX calls with a live parser, whose pool is the configuration's.
    unsafe {
        let Some(cf) = cf.as_ref() else {
            return ptr::null_mut();
        };
        Pool::from_ngx_pool(cf.pool).allocate(LocationConf::new(cf)).cast()
    }
}

unsafe extern "C" fn merge_loc_conf(
    cf: *mut ngx_conf_t,
    above: *mut c_void,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: NGINX calls with a live parser and two configurations of `create_loc_conf`.
    let (Some(cf), Some(above), Some(conf)) = (unsafe {
        (cf.as_mut(), above.cast::<LocationConf>().as_ref(), conf.cast::<LocationConf>().as_mut())
    }) else {
        return NGX_CONF_ERROR;
    };
    match conf.merge(above, cf) {
        Ok(()) => NGX_CONF_OK,
        Err(error) => cf.refuse_merged(&error),
    }
}

extern "C" fn init_process(_cycle: *mut ngx_cycle_t) -> ngx_int_t {
    worker::start();
    rc::OK
}

fn rc_of(done: Option<()>) -> ngx_int_t {
    if done.is_some() { rc::OK } else { rc::ERROR }
}
