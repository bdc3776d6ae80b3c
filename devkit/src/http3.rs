//! An HTTP/3 client.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::{Buf as _, Bytes};
use h3::client::SendRequest;
use h3_quinn::OpenStreams;
use http::{Method, Request, Response, Uri};
use quinn::{ClientConfig, Endpoint, crypto::rustls::QuicClientConfig};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{task::JoinHandle, time::timeout};
use tokio_rustls::rustls::{
    self, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
    version::TLS13,
};

use crate::{polling::patience, runtime::runtime};

type Error = Box<dyn std::error::Error + Send + Sync>;

const NAME: &str = "localhost";

/// A certificate for `localhost`, signed by itself, and its key, both in PEM.
pub fn certificate_and_key() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    (cert.pem(), signing_key.serialize_pem())
}

/// A connection over HTTP/3.
pub struct Http3Connection {
    sender: SendRequest<OpenStreams, Bytes>,
    driver: JoinHandle<()>,
}

impl Http3Connection {
    /// Opens a connection to who has the key to that certificate.
    ///
    /// # Panics
    ///
    /// When nobody there speaks HTTP/3.
    pub fn open(address: SocketAddr, certificate: &str) -> Self {
        let opening = async { timeout(patience(), open(address, certificate)).await };
        let opened = runtime().block_on(opening).expect("a connection within ten seconds");
        opened.expect("an HTTP/3 connection")
    }

    /// Sends a request, and waits for the whole answer.
    ///
    /// # Panics
    ///
    /// When none comes within ten seconds.
    pub fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<String> {
        self.send_to(NAME, method, target, headers, body)
    }

    /// Sends a request to another host of the server, and waits for the whole answer.
    ///
    /// # Panics
    ///
    /// As [`Http3Connection::send`].
    pub fn send_to(
        &self,
        host: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<String> {
        let uri = Uri::builder().scheme("https").authority(host).path_and_query(target);
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(uri.build().expect("a target"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let exchange = exchange(self.sender.clone(), request, body.into());
        let answer = runtime().block_on(async { timeout(patience(), exchange).await });
        answer.expect("an answer within ten seconds").expect("an answer")
    }
}

impl Drop for Http3Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn open(address: SocketAddr, certificate: &str) -> Result<Http3Connection, Error> {
    let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
    endpoint.set_default_client_config(trusting(certificate)?);
    let connection = endpoint.connect(address, NAME)?.await?;
    // NGINX refuses a body that a frame of unknown type comes behind.
    let mut builder = h3::client::builder();
    builder.send_grease(false);
    let (mut connection, sender) = builder.build(h3_quinn::Connection::new(connection)).await?;
    let driver = runtime().spawn(async move {
        connection.wait_idle().await;
        drop(endpoint);
    });
    Ok(Http3Connection { sender, driver })
}

fn trusting(certificate: &str) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes())?)?;
    let provider = Arc::new(ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}

async fn exchange(
    mut sender: SendRequest<OpenStreams, Bytes>,
    request: Request<()>,
    body: Bytes,
) -> Result<Response<String>, Error> {
    let mut stream = sender.send_request(request).await?;
    // Who refuses the request may have ended it before its body is sent.
    let sent = match body.is_empty() {
        true => Ok(()),
        false => stream.send_data(body).await,
    };
    if sent.is_ok() {
        _ = stream.finish().await;
    }
    let (head, ()) = stream.recv_response().await?.into_parts();
    let mut body = Vec::new();
    while let Some(mut data) = stream.recv_data().await? {
        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    Ok(Response::from_parts(head, String::from_utf8(body)?))
}
