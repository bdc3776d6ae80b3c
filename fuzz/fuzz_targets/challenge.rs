//! The `WWW-Authenticate` field for any realm and scope.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    phantom_token_core_testing::properties::challenge::check(input)
});
