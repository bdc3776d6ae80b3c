//! The settings of a level of the configuration.

use super::{cache, challenge, introspection, protect};

/// The directives of one level; what is not given there is inherited.
#[derive(Clone, Default)]
pub struct Settings {
    pub protect: protect::Settings,
    pub introspection: introspection::Settings,
    pub challenge: challenge::Settings,
    pub cache: cache::Settings,
}

impl Settings {
    /// Takes over from the level above what is not set here.
    pub fn inherit(&mut self, above: &Self) {
        self.protect.inherit(&above.protect);
        self.introspection.inherit(&above.introspection);
        self.challenge.inherit(&above.challenge);
        self.cache.inherit(&above.cache);
    }
}
