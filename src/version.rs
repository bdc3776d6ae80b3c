//! Which build of the module runs. A reload goes on with the one that NGINX has loaded, whatever is
//! installed meanwhile.

use nginx_sys::{NGX_LOG_NOTICE, ngx_log_t};
use ngx::ngx_log_error;
use phantom_token_core::status::Build;

pub const BUILD: Build<'_> = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("PHANTOM_TOKEN_COMMIT"),
    nginx: env!("PHANTOM_TOKEN_NGINX"),
};

/// Says so in the log.
pub fn log(log: *mut ngx_log_t) {
    let Build { version, commit, nginx } = BUILD;
    ngx_log_error!(
        NGX_LOG_NOTICE,
        log,
        "phantom_token: version {}, commit {}, built for nginx/{}",
        version,
        commit,
        nginx
    );
}
