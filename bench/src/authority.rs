//! An authorization server that can be slow, fail, and tell good tokens from bad ones.

use std::{
    error::Error,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::setting::jwt;

/// How a token begins that is not active.
pub const BAD: &str = "bad-";

/// The lengths of the JWTs it gives out, when they are mixed.
const MIXED: [usize; 6] = [500, 900, 1200, 2500, 6000, 16000];
/// Longer than any head of a request that NGINX sends here.
const LARGEST_REQUEST: usize = 16384;

/// A running authorization server; it ends with the program.
pub struct Authority {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    asked: AtomicU64,
    delay: AtomicU64,
    max_age: AtomicU64,
    fails: AtomicBool,
    jwts: Vec<String>,
}

impl Authority {
    /// Starts one whose JWTs all have the usual length.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        Self::with_jwts(vec![jwt(crate::setting::USUAL_JWT)])
    }

    /// Starts one whose JWTs have lengths from 0.5 to 16 KB.
    pub fn start_with_mixed_lengths() -> Result<Self, Box<dyn Error>> {
        Self::with_jwts(MIXED.map(jwt).to_vec())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it was asked so far.
    pub fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Makes each of its answers take so long.
    pub fn take(&self, delay: Duration) {
        self.state.delay.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Makes it allow to keep its answers for that many seconds.
    pub fn allow(&self, max_age: u64) {
        self.state.max_age.store(max_age, Ordering::SeqCst);
    }

    /// Makes it answer with 500, or no longer.
    pub fn fail(&self, fails: bool) {
        self.state.fails.store(fails, Ordering::SeqCst);
    }

    fn with_jwts(jwts: Vec<String>) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = Arc::new(State {
            asked: AtomicU64::new(0),
            delay: AtomicU64::new(0),
            max_age: AtomicU64::new(3600),
            fails: AtomicBool::new(false),
            jwts,
        });
        let authority = Self { address: listener.local_addr()?, state: state.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                // An error means that the client has gone.
                thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Ok(authority)
    }
}

fn serve(mut stream: TcpStream, state: &State) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer)?;
        if read == 0 || received.len() > LARGEST_REQUEST {
            return Ok(());
        }
        received.extend_from_slice(&buffer[..read]);
        let Some(request) = whole(&received) else {
            continue;
        };
        state.asked.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(state.delay.load(Ordering::SeqCst)));
        stream.write_all(state.answer(&request).as_bytes())?;
        received.clear();
    }
}

/// The request, once its body is there.
fn whole(received: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(received).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = crate::http::field(head, "content-length")?.parse().ok()?;
    (body.len() >= length).then(|| text.to_owned())
}

impl State {
    fn answer(&self, request: &str) -> String {
        if self.fails.load(Ordering::SeqCst) {
            return "HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n".to_owned();
        }
        if request.contains(BAD) {
            // Only a status is understood by who asks for headers.
            let status = if request.starts_with("POST /header") { "401 Bad" } else { "204 Bad" };
            let length = if status.starts_with("401") { "Content-Length: 0\r\n" } else { "" };
            return format!("HTTP/1.1 {status}\r\n{length}Cache-Control: max-age=60\r\n\r\n");
        }
        let kind = request.bytes().map(usize::from).sum::<usize>() % self.jwts.len();
        let jwt = &self.jwts[kind];
        let max_age = self.max_age.load(Ordering::SeqCst);
        let (header, body) = if request.starts_with("POST /header") {
            (jwt.as_str(), "")
        } else {
            ("", jwt.as_str())
        };
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\nCache-Control: max-age={max_age}\r\n\
             X-JWT: {header}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}
