//! What NGINX says of a configuration when it is only to test it.

use phantom_token_devkit::{Nginx, Verdict};

/// The verdict on this `http` block.
pub fn test_http(http: &str) -> Verdict {
    Nginx::builder().http(http).test()
}

/// The message from `[emerg]` on, which may have several lines.
pub fn emerg_of(verdict: &Verdict) -> &str {
    let start = verdict.output.find("[emerg]");
    let start = start.unwrap_or_else(|| panic!("no emerg: {}", verdict.output));
    &verdict.output[start..]
}
