//! A recording API.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::{answer::Answer, server::Server, wire::ReceivedRequest};

/// The API behind NGINX: records every request and answers it with a JSON echo, or as it is told.
pub struct Api {
    server: Server,
    answers: Arc<Mutex<Vec<(String, Answer)>>>,
}

impl Api {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let answers = Arc::new(Mutex::new(Vec::<(String, Answer)>::new()));
        let told = answers.clone();
        let server = Server::on_tcp(Arc::new(move |request| {
            let told = told.lock().expect("the answers");
            let answer = told.iter().find(|(target, _)| *target == request.target);
            answer.map_or_else(|| echo(request), |(_, answer)| answer.clone())
        }));
        Self { server, answers }
    }

    /// The address as `proxy_pass http://...` takes it.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Answers requests for this target so.
    pub fn answer(&self, target: &str, answer: Answer) {
        self.answers.lock().expect("the answers").push((target.to_owned(), answer));
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.server.journal().requests()
    }

    /// The number of requests so far.
    pub fn count(&self) -> usize {
        self.server.journal().count()
    }

    /// The only request so far.
    ///
    /// # Panics
    ///
    /// When there were none or several.
    pub fn only_request(&self) -> ReceivedRequest {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "requests at the API: {requests:?}");
        requests.remove(0)
    }

    /// Waits until that many requests came.
    ///
    /// # Panics
    ///
    /// When they do not come within ten seconds.
    pub fn wait_for(&self, count: usize) -> Vec<ReceivedRequest> {
        self.server.journal().wait_for(count)
    }
}

fn echo(request: &ReceivedRequest) -> Answer {
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    Answer::json(json!({
        "method": request.method,
        "target": request.target,
        "headers": headers,
        "body_length": request.body.len(),
    }))
}
