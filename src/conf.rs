//! What the configuration says: inherited as NGINX does, checked, and resolved once.
//!
//! Each directive is a row of one of the groups: [`protect`], [`introspection`], [`challenge`], [`cache`]
//! and [`endpoints`]. From the rows come the table for NGINX ([`commands`]), what is set and inherited
//! ([`settings`]), the reference in `docs/directives.md`, and `docs/directives.json`. A location has its
//! settings in [`location`]; what they mean is found out in [`resolve`].

#[macro_use]
mod directive;

mod arguments;
mod cache;
mod challenge;
pub mod commands;
mod credential;
mod endpoints;
pub mod error;
mod introspection;
pub mod location;
pub mod main;
mod protect;
mod resolve;
pub mod server;
mod settings;
pub mod values;
mod zones;
