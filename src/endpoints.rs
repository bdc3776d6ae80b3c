//! What the module answers by itself.

pub mod purge;
pub mod status;
