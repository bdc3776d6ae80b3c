//! Which tokens came by lately, so that one that comes once does not push out one in use.

use std::num::NonZeroUsize;

use super::super::key::CacheKey;

/// As many places as a cache has entries, each with a trace of the token that was there last.
///
/// A token that comes again before another one takes its place is let in. When more tokens come in
/// turn than the cache can hold, each of them would push out one that comes sooner than itself:
/// here most find their trace overwritten, and what is in the cache stays.
pub(super) struct Doorkeeper {
    places: usize,
    traces: Vec<u32>,
}

impl Doorkeeper {
    /// For a cache of so many entries. Takes memory only when it is first asked.
    pub(super) fn new(entries: NonZeroUsize) -> Self {
        Self { places: entries.get(), traces: Vec::new() }
    }

    /// Whether the token of `key` came by lately. From now on it did.
    pub(super) fn knows(&mut self, key: &CacheKey) -> bool {
        if self.traces.is_empty() && self.traces.try_reserve_exact(self.places).is_ok() {
            self.traces.resize(self.places, NOBODY);
        }
        let (place, trace) = key.trace(self.places);
        match self.traces.get_mut(place) {
            Some(last) => std::mem::replace(last, trace) == trace,
            // There was no memory for this.
            None => true,
        }
    }
}

/// One token in four thousand million has this trace, too; it may come in at its first visit.
const NOBODY: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Profile;
    use crate::cache::key::TokenHasher;

    fn keys(count: u32) -> Vec<CacheKey> {
        let hasher = TokenHasher::new(b"0123456789abcdef");
        let key =
            |number: u32| CacheKey::new(hasher.hash(&number.to_le_bytes()), Profile::new(&[]));
        (0..count).map(key).collect()
    }

    fn doorkeeper() -> Doorkeeper {
        Doorkeeper::new(NonZeroUsize::new(1_000).unwrap())
    }

    #[test]
    fn a_token_is_known_from_its_second_visit_on() {
        let (mut doorkeeper, key) = (doorkeeper(), keys(1)[0]);

        assert_eq!([(); 3].map(|()| doorkeeper.knows(&key)), [false, true, true]);
    }

    #[test]
    fn a_token_that_is_used_in_two_ways_in_turn_is_known_in_both() {
        let (mut doorkeeper, token) = (doorkeeper(), keys(1)[0].token());
        let both = [&b"one"[..], b"other"].map(|way| CacheKey::new(token, Profile::new(&[way])));

        let visits = [(); 2].map(|()| both.each_ref().map(|key| doorkeeper.knows(key)));

        assert_eq!(visits, [[false, false], [true, true]]);
    }

    #[test]
    fn of_far_more_tokens_than_places_hardly_one_is_known() {
        let (mut doorkeeper, keys) = (doorkeeper(), keys(20_000));

        let known = keys.iter().chain(&keys).filter(|key| doorkeeper.knows(key)).count();

        assert!(known < 20, "{known}");
    }

    #[test]
    fn a_token_in_use_is_known_in_spite_of_a_flood_of_others() {
        let (mut doorkeeper, keys) = (doorkeeper(), keys(50_000));
        let in_use = keys[0];

        let visits = keys[1..].chunks(100).map(|flood| {
            for key in flood {
                doorkeeper.knows(key);
            }
            doorkeeper.knows(&in_use)
        });
        let known = visits.filter(|known| *known).count();

        assert!(known > 400, "{known} of 500");
    }
}
