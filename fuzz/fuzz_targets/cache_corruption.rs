//! Any sequence of operations on a zone into which somebody else writes.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    phantom_token_core_testing::properties::cache::check_under_corruption(input)
});
