//! A real NGINX with the real module, each in a folder of its own on ports of its own.

mod config;
mod launch;
mod log;
mod process;
mod resources;
mod upgrade;

pub use config::{Installation, Verdict};
pub use process::{Builder, Nginx};
pub use resources::Resources;
