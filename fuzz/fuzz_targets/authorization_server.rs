//! An authorization server that answers a running NGINX with any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| phantom_token_fuzz::authorization_server::check(input));
