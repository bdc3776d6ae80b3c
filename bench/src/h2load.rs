//! HTTP/2, through `h2load` where it is installed.

use std::{
    error::Error,
    net::SocketAddr,
    process::{Command, Stdio},
};

/// Whether it is there.
pub fn is_installed() -> bool {
    let mut command = Command::new("h2load");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Sends requests with this token, four at a time on each connection, and gives how many were
/// answered in a second.
pub fn run(
    address: SocketAddr,
    requests: u64,
    connections: usize,
    token: &str,
) -> Result<f64, Box<dyn Error>> {
    let output = Command::new("h2load")
        .args(["-n", &requests.to_string(), "-c", &connections.to_string(), "-m", "4"])
        .args(["-H", &format!("authorization: Bearer {token}")])
        .arg(format!("http://{address}/orders/42"))
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !printed.contains(&format!("{requests} 2xx")) {
        return Err(format!("h2load: not all answers were 2xx:\n{printed}").into());
    }
    rate(&printed).ok_or_else(|| format!("h2load: no rate in:\n{printed}").into())
}

fn rate(printed: &str) -> Option<f64> {
    let line = printed.lines().find(|line| line.starts_with("finished in"))?;
    line.split(", ").find_map(|part| part.strip_suffix(" req/s"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_line_that_sums_up() {
        let printed = "starting benchmark...\n\nfinished in 1.25s, 8000.50 req/s, 1.02MB/s\n";

        assert_eq!(rate(printed), Some(8000.5));
    }
}
