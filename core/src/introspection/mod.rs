//! Token introspection (RFC 7662): what the authorization server is asked, and what its answer
//! means.

mod answer;
mod failure;
mod request;

pub use answer::{Answer, Body, Verdict, interpret};
pub use failure::Failure;
pub use request::{ClientCredential, form_body};
