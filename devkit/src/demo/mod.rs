//! What the demo shows: an authorization server and an API that do what real ones do, in small.

mod api;
mod authorization_server;

use std::net::SocketAddr;

use axum::Router;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};
use tokio::net::TcpListener;

pub use api::DemoApi;
pub use authorization_server::{Client, DemoAuthorizationServer};

use crate::runtime::runtime;

/// Serves on a free port of the loopback interface for as long as the program runs.
fn serve(router: Router) -> SocketAddr {
    let listener =
        runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port to listen on");
    let address = listener.local_addr().expect("the address listened on");
    runtime().spawn(async move { axum::serve(listener, router).await });
    address
}

/// The id and the secret of HTTP Basic authentication. Both are form-encoded in it (RFC 6749
/// section 2.3.1), which changes nothing about those of the demo.
fn basic_credential(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let encoded = value.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
