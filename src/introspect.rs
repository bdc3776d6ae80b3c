//! Asks the authorization server for the JWT behind a token, and reads its answer.

pub mod capture;
pub mod endpoint;
pub mod introspection;
pub mod subrequest;

use phantom_token_core::cache::Counter;
use phantom_token_core::flow::Ask;
use phantom_token_core::token::presented::Presented;

use crate::introspect::introspection::Introspection;
use crate::nginx::lasting::Lasting;
use crate::nginx::request::{OutOfMemory, Request};
use crate::protection::Protection;

/// Starts an introspection. Unless it is in the background, the request is woken when it is over.
///
/// # Errors
///
/// Memory, or the number of subrequests that NGINX allows, is used up.
pub fn start(
    request: Request,
    protection: &Protection,
    presented: Presented<'static>,
    ask: Ask,
) -> Result<Lasting<Introspection>, OutOfMemory> {
    let introspection = Introspection::new(request, protection, presented, ask)?;
    // The request may go on for long without it.
    subrequest::start(request, introspection, &protection.question)
        .inspect_err(|OutOfMemory| introspection.abandon())?;
    introspection.be_ready();
    protection.count(Counter::Introspection);
    Ok(introspection)
}
