//! The file of a client secret.

use std::fs;

use phantom_token_devkit::Nginx;

#[test]
fn a_secret_file_that_would_never_end_is_an_emerg() {
    for path in ["/dev/zero", "/"] {
        let verdict = Nginx::builder()
            .http(format!(
                "server {{ listen {{port}}; phantom_token_client_credential id file:{path}; }}"
            ))
            .test();

        assert!(!verdict.accepted, "{path}");
        assert!(verdict.output.contains("not a regular file"), "{path}: {}", verdict.output);
    }
}

#[test]
fn a_secret_file_that_is_not_one_line_of_text_is_an_emerg_that_does_not_print_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let long = "x".repeat(5000);
    for (content, complaint) in [
        ("", "is empty"),
        (" \n", "is empty"),
        ("first\nsecond", "is not one line"),
        ("tab\tulator", "is not one line"),
        ("\u{feff}marked", "is not one line"),
        (long.as_str(), "is not one line"),
    ] {
        fs::write(&path, content).unwrap();
        let verdict = Nginx::builder()
            .http(format!(
                "server {{ listen {{port}}; phantom_token_client_credential id file:{}; }}",
                path.display()
            ))
            .test();

        assert!(!verdict.accepted, "{content:?}");
        assert!(verdict.output.contains(complaint), "{content:?}: {}", verdict.output);
        for secret in ["second", "ulator", "marked", "xxxx"] {
            assert!(!verdict.output.contains(secret), "{}", verdict.output);
        }
    }
}
