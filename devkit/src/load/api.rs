//! An API that checks each request that reaches it.

use std::{net::TcpListener, sync::Arc};

use super::{
    NOW, NUMBER, TOKEN, issuer,
    tally::Findings,
    token::{Kind, Token},
};
use crate::{answer::Answer, server::Server, wire::ReceivedRequest};

/// A running API. It answers with the number of the request.
pub struct CheckingApi {
    server: Server,
    findings: Arc<Findings>,
}

impl CheckingApi {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let findings = Arc::new(Findings::default());
        let found = findings.clone();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let server = Server::unrecorded(
            listener,
            Arc::new(move |request| {
                if let Err(why) = check(request) {
                    found.add(format!("at the API: {why}: {request:?}"));
                }
                Answer::status(200).body(request.header(NUMBER).unwrap_or_default())
            }),
        );
        Self { server, findings }
    }

    /// The address as `server` in an `upstream` takes it.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Requests that must not have reached it as they did.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }
}

fn check(request: &ReceivedRequest) -> Result<(), &'static str> {
    let sent = request.header(TOKEN).ok_or("a request that nobody sent")?;
    match Token::parse(sent).ok_or("a request without a token")?.kind {
        Kind::Active | Kind::Brief => {}
        Kind::Inactive => return Err("a request with an inactive token"),
    }
    let [authorization] = request.headers.all("authorization")[..] else {
        return Err("not exactly one Authorization");
    };
    let jwt = authorization.strip_prefix("Bearer ").ok_or("not a bearer token")?;
    let (token, expires) = issuer::opened(jwt).ok_or("not an intact JWT")?;
    if token != sent {
        return Err("the JWT of another token");
    }
    let now = request.header(NOW).and_then(|now| now.split('.').next()?.parse::<i64>().ok());
    // NGINX leaves the header out when it gets no memory for the variable.
    if now.is_some_and(|now| expires <= now) {
        return Err("a JWT that has expired");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: i64 = 4_000_000_000;

    #[test]
    fn a_request_with_the_jwt_of_its_own_token_is_right() {
        assert_eq!(check(&request("active.1", &bearer("active.1", FAR))), Ok(()));
    }

    #[test]
    fn without_the_time_of_nginx_no_jwt_has_expired() {
        let authorization = bearer("active.1", 1000);
        let head = format!(
            "GET / HTTP/1.1\r\n{TOKEN}: active.1\r\nAuthorization: {authorization}\r\n\r\n"
        );
        assert_eq!(check(&parsed(&head)), Ok(()));
    }

    #[test]
    fn a_request_with_anything_else_is_wrong() {
        let own = bearer("active.1", FAR);
        let wrong = [
            request("active.1", &bearer("active.2", FAR)),
            request("active.1", &bearer("active.1", 1000)),
            request("active.1", &own[..own.len() - 1]),
            request("active.1", "Bearer active.1"),
            request("active.1", &format!("{own}\r\nAuthorization: {own}")),
            request("inactive.1", &bearer("inactive.1", FAR)),
            request("", &own),
        ];
        for request in wrong {
            assert!(check(&request).is_err(), "{request:?}");
        }
    }

    fn bearer(token: &str, expires: i64) -> String {
        let token = Token::parse(token).expect("a token");
        format!("Bearer {}", issuer::sealed_jwt(&token, expires))
    }

    fn request(token: &str, authorization: &str) -> ReceivedRequest {
        let head = format!(
            "GET / HTTP/1.1\r\n{TOKEN}: {token}\r\n{NOW}: 1000.500\r\n\
             Authorization: {authorization}\r\n\r\n"
        );
        parsed(&head)
    }

    fn parsed(head: &str) -> ReceivedRequest {
        ReceivedRequest::parse(head.as_bytes()).expect("a request").expect("a whole one").0
    }
}
