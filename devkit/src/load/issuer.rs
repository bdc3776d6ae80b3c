//! An authorization server that knows what each token stands for, and its JWTs.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use super::token::{Kind, Token};
use crate::{
    answer::Answer,
    jwt::{claims_of, jwt_of_length, unix_now},
    server::Server,
};

/// For how long JWTs are good, in seconds, unless they are brief.
const LIFETIME: i64 = 3600;
/// For how long a brief JWT is good, in seconds.
const BRIEF_LIFETIME: i64 = 4;
/// Characters of a seal.
const SEAL: usize = 16;

/// A running authorization server.
pub struct Issuer {
    server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    introspections: AtomicU64,
    clock_offset: AtomicI64,
    delay: AtomicU64,
    revoked: Mutex<HashSet<u64>>,
}

impl Issuer {
    /// Starts one on a free port of the loopback interface.
    pub fn start() -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    /// Starts one on that listener, which may be in another network namespace.
    pub fn start_on(listener: TcpListener) -> Self {
        let state = Arc::new(State::default());
        let answering = state.clone();
        let server = Server::unrecorded(
            listener,
            Arc::new(move |request| {
                answering.answer(&crate::authorization_server::token_in(&request.body))
            }),
        );
        Self { server, state }
    }

    /// The address as `server` in an `upstream` takes it.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// The number of introspections so far.
    pub fn introspections(&self) -> u64 {
        self.state.introspections.load(Ordering::SeqCst)
    }

    /// Makes each answer take so long.
    pub fn take(&self, delay: Duration) {
        self.state.delay.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Sets how far its clock is before the true time, in seconds.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.state.clock_offset.store(seconds, Ordering::SeqCst);
    }

    /// Gives the means to revoke its tokens.
    pub fn revoker(&self) -> Revoker {
        Revoker(self.state.clone())
    }
}

/// Revokes the tokens of an [`Issuer`].
pub struct Revoker(Arc<State>);

impl Revoker {
    /// From now on, the active token of that number is not active.
    pub fn revoke(&self, number: u64) {
        self.0.revoked.lock().expect("the revoked tokens").insert(number);
    }
}

impl State {
    fn answer(&self, token: &str) -> Answer {
        self.introspections.fetch_add(1, Ordering::SeqCst);
        let delay = Duration::from_millis(self.delay.load(Ordering::SeqCst));
        self.content(token).delayed(delay)
    }

    fn content(&self, text: &str) -> Answer {
        let now = unix_now() as i64 + self.clock_offset.load(Ordering::SeqCst);
        let Some(token) = Token::parse(text) else {
            return Answer::status(400);
        };
        match token.kind {
            Kind::Inactive => Answer::inactive(),
            Kind::Active if self.is_revoked(token.number) => Answer::inactive(),
            Kind::Active => Answer::jwt(&sealed_jwt(&token, now + LIFETIME)).max_age(60),
            Kind::Brief => Answer::jwt(&sealed_jwt(&token, now + BRIEF_LIFETIME)).max_age(60),
        }
    }

    fn is_revoked(&self, number: u64) -> bool {
        self.revoked.lock().expect("the revoked tokens").contains(&number)
    }
}

/// A JWT that names its token, and whose last characters depend on all others.
pub(super) fn sealed_jwt(token: &Token, expires: i64) -> String {
    let claims = json!({"jti": token.to_string(), "exp": expires});
    let mut jwt = jwt_of_length(claims, token.jwt_length());
    jwt.truncate(jwt.len() - SEAL);
    let seal = seal(&jwt);
    jwt + &seal
}

/// What an intact JWT says: its token and when it expires. Nothing, when a single byte differs from
/// what was issued.
pub(super) fn opened(jwt: &str) -> Option<(String, i64)> {
    let start = jwt.len().checked_sub(SEAL)?;
    if jwt.get(start..)? != seal(jwt.get(..start)?) {
        return None;
    }
    let claims = claims_of(jwt);
    Some((claims["jti"].as_str()?.to_owned(), claims["exp"].as_i64()?))
}

fn seal(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intact_jwt_names_its_token_and_a_changed_one_does_not() {
        let token = Token { kind: Kind::Active, number: 9 };
        let jwt = sealed_jwt(&token, 1234);

        assert_eq!(jwt.len(), token.jwt_length());
        assert_eq!(opened(&jwt), Some((token.to_string(), 1234)));
        assert_eq!(opened(&jwt.replacen('A', "B", 1)), None);
        assert_eq!(opened(&jwt[1..]), None);
        assert_eq!(opened("short"), None);
    }
}
