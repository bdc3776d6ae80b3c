//! Fifty hours in the life of a cache, in simulated time: what is served, beside what may be.
//!
//! Requests, revocations, purges, reloads, deaths of workers and jumps of the clock come at random. What
//! the workers do is the module's own [`Flow`](phantom_token_core::flow::Flow). The authorization server
//! keeps a [`Ledger`](ledger::Ledger) of what it said, and each JWT that is served is held against
//! it. The same seed makes the same hours; another one is taken from the environment:
//!
//! ```text
//! PHANTOM_SEED=7 cargo test -p phantom-token-core --test hours
//! ```

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

mod accidents;
mod exchange;
mod introspection;
mod ledger;
mod location;
mod server;
mod simulation;
mod tally;

use simulation::Simulation;
use std::{env, thread};
use tally::What;

const HOURS: u64 = 50;
const SEED: u64 = 9068;
/// So small that there is no room for all that is in use.
const CROWDED: usize = 48 * 1024;
/// With as many stripes as there are.
const ROOMY: usize = 4 * 1024 * 1024;

#[test]
fn no_jwt_is_served_past_its_exp_or_to_another_token_or_after_its_purge() {
    let seed = Seed::chosen();
    let mut simulation = Simulation::new(seed.0, CROWDED);

    // Panics at the first JWT that must not be served.
    simulation.run(HOURS);

    let usage = simulation.check();
    simulation.tally.assert_every_request_ended();
    // How often something happens is a matter of the seed.
    if seed.0 == SEED {
        assert!(usage.evictions > 1_000, "there was room for everything");
        simulation.tally.assert_everything_happened();
    }
}

#[test]
fn what_happens_to_other_tokens_keeps_no_answer_from_being_stored() {
    let seed = Seed::chosen();
    let mut simulation = Simulation::new(seed.0, ROOMY);

    simulation.run(HOURS / 2);

    simulation.check();
    let tally = &simulation.tally;
    tally.assert_every_request_ended();
    let (stored, harmed) = (tally.of(What::Stored), tally.of(What::KeptOutByOthers));
    // Those of the same stripe: one in 4,096.
    assert!(harmed * 500 < stored, "{tally:?}");
    if seed.0 == SEED {
        assert!(tally.of(What::Stranger) > 10_000, "too little happened to others: {tally:?}");
    }
}

/// Named if the test fails.
struct Seed(u64);

impl Seed {
    fn chosen() -> Self {
        Self(env::var("PHANTOM_SEED").map_or(SEED, |seed| seed.parse().unwrap()))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("to see this again: PHANTOM_SEED={}", self.0);
        }
    }
}
