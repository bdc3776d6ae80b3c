//! The module as NGINX knows it: where its configurations are found.

use nginx_sys::ngx_module_t;
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf};

use crate::conf::location::LocationConf;
use crate::conf::main::MainConf;
use crate::nginx::WorkerCell;
use crate::nginx::lasting::Lasting;
use crate::nginx::request::Request;

/// This module.
pub struct Module;

/// Its place among the modules of HTTP, which is known before a configuration is read. A request looks
/// here, which takes less than to look into the structure that NGINX has.
static PLACE: WorkerCell<usize> = WorkerCell::new(0);

impl Module {
    /// Takes the place that NGINX has given to the module in the configuration that it begins to read.
    pub fn take_place() {
        PLACE.set(Self::module().ctx_index);
    }

    /// The configuration of the http block that a request is handled by.
    #[inline(always)]
    pub fn main_of(request: &Request) -> Option<&MainConf> {
        // SAFETY: that of this module is a `MainConf`.
        unsafe { request.main_conf(PLACE.get()) }
    }

    /// The configuration of the location that a request is in.
    #[inline(always)]
    pub fn location_of(request: &Request) -> Option<&LocationConf> {
        // SAFETY: that of this module is a `LocationConf`.
        unsafe { request.location_conf(PLACE.get()) }
    }

    /// The context of a request where it is, which an internal redirect clears.
    ///
    /// # Safety
    ///
    /// Whatever was set as a context of this module is a `T`.
    #[inline(always)]
    pub unsafe fn context_of<T>(request: &Request) -> Option<&T> {
        // SAFETY: the caller's promise.
        unsafe { request.context(PLACE.get()) }
    }

    /// Sets the context of a request where it is.
    ///
    /// # Safety
    ///
    /// As [`Module::context_of`].
    #[inline(always)]
    pub unsafe fn set_context<T>(request: Request, context: Lasting<T>) {
        // SAFETY: the caller's promise.
        unsafe { request.set_context(PLACE.get(), context) };
    }
}

// SAFETY: `Life::new_main` makes a `MainConf`.
unsafe impl HttpModuleMainConf for Module {
    type MainConf = MainConf;
}

// SAFETY: `Life::new_location` makes a `LocationConf`.
unsafe impl HttpModuleLocationConf for Module {
    type LocationConf = LocationConf;
}

impl HttpModule for Module {
    fn module() -> &'static ngx_module_t {
        // SAFETY: NGINX writes to the module while it loads it, anew with each reload, when no
        // function of the module runs, and only reads otherwise.
        unsafe { &ngx_http_phantom_token_module }
    }
}

// In the root of the crate, which knows all that NGINX calls.
unsafe extern "C" {
    static ngx_http_phantom_token_module: ngx_module_t;
}
