//! Who may do what: whether the holder of an active token has access to a location.
//!
//! Each grant comes through [`admit`], whatever way its JWT has come: out of a cache, by an introspection of
//! its own or of another request, fresh or stale, from where a redirect began or from the request that a
//! subrequest is a part of.

use crate::refusal::Refusal;

/// What a location demands of a token, beyond that it is active. No directive demands anything yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {}

/// That a request has passed the rules of its location. A grant takes one, so none is made without.
#[derive(Debug)]
pub struct Admission(());

/// Checks a request, whose token is active, against the rules of its location.
///
/// # Errors
///
/// Why it is refused all the same.
#[inline(always)]
pub fn admit(rules: &Rules) -> Result<Admission, Refusal> {
    let Rules {} = rules;
    Ok(Admission(()))
}
