//! The one tokio runtime that all test servers share.
//!
//! The servers must go on answering while a test blocks, so they never run on the test's thread.

use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a tokio runtime")
});

/// The runtime of the test servers, also for clients that need one.
pub fn runtime() -> &'static Runtime {
    &RUNTIME
}
