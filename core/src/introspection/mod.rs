//! Token introspection (RFC 7662): what the authorization server is asked, and what its answer
//! means.

mod answer;
mod client_auth;
mod failure;
mod failure_code;
mod fields;
mod question;
mod source;

pub use answer::{Answer, Body, OtherToken, Verdict, decides, interpret};
pub use client_auth::ClientCredential;
pub use failure::{Failure, Mend, Said};
pub use failure_code::FailureCode;
pub use fields::{Field, Fields};
pub use question::{Asked, Question, form_body};
pub use source::{Mark, Source, is_bound};
