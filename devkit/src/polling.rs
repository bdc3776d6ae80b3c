//! Waiting for what nothing announces.

use std::{
    env,
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(3);

/// Asks again and again until there is an answer, for at most [`patience`].
pub fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience();
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() > deadline {
            return answer;
        }
        sleep(INTERVAL);
    }
}

/// How long to wait for what has to come: ten seconds, times `PHANTOM_PATIENCE` where NGINX is
/// slowed down by a tool that looks on.
pub(crate) fn patience() -> Duration {
    scaled(PATIENCE)
}

/// That time, `PHANTOM_PATIENCE` times.
pub(crate) fn scaled(time: Duration) -> Duration {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    let factor = FACTOR.get_or_init(|| {
        let factor = env::var("PHANTOM_PATIENCE").ok();
        factor.map_or(1, |factor| factor.parse().expect("PHANTOM_PATIENCE is a number"))
    });
    time * *factor
}
