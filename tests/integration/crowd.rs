//! Many requests at once, and the workers that they wait in.

use std::{collections::BTreeMap, fs};

use phantom_token_devkit::{Connection, Gateway, GatewayBuilder, Response, eventually};

/// NGINX with so many workers, among which connections are spread. `/` is protected and notes in
/// the error log what arrives there; `/worker` tells the process id of the worker.
pub fn builder(workers: usize, directives: &str) -> GatewayBuilder {
    Gateway::builder()
        .http(&format!(
            "server {{
                 listen 127.0.0.1:{{port}} reuseport;
                 location / {{
                     rewrite_log on;
                     rewrite ^ $uri break;
                     phantom_token on;
                     phantom_token_introspection_endpoint /introspection;
                     add_header X-Cache $phantom_token_cache_status always;
                     {directives}
                     proxy_pass http://{{api}};
                 }}
                 location = /worker {{ return 200 $pid; }}
                 location = /introspection {{ internal; proxy_pass http://{{as}}; }}
                 location = /status {{ phantom_token_status; }}
                 location = /purge {{ phantom_token_purge; }}
             }}"
        ))
        .nginx(|nginx| nginx.workers(workers))
}

/// As [`builder`], started.
pub fn gateway(workers: usize, directives: &str) -> Gateway {
    builder(workers, directives).start()
}

/// Requests on connections of their own, yet to be answered.
pub struct Crowd(Vec<Connection>);

impl Crowd {
    /// Sends so many requests with a token, and waits until NGINX has got all of them and has begun
    /// what is to be done about them.
    pub fn send(gateway: &Gateway, size: usize, token: &str) -> Self {
        let connections = (0..size).map(|_| gateway.connect()).collect();
        Self::send_on(gateway, connections, token)
    }

    /// The same on connections that there are.
    pub fn send_on(gateway: &Gateway, mut connections: Vec<Connection>, token: &str) -> Self {
        let expected = arrived(gateway) + connections.len();
        for connection in &mut connections {
            connection.write(&gateway.get("/").bearer(token).to_bytes());
        }
        eventually(|| (arrived(gateway) >= expected).then_some(())).expect("request in the log");
        // A worker that answers this is done with what it has noted before.
        connection_to_each_worker(gateway);
        Self(connections)
    }

    /// Waits for all answers.
    pub fn answers(self) -> Vec<Response> {
        self.0.into_iter().map(|mut connection| connection.read("GET")).collect()
    }

    /// Closes all connections.
    pub fn hang_up(self) {
        drop(self.0);
    }
}

/// A connection to each worker that takes new ones, by process id.
pub fn connection_to_each_worker(gateway: &Gateway) -> BTreeMap<u32, Connection> {
    let workers = configured_workers(gateway);
    let mut connections = BTreeMap::new();
    eventually(|| {
        let mut connection = gateway.connect();
        let worker = gateway.get("/worker").send_on(&mut connection).text();
        connections.entry(worker.parse().unwrap()).or_insert(connection);
        (connections.len() >= workers).then_some(())
    })
    .expect("a connection to each worker");
    connections
}

/// Requests with a token until one of them leads to introspection number `count`, and gives the
/// connection on which that one is yet to be answered.
pub fn request_until_introspected(gateway: &Gateway, token: &str, count: usize) -> Connection {
    eventually(|| {
        let mut connection = gateway.connect();
        connection.write(&gateway.get("/").bearer(token).to_bytes());
        let is_introspected = eventually(|| {
            let is_introspected = gateway.authorization_server.count() >= count;
            (is_introspected || !connection.is_silent()).then_some(is_introspected)
        })
        .expect("answer or introspection");
        is_introspected.then_some(connection)
    })
    .expect("introspection")
}

/// How many of the answers have this status, by `$phantom_token_cache_status`.
pub fn count_of(answers: &[Response], cache_status: &str) -> usize {
    answers.iter().filter(|answer| answer.header("x-cache") == Some(cache_status)).count()
}

/// Checks that all answers have this status.
pub fn assert_all(answers: &[Response], status: u16) {
    let others: Vec<_> = answers.iter().filter(|answer| answer.status != status).collect();
    assert!(others.is_empty(), "{} of {} others: {:?}", others.len(), answers.len(), others[0]);
}

/// How many workers there are to be; not all of them need to have started yet.
fn configured_workers(gateway: &Gateway) -> usize {
    let config = fs::read_to_string(gateway.prefix().join("nginx.conf")).unwrap();
    let workers = config.lines().find_map(|line| line.strip_prefix("worker_processes "));
    workers.unwrap().trim_end_matches(';').parse().unwrap()
}

fn arrived(gateway: &Gateway) -> usize {
    gateway.error_log().lines().filter(|line| line.contains(r#""^" matches "/""#)).count()
}
