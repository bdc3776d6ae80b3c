//! The one tokio runtime that all test servers share.
//!
//! The servers must go on answering while a test blocks, so they never run on the test's thread.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    runtime::{Builder, Runtime},
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a tokio runtime")
});

/// The runtime of the test servers, also for clients that need one.
pub fn runtime() -> &'static Runtime {
    &RUNTIME
}

/// Becomes true when this process is asked to end (SIGINT, SIGTERM), which no longer ends it by
/// itself.
pub fn interruption() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = interrupted.clone();
    runtime().spawn(async move {
        let mut terminate = signal(SignalKind::terminate()).expect("to wait for SIGTERM");
        tokio::select! {
            _ = ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        told.store(true, Ordering::SeqCst);
    });
    interrupted
}
