//! Token introspection (RFC 7662): what the authorization server is asked, and what its answer
//! means.

mod answer;
mod failure;
mod failure_code;
mod request;
mod source;

pub use answer::{Answer, Body, OtherToken, Verdict, decides, field, field_value, interpret};
pub use failure::{Failure, Mend, Said};
pub use failure_code::FailureCode;
pub use request::{Asked, ClientCredential, form_body};
pub use source::{Mark, Source, is_bound};
