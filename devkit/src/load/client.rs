//! The clients: connections that are kept busy.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::{
    NUMBER, TOKEN,
    tally::Tally,
    token::{Kind, Token},
};
use crate::{runtime::runtime, wire::Response};

/// A request without an answer for so long hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before a connection that could not be had is tried again.
const BEFORE_RETRY: Duration = Duration::from_millis(5);

/// Finds the token of a request by its number.
type Choose = dyn Fn(u64) -> Option<Token> + Send + Sync;

/// What to send.
pub struct Load {
    address: SocketAddr,
    connections: usize,
    choose: Arc<Choose>,
    resends: bool,
    accepted: Vec<u16>,
}

/// A load that is being sent.
pub struct RunningLoad {
    /// What has become of it so far.
    pub tally: Arc<Tally>,
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    load: Load,
    tally: Arc<Tally>,
    next: AtomicU64,
    stopped: AtomicBool,
}

impl Load {
    /// Requests to that server, each with the token that its number stands for, on so many
    /// connections with one request in flight on each.
    pub fn new(
        address: SocketAddr,
        connections: usize,
        choose: impl Fn(u64) -> Option<Token> + Send + Sync + 'static,
    ) -> Self {
        Self { address, connections, choose: Arc::new(choose), resends: true, accepted: Vec::new() }
    }

    /// Accepts an answer with one of these statuses in place of the expected one.
    pub fn accepting(mut self, statuses: &[u16]) -> Self {
        self.accepted = statuses.to_vec();
        self
    }

    /// Counts a request as lost, too, whose connection was closed before NGINX read it. Otherwise it
    /// is sent again on another connection, as clients do (RFC 9112, section 9.3.1).
    pub fn resending(mut self, resends: bool) -> Self {
        self.resends = resends;
        self
    }

    /// Begins, with requests numbered from `first`.
    pub fn start(self, first: u64) -> RunningLoad {
        let tally = Arc::new(Tally::default());
        let connections = self.connections;
        let shared = Arc::new(Shared {
            load: self,
            tally: tally.clone(),
            next: AtomicU64::new(first),
            stopped: AtomicBool::new(false),
        });
        let client = |_| runtime().spawn(keep_busy(shared.clone()));
        RunningLoad { tally, clients: (0..connections).map(client).collect(), shared }
    }
}

impl RunningLoad {
    /// Waits for the answers to all that is in flight and closes all connections; gives the number
    /// of the next request.
    pub fn stop(self) -> u64 {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for client in self.clients {
            runtime().block_on(client).expect("a client that ends");
        }
        self.shared.next.load(Ordering::SeqCst)
    }
}

async fn keep_busy(shared: Arc<Shared>) {
    let mut connection = None;
    while !shared.stopped.load(Ordering::SeqCst) {
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        let token = (shared.load.choose)(number);
        shared.tally.count(&shared.tally.sent);
        let began = Instant::now();
        let answer = shared.ask(&mut connection, number, token).await;
        shared.judge(number, token, answer, began.elapsed());
    }
}

/// Why there is no answer.
enum Cut {
    /// No connection is accepted, or it ended before the first byte of an answer.
    Unanswered,
    /// It ended within an answer.
    Within,
    /// Nothing comes, or no answer.
    Broken(String),
}

impl Shared {
    async fn ask(
        &self,
        connection: &mut Option<Connection>,
        number: u64,
        token: Option<Token>,
    ) -> Result<Response, Cut> {
        let request = request(number, token);
        let is_reused = connection.is_some();
        let answer = self.ask_once(connection, &request).await;
        if !(self.load.resends && is_reused && matches!(answer, Err(Cut::Unanswered))) {
            return answer;
        }
        self.tally.count(&self.tally.resent);
        self.ask_once(connection, &request).await
    }

    /// Leaves a connection behind if it can be used again.
    async fn ask_once(
        &self,
        connection: &mut Option<Connection>,
        request: &[u8],
    ) -> Result<Response, Cut> {
        let mut used = match connection.take() {
            Some(connection) => connection,
            None => match Connection::open(self.load.address).await {
                Ok(connection) => connection,
                Err(_) => {
                    tokio::time::sleep(BEFORE_RETRY).await;
                    return Err(Cut::Unanswered);
                }
            },
        };
        let answer = tokio::time::timeout(PATIENCE, used.exchange(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(Cut::Broken("no answer".to_owned())))?;
        if answer.headers.all("connection") != ["close"] {
            *connection = Some(used);
        }
        Ok(answer)
    }

    fn judge(
        &self,
        number: u64,
        token: Option<Token>,
        answer: Result<Response, Cut>,
        took: Duration,
    ) {
        let tally = &*self.tally;
        let is_active = token.is_some_and(|token| token.kind != Kind::Inactive);
        let answer = match answer {
            Ok(answer) => answer,
            Err(Cut::Unanswered | Cut::Within) => {
                tally.fail();
                return tally.count(&tally.lost);
            }
            Err(Cut::Broken(why)) => {
                tally.fail();
                return tally.wrong.add(format!("{why}: request {number} with {token:?}"));
            }
        };
        let is_own = answer.body == number.to_string().as_bytes();
        match answer.status {
            200 if is_active && is_own => tally.count(&tally.granted),
            401 if !is_active => tally.count(&tally.unauthorized),
            status if status != 200 && self.load.accepted.contains(&status) => {
                return tally.refuse(status);
            }
            _ => {
                tally.fail();
                return tally.wrong.add(format!("request {number} with {token:?}: {answer:?}"));
            }
        }
        tally.latency.add(took);
    }
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new() })
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Response, Cut> {
        // Where the peer has gone, reading says so, and whether it answered before.
        let _ = self.stream.write_all(request).await;
        loop {
            let read = self.stream.read_buf(&mut self.input).await.unwrap_or_default();
            let parsed = Response::parse(&self.input, "GET", read == 0).map_err(Cut::Broken);
            if let Ok(Some((response, length))) = parsed {
                self.input.drain(..length);
                return Ok(response);
            }
            match read {
                0 if self.input.is_empty() => return Err(Cut::Unanswered),
                0 => return Err(Cut::Within),
                _ => parsed?,
            };
        }
    }
}

fn request(number: u64, token: Option<Token>) -> Vec<u8> {
    let credentials = match token {
        Some(token) => format!("Authorization: Bearer {token}\r\n{TOKEN}: {token}\r\n"),
        None => String::new(),
    };
    format!("GET /orders HTTP/1.1\r\nHost: localhost\r\n{NUMBER}: {number}\r\n{credentials}\r\n")
        .into_bytes()
}
