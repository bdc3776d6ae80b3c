//! Test servers and an NGINX launcher.
//!
//! The integration tests, the demo and the benchmarks stand on this crate: a real [`Nginx`] with
//! the module in it, between an [`AuthorizationServer`] and an [`Api`] that record what reaches
//! them and answer as they are told. The servers run on a runtime of their own, so everything a
//! test calls may block.

mod answer;
mod api;
mod authorization_server;
mod client;
pub mod demo;
pub mod expect;
mod gateway;
mod http2;
mod http3;
pub mod jwt;
pub mod load;
mod lossy_network;
mod misbehaving_proxy;
mod nginx;
mod polling;
mod runtime;
mod server;
mod wire;
mod zone_copy;

pub use answer::{Answer, Gate};
pub use api::Api;
pub use authorization_server::AuthorizationServer;
pub use client::{Connection, Request};
pub use gateway::{Gateway, GatewayBuilder};
pub use http2::{Http2Connection, Http2Response, Http2Stream, http2_body};
pub use http3::{Http3Connection, certificate_and_key};
pub use lossy_network::LossyNetwork;
pub use misbehaving_proxy::{MisbehavingProxy, Trouble};
pub use nginx::{Builder as NginxBuilder, Installation, Nginx, Resources, Verdict};
pub use polling::eventually;
pub use runtime::{interruption, runtime};
pub use wire::{Headers, ReceivedRequest, Response};
