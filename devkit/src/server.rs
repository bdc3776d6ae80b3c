//! A recording HTTP/1.1 server: the common ground of the authorization server and the API.

use std::{
    fmt, io,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedKey, DnType, IsCa, Issuer, KeyPair,
    generate_simple_self_signed,
};
use tokio_rustls::{
    LazyConfigAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        server::Acceptor,
    },
    server::TlsStream,
};

use crate::{
    answer::{Answer, Ending, echo},
    polling::patience,
    runtime::runtime,
    wire::ReceivedRequest,
};

/// Finds the answer to a request.
pub(crate) type Respond = dyn Fn(&ReceivedRequest) -> Answer + Send + Sync;

/// A server that records every request and answers as it is told.
pub(crate) struct Server {
    address: String,
    journal: Arc<Journal>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn on_tcp(respond: Arc<Respond>) -> Self {
        let listener =
            runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port to listen on");
        let address = listener.local_addr().expect("the address listened on").to_string();
        Self::serve(Listener::Tcp(listener), address, respond)
    }

    /// Listens on a free port for TLS, with a self-signed certificate for that name; gives the
    /// certificate in PEM too.
    pub(crate) fn on_tls(name: &str, respond: Arc<Respond>) -> (Self, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let tls = Tls { config: tls(&cert, &signing_key), only_name: None };
        (Self::on_tls_as(tls, respond), cert.pem())
    }

    /// Listens on a free port for TLS with clients that ask for that name, which has a certificate by
    /// an authority of its own; gives the authority's certificate in PEM too.
    pub(crate) fn on_tls_by_name(name: &str, respond: Arc<Respond>) -> (Self, String) {
        let (authority, cert, key) = certified(name);
        let tls = Tls { config: tls(&cert, &key), only_name: Some(name.to_owned()) };
        (Self::on_tls_as(tls, respond), authority.pem())
    }

    fn on_tls_as(tls: Tls, respond: Arc<Respond>) -> Self {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a free port to listen on");
        let address = listener.local_addr().expect("the address listened on").to_string();
        Self::serve(Listener::Tls(listener, tls), address, respond)
    }

    /// Listens on a unix socket at that path.
    pub(crate) fn on_unix(path: &Path, respond: Arc<Respond>) -> Self {
        let _inside = runtime().enter();
        let listener = UnixListener::bind(path).expect("a unix socket to listen on");
        Self::serve(Listener::Unix(listener), format!("unix:{}", path.display()), respond)
    }

    /// The address as `server` in an NGINX `upstream` takes it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Listens on a listener that is there already, and records nothing.
    pub(crate) fn unrecorded(listener: std::net::TcpListener, respond: Arc<Respond>) -> Self {
        let _inside = runtime().enter();
        listener.set_nonblocking(true).expect("a listener that does not block");
        let address = listener.local_addr().expect("the address listened on").to_string();
        let listener = TcpListener::from_std(listener).expect("a listener");
        let journal = Arc::new(Journal { forgets: true, ..Journal::default() });
        Self::serve_recorded(Listener::Tcp(listener), address, journal, respond)
    }

    fn serve(listener: Listener, address: String, respond: Arc<Respond>) -> Self {
        Self::serve_recorded(listener, address, Arc::default(), respond)
    }

    fn serve_recorded(
        listener: Listener,
        address: String,
        journal: Arc<Journal>,
        respond: Arc<Respond>,
    ) -> Self {
        let accepting = runtime().spawn(accept(listener, journal.clone(), respond));
        Self { address, journal, accepting }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Every request a server received, in the order in which they were complete.
#[derive(Default)]
pub(crate) struct Journal {
    requests: Mutex<Vec<ReceivedRequest>>,
    grown: Condvar,
    connections: AtomicUsize,
    forgets: bool,
}

impl Journal {
    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().expect("the journal").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().expect("the journal").len()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until that many requests are recorded.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<ReceivedRequest> {
        let deadline = Instant::now() + patience();
        let mut requests = self.requests.lock().expect("the journal");
        while requests.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} requests came", requests.len());
            requests = self.grown.wait_timeout(requests, left).expect("the journal").0;
        }
        requests.clone()
    }

    fn add(&self, request: ReceivedRequest) {
        if self.forgets {
            return;
        }
        self.requests.lock().expect("the journal").push(request);
        self.grown.notify_all();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.requests().fmt(f)
    }
}

enum Listener {
    Tcp(TcpListener),
    Tls(TcpListener, Tls),
    Unix(UnixListener),
}

/// How a server speaks TLS.
struct Tls {
    config: Arc<ServerConfig>,
    /// The name that clients have to ask for.
    only_name: Option<String>,
}

impl Tls {
    async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let asked = start.client_hello().server_name().map(str::to_owned);
        if self.only_name.is_some() && self.only_name != asked {
            start.io.write_all(&UNRECOGNIZED_NAME).await?;
            return Err(io::Error::other("a client asks for another name"));
        }
        start.into_stream(self.config.clone()).await
    }
}

/// A fatal alert in a record of TLS 1.2, which is how it goes out in 1.3 as well before the server has
/// answered (RFC 8446 sections 5.1 and 6).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// A connection that can also be reset.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes dropping the connection a reset rather than an orderly end.
    fn reset_on_drop(&self) {}
}

impl Stream for TcpStream {
    fn reset_on_drop(&self) {
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Stream for TlsStream<TcpStream> {}

impl Stream for UnixStream {}

async fn accept(listener: Listener, journal: Arc<Journal>, respond: Arc<Respond>) {
    // Dropping the set when this task is aborted ends every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok(stream) = listener.accept().await else { continue };
        journal.connections.fetch_add(1, Ordering::SeqCst);
        let (journal, respond) = (journal.clone(), respond.clone());
        connections.spawn(async move { converse(stream, &journal, &*respond).await });
        while connections.try_join_next().is_some() {}
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Tls(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                Ok(Box::new(tls.accept(stream).await?))
            }
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

async fn converse(mut stream: Box<dyn Stream>, journal: &Journal, respond: &Respond) {
    let mut input = Vec::new();
    while let Some(request) = next_request(&mut stream, &mut input).await {
        let answer = respond(&request);
        let method = request.method.clone();
        let last = request.headers.all("connection").contains(&"close");
        journal.add(request);
        if answer.write(&mut stream, &method).await.is_err() {
            return;
        }
        match answer.ending() {
            Ending::KeepAlive if last => return,
            Ending::KeepAlive => {}
            Ending::Close => return,
            Ending::Reset => return stream.reset_on_drop(),
            Ending::Hang => std::future::pending().await,
            Ending::Echo => return echo(&mut stream).await,
        }
    }
}

/// The next whole request, or nothing when the peer is done or speaks no HTTP.
async fn next_request(
    stream: &mut Box<dyn Stream>,
    input: &mut Vec<u8>,
) -> Option<ReceivedRequest> {
    loop {
        if let Some((request, length)) = ReceivedRequest::parse(input).ok()? {
            input.drain(..length);
            return Some(request);
        }
        let length = stream.read_buf(input).await.ok()?;
        if length == 0 {
            return None;
        }
    }
}

fn tls(cert: &Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)
        });
    Arc::new(config.expect("a TLS configuration"))
}

/// A new certificate authority, and a certificate for that name by it with its key.
fn certified(name: &str) -> (Certificate, Certificate, KeyPair) {
    let mut of_authority = CertificateParams::new([]).expect("names");
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key");
    // Two authorities of one name would be one that has got a new key.
    let common_name = format!("Authority {:x?}", &authority_key.public_key_raw()[1..9]);
    of_authority.distinguished_name.push(DnType::CommonName, common_name);
    let authority = of_authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(of_authority, authority_key);

    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([name.to_owned()]).expect("a name");
    (authority, params.signed_by(&key, &issuer).expect("a certificate"), key)
}
