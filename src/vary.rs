//! The values of a request by which answers are kept apart.

use phantom_token_core::cache::Profile;

use crate::nginx::conf::ComplexValue;
use crate::nginx::request::{OutOfMemory, Request};

/// What a question depends on beside the configuration: values that are known before it is asked.
#[derive(Default)]
pub struct Vary {
    values: Vec<ComplexValue>,
    /// Those of them that may be others in the introspection.
    unsettled: Vec<ComplexValue>,
}

impl Vary {
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds a value that is the same in the request and in its introspection.
    pub fn add(&mut self, value: ComplexValue) {
        self.values.push(value);
    }

    /// Adds a value that the introspection location may change, by a `set` of its own for example. Where it
    /// does, an answer is not that to the question whose values are known.
    pub fn add_unsettled(&mut self, value: ComplexValue) {
        self.add(value);
        self.unsettled.push(value);
    }

    /// How the values are written.
    pub fn texts(&self) -> Vec<&[u8]> {
        self.values.iter().map(ComplexValue::text).collect()
    }

    /// What `hash` makes of the values in a request.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn hashed<T>(
        &self,
        request: Request,
        hash: impl FnOnce(&[&[u8]]) -> T,
    ) -> Result<T, OutOfMemory> {
        hashed(&self.values, request, hash)
    }

    /// What the unsettled values are in a request, or in its introspection; nothing if there are none.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn unsettled(&self, request: Request) -> Result<Option<Profile>, OutOfMemory> {
        if self.unsettled.is_empty() {
            return Ok(None);
        }
        hashed(&self.unsettled, request, Profile::new).map(Some)
    }
}

fn hashed<T>(
    values: &[ComplexValue],
    request: Request,
    hash: impl FnOnce(&[&[u8]]) -> T,
) -> Result<T, OutOfMemory> {
    let values = values.iter().map(|value| value.evaluate(request));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    Ok(hash(&values.iter().map(|value| &**value).collect::<Vec<_>>()))
}
