//! An HTTP/2 client that decides how much it is ready to receive.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use h2::{RecvStream, client};
use http::{Method, Request, Response, Uri};
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle, time::timeout};

use crate::{polling::patience, runtime::runtime};

/// A connection over HTTP/2 without TLS.
pub struct Http2Connection {
    sender: client::SendRequest<Bytes>,
    windows: mpsc::UnboundedSender<u32>,
    driver: JoinHandle<()>,
}

/// A request that was sent on an [`Http2Connection`].
pub struct Http2Stream(client::ResponseFuture);

/// The head of an answer on an [`Http2Connection`]; the body is yet to be read.
pub type Http2Response = Response<RecvStream>;

impl Http2Connection {
    /// Opens a connection whose streams begin with this receive window, in bytes.
    ///
    /// # Panics
    ///
    /// When nobody there speaks HTTP/2.
    pub fn open(address: SocketAddr, window: u32) -> Self {
        let handshake = async {
            let stream = TcpStream::connect(address).await?;
            let mut builder = client::Builder::new();
            builder.initial_window_size(window).enable_push(false);
            builder.handshake(stream).await.map_err(io::Error::other)
        };
        let (sender, mut connection) = runtime().block_on(handshake).expect("an HTTP/2 connection");
        let (windows, mut wanted) = mpsc::unbounded_channel();
        let driver = runtime().spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut connection => return,
                    Some(window) = wanted.recv() => {
                        let _ = connection.set_initial_window_size(window);
                    }
                }
            }
        });
        Self { sender, windows, driver }
    }

    /// Sends a request with this body, or none when it is empty.
    ///
    /// # Panics
    ///
    /// When the connection does not take it within ten seconds.
    pub fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Http2Stream {
        let uri = Uri::builder().scheme("http").authority("localhost").path_and_query(target);
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(uri.build().expect("a target"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (request, body) = (request.body(()).expect("a request"), body.into());
        let sender = self.sender.clone();
        runtime().block_on(async move {
            let ready = timeout(patience(), sender.ready()).await.expect("a free stream");
            let mut ready = ready.expect("an open connection");
            let (response, mut stream) =
                ready.send_request(request, body.is_empty()).expect("to send a request");
            if !body.is_empty() {
                // Who refuses the request may have ended it before its body is sent.
                _ = stream.send_data(body, true);
            }
            Http2Stream(response)
        })
    }

    /// Sets the receive window of all streams, in bytes.
    pub fn set_window(&self, window: u32) {
        self.windows.send(window).expect("an open connection");
    }
}

impl Drop for Http2Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http2Stream {
    /// Waits for the head of the answer.
    ///
    /// # Panics
    ///
    /// When none comes within ten seconds.
    pub fn head(self) -> Http2Response {
        let response = runtime().block_on(async { timeout(patience(), self.0).await });
        response.expect("an answer within ten seconds").expect("an answer")
    }

    /// Waits for the whole answer, and gives its status and body.
    ///
    /// # Panics
    ///
    /// When none comes within ten seconds.
    pub fn finish(self) -> (u16, String) {
        let response = self.head();
        (response.status().as_u16(), http2_body(response))
    }
}

/// Reads the body of an answer.
///
/// # Panics
///
/// When it does not end within ten seconds.
pub fn http2_body(response: Http2Response) -> String {
    let mut stream = response.into_body();
    let reading = async {
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            let data = data?;
            stream.flow_control().release_capacity(data.len())?;
            body.extend_from_slice(&data);
        }
        Ok::<_, h2::Error>(body)
    };
    let body = runtime().block_on(async { timeout(patience(), reading).await });
    let body = body.expect("a body within ten seconds").expect("a body");
    String::from_utf8_lossy(&body).into_owned()
}
