//! Processes that share flights, one of which is killed at random, over and over.
//!
//! ```text
//! cargo test -p phantom-token-core --test flight_processes -- --kills 1000
//! ```
//!
//! Whoever leads a flight lights a beacon in memory of its own. Nobody may find it lit by another
//! leader that is alive, unless the flight was lost with its shard; and nobody may wait for long.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

mod beacon;

use beacon::Beacons;
use memmap2::{MmapOptions, MmapRaw};
use phantom_token_core::cache::{
    CacheKey, CheckError, Flight, Follow, Join, Landing, Profile, Ticket, Zone,
};
use phantom_token_core::introspection::{Failure, FailureCode};
use phantom_token_core_testing::{Memory, Random, RealProcess};
use std::env;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const CHILDREN: usize = 4;
const TOKENS: usize = 3;
const SIGKILL: i32 = 9;
/// One shard.
const ZONE: u64 = 256 * 1024;
/// No flight is taken over for being late, in milliseconds.
const TIMEOUT: u64 = 3_600_000;
/// Far longer than anybody should have to wait, even if several leaders die one after another.
const HANG: Duration = Duration::from_secs(20);
/// How long to go on killing until a leader was hit: on a loaded machine many children die before
/// they have begun.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let mut arguments = env::args().skip(1).skip_while(|argument| !argument.starts_with("--"));
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--child"), Some(directory)) => fly_for_ever(Path::new(&directory)),
        (Some("--kills"), Some(kills)) => kill_at_random(kills.parse().unwrap()),
        _ => kill_at_random(100),
    }
}

fn kill_at_random(kills: u32) {
    let directory = tempfile::tempdir().unwrap();
    let memory = Memory::from(share(directory.path(), "zone", ZONE));
    let zone = memory.create().unwrap();
    let beacons = Beacons::new(share(directory.path(), "beacons", 4096));
    let mut children: Vec<Child> = (0..CHILDREN).map(|_| spawn(directory.path())).collect();
    let mut random = Random(kills.into());
    let mut killed = 0;
    let mut kill_one = || {
        sleep(Duration::from_millis(random.next() % 60));
        let child = &mut children[random.below(CHILDREN)];
        kill(child);
        *child = spawn(directory.path());
        assert_sound(&zone);
        killed += 1;
    };
    (0..kills).for_each(|_| kill_one());
    // If no leader died, nothing was shown.
    let deadline = Instant::now() + PATIENCE;
    while zone.usage().flight_takeovers == 0 && Instant::now() < deadline {
        kill_one();
    }
    children.iter_mut().for_each(kill);
    assert_sound(&zone);
    assert_all_tokens_can_be_led(&zone, &beacons);
    let usage = zone.usage();
    println!("{killed} kills of leaders and followers: {usage:?}");
    assert!(usage.flight_takeovers > 0, "{usage:?}");
    assert_eq!(usage.corruptions, 0, "{usage:?}");
}

/// A file of `len` bytes, in memory that all processes share.
fn share(directory: &Path, name: &str, len: u64) -> MmapRaw {
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false);
    let file = file.open(directory.join(name)).unwrap();
    file.set_len(len).unwrap();
    MmapOptions::new().map_raw(&file).unwrap()
}

fn spawn(directory: &Path) -> Child {
    Command::new(env::current_exe().unwrap()).arg("--child").arg(directory).spawn().unwrap()
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(SIGKILL), "a child ended by itself: {status}");
}

fn assert_sound(zone: &Zone) {
    let start = Instant::now();
    let process = RealProcess::this();
    let mut checked = zone.check(&process);
    while matches!(checked, Err(CheckError::Busy { .. })) && start.elapsed() < HANG {
        checked = zone.check(&process);
    }
    checked.unwrap();
}

/// Whatever flights the dead have left.
fn assert_all_tokens_can_be_led(zone: &Zone, beacons: &Beacons) {
    let pilot = Pilot { zone, beacons, process: RealProcess::this() };
    let start = Instant::now();
    for token in 0..TOKENS {
        while !pilot.fly(token, &mut Random(1)) {
            assert!(start.elapsed() < HANG, "still waiting");
        }
    }
}

fn fly_for_ever(directory: &Path) {
    let memory = Memory::from(share(directory, "zone", ZONE));
    let zone = memory.attach().unwrap();
    let beacons = Beacons::new(share(directory, "beacons", 4096));
    let pilot = Pilot { zone: &zone, beacons: &beacons, process: RealProcess::this() };
    let mut random = Random(std::process::id().into());
    loop {
        pilot.fly(random.below(TOKENS), &mut random);
    }
}

/// A process that leads and follows.
struct Pilot<'a> {
    zone: &'a Zone,
    beacons: &'a Beacons,
    process: RealProcess,
}

impl Pilot<'_> {
    /// Makes one request; whether it led.
    fn fly(&self, token: usize, random: &mut Random) -> bool {
        let lost_before = self.shards_lost();
        let key = self.zone.key(&token.to_le_bytes(), Profile::new(&[]));
        let ticket = match self.zone.join(&self.process, &key, now(), TIMEOUT) {
            Join::Lead(ticket) => Some(ticket),
            // Its client hangs up at once.
            Join::Follow(_) if random.below(8) == 0 => None,
            Join::Follow(flight) => self.wait(&key, flight),
            Join::Alone => None,
        };
        let Some(ticket) = ticket else {
            return false;
        };
        self.beacons.light(token, &self.process, lost_before, || self.shards_lost());
        sleep(Duration::from_millis(random.next() % 20));
        self.beacons.put_out(token, &self.process);
        self.end(ticket, random);
        true
    }

    fn wait(&self, key: &CacheKey, flight: Flight) -> Option<Ticket> {
        let start = Instant::now();
        while start.elapsed() < HANG {
            match self.zone.follow(&self.process, key, flight, now(), TIMEOUT) {
                Follow::Wait => sleep(Duration::from_millis(1)),
                Follow::Lead(ticket) => return Some(ticket),
                Follow::Landed(_) | Follow::Gone => return None,
            }
        }
        panic!("still waiting");
    }

    fn end(&self, ticket: Ticket, random: &mut Random) {
        let landing = match random.below(5) {
            0 => return self.zone.abandon(&self.process, ticket),
            1 => Landing::Stored,
            2 => Landing::NotStored,
            3 => Landing::Inactive,
            _ => Landing::Failed(FailureCode::from(&Failure::Timeout)),
        };
        self.zone.land(&self.process, ticket, landing, now());
    }

    fn shards_lost(&self) -> u64 {
        self.zone.usage().takeovers
    }
}

/// Milliseconds, by a clock that all processes share.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}
