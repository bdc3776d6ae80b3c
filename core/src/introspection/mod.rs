//! Token introspection (RFC 7662): what the authorization server is asked, and what its answer
//! means.

mod answer;
mod failure;
mod failure_code;
mod request;

pub use answer::{Answer, Body, Verdict, interpret};
pub use failure::Failure;
pub use failure_code::FailureCode;
pub use request::{ClientCredential, form_body};
