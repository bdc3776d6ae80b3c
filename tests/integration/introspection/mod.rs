//! The introspection: what the authorization server is asked, and what its answer means.

mod answer;
mod delayed;
mod endpoint;
mod failure;
mod isolation;
mod location;
mod misspelt_endpoint;
mod redirected;
mod request;
mod transport;
mod upstream_cache;
mod variables;
