//! A running NGINX, and both its neighbours in this one thread: whatever happens, happens in an
//! order that an input repeats.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::answer::{Answer, Ending};
use super::expectation::LARGEST_BODY;
use super::feedback::ErrorLog;
use super::message::{Message, parse};
use super::nginx::Nginx;

/// What came of one request of the client.
#[derive(Debug, Default)]
pub struct Outcome {
    pub response: Message,
    /// What the API was asked.
    pub at_api: Vec<Message>,
    /// How many answers the authorization server gave.
    pub answered: usize,
}

pub struct Gateway {
    nginx: Nginx,
    authority: TcpListener,
    api: TcpListener,
    client: UnixStream,
    authority_connections: Vec<Connection>,
    api_connections: Vec<Connection>,
    pub log: ErrorLog,
    requests: u64,
    /// Memory of NGINX when all is warm.
    memory: Option<u64>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// How long nothing has come of an answer after which the connection was kept open.
    idle: Option<u32>,
}

/// How long to wait for anything in one go.
const MOMENT: Duration = Duration::from_millis(2);
/// After so many moments an answer that leads to nothing is ended.
const IDLE_MOMENTS: u32 = 2;
/// After so many moments without anything, NGINX hangs.
const PATIENCE: u32 = 5_000;
/// Between segments of an answer, so that NGINX reads them apart.
const BETWEEN_SEGMENTS: Duration = Duration::from_micros(100);

/// Memory that NGINX may come to need after the first requests.
const GROWTH: u64 = 96 << 20;

impl Gateway {
    pub fn start() -> Self {
        let [authority, api] = [(); 2].map(|()| listen());
        let address =
            |listener: &TcpListener| listener.local_addr().expect("an address").to_string();
        let http = HTTP
            .replace("{as}", &address(&authority))
            .replace("{api}", &address(&api))
            .replace("{largest}", &LARGEST_BODY.to_string());
        let nginx = Nginx::start(&http);
        Self {
            client: connect(&nginx),
            log: ErrorLog::open(&nginx.error_log()),
            nginx,
            authority,
            api,
            authority_connections: Vec::new(),
            api_connections: Vec::new(),
            requests: 0,
            memory: None,
        }
    }

    /// Sends a request with this token, and answers the introspections that it leads to.
    pub fn request(&mut self, token: &str, answers: &[Answer<'_>]) -> Outcome {
        self.requests += 1;
        if self.requests.is_multiple_of(1024) {
            self.assert_healthy();
        }
        let request =
            format!("GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n");
        self.client.write_all(request.as_bytes()).expect("to send a request");
        let mut received = Vec::new();
        let mut outcome = Outcome::default();
        let mut idle = 0;
        loop {
            if let Some((response, length)) = parse(&received) {
                assert_eq!(length, received.len(), "more than one response: {received:?}");
                outcome.response = response;
                break;
            }
            idle = if self.wait() { 0 } else { idle + 1 };
            assert!(idle < PATIENCE, "no response");
            self.answer_introspections(token, answers, &mut outcome, idle > 0);
            self.answer_at_api(&mut outcome);
            let open = read(&mut self.client, &mut received);
            let whole = open || parse(&received).is_some();
            assert!(whole, "closed after {received:?}, {}", self.nginx.stderr());
        }
        for connection in &mut self.authority_connections {
            connection.idle = None;
        }
        if outcome.response.has("connection", "close") {
            self.client = connect(&self.nginx);
        }
        outcome
    }

    /// Waits a moment for anything; whether there is something.
    fn wait(&self) -> bool {
        let listeners = [self.authority.as_fd(), self.api.as_fd(), self.client.as_fd()];
        let connections = self.authority_connections.iter().chain(&self.api_connections);
        let mut all: Vec<_> = listeners
            .into_iter()
            .chain(connections.map(|connection| connection.stream.as_fd()))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let moment = Timespec::try_from(MOMENT).expect("a moment");
        poll(&mut all, Some(&moment)).is_ok_and(|ready| ready > 0)
    }

    fn answer_introspections(
        &mut self,
        token: &str,
        answers: &[Answer<'_>],
        outcome: &mut Outcome,
        idle: bool,
    ) {
        self.authority_connections.extend(accept(&self.authority));
        self.authority_connections.retain_mut(|connection| {
            if !read(&mut connection.stream, &mut connection.received) {
                return false;
            }
            let Some((question, length)) = parse(&connection.received) else {
                connection.idle = connection.idle.map(|moments| moments + u32::from(idle));
                return connection.idle.is_none_or(|moments| moments < IDLE_MOMENTS);
            };
            assert_eq!(length, connection.received.len(), "two questions at once");
            assert_eq!(question.body, format!("token={token}").as_bytes());
            connection.received.clear();
            let answer = &answers[outcome.answered.min(answers.len() - 1)];
            outcome.answered += 1;
            send(connection, answer)
        });
    }

    fn answer_at_api(&mut self, outcome: &mut Outcome) {
        self.api_connections.extend(accept(&self.api));
        self.api_connections.retain_mut(|connection| {
            if !read(&mut connection.stream, &mut connection.received) {
                return false;
            }
            let Some((request, length)) = parse(&connection.received) else { return true };
            assert_eq!(length, connection.received.len(), "two requests at once");
            connection.received.clear();
            outcome.at_api.push(request);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\napi";
            connection.stream.write_all(answer).is_ok()
        });
    }

    /// It runs, has nothing to say on stderr, and its memory does not grow.
    fn assert_healthy(&mut self) {
        let memory = self.nginx.memory();
        assert_eq!(self.nginx.stderr(), "");
        let memory = memory.expect("NGINX ended");
        let first = *self.memory.get_or_insert(memory);
        assert!(memory < first + GROWTH, "memory grew from {first} to {memory} bytes");
    }
}

/// Whether the connection stays.
fn send(connection: &mut Connection, answer: &Answer<'_>) -> bool {
    let segments = answer.segments();
    for (number, segment) in segments.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(BETWEEN_SEGMENTS);
        }
        if connection.stream.write_all(segment).is_err() {
            return false;
        }
    }
    connection.idle = Some(0);
    if answer.ending == Ending::Reset {
        let linger = socket2::SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO));
        linger.expect("to make a reset of the end");
    }
    answer.ending == Ending::Keep
}

/// Takes what has come; whether the connection is still open.
fn read(stream: &mut impl Read, received: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => received.extend(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
}

fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port to listen on");
    listener.set_nonblocking(true).expect("a socket that does not block");
    listener
}

fn connect(nginx: &Nginx) -> UnixStream {
    let client = nginx.connect().expect("to connect to NGINX");
    client.set_nonblocking(true).expect("a socket that does not block");
    client
}

fn accept(listener: &TcpListener) -> Option<Connection> {
    let (stream, _) = listener.accept().ok()?;
    Some(Connection { stream: ready(stream), received: Vec::new(), idle: None })
}

fn ready(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("segments as they are written");
    stream.set_nonblocking(true).expect("a socket that does not block");
    stream
}

const HTTP: &str = r#"
    upstream authorization_server { server {as}; keepalive 4; }
    upstream api { server {api}; keepalive 4; }
    phantom_token_cache_zone fuzz:256k;
    server {
        listen unix:{folder}/nginx.sock;
        access_log off;
        keepalive_requests 1000000000;
        keepalive_timeout 1d;
        # Who runs this may be suspended in between.
        proxy_read_timeout 1d;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location / {
            phantom_token on;
            phantom_token_introspection_endpoint /introspection;
            phantom_token_max_response_size {largest};
            phantom_token_cache fuzz;
            phantom_token_cache_inactive_valid 1m;
            add_header X-Outcome "$phantom_token_result $phantom_token_cache_status" always;
            proxy_pass http://api;
        }
        location = /introspection {
            internal;
            proxy_pass http://authorization_server;
        }
    }
"#;
