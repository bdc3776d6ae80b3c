//! A client's request, from its token to the API or to a refusal.

pub mod access;
pub mod authorization;
pub mod context;
pub mod fields;
pub mod flow;
pub mod refusal;
pub mod site;
pub mod wait;
