//! `phantom_token_client_credential`, and which endpoint it was written for.

use std::rc::Rc;

use phantom_token_core::introspection::ClientCredential;

use super::error::Context;
use crate::nginx::conf::Place;

/// A credential as the configuration has it.
#[derive(Clone)]
pub struct CredentialChoice {
    /// None is `off`.
    credential: Option<Rc<ClientCredential>>,
    set: Place,
    /// The endpoint of the level where it is set, if that has one, once a level below inherits it.
    endpoint: Option<Option<Rc<[u8]>>>,
}

impl CredentialChoice {
    /// One that is set there.
    pub fn new(credential: Option<Rc<ClientCredential>>, set: Place) -> Self {
        Self { credential, set, endpoint: None }
    }

    /// What is sent.
    pub fn credential(&self) -> Option<&Rc<ClientCredential>> {
        self.credential.as_ref()
    }

    /// The same for a level below one with that endpoint, which it notes.
    pub fn inherited_from(&self, endpoint: Option<&Rc<[u8]>>) -> Self {
        let endpoint = self.endpoint.clone().or_else(|| Some(endpoint.cloned()));
        Self { endpoint, ..self.clone() }
    }

    /// The endpoint that a credential was set beside, above a location that names another one. It may
    /// be another authorization server's, which gets the secret.
    pub fn set_for_other_than(&self, endpoint: &[u8]) -> Option<&[u8]> {
        self.credential.as_ref()?;
        self.endpoint.as_ref()?.as_deref().filter(|other| *other != endpoint)
    }

    /// Where it is set.
    pub fn place(&self) -> &Place {
        &self.set
    }
}

/// A credential that goes to another endpoint than the one it was set for.
#[derive(Debug, thiserror::Error)]
#[error(
    "\"phantom_token_client_credential\" in {set} is set for endpoint \"{first}\", and is inherited by \
     {context} with endpoint \"{second}\": repeat it there if it is for both, else set another one or \
     \"off\""
)]
pub struct InheritedCredential<'a> {
    pub set: &'a Place,
    pub first: String,
    pub second: String,
    pub context: Context,
}
