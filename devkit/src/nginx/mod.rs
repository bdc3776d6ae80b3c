//! A real NGINX with the real module, each in a folder of its own on ports of its own.

mod config;
mod log;
mod process;

pub use config::{Installation, Verdict};
pub use process::{Builder, Nginx};
