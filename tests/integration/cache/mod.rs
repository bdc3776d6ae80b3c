//! Answers that are kept: for whom, for how long, and who waits for one.

mod background_update;
mod bypass;
mod inactive;
mod kept_apart;
mod lifetime;
mod other_tokens;
mod reload;
mod single_flight;
mod stale;
mod takeover;
mod worker_cache;
mod zone;
