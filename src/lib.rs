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
mod endpoints;
mod filters;
mod introspect;
mod log;
mod module;
mod nginx;
mod phases;
mod protection;
mod request;
mod variables;
mod vary;
mod version;
mod worker;
mod zone;

use core::ptr;

use nginx_sys::{NGX_HTTP_MODULE, ngx_conf_t, ngx_http_module_t, ngx_log_t, ngx_module_t};
use ngx::http::{HttpModule as _, HttpModuleMainConf as _};

use conf::error::MergeError;
use conf::location::LocationConf;
use conf::main::MainConf;
use module::Module;
use nginx::module::{Life, Open};
use nginx::{handlers, process};

#[global_allocator]
static ALLOCATOR: nginx::memory::Allocator = nginx::memory::Allocator::new();

/// What NGINX looks for in a dynamic module.
mod exports {
    #![allow(missing_docs, non_upper_case_globals, reason = "NGINX gives the names")]

    use super::*;

    ngx::ngx_modules!(ngx_http_phantom_token_module);

    #[unsafe(no_mangle)]
    pub static mut ngx_http_phantom_token_module: ngx_module_t = ngx_module_t {
        ctx: ptr::addr_of!(CONTEXT).cast_mut().cast(),
        commands: ptr::addr_of_mut!(conf::commands::COMMANDS).cast(),
        type_: NGX_HTTP_MODULE as _,
        init_module: Some(nginx::module::init_module::<Module>),
        init_process: Some(nginx::module::init_process::<Module>),
        ..ngx_module_t::default()
    };
}

static CONTEXT: ngx_http_module_t = nginx::module::context::<Module>();

impl Life for Module {
    type Error = Box<MergeError>;

    fn preconfigure(cf: &mut ngx_conf_t) -> Option<()> {
        variables::register(cf)?;
        let index = nginx::variables::index(cf, b"http_authorization")?;
        Module::main_conf_mut(cf)?.authorization_index = Some(index);
        Some(())
    }

    fn new_main() -> MainConf {
        Self::take_place();
        MainConf::new(Self::module())
    }

    fn new_location(cf: &ngx_conf_t) -> LocationConf {
        LocationConf::new(cf)
    }

    fn merge_location(
        cf: &mut ngx_conf_t,
        above: &LocationConf,
        conf: &mut LocationConf,
    ) -> Result<(), Box<MergeError>> {
        match Module::main_conf_mut(cf) {
            Some(main) => conf.merge(above, main, cf),
            None => Ok(()),
        }
    }

    fn postconfigure(cf: &mut ngx_conf_t, open: Open) -> Option<()> {
        if let Some(main) = Module::main_conf(cf) {
            main.warn_of_unused(cf);
        }
        introspect::endpoint::resolve(cf)?;
        handlers::add_filter::<filters::Output>(open);
        phases::register(cf, open)
    }

    fn loaded(log: *mut ngx_log_t) {
        if !process::is_testing() {
            version::log(log);
        }
    }

    fn start_worker() {
        worker::start();
    }
}
