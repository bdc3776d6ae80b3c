//! The module in a real NGINX, between a real authorization server and a real API.
//!
//! Each test starts its own three servers; see the devkit for how. `PHANTOM_NGINX` and
//! `PHANTOM_MODULE` name the NGINX and the module to test, `PHANTOM_DEBUG` makes NGINX log more.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod access_phase;
mod background_update;
mod bypass;
mod cache;
mod cache_directives;
mod cache_lifetime;
mod configuration;
mod connections;
mod crowd;
mod delayed_introspection;
mod error_page;
mod failure_lines;
mod granted;
mod http2;
mod http3;
mod inactive;
mod inheritance;
mod internal_redirect;
mod introspection_answer;
mod introspection_endpoint;
mod introspection_location;
mod introspection_request;
mod introspection_transport;
mod introspection_variables;
mod isolation;
mod kept_apart;
mod lifecycle;
mod not_cached;
mod other_tokens;
mod purge;
mod readme;
mod refused;
mod reload_cache;
mod request_body;
mod sample_configurations;
mod second_authorization;
mod security_attacks;
mod security_cache;
mod security_error_pages;
mod security_post_action;
mod security_refusals;
mod security_subrequests;
mod security_withheld_tokens;
mod single_flight;
mod smoke;
mod spelling;
mod stale;
mod status;
mod subrequest;
mod takeover;
mod token;
mod token_kinds;
mod upstream_cache;
mod variables;
mod verdict;
mod version;
mod worker_cache;
