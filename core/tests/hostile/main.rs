//! What holds whatever a client, an authorization server or a configuration file says: the
//! properties that `scripts/fuzz` searches for exceptions to, on the inputs that it kept.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and that is all"
)]

use std::fs;
use std::path::Path;

use phantom_token_core_testing::properties::*;

#[test]
fn an_authorization_field_is_read_as_the_grammar_says() {
    replay("bearer", bearer::check);
}

#[test]
fn a_challenge_reads_back_as_what_was_configured() {
    replay("challenge", challenge::check);
}

#[test]
fn a_form_reads_back_as_what_went_in() {
    replay("form", form::check);
}

#[test]
fn an_answer_is_never_fresh_for_longer_than_anything_allows() {
    replay("freshness", freshness::check);
}

#[test]
fn an_answer_means_what_a_plain_reading_of_it_says() {
    replay("introspection", introspection::check);
}

#[test]
fn a_status_can_be_parsed_whatever_the_names_in_it() {
    replay("status", status::check);
}

#[test]
fn a_zone_finds_what_its_model_knows() {
    replay("cache_model", cache::check_beside_model);
}

#[test]
fn a_zone_that_is_overwritten_comes_to_rest() {
    replay("cache_corruption", cache::check_under_corruption);
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut inputs = 0;
    for file in fs::read_dir(&folder).expect("a folder of inputs") {
        let path = file.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
}
