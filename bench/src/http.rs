//! The little of HTTP/1.1 that a load generator needs.

use std::{
    error::Error,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long an answer may take before a measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a whole answer ends and what it says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Length of head and body, in bytes.
    pub length: usize,
}

impl Answer {
    /// The first answer in these bytes; nothing as long as it is not whole.
    ///
    /// The head must state the length of the body, as all do that NGINX gives here.
    pub fn find(bytes: &[u8]) -> Option<Self> {
        let head_length = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..head_length]).ok()?;
        let status = head.get(9..12)?.parse().ok()?;
        let length = head_length + content_length(head);
        (bytes.len() >= length).then_some(Self { status, length })
    }
}

/// The value of a header field, without regard to the case of its name.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim())
}

/// A GET request; with a token, when there is one.
pub fn request(token: Option<&str>) -> Vec<u8> {
    let authorization = match token {
        Some(token) => format!("Authorization: Bearer {token}\r\n"),
        None => String::new(),
    };
    format!(
        "GET /orders/42 HTTP/1.1\r\nHost: api.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\
         {authorization}\r\n"
    )
    .into_bytes()
}

/// One kept-alive connection on which requests wait for each other.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub fn open(address: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends a request and gives the status and the text of the answer.
    pub fn ask(&mut self, request: &[u8]) -> Result<(u16, String), Box<dyn Error>> {
        self.stream.write_all(request)?;
        self.received.clear();
        loop {
            let mut buffer = [0; 65536];
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                return Err("the connection was closed before an answer".into());
            }
            self.received.extend_from_slice(&buffer[..read]);
            if let Some(answer) = Answer::find(&self.received) {
                let text = String::from_utf8_lossy(&self.received).into_owned();
                return Ok((answer.status, text));
            }
        }
    }
}

fn content_length(head: &str) -> usize {
    field(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_once_its_body_is_there() {
        let whole = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";

        assert_eq!(Answer::find(&whole[..whole.len() - 1]), None);
        assert_eq!(Answer::find(whole), Some(Answer { status: 401, length: whole.len() }));
    }

    #[test]
    fn an_answer_without_a_length_has_no_body() {
        let whole = b"HTTP/1.1 204 No Content\r\nServer: nginx\r\n\r\n";

        assert_eq!(Answer::find(whole), Some(Answer { status: 204, length: whole.len() }));
    }
}
