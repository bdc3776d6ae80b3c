//! The properties of the fuzz targets. They are those of the tests, which hold them against the
//! inputs in `seeds/`.

pub mod authorization_server;
#[path = "../../core/tests/cache/memory.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod memory;
#[path = "../../core/tests/cache/model.rs"]
mod model;
#[path = "../../core/tests/hostile/properties/mod.rs"]
pub mod properties;
