//! The same, with a model looking on.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{self, Ordering};
use std::time::Duration;

static MODEL: OnceLock<fn()> = OnceLock::new();

/// Has `model` called before each access to shared memory, from now on. The first call counts.
pub fn watch(model: fn()) {
    MODEL.get_or_init(|| model);
}

pub(in super::super) fn access_memory() {
    if let Some(model) = MODEL.get() {
        model();
    }
}

/// The accesses of the loops that spin are watched, and that is enough of a pause.
pub(in super::super) fn spin_loop() {}

macro_rules! watched {
    ($($name:ident of $value:ty;)*) => {$(
        /// An atomic that may be accessed only after the model had its say.
        #[repr(transparent)]
        pub(in super::super) struct $name(atomic::$name);

        impl $name {
            pub(in super::super) fn load(&self, order: Ordering) -> $value {
                access_memory();
                self.0.load(order)
            }

            pub(in super::super) fn store(&self, value: $value, order: Ordering) {
                access_memory();
                self.0.store(value, order);
            }

            #[allow(dead_code, reason = "not used of each size")]
            pub(in super::super) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                access_memory();
                self.0.fetch_add(value, order)
            }

            #[allow(dead_code, reason = "not used of each size")]
            pub(in super::super) fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                access_memory();
                self.0.fetch_max(value, order)
            }

            #[allow(dead_code, reason = "not used of each size")]
            pub(in super::super) fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                access_memory();
                self.0.compare_exchange(from, to, success, failure)
            }
        }
    )*};
}

watched! {
    AtomicU8 of u8;
    AtomicU16 of u16;
    AtomicU32 of u32;
    AtomicU64 of u64;
}

/// A clock that goes on by a millisecond each time it is read, so that a schedule repeats itself
/// exactly and who waits sees time pass.
#[derive(Clone, Copy)]
pub(in super::super) struct Instant(u64);

thread_local! {
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

impl Instant {
    pub(in super::super) fn now() -> Self {
        let now = CLOCK.get().wrapping_add(1);
        CLOCK.set(now);
        Self(now)
    }

    pub(in super::super) fn elapsed(self) -> Duration {
        let Self(now) = Self::now();
        Duration::from_millis(now.wrapping_sub(self.0))
    }
}
