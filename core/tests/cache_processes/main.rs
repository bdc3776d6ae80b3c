//! Processes that share a zone, one of which is killed at random, over and over.
//!
//! ```text
//! cargo test -p phantom-token-core --test cache_processes -- --kills 10000
//! ```
//!
//! After each kill the zone must pass its check and be usable by everybody else. The children
//! verify each value that they find.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

use memmap2::MmapOptions;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{
    Answer, CacheKey, CheckError, Entry, InsertError, Lifetime, Lookup, Profile, Zone,
};
use phantom_token_core_testing::{Memory, Random, RealProcess, assert_whole, value};
use std::env;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

const CHILDREN: usize = 4;
const TOKENS: usize = 300;
const SIGKILL: i32 = 9;
/// Far longer than anybody should have to wait for a lock.
const HANG: Duration = Duration::from_secs(20);
/// How long to go on killing until something was shown: on a loaded machine many children die
/// before they have begun.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let mut arguments = env::args().skip(1).skip_while(|argument| !argument.starts_with("--"));
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--child"), Some(path)) => use_for_ever(&path),
        (Some("--kills"), Some(kills)) => kill_at_random(kills.parse().unwrap()),
        _ => kill_at_random(300),
    }
}

fn kill_at_random(kills: u32) {
    // One shard, so that all meet there, and four.
    for len in [256 * 1024, 2 * 1024 * 1024] {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(len).unwrap();
        let memory = share(file.as_file());
        let zone = memory.create().unwrap();
        let mut children: Vec<Child> = (0..CHILDREN).map(|_| spawn(file.path())).collect();
        let mut random = Random(len);
        let mut killed = 0;
        let mut kill_one = || {
            thread::sleep(Duration::from_micros(random.next() % 8_000));
            let child = &mut children[random.below(CHILDREN)];
            kill(child);
            *child = spawn(file.path());
            assert_sound_and_usable(&zone);
            killed += 1;
        };
        (0..kills / 2).for_each(|_| kill_one());
        let deadline = Instant::now() + PATIENCE;
        while !shows_something(&zone) && Instant::now() < deadline {
            kill_one();
        }
        children.iter_mut().for_each(kill);
        assert_sound_and_usable(&zone);
        report(&zone, killed);
    }
}

fn share(file: &File) -> Memory {
    MmapOptions::new().map_raw(file).unwrap().into()
}

fn spawn(zone: &std::path::Path) -> Child {
    Command::new(env::current_exe().unwrap()).arg("--child").arg(zone).spawn().unwrap()
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(SIGKILL), "a child ended by itself: {status}");
}

fn assert_sound_and_usable(zone: &Zone) {
    let start = Instant::now();
    let process = RealProcess::this();
    // On a loaded machine the lock's owner may have to wait for a processor for long.
    let mut checked = zone.check(&process);
    while matches!(checked, Err(CheckError::Busy { .. })) && start.elapsed() < HANG {
        checked = zone.check(&process);
    }
    checked.unwrap();
    let key = zone.key(b"the parent's", Profile::new(&[]));
    let jwt = value(0, 0, 1_000);
    insert(zone, &process, &key, Answer::Active(&jwt), UnixTime(0));
    assert!(start.elapsed() < HANG, "took {:?}", start.elapsed());
}

fn report(zone: &Zone, kills: u32) {
    let usage = zone.usage();
    println!("{kills} kills of users of {} shard(s): {usage:?}", usage.shards);
    assert!(shows_something(zone), "{usage:?}");
    assert_eq!(usage.corruptions, 0, "{usage:?}");
}

/// Whether somebody died holding a lock. Where there are several, that may take too long.
fn shows_something(zone: &Zone) -> bool {
    let usage = zone.usage();
    usage.shards > 1 || usage.takeovers > 0
}

fn use_for_ever(path: &str) {
    let memory = share(&File::options().read(true).write(true).open(path).unwrap());
    let zone = memory.attach().unwrap();
    let process = RealProcess::this();
    let mut random = Random(std::process::id().into());
    let mut found = Vec::new();
    loop {
        let token = random.below(TOKENS) as u64;
        let key = zone.key(&token.to_le_bytes(), Profile::new(&[]));
        let now = UnixTime(random.next() % 10);
        match random.below(16) {
            0 => zone.forget(&process, &key, zone.ask()),
            1 => zone.purge_token(&process, &token.to_le_bytes()),
            2 => insert(&zone, &process, &key, Answer::Inactive, now),
            3..8 => {
                let jwt = value(token, random.next(), random.below(8_000));
                insert(&zone, &process, &key, Answer::Active(&jwt), now);
            }
            _ => {
                let lookup = zone.lookup(&process, &key, now, &mut found);
                if matches!(lookup, Lookup::Fresh(_) | Lookup::Stale(_)) {
                    assert_whole(token, &found);
                }
            }
        }
    }
}

fn insert(zone: &Zone, process: &RealProcess, key: &CacheKey, answer: Answer<'_>, now: UnixTime) {
    let lifetime = Lifetime {
        fresh_until: UnixTime(8),
        stale_until: UnixTime(9),
        expires: Some(UnixTime(10)),
    };
    let entry = Entry { answer, lifetime, asked: zone.ask() };
    match zone.insert(process, key, entry, now) {
        Ok(()) | Err(InsertError::Expired | InsertError::Outdated | InsertError::Busy) => {}
        Err(refusal) => panic!("{refusal}"),
    }
}
