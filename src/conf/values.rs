//! The values of settings that no other part of the module has a type for.

use crate::nginx::conf::Place;

/// A value whose place errors name, since they show only where other directives are known.
#[derive(Clone)]
pub struct Placed<T> {
    pub value: T,
    /// Where it is set; nothing for the default.
    pub place: Option<Place>,
}

impl<T> From<T> for Placed<T> {
    /// The default.
    fn from(value: T) -> Self {
        Self { value, place: None }
    }
}

/// `phantom_token_options`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnOptions {
    /// Answer 204, as the C module does.
    Reply,
    /// Let the request through, without a token.
    Pass,
    /// Treat it as any other request.
    Check,
}

/// `phantom_token_cache`.
#[derive(Clone)]
pub enum CacheChoice {
    Off,
    Zone(String),
}

/// `phantom_token_cache_ignore_headers`.
#[derive(Clone, Copy, Default)]
pub struct IgnoredHeaders {
    pub cache_control: bool,
    pub expires: bool,
}

/// The scopes that the challenge advertises: all of `phantom_token_scopes`, or without that, each
/// `phantom_token_scope`.
#[derive(Clone, Default)]
pub struct Scopes {
    pub all: Option<Placed<String>>,
    pub each: Vec<Placed<String>>,
}

impl Scopes {
    /// In one text; nothing if there are none.
    pub fn text(&self) -> Option<String> {
        let all = self.all.as_ref().map(|all| all.value.clone());
        all.or_else(|| {
            let each: Vec<_> = self.each.iter().map(|scope| scope.value.as_str()).collect();
            (!each.is_empty()).then(|| each.join(" "))
        })
    }

    /// The directive that says them, and where it is.
    pub fn source(&self) -> (&'static str, Option<&Place>) {
        match (&self.all, self.each.first()) {
            (Some(all), _) => ("phantom_token_scopes", all.place.as_ref()),
            (None, first) => ("phantom_token_scope", first.and_then(|one| one.place.as_ref())),
        }
    }
}
