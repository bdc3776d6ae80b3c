//! The example in the README, as it stands there but for addresses and paths, and what
//! `docs/troubleshooting.md` says of the lines that it leads to.

use std::fs;

use phantom_token_devkit::{AuthorizationServer, Gateway, expect};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const TROUBLESHOOTING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
/// The name of the authorization server in the example.
const NAME: &str = "login.example.com";

#[test]
fn the_example_asks_a_server_that_serves_by_name_and_has_the_certificate_of_a_trusted_authority() {
    let (authorization_server, authority) = AuthorizationServer::start_with_tls_by_name(NAME);
    let gateway = start(&example(), authorization_server, &authority);
    let jwt = gateway.activate("opaque");

    let without = gateway.get("/").send();
    let granted = gateway.get("/").bearer("opaque").send();

    expect::unauthorized(&without);
    assert_eq!(granted.status, 200, "{}", gateway.error_log());
    let arrived = gateway.api.only_request();
    assert_eq!(arrived.header("authorization"), Some(format!("Bearer {jwt}").as_str()));
    let asked = gateway.authorization_server.only_request();
    assert_eq!(asked.target, "/oauth/v2/oauth-introspect");
    assert_eq!(asked.header("host"), Some(NAME));
    assert_eq!(asked.header("authorization"), Some("Basic Z2F0ZXdheTpzZWNyZXQ="));
}

#[test]
fn the_example_sends_nothing_to_a_server_whose_certificate_does_not_verify() {
    let (_, trusted) = AuthorizationServer::start_with_tls_by_name(NAME);
    let (of_another_authority, _) = AuthorizationServer::start_with_tls_by_name(NAME);
    let (self_signed, _) = AuthorizationServer::start_with_tls(NAME);
    let (of_another_name, its_own) =
        AuthorizationServer::start_with_tls("somebody.else.example.com");
    for (authorization_server, trusted, words) in [
        (of_another_authority, &trusted, "upstream SSL certificate verify error: (21:"),
        (self_signed, &trusted, "upstream SSL certificate verify error: (18:"),
        (of_another_name, &its_own, "upstream SSL certificate does not match"),
    ] {
        let gateway = start(&example(), authorization_server, trusted);
        gateway.activate("opaque");

        let refused = gateway.get("/").bearer("opaque").send();

        expect::server_error(&refused, 502);
        assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0), "{words}");
        let line = gateway.wait_for_log(words);
        assert!(line.contains("[error]"), "{line}");
        let (words, _) = words.split_once(':').unwrap_or((words, ""));
        assert!(is_in_troubleshooting(words), "{words}");
    }
}

#[test]
fn the_words_of_nginx_for_a_server_that_misses_the_name_are_in_troubleshooting() {
    let (authorization_server, authority) = AuthorizationServer::start_with_tls_by_name(NAME);
    let without_name = example().replace("proxy_ssl_server_name on;", "");
    let gateway = start(&without_name, authorization_server, &authority);
    gateway.activate("opaque");

    let refused = gateway.get("/").bearer("opaque").send();

    expect::server_error(&refused, 502);
    assert_eq!((gateway.authorization_server.count(), gateway.api.count()), (0, 0));
    let line = gateway.wait_for_log("unrecognized name");
    assert!(line.contains("SSL_do_handshake() failed"), "{line}");
    assert!(is_in_troubleshooting("unrecognized name"));
}

/// The example in a server, with the addresses and paths of the test.
fn start(example: &str, authorization_server: AuthorizationServer, trusted: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("authorities.pem");
    fs::write(&authorities, trusted).unwrap();
    let server = example
        .replace("127.0.0.1:3000", "{api}")
        .replace("/etc/ssl/certs/ca-certificates.crt", &authorities.display().to_string());
    // The name would have to be known to DNS; what is asked for and verified is the name still.
    Gateway::builder_with(authorization_server)
        .http(&format!(
            "upstream {NAME} {{ server {{as}}; }}
             server {{ listen 127.0.0.1:{{port}}; {server} }}"
        ))
        .start()
}

fn example() -> String {
    let readme = fs::read_to_string(README).unwrap();
    let (_, rest) = readme.split_once("```nginx\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("the end of the example");
    assert!(example.contains(&format!("proxy_pass https://{NAME}/")), "{example}");
    example.to_owned()
}

/// Whether the first column of a table of the troubleshooting has the words.
fn is_in_troubleshooting(words: &str) -> bool {
    let text = fs::read_to_string(TROUBLESHOOTING).unwrap();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    rows.any(|(line, _)| line.contains(words))
}
