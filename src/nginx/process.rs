//! The process of NGINX that the module runs in.

use nginx_sys::{ESRCH, ngx_pagesize, ngx_pid, ngx_test_config, ngx_worker};

/// The process id.
pub fn pid() -> u64 {
    // SAFETY: NGINX sets it when a process starts.
    u64::try_from(unsafe { ngx_pid }).unwrap_or_default()
}

/// The number of this worker among the workers.
pub fn worker() -> usize {
    // SAFETY: NGINX sets it when a worker starts.
    unsafe { ngx_worker }
}

/// Whether NGINX only tests its configuration (`nginx -t`).
pub fn is_testing() -> bool {
    // SAFETY: NGINX sets it from its command line.
    unsafe { ngx_test_config != 0 }
}

/// The size of a page of memory in bytes.
pub fn page_size() -> usize {
    // SAFETY: NGINX sets it before it reads its configuration.
    unsafe { ngx_pagesize }
}

/// Whether a process exists, be it another user's. One that waits to be reaped does.
pub fn exists(pid: u64) -> bool {
    let Ok(pid) = i32::try_from(pid) else {
        return true;
    };
    // SAFETY: signal 0 is not sent.
    let sent = unsafe { nginx_sys::kill(pid, 0) };
    sent == 0 || std::io::Error::last_os_error().raw_os_error() != Some(NO_SUCH_PROCESS)
}

const NO_SUCH_PROCESS: i32 = ESRCH as i32;
