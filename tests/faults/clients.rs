//! Clients go away in the middle of things.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use phantom_token_devkit::load::{mixture, scatter};

use crate::{
    plan::{KNOWN, Plan},
    scene::Allowed,
};

const RUDE_CLIENTS: u64 = 4;

#[test]
fn nothing_is_wrong_for_others_when_clients_are_cut() {
    let mut scene = Plan::default().start();
    let (address, rude) = (scene.nginx.address(), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);

    let course = scene.run(&Allowed::default(), |stage| {
        stage.issuer.take(Duration::from_millis(3));
        thread::scope(|scope| {
            for client in 0..RUDE_CLIENTS {
                let (is_over, rude) = (&is_over, &rude);
                scope.spawn(move || {
                    while !is_over.load(Ordering::SeqCst) {
                        let number = rude.fetch_add(1, Ordering::SeqCst);
                        be_rude(address, number * RUDE_CLIENTS + client);
                    }
                });
            }
            // Set also when this fails, or the clients would never end.
            let _over = SetWhenDropped(&is_over);
            stage.repeat(300, |_, _| {});
        });
        stage.issuer.take(Duration::ZERO);
    });

    let allowed = Allowed { uncounted: true, ..Allowed::default() };
    let how = format!(
        "{} others are closed, half-closed or reset, within a request or up to 10 ms after it",
        rude.into_inner()
    );
    scene.conclude("clients are cut", &how, &allowed, &course);
}

/// Sends a request, or some of one, and goes away after a while.
fn be_rude(address: SocketAddr, number: u64) {
    // Tokens that the others do not have.
    let token = mixture(number, KNOWN).map(|mut token| {
        token.number += 1 << 50;
        token
    });
    let token = token.map(|token| token.to_string()).unwrap_or_default();
    let request = format!(
        "GET /orders HTTP/1.1\r\nHost: localhost\r\nX-Number: {number}\r\nX-Token: {token}\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    let chance = scatter(number);
    let length = match chance % 4 {
        0 => (chance / 8) as usize % request.len(),
        _ => request.len(),
    };
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    let _ = stream.write_all(&request.as_bytes()[..length]);
    let patience = Duration::from_micros(1 + scatter(chance) % 10_000);
    let _ = stream.set_read_timeout(Some(patience));
    match chance / 4 % 4 {
        0 => drop(stream.shutdown(Shutdown::Write)),
        1 => drop(stream.read(&mut [0; 10])),
        _ => {}
    }
    let _ = stream.read(&mut [0; 4096]);
    if (chance / 16).is_multiple_of(2) {
        reset(&stream);
    }
}

fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
