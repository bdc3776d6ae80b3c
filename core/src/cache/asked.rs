//! When a question was asked, in the order of all questions of a zone.

use super::layout::{EntryHeader, FLAG_BITS, LEN_BITS};
use super::shard::{get, set};

/// The place of a question among all that were asked for a zone, by any process; see
/// [`Zone::ask`](super::Zone::ask).
///
/// An answer tells what was true when it was asked for, and answers come in any order: this is what
/// keeps an older one from taking the place of a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked(pub(super) u64);

impl Asked {
    /// The question before this one.
    pub(super) fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// As much of an [`Asked`] as an entry has bits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct AskedBits(u64);

impl From<Asked> for AskedBits {
    fn from(Asked(number): Asked) -> Self {
        Self(number & MASK)
    }
}

impl AskedBits {
    pub(super) fn of(entry: &EntryHeader) -> Self {
        let low = get(&entry.flags) >> FLAG_BITS;
        let high = get(&entry.len) >> LEN_BITS;
        Self(u64::from(high) << LOW_BITS | u64::from(low))
    }

    /// Sets the bits of an entry whose length and flags are written.
    pub(super) fn write(self, entry: &EntryHeader) {
        let flags = get(&entry.flags) & !(u32::MAX << FLAG_BITS);
        let len = get(&entry.len) & !(u32::MAX << LEN_BITS);
        set(&entry.flags, flags | (self.0 as u32) << FLAG_BITS);
        set(&entry.len, len | ((self.0 >> LOW_BITS) as u32) << LEN_BITS);
    }

    /// Of two questions for one token, less than 2^35 others apart.
    pub(super) fn is_later_than(self, other: Self) -> bool {
        let distance = self.0.wrapping_sub(other.0) & MASK;
        distance != 0 && distance <= MASK / 2
    }
}

const LOW_BITS: u32 = 32 - FLAG_BITS;
const MASK: u64 = (1 << (LOW_BITS + 32 - LEN_BITS)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(number: u64) -> AskedBits {
        Asked(number).into()
    }

    #[test]
    fn the_later_of_two_questions_is_told_whatever_their_numbers() {
        for base in [0, 1, MASK / 2, MASK - 1, MASK, MASK + 1, u64::MAX - 1_000] {
            for apart in [1, 2, 1_000] {
                let (earlier, later) = (bits(base), bits(base.wrapping_add(apart)));
                assert!(later.is_later_than(earlier), "{base} {apart}");
                assert!(!earlier.is_later_than(later), "{base} {apart}");
            }
            assert!(!bits(base).is_later_than(bits(base)), "{base}");
        }
    }
}
