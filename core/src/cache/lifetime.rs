//! How long an answer may be used.

use super::layout::EntryHeader;
use super::shard::{get, set};
use crate::UnixTime;

/// When an answer may be used, and how. It is made where an answer is read
/// ([`freshness`](crate::freshness)), and handed on whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The first second at which the answer is not fresh any more.
    pub fresh_until: UnixTime,
    /// The first second at which the answer is not even to be had stale. No later than
    /// `fresh_until`: never stale.
    pub stale_until: UnixTime,
    /// The first second at which the JWT has expired, and the answer is gone whatever the other
    /// times say: its `exp` (RFC 7519, section 4.1.4).
    pub expires: Option<UnixTime>,
}

impl Lifetime {
    /// Fresh until then, and never stale.
    #[must_use]
    pub fn fresh_until(end: UnixTime) -> Self {
        Self { fresh_until: end, stale_until: end, expires: None }
    }

    /// Whether the answer is fresh.
    #[inline]
    #[must_use]
    pub fn is_fresh(&self, now: UnixTime) -> bool {
        now < self.fresh_until && !self.has_expired(now)
    }

    /// Whether the answer is of no use any more, not even stale.
    pub(super) fn is_over(&self, now: UnixTime) -> bool {
        self.has_expired(now) || now >= self.fresh_until.max(self.stale_until)
    }

    #[inline]
    fn has_expired(&self, now: UnixTime) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// That of an entry, which has 32 bits for each time.
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
    pub(super) fn write(&self, entry: &EntryHeader) {
        let latest = NEVER.0.wrapping_sub(1);
        let seconds = |time: UnixTime| time.0.min(latest) as u32;
        set(&entry.fresh_until, seconds(self.fresh_until));
        set(&entry.stale_until, seconds(self.stale_until));
        set(&entry.expires, self.expires.map_or(NEVER.0 as u32, seconds));
    }
}

const NEVER: UnixTime = UnixTime(u32::MAX as u64);
