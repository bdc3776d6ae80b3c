//! An authorization server that issues opaque tokens and introspects them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderMap, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::{basic_credential, serve};
use crate::jwt::unix_now;

const ISSUER: &str = "https://login.example.com";
/// How long an access token is good, in seconds.
const TOKEN_LIFETIME: u64 = 600;
/// How long an introspection answer may be kept, in seconds.
const ANSWER_LIFETIME: u64 = 60;

/// A client of the authorization server.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its id.
    pub id: &'static str,
    /// Its secret.
    pub secret: &'static str,
}

impl Client {
    /// The client that asks for access tokens.
    pub const APP: Self = Self { id: "demo-app", secret: "app-secret" };
    /// The client that introspects them.
    pub const GATEWAY: Self = Self { id: "gateway", secret: "secret" };
}

/// Issues opaque access tokens at `/token` (RFC 6749 section 4.4) and introspects them at
/// `/introspect` (RFC 7662), as a JWT when that is asked for.
pub struct DemoAuthorizationServer {
    address: SocketAddr,
    public_key: String,
}

impl DemoAuthorizationServer {
    /// Starts one on a free port, with a signing key of its own.
    pub fn start() -> Self {
        let key = KeyPair::generate().expect("a key pair for ES256");
        let signing_key =
            EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).expect("a key for ES256");
        let issued = Arc::new(Issued { tokens: Mutex::default(), signing_key });
        let router = Router::new()
            .route("/token", post(issue))
            .route("/introspect", post(introspect))
            .with_state(issued);
        Self { address: serve(router), public_key: key.public_key_pem() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that verifies its JWTs, in PEM.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }
}

struct Issued {
    tokens: Mutex<HashMap<String, AccessToken>>,
    signing_key: EncodingKey,
}

#[derive(Clone)]
struct AccessToken {
    subject: String,
    scope: String,
    issued: u64,
    expires: u64,
}

impl AccessToken {
    fn claims(&self) -> Value {
        json!({
            "iss": ISSUER,
            "aud": "demo-api",
            "sub": self.subject,
            "scope": self.scope,
            "iat": self.issued,
            "exp": self.expires,
        })
    }
}

impl Issued {
    fn active(&self, token: &str) -> Option<AccessToken> {
        let tokens = self.tokens.lock().expect("the tokens");
        tokens.get(token).filter(|token| token.expires > unix_now()).cloned()
    }

    fn jwt(&self, token: &AccessToken) -> String {
        let header = Header { typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &token.claims(), &self.signing_key).expect("a signed JWT")
    }
}

type Parameters = Form<HashMap<String, String>>;

async fn issue(
    State(issued): State<Arc<Issued>>,
    headers: HeaderMap,
    Form(parameters): Parameters,
) -> Response {
    if !is_authenticated(&headers, Client::APP) {
        return invalid_client();
    }
    if parameters.get("grant_type").is_none_or(|grant| grant != "client_credentials") {
        let error = Json(json!({"error": "unsupported_grant_type"}));
        return (StatusCode::BAD_REQUEST, error).into_response();
    }
    let mut random = [0; 24];
    getrandom::fill(&mut random).expect("randomness");
    let opaque = URL_SAFE_NO_PAD.encode(random);
    let (issued_at, scope) = (unix_now(), parameters.get("scope").cloned().unwrap_or_default());
    let token = AccessToken {
        subject: Client::APP.id.to_owned(),
        scope: scope.clone(),
        issued: issued_at,
        expires: issued_at + TOKEN_LIFETIME,
    };
    issued.tokens.lock().expect("the tokens").insert(opaque.clone(), token);
    let answer = json!({
        "access_token": opaque,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME,
        "scope": scope,
    });
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

async fn introspect(
    State(issued): State<Arc<Issued>>,
    headers: HeaderMap,
    Form(parameters): Parameters,
) -> Response {
    if !is_authenticated(&headers, Client::GATEWAY) {
        return invalid_client();
    }
    let wants_jwt = headers.get(ACCEPT).is_some_and(|accept| accept == "application/jwt");
    let token = parameters.get("token").and_then(|token| issued.active(token));
    let Some(token) = token else {
        return match wants_jwt {
            true => StatusCode::NO_CONTENT.into_response(),
            false => Json(json!({"active": false})).into_response(),
        };
    };
    let lifetime = ANSWER_LIFETIME.min(token.expires.saturating_sub(unix_now()));
    let cache_control = (CACHE_CONTROL, format!("max-age={lifetime}"));
    let jwt = issued.jwt(&token);
    if wants_jwt {
        let media_type = (CONTENT_TYPE, "application/jwt".to_owned());
        return ([cache_control, media_type], jwt).into_response();
    }
    let mut answer = token.claims();
    answer["active"] = json!(true);
    answer["phantom_token"] = json!(jwt);
    ([cache_control], Json(answer)).into_response()
}

fn is_authenticated(headers: &HeaderMap, client: Client) -> bool {
    basic_credential(headers).is_some_and(|(id, secret)| id == client.id && secret == client.secret)
}

fn invalid_client() -> Response {
    let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"clients\"")];
    let error = Json(json!({"error": "invalid_client"}));
    (StatusCode::UNAUTHORIZED, challenge, error).into_response()
}
