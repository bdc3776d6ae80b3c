//! A programmable authorization server.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex},
};

use crate::{
    answer::Answer,
    server::{Respond, Server},
    wire::ReceivedRequest,
};

/// Finds the answer for a token that has no answers of its own.
type Otherwise = dyn Fn(&str) -> Answer + Send + Sync;

/// An introspection endpoint (RFC 7662) that answers as the test says and records every request.
///
/// Whatever the target, a request is taken as an introspection of the `token` in its form body.
/// A token that it was told nothing about is inactive.
pub struct AuthorizationServer {
    server: Server,
    script: Arc<Script>,
}

impl AuthorizationServer {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let script = Arc::new(Script::default());
        Self { server: Server::on_tcp(respond(script.clone())), script }
    }

    /// Starts one on a unix socket.
    pub fn start_on_unix(path: &Path) -> Self {
        let script = Arc::new(Script::default());
        Self { server: Server::on_unix(path, respond(script.clone())), script }
    }

    /// Starts one that speaks TLS, with a self-signed certificate for that name; gives the
    /// certificate in PEM too.
    pub fn start_with_tls(name: &str) -> (Self, String) {
        let script = Arc::new(Script::default());
        let (server, certificate) = Server::on_tls(name, respond(script.clone()));
        (Self { server, script }, certificate)
    }

    /// Starts one that speaks TLS to clients that ask for that name (SNI) and to no others, with a
    /// certificate for it by a certificate authority of its own; gives the authority's certificate
    /// in PEM too.
    pub fn start_with_tls_by_name(name: &str) -> (Self, String) {
        let script = Arc::new(Script::default());
        let (server, authority) = Server::on_tls_by_name(name, respond(script.clone()));
        (Self { server, script }, authority)
    }

    /// The address as `proxy_pass http://...` or `server` in an `upstream` takes it.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Answers every introspection of this token so.
    pub fn answer(&self, token: &str, answer: Answer) {
        self.answer_in_turn(token, [answer]);
    }

    /// Answers the introspections of this token in turn, and goes on with the last answer.
    pub fn answer_in_turn(&self, token: &str, answers: impl IntoIterator<Item = Answer>) {
        let answers = answers.into_iter().collect();
        self.script.tokens.lock().expect("the script").insert(token.to_owned(), answers);
    }

    /// Answers for all tokens that have no answers of their own.
    pub fn answer_otherwise(&self, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) {
        *self.script.otherwise.lock().expect("the script") = Some(Arc::new(answer));
    }

    /// Every introspection request so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.server.journal().requests()
    }

    /// The number of introspection requests so far.
    pub fn count(&self) -> usize {
        self.server.journal().count()
    }

    /// The number of connections accepted so far.
    pub fn connections(&self) -> usize {
        self.server.journal().connections()
    }

    /// The only introspection request so far.
    ///
    /// # Panics
    ///
    /// When there were none or several.
    pub fn only_request(&self) -> ReceivedRequest {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "introspections: {requests:?}");
        requests.remove(0)
    }

    /// Waits until that many introspections were asked for.
    ///
    /// # Panics
    ///
    /// When they do not come within ten seconds.
    pub fn wait_for(&self, count: usize) -> Vec<ReceivedRequest> {
        self.server.journal().wait_for(count)
    }
}

#[derive(Default)]
struct Script {
    tokens: Mutex<HashMap<String, VecDeque<Answer>>>,
    otherwise: Mutex<Option<Arc<Otherwise>>>,
}

impl Script {
    fn answer(&self, token: &str) -> Answer {
        if let Some(answer) = self.next_of(token) {
            return answer;
        }
        match &*self.otherwise.lock().expect("the script") {
            Some(answer) => answer(token),
            None => Answer::inactive(),
        }
    }

    fn next_of(&self, token: &str) -> Option<Answer> {
        let mut tokens = self.tokens.lock().expect("the script");
        let answers = tokens.get_mut(token)?;
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
    }
}

fn respond(script: Arc<Script>) -> Arc<Respond> {
    Arc::new(move |request| script.answer(&token_in(&request.body)))
}

pub(crate) fn token_in(form: &[u8]) -> String {
    let token = form_urlencoded::parse(form).find(|(name, _)| name == "token");
    token.map(|(_, token)| token.into_owned()).unwrap_or_default()
}
