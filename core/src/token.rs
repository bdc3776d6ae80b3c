//! Tokens: the opaque one that a client presents, and the JWT behind it.

pub mod bearer;
pub(crate) mod charset;
pub mod jwt;
pub mod presented;
pub(crate) mod spelling;
