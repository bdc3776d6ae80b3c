//! Any sequence of operations on a zone, beside a model of what it should find.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    phantom_token_core_testing::properties::cache::check_beside_model(input)
});
