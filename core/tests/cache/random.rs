//! Random operations, beside a model of what they should do.

use phantom_token_core_testing::TestZone;
use phantom_token_core_testing::model::{Model, Operation};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;

const TOKENS: u8 = 40;
const PROFILES: u8 = 2;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_small_zone_finds_nothing_but_what_was_stored(operations in vec(operation(), 1..300)) {
        let mut model = Model::new(28 * 1024);
        operations.into_iter().for_each(|operation| model.apply(operation));
        model.zone.assert_sound();
        prop_assert_eq!(model.zone.usage().corruptions, 0);
    }

    #[test]
    fn a_zone_with_room_loses_nothing(operations in vec(operation(), 1..300)) {
        let mut model = Model::new(4 << 20);
        operations.into_iter().for_each(|operation| model.apply(operation));
        model.zone.assert_sound();
        prop_assert_eq!(model.lost, 0);
        prop_assert_eq!(model.zone.usage().evictions, 0);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_least_recently_used_goes_first_but_for_those_in_use(
        operations in vec((any::<bool>(), 0..600_u16), 1_000..3_000),
    ) {
        let zone = TestZone::new(28 * 1024);
        let chunks = zone.usage().capacity as usize / 64;
        // The share of inactive tokens is left free for them.
        let mut model = SecondChances::new(chunks - chunks / 32);
        for (inserts, token) in operations {
            let name = token.to_string();
            prop_assert_eq!(zone.has(&name), model.lookup(token));
            if inserts {
                zone.store_jwt(&name, b"");
                model.insert(token);
            }
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = || (0..TOKENS, 0..PROFILES);
    let insert = (key(), any::<Option<u16>>(), 0..50_u8, 0..50_u8, any::<Option<u8>>());
    let insert = insert.prop_map(|(key, len, fresh, stale, expires)| {
        let len = len.map(|len| len % 3_000);
        Operation::Insert { key, len, fresh, stale, expires }
    });
    prop_oneof![
        20 => insert,
        20 => key().prop_map(Operation::Lookup),
        3 => key().prop_map(Operation::Touch),
        3 => key().prop_map(Operation::Remove),
        1 => (0..TOKENS).prop_map(Operation::PurgeToken),
        1 => Just(Operation::PurgeAll),
        5 => (0..10_u8).prop_map(Operation::Wait),
        1 => any::<u8>().prop_map(Operation::SetBack),
        1 => Just(Operation::Check),
    ]
}

/// An LRU list in which a mark on an entry stands for its move to the front.
struct SecondChances {
    capacity: usize,
    entries: VecDeque<(u16, bool)>,
}

impl SecondChances {
    fn new(capacity: usize) -> Self {
        Self { capacity, entries: VecDeque::new() }
    }

    fn lookup(&mut self, token: u16) -> bool {
        let entry = self.entries.iter_mut().find(|entry| entry.0 == token);
        entry.map(|entry| entry.1 = true).is_some()
    }

    fn insert(&mut self, token: u16) {
        self.entries.retain(|entry| entry.0 != token);
        if self.entries.len() == self.capacity {
            self.evict();
        }
        self.entries.push_front((token, false));
    }

    fn evict(&mut self) {
        for _ in 0..32 {
            match self.entries.pop_back().unwrap() {
                (_, false) => return,
                (token, true) => self.entries.push_front((token, false)),
            }
        }
        self.entries.pop_back();
    }
}
