//! What can go wrong with an introspection.

use std::fmt;

use http::{HeaderValue, StatusCode};
use thiserror::Error;

use super::Asked;
use crate::token::jwt::JwtError;

mod said;

pub use said::Said;

/// Why an introspection gave neither a JWT nor the answer that the token is inactive.
///
/// The text is what the operator reads in the error log; [`Failure::mend`] is what may be set. Neither
/// has a token in it, nor anything else of the answer's body but what [`Said`] lets through.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// 200 without a body.
    #[error(
        "the introspection answer is 200 with an empty body: expected a JWT, JSON, or 204 for an \
         inactive token"
    )]
    Empty,
    /// The body does not look like JSON, and is no JWT that can be used either.
    #[error("the introspection answer is neither JSON nor a usable JWT: {0}")]
    Jwt(#[source] JwtError),
    /// As before, and the answer says itself that it is a page for people.
    #[error("the introspection answer is an HTML page")]
    HtmlPage,
    /// A response to introspection as a JWT (RFC 9701), signed or encrypted, which is about a token
    /// and for the gateway alone.
    #[error(
        "the introspection answer is of type token-introspection+jwt (RFC 9701), which is no access \
         token"
    )]
    IntrospectionResponse,
    /// The body begins as a JSON object, but is none.
    #[error("the introspection answer is not valid JSON")]
    InvalidJson,
    /// JSON without the one member that RFC 7662 section 2.2 requires.
    #[error("the introspection answer is JSON without the member active")]
    ActiveMissing,
    /// `active` is something else than `true` or `false`.
    #[error("the member active of the introspection answer is not a boolean")]
    ActiveInvalid,
    /// A member that decides the outcome occurs more than once.
    #[error(
        "the introspection answer has a member more than once: active, token_type, token_use, nbf, \
         exp or the JWT"
    )]
    RepeatedMember,
    /// `token_type` or `token_use` is something else than a string.
    #[error("the member token_type or token_use of the introspection answer is not a string")]
    TokenTypeInvalid,
    /// `nbf` is something else than a number.
    #[error("the member nbf of the introspection answer is not a number")]
    NotBeforeInvalid,
    /// `exp` is something else than a number.
    #[error("the member exp of the introspection answer is not a number")]
    ExpiresInvalid,
    /// The token is active, but there is no JWT to forward.
    #[error("the introspection answer says that the token is active, but has no JWT")]
    NoJwt,
    /// The member that should hold the JWT holds something else.
    #[error("the JWT in the introspection answer is not usable: {0}")]
    EmbeddedJwt(#[source] JwtError),
    /// The answer ended before its announced end.
    #[error(
        "the introspection answer is truncated: the connection to the authorization server \
         ended too early"
    )]
    Truncated,
    /// The answer was there, but could not be read back from where NGINX had put it.
    #[error(
        "the introspection answer could not be read back from a temporary or cached file, or \
         memory is used up"
    )]
    Unreadable,
    /// The answer is larger than the configured limit.
    #[error("the introspection answer is too large")]
    TooLarge,
    /// The answer has a content coding, such as gzip.
    #[error("the introspection answer is compressed")]
    Encoded,
    /// A status that an introspection endpoint does not answer with when it is asked correctly.
    #[error("the introspection answer has status {}{said}", status.as_u16())]
    UnexpectedStatus {
        /// What it answered.
        status: StatusCode,
        /// What its body says.
        said: Said,
    },
    /// 429 or 503: the authorization server asks to be left alone for a while.
    #[error("the authorization server is overloaded or down: it answered {}", status.as_u16())]
    Unavailable {
        /// What it answered.
        status: StatusCode,
        /// When to come again, if it said so in a valid way (RFC 9110 section 10.2.3).
        retry_after: Option<HeaderValue>,
    },
    /// 500 and other 5xx.
    #[error("the authorization server failed: it answered {}", .0.as_u16())]
    ServerError(StatusCode),
    /// There is nobody to connect to, or the connection broke before there was an answer.
    #[error("the authorization server cannot be reached, or did not answer as HTTP says")]
    Unreachable,
    /// NGINX answered by itself.
    #[error(
        "NGINX itself answered the introspection with {}, and did not ask the authorization server",
        status.as_u16()
    )]
    NotAsked {
        /// What it answered.
        status: StatusCode,
        /// As in [`Failure::Unavailable`].
        retry_after: Option<HeaderValue>,
    },
    /// The answer comes out of NGINX's own cache, and may be about another token.
    #[error(
        "the introspection answer comes from NGINX's own cache, under a key that is not bound to the \
         token"
    )]
    UnboundCacheKey,
    /// The authorization server does not answer in time.
    #[error("the authorization server did not answer in time")]
    Timeout,
}

impl Failure {
    /// The status that the client of the API gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ if self.is_by_limit() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout | Self::ServerError(StatusCode::GATEWAY_TIMEOUT) => {
                StatusCode::GATEWAY_TIMEOUT
            }
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// Whether a limit of NGINX's (`limit_req`, `limit_conn`) kept the question from being asked.
    #[must_use]
    pub fn is_by_limit(&self) -> bool {
        matches!(self, Self::NotAsked { status, .. } if is_of_limit(*status))
    }

    /// The `Retry-After` to pass on to the client.
    #[must_use]
    pub fn retry_after(&self) -> Option<&HeaderValue> {
        match self {
            Self::Unavailable { retry_after, .. } => retry_after.as_ref(),
            Self::NotAsked { status, retry_after } if is_of_limit(*status) => retry_after.as_ref(),
            _ => None,
        }
    }

    /// What would mend it, where something can be set or looked at: for the error log, behind the text
    /// of the failure. What is set already is not advised.
    #[must_use]
    pub fn mend<'a>(&'a self, asked: Asked<'a>) -> Option<Mend<'a>> {
        let has_mend = !matches!(
            self,
            Self::InvalidJson
                | Self::ActiveInvalid
                | Self::RepeatedMember
                | Self::TokenTypeInvalid
                | Self::NotBeforeInvalid
                | Self::ExpiresInvalid
                | Self::Truncated
                | Self::Unavailable { .. }
                | Self::ServerError(_)
        );
        has_mend.then_some(Mend { failure: self, asked })
    }
}

/// Whether a status of NGINX's own is one of a limit (`limit_req_status`, `limit_conn_status`).
fn is_of_limit(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// What would mend a [`Failure`], as a text.
#[derive(Clone, Copy, Debug)]
pub struct Mend<'a> {
    failure: &'a Failure,
    asked: Asked<'a>,
}

impl fmt::Display for Mend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failure, asked } = self;
        let accept = asked.accept;
        match failure {
            Failure::Empty => write!(
                f,
                "check that the authorization server answers this client in the type \"{accept}\" \
                 (phantom_token_introspection_accept_header)"
            ),
            Failure::Jwt(JwtError::IntrospectionResponse)
            | Failure::EmbeddedJwt(JwtError::IntrospectionResponse)
            | Failure::IntrospectionResponse => self.another_type(f),
            Failure::Jwt(_) => write!(
                f,
                "check phantom_token_introspection_endpoint, and that the authorization server \
                 answers this client in the type \"{accept}\" \
                 (phantom_token_introspection_accept_header)"
            ),
            Failure::HtmlPage => f.write_str(
                "check the path in proxy_pass of the introspection location: a login page, or \
                 something else than an introspection endpoint, answers there",
            ),
            Failure::ActiveMissing => f.write_str(
                "check that phantom_token_introspection_endpoint leads to an introspection endpoint \
                 (RFC 7662)",
            ),
            Failure::NoJwt if asked.asks_for(JWT) => write!(
                f,
                "{JWT} was asked for (unless proxy_pass_request_headers off in the introspection \
                 location withholds that), so let the authorization server answer this client with \
                 a JWT, or name the member that holds it with phantom_token_jwt_claim"
            ),
            Failure::NoJwt => write!(
                f,
                "set phantom_token_introspection_accept_header to {JWT}, or name the member that \
                 holds the JWT with phantom_token_jwt_claim"
            ),
            Failure::EmbeddedJwt(_) => f.write_str("check phantom_token_jwt_claim"),
            Failure::Unreadable => f.write_str("check the disk and the memory of this machine"),
            Failure::TooLarge => f.write_str("raise phantom_token_max_response_size"),
            Failure::Encoded => f.write_str(
                "set proxy_set_header Accept-Encoding \"\" in the introspection location, or have \
                 the authorization server send as it is what nobody asked it to compress",
            ),
            Failure::UnexpectedStatus { status, said } => self.status(f, *status, said),
            Failure::NotAsked { status, .. } if is_of_limit(*status) => f.write_str(
                "a limit_req, limit_conn or return of the introspection location or of its server \
                 applies to introspections",
            ),
            Failure::NotAsked { status: StatusCode::MOVED_PERMANENTLY, .. } => f.write_str(
                "check that no return, if or rewrite of the introspection location or of its server \
                 applies to introspections, and that the location has no slash at its end that \
                 phantom_token_introspection_endpoint has not",
            ),
            Failure::NotAsked { status: StatusCode::INTERNAL_SERVER_ERROR, .. }
            | Failure::Unreachable => f.write_str("the line before this one says why"),
            Failure::NotAsked { .. } => f.write_str(
                "check that the introspection location has a proxy_pass, and that no return, if or \
                 rewrite, of its own or of its server, applies to introspections",
            ),
            Failure::UnboundCacheKey => f.write_str(
                "set proxy_cache_key $request_body in the introspection location, or take its \
                 proxy_cache out",
            ),
            Failure::Timeout => f.write_str(
                "proxy_read_timeout and proxy_connect_timeout of the introspection location say how \
                 long to wait",
            ),
            _ => Ok(()),
        }
    }
}

impl Mend<'_> {
    /// For those who ask for introspection responses as JWTs, and those who get them unasked.
    fn another_type(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let other = if self.asked.asks_for(JWT) {
            JSON
        } else if self.asked.asks_for(JSON) {
            JWT
        } else {
            return write!(
                f,
                "set phantom_token_introspection_accept_header to {JWT} or to {JSON}"
            );
        };
        write!(
            f,
            "set phantom_token_introspection_accept_header to {other}, or let the authorization \
             server answer this client without signing or encrypting what it says of a token"
        )
    }

    fn status(&self, f: &mut fmt::Formatter<'_>, status: StatusCode, said: &Said) -> fmt::Result {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.credential(f),
            _ if said.is_about_the_client() => self.credential(f),
            StatusCode::BAD_REQUEST
            | StatusCode::LENGTH_REQUIRED
            | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                f.write_str(
                    "check that nothing in the introspection location keeps the question back: \
                     proxy_pass_request_body off, proxy_set_body and proxy_method would withhold the \
                     token, proxy_pass_request_headers off its Content-Type",
                )?;
                if self.asked.has_credential {
                    return f.write_str(" and the credential");
                }
                f.write_str("; ")?;
                self.credential(f)
            }
            StatusCode::NOT_FOUND => f.write_str(
                "check the path in proxy_pass of the introspection location and \
                 phantom_token_introspection_endpoint",
            ),
            StatusCode::METHOD_NOT_ALLOWED => f.write_str(
                "check the path in proxy_pass of the introspection location, and that it has no \
                 proxy_method",
            ),
            StatusCode::NOT_ACCEPTABLE => write!(
                f,
                "check that the authorization server answers this client in the type \"{}\" \
                 (phantom_token_introspection_accept_header)",
                self.asked.accept
            ),
            status if status.is_redirection() => {
                f.write_str(
                    "redirects are not followed; authorization servers redirect to a login page when \
                     the path or the credential is wrong, or when their store fails: let proxy_pass \
                     name the endpoint itself; ",
                )?;
                self.credential(f)
            }
            _ => f.write_str("expected 200 or 204, check the introspection location"),
        }
    }

    /// What else than the directive sends a credential, NGINX alone knows.
    fn credential(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.asked.has_credential {
            "check phantom_token_client_credential, that proxy_pass_request_headers off in the \
             introspection location does not withhold it, and that the authorization server lets this \
             client introspect"
        } else {
            "this module sends no client credential: set phantom_token_client_credential in the protected \
             location, unless proxy_set_header or proxy_ssl_certificate in the introspection location \
             provides one"
        })
    }
}

const JWT: &str = "application/jwt";
const JSON: &str = "application/json";

#[cfg(test)]
mod tests;
