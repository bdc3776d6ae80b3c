//! Clients: their connections, protocols and bodies.

mod connections;
mod http2;
mod http3;
mod post_action;
mod request_body;
