//! One function for each fuzz target. It panics on an input for which its property does not hold.

pub mod answer;
pub mod bearer;
pub mod cache;
pub mod challenge;
pub mod form;
pub mod freshness;
pub mod introspection;
pub mod reading;
pub mod status;

use arbitrary::{Arbitrary, Unstructured};

/// Makes a value out of the bytes of an input; a short input gives a small value.
pub fn made_of<'a, T: Arbitrary<'a>>(input: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(input)).ok()
}
