//! The `Authorization` field of a request.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phantom_token_core_testing::properties::bearer::check(
    input
));
