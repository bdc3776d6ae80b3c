//! What `phantom_token_status` answers: the state of zones and what was counted in them.

mod format;
mod json;
mod model;
mod prometheus;

pub use format::Format;
pub use model::{Build, ZoneStatus};

/// The body of the answer.
#[must_use]
pub fn render(build: &Build<'_>, zones: &[ZoneStatus<'_>], format: Format) -> String {
    match format {
        Format::Json => json::render(build, zones),
        Format::Prometheus => prometheus::render(build, zones),
    }
}
