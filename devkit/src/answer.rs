//! What a test server answers, down to the pieces in which the bytes leave and how it ends.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
};

/// How long a server waits between two pieces of an answer, so that the peer reads them apart.
const BETWEEN_PIECES: Duration = Duration::from_millis(15);
const BETWEEN_BYTES: Duration = Duration::from_millis(1);

/// Holds an answer back until the test opens it.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets every answer pass that waits here now or later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::closed()
    }
}

/// An answer of a test server: what it says, in which pieces, and what becomes of the connection.
#[derive(Clone, Debug)]
pub struct Answer {
    content: Content,
    pieces: Pieces,
    delay: Duration,
    before: Option<Gate>,
    before_body: Option<Gate>,
    sent_body: Option<usize>,
    ending: Ending,
}

#[derive(Clone, Debug)]
enum Content {
    Message { status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>, framing: Framing },
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    ContentLength,
    Chunked,
    UntilClose,
}

#[derive(Clone, Debug)]
enum Pieces {
    Whole,
    HeadApart,
    EachByte,
    At(Vec<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    KeepAlive,
    Close,
    Reset,
    Hang,
    Echo,
}

impl Answer {
    /// An answer with that status and no body.
    pub fn status(status: u16) -> Self {
        Self::from(Content::Message {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            framing: Framing::ContentLength,
        })
    }

    /// An active token: 200 with the JWT as `application/jwt`.
    pub fn jwt(jwt: &str) -> Self {
        Self::status(200).header("Content-Type", "application/jwt").body(jwt)
    }

    /// 200 with that JSON.
    pub fn json(value: serde_json::Value) -> Self {
        Self::status(200).header("Content-Type", "application/json").body(value.to_string())
    }

    /// An inactive token, as a server says it that was asked for `application/jwt`.
    pub fn inactive() -> Self {
        Self::status(204)
    }

    /// Exactly these bytes, after which the connection is closed.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::from(Content::Bytes(bytes.into())).then(Ending::Close)
    }

    /// No answer: the connection is closed.
    pub fn none() -> Self {
        Self::bytes("")
    }

    /// No answer: the connection stays open and silent.
    pub fn hang() -> Self {
        Self::from(Content::Bytes(Vec::new())).then(Ending::Hang)
    }

    /// 101, after which every byte comes back.
    pub fn echo_websocket() -> Self {
        Self::status(101)
            .header("Upgrade", "websocket")
            .header("Connection", "upgrade")
            .then(Ending::Echo)
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Content::Message { headers, .. } = &mut self.content {
            headers.push((name.to_owned(), value.as_ref().to_vec()));
        }
        self
    }

    /// Adds `Cache-Control: max-age` with that number of seconds.
    pub fn max_age(self, seconds: u64) -> Self {
        self.header("Cache-Control", format!("max-age={seconds}"))
    }

    /// Sets the body.
    pub fn body(mut self, content: impl Into<Vec<u8>>) -> Self {
        if let Content::Message { body, .. } = &mut self.content {
            *body = content.into();
        }
        self
    }

    /// Sends the body in chunks of at most 1,000 bytes.
    pub fn chunked(self) -> Self {
        self.framed(Framing::Chunked)
    }

    /// Ends the body by closing the connection.
    pub fn until_close(self) -> Self {
        self.framed(Framing::UntilClose).then(Ending::Close)
    }

    /// Sends the head and the body apart.
    pub fn head_apart(self) -> Self {
        self.sent_in(Pieces::HeadApart)
    }

    /// Sends one byte at a time.
    pub fn byte_by_byte(self) -> Self {
        self.sent_in(Pieces::EachByte)
    }

    /// Sends the bytes up to each of these offsets apart, then the rest.
    pub fn split_at(self, offsets: &[usize]) -> Self {
        self.sent_in(Pieces::At(offsets.to_vec()))
    }

    /// Sends nothing before the gate is open.
    pub fn after(mut self, gate: &Gate) -> Self {
        self.before = Some(gate.clone());
        self
    }

    /// Sends nothing before so much time has passed.
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends the body only when the gate is open.
    pub fn body_after(mut self, gate: &Gate) -> Self {
        self.before_body = Some(gate.clone());
        self
    }

    /// Sends only the first bytes of the body and closes.
    pub fn truncated_to(mut self, length: usize) -> Self {
        self.sent_body = Some(length);
        self.then(Ending::Close)
    }

    /// Sends only the first bytes of the body and then nothing more.
    pub fn stalled_after(mut self, length: usize) -> Self {
        self.sent_body = Some(length);
        self.then(Ending::Hang)
    }

    /// Resets the connection (RST) after what there is to send.
    pub fn then_reset(self) -> Self {
        self.then(Ending::Reset)
    }

    /// Closes the connection after what there is to send.
    pub fn then_close(self) -> Self {
        self.then(Ending::Close)
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    /// Writes the answer to a request with that method.
    pub(crate) async fn write(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        method: &str,
    ) -> std::io::Result<()> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        if let Some(gate) = &self.before {
            gate.passed().await;
        }
        let (mut bytes, body_start) = self.rendered(method);
        if let Some(length) = self.sent_body {
            bytes.truncate(body_start + length);
        }
        if let Some(gate) = &self.before_body {
            stream.write_all(&bytes[..body_start]).await?;
            gate.passed().await;
            return stream.write_all(&bytes[body_start..]).await;
        }
        let (cuts, pause) = match &self.pieces {
            Pieces::Whole => (Vec::new(), BETWEEN_PIECES),
            Pieces::HeadApart => (vec![body_start], BETWEEN_PIECES),
            Pieces::At(offsets) => (offsets.clone(), BETWEEN_PIECES),
            Pieces::EachByte => ((1..bytes.len()).collect(), BETWEEN_BYTES),
        };
        write_pieces(stream, &bytes, &cuts, pause).await
    }

    /// The bytes of the whole message, and where its body begins.
    fn rendered(&self, method: &str) -> (Vec<u8>, usize) {
        let (status, headers, body, framing) = match &self.content {
            Content::Bytes(bytes) => return (bytes.clone(), bytes.len()),
            Content::Message { status, headers, body, framing } => (status, headers, body, framing),
        };
        let mut bytes = format!("HTTP/1.1 {status} Answer\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        let bodiless = matches!(status, 100..=199 | 204 | 304);
        match framing {
            Framing::ContentLength if bodiless => {}
            Framing::ContentLength => {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
            }
            Framing::Chunked => bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::UntilClose => bytes.extend_from_slice(b"Connection: close\r\n"),
        }
        bytes.extend_from_slice(b"\r\n");
        let body_start = bytes.len();
        match framing {
            _ if method == "HEAD" || bodiless => {}
            Framing::Chunked => bytes.extend_from_slice(&chunked(body)),
            Framing::ContentLength | Framing::UntilClose => bytes.extend_from_slice(body),
        }
        (bytes, body_start)
    }

    fn framed(mut self, wanted: Framing) -> Self {
        if let Content::Message { framing, .. } = &mut self.content {
            *framing = wanted;
        }
        self
    }

    fn sent_in(mut self, pieces: Pieces) -> Self {
        self.pieces = pieces;
        self
    }

    fn then(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }
}

impl From<Content> for Answer {
    fn from(content: Content) -> Self {
        Self {
            content,
            pieces: Pieces::Whole,
            delay: Duration::ZERO,
            before: None,
            before_body: None,
            sent_body: None,
            ending: Ending::KeepAlive,
        }
    }
}

async fn write_pieces(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    cuts: &[usize],
    pause: Duration,
) -> std::io::Result<()> {
    let mut start = 0;
    for &cut in cuts {
        let end = cut.min(bytes.len());
        stream.write_all(&bytes[start..end]).await?;
        stream.flush().await?;
        tokio::time::sleep(pause).await;
        start = end;
    }
    stream.write_all(&bytes[start..]).await?;
    stream.flush().await
}

/// Sends back what comes in until the peer is done.
pub(crate) async fn echo(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(1000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
