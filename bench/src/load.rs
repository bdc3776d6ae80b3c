//! A load generator: some connections, each with one request in flight, until all are answered.

use std::{
    collections::BTreeMap,
    error::Error,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    fd::OwnedFd,
    time::Timespec,
};

use crate::http::{Answer, field, request};

/// No answer for so long means that something is broken.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// What to send.
pub struct Load<'a> {
    /// Where to.
    pub address: SocketAddr,
    /// How many connections.
    pub connections: usize,
    /// How many requests, all connections together.
    pub requests: u64,
    /// The token of each request.
    pub token: &'a dyn Fn(u64) -> Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// From the first request until the last answer.
    pub duration: Duration,
    /// How often each status came.
    pub statuses: BTreeMap<u16, u64>,
    /// How often each value of the header `X-Cache` came with each status 200.
    pub cache: BTreeMap<String, u64>,
    latencies: Vec<Duration>,
}

impl Outcome {
    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.duration.as_secs_f64()
    }

    /// The time within which that part of all requests (0 to 1) was answered.
    pub fn percentile(&self, part: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
    }

    /// All that were answered with this status, as a part of 1.
    pub fn share(&self, status: u16) -> f64 {
        let answers: u64 = self.statuses.values().sum();
        self.statuses.get(&status).copied().unwrap_or(0) as f64 / answers.max(1) as f64
    }

    /// Fails unless all answers had this status.
    pub fn expect(self, status: u16) -> Result<Self, Box<dyn Error>> {
        if self.share(status) < 1.0 {
            return Err(format!("expected only {status}, got {:?}", self.statuses).into());
        }
        Ok(self)
    }
}

impl Load<'_> {
    /// Sends it and waits for all answers.
    pub fn run(&self) -> Result<Outcome, Box<dyn Error>> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        let wanted = self.connections.min(usize::try_from(self.requests)?);
        let mut clients =
            (0..wanted).map(|index| self.connect(&poll, index)).collect::<Result<Vec<_>, _>>()?;

        let mut outcome = Outcome::default();
        let started = Instant::now();
        let mut sent = 0;
        for client in &mut clients {
            client.send(&request((self.token)(sent).as_deref()))?;
            sent += 1;
        }
        let mut answered = 0;
        let mut events = Vec::with_capacity(wanted);
        while answered < self.requests {
            events.clear();
            epoll::wait(&poll, spare_capacity(&mut events), Some(&PATIENCE))?;
            if events.is_empty() {
                return Err(format!("no answer from {} for a minute", self.address).into());
            }
            for event in &events {
                let index = usize::try_from(event.data.u64())?;
                let client = &mut clients[index];
                if !client.receive(&mut outcome)? {
                    continue;
                }
                answered += 1;
                if sent == self.requests {
                    // NGINX may close it while the others wait for their last answers.
                    epoll::delete(&poll, &client.stream)?;
                    continue;
                }
                if client.is_closed {
                    *client = self.connect(&poll, index)?;
                }
                client.send(&request((self.token)(sent).as_deref()))?;
                sent += 1;
            }
        }
        outcome.duration = started.elapsed();
        outcome.latencies.sort_unstable();
        Ok(outcome)
    }

    fn connect(&self, poll: &OwnedFd, index: usize) -> Result<Client, Box<dyn Error>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(poll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        Ok(Client { stream, received: Vec::new(), sent: Instant::now(), is_closed: false })
    }
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    sent: Instant,
    /// Whether the last answer said so, as NGINX does with a status of 500.
    is_closed: bool,
}

impl Client {
    fn send(&mut self, request: &[u8]) -> Result<(), Box<dyn Error>> {
        self.received.clear();
        self.sent = Instant::now();
        // Small beside a socket's buffer, which is empty whenever an answer has come.
        self.stream.write_all(request)?;
        Ok(())
    }

    /// Takes what has come, and says whether the answer is whole.
    fn receive(&mut self, outcome: &mut Outcome) -> Result<bool, Box<dyn Error>> {
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err("the connection was closed before an answer".into()),
            Ok(read) => self.received.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let Some(answer) = Answer::find(&self.received) else {
            return Ok(false);
        };
        outcome.latencies.push(self.sent.elapsed());
        *outcome.statuses.entry(answer.status).or_default() += 1;
        let head = std::str::from_utf8(&self.received).unwrap_or_default();
        self.is_closed = field(head, "connection") == Some("close");
        if let Some(cache) = field(head, "x-cache").filter(|_| answer.status == 200) {
            *outcome.cache.entry(cache.to_owned()).or_default() += 1;
        }
        Ok(true)
    }
}
