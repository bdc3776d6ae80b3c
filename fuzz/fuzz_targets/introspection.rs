//! What an answer of the authorization server means.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    phantom_token_core_testing::properties::introspection::check(input)
});
