//! Keeps the documentation true: the tests, files and headings that it names exist.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that panics has failed")]

mod page;
mod repository;

use page::Page;
use repository::{Repository, is_path};

#[test]
fn every_test_that_a_page_names_exists() {
    let repository = Repository::read();

    let wrong = wrong_in_all_pages(&repository, wrong_tests);

    assert!(wrong.is_empty(), "there is no {wrong:#?}");
}

#[test]
fn every_path_that_a_page_names_exists() {
    let repository = Repository::read();

    let wrong = wrong_in_all_pages(&repository, wrong_paths);

    assert!(wrong.is_empty(), "there is no {wrong:#?}");
}

#[test]
fn every_link_leads_to_a_file_or_a_heading() {
    let repository = Repository::read();

    let wrong = wrong_in_all_pages(&repository, wrong_links);

    assert!(wrong.is_empty(), "nothing is at {wrong:#?}");
}

#[test]
fn the_security_review_names_tests_for_its_claims() {
    let repository = Repository::read();
    let review = repository.page("docs/security.md");

    assert!(review.tests().count() > 100, "only {} tests are named", review.tests().count());
}

#[test]
fn a_test_that_does_not_exist_is_found() {
    for text in [
        "`refused::no_such_test`",
        "`no_such_file::an_inactive_token_is_invalid`",
        // A function of that file, but not a test.
        "`crowd::connection_to_each_worker`",
    ] {
        assert_eq!(wrong_tests(&Repository::read(), &page_with(text)).len(), 1, "{text}");
    }
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    for text in [
        "`core/src/no_such_file.rs`",
        "`no_such_file.rs`",
        "`nginx-conf/no-such.conf`",
        "`scripts/no-such-script --help`",
        "`src/no-such-folder/`",
        "`docs/cache.md/`",
        "`tests/sanitize/*.no-such-end`",
        "`no-such-folder/test`",
        "`fuzz/no-such-folder/TARGET`",
        "Run\n\n    ./scripts/no-such-script\n",
        "```sh\nscripts/no-such-script\n```",
    ] {
        assert_eq!(wrong_paths(&Repository::read(), &page_with(text)).len(), 1, "{text}");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    for text in [
        "[a file](no-such-file.md)",
        "![a picture](../no-such-picture.svg)",
        "[a heading](#no-such-heading)",
        "[a heading of another page](cache.md#no-such-heading)",
        "[a heading in code](#code)\n\n```\n# Code\n```",
    ] {
        assert_eq!(wrong_links(&Repository::read(), &page_with(text)).len(), 1, "{text}");
    }
}

#[test]
fn what_exists_is_not_found_wrong() {
    let repository = Repository::read();
    let page = page_with(
        "# A `heading`, twice\n\n# A `heading`, twice\n\n\
         `refused::an_inactive_token_is_invalid`, `Shard::new`, `application/jwt`, `nginx/1.30.6`,\n\
         `src/nginx/`, `scripts/fuzz 0`, `Cargo.lock`, `cache/zone.rs`, `fuzz/seeds/TARGET/`,\n\
         `tests/sanitize/*.supp`, [here](#a-heading-twice-1), [there](../README.md), [NGINX](https://nginx.org)\n\n\
             ./scripts/build target/none\n",
    );

    assert_eq!(wrong_tests(&repository, &page), [""; 0]);
    assert_eq!(wrong_paths(&repository, &page), [""; 0]);
    assert_eq!(wrong_links(&repository, &page), [""; 0]);
}

fn page_with(text: &str) -> Page {
    Page::parse("docs/page.md", text)
}

fn wrong_in_all_pages(
    repository: &Repository,
    wrong: fn(&Repository, &Page) -> Vec<String>,
) -> Vec<String> {
    let of = |page: &Page| -> Vec<_> {
        wrong(repository, page).iter().map(|what| format!("{what} in {}", page.path())).collect()
    };
    repository.pages().iter().flat_map(of).collect()
}

fn wrong_tests(repository: &Repository, page: &Page) -> Vec<String> {
    page.tests()
        .filter(|(file, name)| !repository.has_test(file, name))
        .map(|(file, name)| format!("{file}::{name}"))
        .collect()
}

fn wrong_paths(repository: &Repository, page: &Page) -> Vec<String> {
    let named = page.words().filter(|word| is_path(word));
    named.filter(|path| !repository.has_named(path)).map(str::to_owned).collect()
}

fn wrong_links(repository: &Repository, page: &Page) -> Vec<String> {
    page.links()
        .filter(|(path, heading)| match heading {
            None => !repository.has(path),
            Some(heading) if path == page.path() => !page.has_heading(heading),
            Some(heading) => !repository.has(path) || !repository.page(path).has_heading(heading),
        })
        .map(|(path, heading)| path + &heading.map_or(String::new(), |name| format!("#{name}")))
        .collect()
}
