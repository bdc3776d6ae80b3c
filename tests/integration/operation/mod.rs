//! What operators see and do: status, purge, variables, log lines, reloads and upgrades.

mod failure_lines;
mod lifecycle;
mod not_cached;
mod purge;
mod status;
mod variables;
mod version;
