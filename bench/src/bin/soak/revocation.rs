//! Tokens that are revoked and purged while they are in use.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use phantom_token_devkit::{
    Request,
    load::{Issuer, Kind, Revoker, Token},
};

/// Above the numbers of all other tokens.
const FIRST: u64 = 1 << 50;
const USES: u64 = 5;
const BETWEEN: Duration = Duration::from_millis(20);

/// A client that uses a token, revokes it, and uses it again.
pub struct Revocations {
    stopped: Arc<AtomicBool>,
    client: JoinHandle<(u64, Vec<String>)>,
}

impl Revocations {
    pub fn start(nginx: SocketAddr, issuer: &Issuer) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (is_over, revoker) = (stopped.clone(), issuer.revoker());
        let client = thread::spawn(move || {
            let (mut number, mut findings) = (FIRST, Vec::new());
            while !is_over.load(Ordering::SeqCst) {
                findings.extend(revoke(nginx, &revoker, number));
                number += 1;
                thread::sleep(BETWEEN);
            }
            (number - FIRST, findings)
        });
        Self { stopped, client }
    }

    /// Gives how many tokens were revoked, and those that were served as they should not have been.
    pub fn stop(self) -> (u64, Vec<String>) {
        self.stopped.store(true, Ordering::SeqCst);
        self.client.join().unwrap_or((0, vec!["the client that revokes tokens failed".to_owned()]))
    }
}

/// The first status that is wrong.
fn revoke(nginx: SocketAddr, revoker: &Revoker, number: u64) -> Option<String> {
    let token = Token { kind: Kind::Active, number }.to_string();
    let ask = || {
        let request = Request::new(nginx, "GET", "/").header("Connection", "close");
        request.header("X-Token", &token).header("X-Number", "0").bearer(&token).send().status
    };
    let expect = |wanted: u16| {
        let wrong = (0..USES).map(|_| ask()).find(|&status| status != wanted);
        wrong.map(|status| format!("{token}: {status}, expected {wanted}"))
    };
    let before = expect(200);
    revoker.revoke(number);
    let purge = Request::new(nginx, "POST", "/purge").header("Connection", "close");
    let purged = purge.body(format!("token={token}")).send().status;
    let failed = (purged != 200).then(|| format!("{token}: purged with {purged}"));
    before.or(failed).or(expect(401))
}
