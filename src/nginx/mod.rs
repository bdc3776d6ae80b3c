//! NGINX's C interface, wrapped once per idea; the code above these wrappers is safe Rust.

pub mod bits;
pub mod body;
pub mod buffers;
pub mod command;
pub mod conf;
pub mod event;
pub mod handlers;
pub mod headers;
pub mod lasting;
pub mod location;
pub mod memory;
pub mod module;
pub mod pool;
pub mod process;
pub mod rc;
pub mod request;
pub mod response;
pub mod rewrite;
pub mod servers;
pub mod shared_memory;
pub mod subrequest;
pub mod upstream_cache;
pub mod upstream_conf;
pub mod variables;

use core::cell::Cell;
use core::ffi::CStr;

use nginx_sys::{ngx_log_t, ngx_str_t};

/// A variable of the process. No two pieces of code ever see it at once: whoever takes its value
/// puts one back before it calls anything that could ask for it.
pub struct WorkerCell<T>(Cell<T>);

// SAFETY: NGINX runs modules in one thread of a process; its thread pools do not call us.
unsafe impl<T> Sync for WorkerCell<T> {}

impl<T: Default> Default for WorkerCell<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> WorkerCell<T> {
    pub const fn new(value: T) -> Self {
        Self(Cell::new(value))
    }

    pub fn set(&self, value: T) {
        self.0.set(value);
    }

    pub fn get(&self) -> T
    where
        T: Copy,
    {
        self.0.get()
    }

    pub fn take(&self) -> T
    where
        T: Default,
    {
        self.0.take()
    }
}

/// A value of the process that changes within, by cells of its own.
pub struct OfWorker<T>(T);

// SAFETY: as above.
unsafe impl<T> Sync for OfWorker<T> {}

impl<T> OfWorker<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    pub fn get(&self) -> &T {
        &self.0
    }
}

/// The bytes of an NGINX string; one without data is empty.
///
/// # Safety
///
/// `string` describes initialised memory that outlives `'a` and is not written meanwhile.
pub unsafe fn bytes<'a>(string: ngx_str_t) -> &'a [u8] {
    if string.data.is_null() {
        return &[];
    }
    // SAFETY: the caller vouches for `len` bytes at `data`, which is not null.
    unsafe { core::slice::from_raw_parts(string.data, string.len) }
}

/// Sets what NGINX says that it was doing in lines of a connection's log, behind "while".
pub fn set_log_action(log: *mut ngx_log_t, action: &'static CStr) {
    // SAFETY: a log that requests write to lives as long as its connection, and its action is only
    // read.
    if let Some(log) = unsafe { log.as_mut() } {
        log.action = action.as_ptr().cast_mut();
    }
}

/// An NGINX string over `bytes`, which NGINX reads and never writes. Whoever hands it on sees to it
/// that the bytes live long enough.
pub const fn string(bytes: &[u8]) -> ngx_str_t {
    ngx_str_t { len: bytes.len(), data: bytes.as_ptr().cast_mut() }
}
