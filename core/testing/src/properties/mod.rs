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
use http::HeaderValue;

/// Makes a value out of the bytes of an input; a short input gives a small value.
pub fn made_of<'a, T: Arbitrary<'a>>(input: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(input)).ok()
}

/// A field's value, in which what none may have is what no grammar takes.
fn field_value(bytes: &[u8]) -> HeaderValue {
    let readable = |byte: &u8| match byte {
        b'\t' => b'\t',
        byte if byte.is_ascii_control() => 0xff,
        byte => *byte,
    };
    HeaderValue::from_bytes(&bytes.iter().map(readable).collect::<Vec<_>>()).unwrap()
}
