//! What the fuzz target `authorization_server` checks. The other targets check properties that tests hold
//! against the inputs in `seeds/`, too: see `core/testing/src/properties/`.

pub mod authorization_server;
