//! An API that verifies JWTs and shows what it received.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::{DemoAuthorizationServer, serve};

/// Answers every request that has a JWT of the authorization server with what it received.
///
/// A real API does the first half only: it never shows a JWT to the client.
pub struct DemoApi {
    address: SocketAddr,
}

impl DemoApi {
    /// Starts one on a free port.
    pub fn start(authorization_server: &DemoAuthorizationServer) -> Self {
        let key = DecodingKey::from_ec_pem(authorization_server.public_key().as_bytes());
        let key = Arc::new(key.expect("a public key for ES256"));
        Self { address: serve(Router::new().fallback(show).with_state(key)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn show(
    State(key): State<Arc<DecodingKey>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(claims) = authorization.and_then(|value| verified(value, &key)) else {
        let error =
            json!({"error": "no JWT of the authorization server", "received": authorization});
        return (StatusCode::UNAUTHORIZED, Json(error)).into_response();
    };
    Json(json!({
        "request": format!("{method} {uri}"),
        "authorization": authorization,
        "verified_claims": claims,
    }))
    .into_response()
}

fn verified(authorization: &str, key: &DecodingKey) -> Option<Value> {
    let jwt = authorization.strip_prefix("Bearer ")?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["demo-api"]);
    jsonwebtoken::decode(jwt, key, &validation).ok().map(|token| token.claims)
}
