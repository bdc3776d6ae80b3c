//! Which build of the module runs. A reload goes on with the one that NGINX has loaded, whatever is
//! installed meanwhile.

use nginx_sys::{NGX_LOG_NOTICE, ngx_cycle_t, ngx_int_t, ngx_test_config};
use ngx::ngx_log_error;
use phantom_token_core::status::Build;

use crate::nginx::rc;

pub const BUILD: Build<'_> = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("PHANTOM_TOKEN_COMMIT"),
    nginx: env!("PHANTOM_TOKEN_NGINX"),
};

/// NGINX calls this when it has read its configuration: at its start and at each reload.
pub unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: NGINX sets it from its command line, and calls with a cycle that has a log.
    if let (0, Some(cycle)) = unsafe { (ngx_test_config, cycle.as_ref()) } {
        let Build { version, commit, nginx } = BUILD;
        ngx_log_error!(
            NGX_LOG_NOTICE,
            cycle.log,
            "phantom_token: version {}, commit {}, built for nginx/{}",
            version,
            commit,
            nginx
        );
    }
    rc::OK
}
