//! How long an answer with any header fields may be reused.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    phantom_token_core_testing::properties::freshness::check(input)
});
