//! When an answer may be used, and how, in the 32 bits for each time that an entry has.

use super::layout::EntryHeader;
use super::shard::{get, set};
use super::{Answer, Entry};
use crate::UnixTime;

/// When an answer may be used, and how.
#[derive(Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) fresh_until: UnixTime,
    stale_until: UnixTime,
    pub(super) expires: Option<UnixTime>,
}

impl Lifetime {
    pub(super) fn of(entry: &EntryHeader) -> Self {
        let time = |word| UnixTime(u64::from(get(word)));
        let expires = Some(time(&entry.expires)).filter(|&time| time != NEVER);
        Self {
            fresh_until: time(&entry.fresh_until),
            stale_until: time(&entry.stale_until),
            expires,
        }
    }

    /// A time that does not fit is brought forward, never put off.
    pub(super) fn write(self, entry: &EntryHeader) {
        let latest = NEVER.0.wrapping_sub(1);
        let seconds = |time: UnixTime| time.0.min(latest) as u32;
        set(&entry.fresh_until, seconds(self.fresh_until));
        set(&entry.stale_until, seconds(self.stale_until));
        set(&entry.expires, self.expires.map_or(NEVER.0 as u32, seconds));
    }

    pub(super) fn is_over(self, now: UnixTime) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
            || now >= self.fresh_until.max(self.stale_until)
    }
}

impl From<&Entry<'_>> for Lifetime {
    fn from(entry: &Entry<'_>) -> Self {
        let &Entry { answer, fresh_until, stale_until, expires, .. } = entry;
        let stale_until = match answer {
            Answer::Active(_) => stale_until,
            Answer::Inactive => fresh_until,
        };
        Self { fresh_until, stale_until, expires }
    }
}

const NEVER: UnixTime = UnixTime(u32::MAX as u64);
