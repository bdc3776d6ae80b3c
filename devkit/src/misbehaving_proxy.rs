//! A TCP proxy for all that can go wrong between two hosts.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::runtime::runtime;

const BETWEEN_DROPS: Duration = Duration::from_millis(1);
/// Pieces of a piece, at most. JWTs must not expire on their way.
const DROPS: usize = 300;

/// What happens to answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// They come later.
    Delay(Duration),
    /// They come in hundreds of pieces.
    Drip,
    /// They do not come while this lasts, and connections stay open.
    Stall,
    /// After so many bytes the connection is closed.
    Cut(usize),
    /// After so many bytes the connection is reset.
    Reset(usize),
    /// No connection is accepted, and there is none.
    Refuse,
}

/// A running proxy.
pub struct MisbehavingProxy {
    address: SocketAddr,
    trouble: watch::Sender<Trouble>,
    affected: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

impl MisbehavingProxy {
    /// Starts one in front of that server, without trouble.
    pub fn start(server: &str) -> Self {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("the address listened on");
        let trouble = watch::Sender::new(Trouble::None);
        let affected = Arc::new(AtomicU64::new(0));
        let proxy = Proxy {
            address,
            server: server.parse().expect("an address and a port"),
            trouble: trouble.subscribe(),
            affected: affected.clone(),
        };
        let listening = runtime().spawn(proxy.listen(listener));
        Self { address, trouble, affected, listening }
    }

    /// Where it listens, as `server` in an `upstream` takes it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on makes this trouble, on connections that are open, too.
    pub fn make(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }

    /// The number of pieces of answers, or of connections, that were not left alone so far.
    pub fn affected(&self) -> u64 {
        self.affected.load(Ordering::SeqCst)
    }
}

impl Drop for MisbehavingProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[derive(Clone)]
struct Proxy {
    address: SocketAddr,
    server: SocketAddr,
    trouble: watch::Receiver<Trouble>,
    affected: Arc<AtomicU64>,
}

impl Proxy {
    async fn listen(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            if let Some(listening) = listener.take() {
                self.accept(listening).await;
            }
            let _ = self.trouble.wait_for(|trouble| *trouble != Trouble::Refuse).await;
            listener = TcpListener::bind(self.address).await.ok();
        }
    }

    /// Ends, with all connections, when connections are to be refused.
    async fn accept(&self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        let mut trouble = self.trouble.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = trouble.wait_for(|trouble| *trouble == Trouble::Refuse) => {
                    self.affected.fetch_add(connections.len().max(1) as u64, Ordering::SeqCst);
                    return;
                }
            };
            if let Ok((client, _)) = accepted {
                connections.spawn(self.clone().relay(client));
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn relay(mut self, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.server).await?;
        server.set_nodelay(true)?;
        client.set_nodelay(true)?;
        let (mut requests, mut to_client) = client.into_split();
        let (mut answers, mut to_server) = server.into_split();
        tokio::select! {
            sent = copy(&mut requests, &mut to_server) => sent.map(drop),
            answered = self.answer(&mut answers, &mut to_client) => answered,
        }
    }

    async fn answer(
        &mut self,
        answers: &mut OwnedReadHalf,
        client: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut piece = Vec::with_capacity(16 * 1024);
        while answers.read_buf(&mut piece).await? > 0 {
            let trouble = *self.trouble.borrow();
            if trouble != Trouble::None {
                self.affected.fetch_add(1, Ordering::SeqCst);
            }
            match trouble {
                Trouble::None => client.write_all(&piece).await?,
                Trouble::Delay(delay) => {
                    tokio::time::sleep(delay).await;
                    client.write_all(&piece).await?;
                }
                Trouble::Drip => drip(client, &piece).await?,
                Trouble::Stall => {
                    let _ = self.trouble.wait_for(|trouble| *trouble != Trouble::Stall).await;
                    client.write_all(&piece).await?;
                }
                Trouble::Cut(length) => return client.write_all(start(&piece, length)).await,
                Trouble::Reset(length) => {
                    client.write_all(start(&piece, length)).await?;
                    return socket2::SockRef::from(client.as_ref())
                        .set_linger(Some(Duration::ZERO));
                }
                Trouble::Refuse => return Ok(()),
            }
            piece.clear();
        }
        Ok(())
    }
}

fn start(piece: &[u8], length: usize) -> &[u8] {
    &piece[..length.min(piece.len())]
}

async fn drip(client: &mut OwnedWriteHalf, piece: &[u8]) -> io::Result<()> {
    for drop in piece.chunks(piece.len() / DROPS + 1) {
        client.write_all(drop).await?;
        tokio::time::sleep(BETWEEN_DROPS).await;
    }
    Ok(())
}
