//! The form of an introspection request, its client credential, and the form of a purge.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phantom_token_core_testing::properties::form::check(
    input
));
