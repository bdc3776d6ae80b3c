//! A blocking HTTP/1.1 client that sends exactly what it is told.

use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use crate::{polling::patience, wire::Response};

/// How long a client looks out for bytes that should not come.
const LOOK_OUT: Duration = Duration::from_millis(50);

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    address: SocketAddr,
    source: Option<IpAddr>,
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// A request to that server, with `Host: localhost` and no other header.
    pub fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        Self {
            address,
            source: None,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
        .header("Host", "localhost")
    }

    /// Sends the request from that address, of which a loopback interface has many.
    pub fn from_address(mut self, source: impl Into<IpAddr>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds `Authorization: Bearer` with that token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// Sets the body and adds its Content-Length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Length", length)
    }

    /// Sets a body that goes out in chunks of at most `size` bytes.
    pub fn chunked_body(mut self, body: &[u8], size: usize) -> Self {
        for chunk in body.chunks(size) {
            self.body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            self.body.extend_from_slice(chunk);
            self.body.extend_from_slice(b"\r\n");
        }
        self.body.extend_from_slice(b"0\r\n\r\n");
        self.header("Transfer-Encoding", "chunked")
    }

    /// The bytes of the request.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The bytes of the request before its body.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// Sends the request on a connection of its own and reads the answer.
    pub fn send(&self) -> Response {
        let connection = match self.source {
            Some(source) => Connection::open_from(source, self.address),
            None => Connection::open(self.address),
        };
        self.send_on(&mut { connection })
    }

    /// Sends the request on this connection and reads the answer.
    pub fn send_on(&self, connection: &mut Connection) -> Response {
        connection.write(&self.to_bytes());
        connection.read(&self.method)
    }
}

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    pub fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("a connection"))
    }

    /// Opens a connection from that address.
    ///
    /// # Panics
    ///
    /// When nobody listens there, or the host does not have the address.
    pub fn open_from(source: IpAddr, address: SocketAddr) -> Self {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("the address");
        socket.connect(&address.into()).expect("a connection");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(patience())).expect("a read timeout");
        stream.set_write_timeout(Some(patience())).expect("a write timeout");
        Self { stream, input: Vec::new() }
    }

    /// Writes these bytes at once.
    ///
    /// # Panics
    ///
    /// When they cannot be written within ten seconds.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("to write on the connection");
    }

    /// Reads the answer to a request with that method; an interim answer (1xx) counts as one.
    ///
    /// # Panics
    ///
    /// When no whole answer comes within ten seconds.
    pub fn read(&mut self, method: &str) -> Response {
        let mut ended = false;
        loop {
            let parsed = Response::parse(&self.input, method, ended).unwrap_or_else(|error| {
                panic!("{error} in {}", String::from_utf8_lossy(&self.input));
            });
            if let Some((response, length)) = parsed {
                self.input.drain(..length);
                return response;
            }
            let so_far = String::from_utf8_lossy(&self.input).into_owned();
            assert!(!ended, "the connection ended within an answer: {so_far:?}");
            ended = self.read_more() == 0;
        }
    }

    /// Reads exactly that many bytes.
    ///
    /// # Panics
    ///
    /// When they do not come within ten seconds.
    pub fn read_bytes(&mut self, length: usize) -> Vec<u8> {
        while self.input.len() < length {
            assert_ne!(self.read_more(), 0, "the connection ended");
        }
        self.input.drain(..length).collect()
    }

    /// Whether nothing comes for a moment.
    pub fn is_silent(&mut self) -> bool {
        self.stream.set_read_timeout(Some(LOOK_OUT)).expect("a read timeout");
        let seen = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(patience())).expect("a read timeout");
        let blocked = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        self.input.is_empty() && seen.is_err_and(|error| blocked.contains(&error.kind()))
    }

    /// Ends the sending direction and goes on reading.
    pub fn finish_writing(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Resets the connection, as a client does that crashed.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("to set SO_LINGER");
    }

    fn read_more(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        let length = self.stream.read(&mut buffer).expect("an answer within ten seconds");
        self.input.extend_from_slice(&buffer[..length]);
        length
    }
}
