//! The status of zones with any names, for a client that accepts anything.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phantom_token_core_testing::properties::status::check(
    input
));
