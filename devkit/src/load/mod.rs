//! A steady load whose every answer is checked.
//!
//! Nothing has to be remembered about a request for that, so it goes on for as long as it takes: a
//! [`Token`] says what it stands for, the [`Issuer`] gives out JWTs that name their token and are
//! sealed against any change, the [`CheckingApi`] compares what reaches it with what the client
//! says it sent, and the client knows what must come back.

mod api;
mod client;
mod histogram;
mod issuer;
mod tally;
mod token;

pub use api::CheckingApi;
pub use client::{Load, RunningLoad};
pub use histogram::Histogram;
pub use issuer::{Issuer, Revoker};
pub use tally::{Findings, Tally, Totals};
pub use token::{Kind, Token, mixture, scatter};

/// The header field with the number of a request.
const NUMBER: &str = "X-Number";
/// The header field with the token of a request, for the API.
const TOKEN: &str = "X-Token";
/// The header field in which NGINX tells the API its own time, `$msec`.
const NOW: &str = "X-Now";
