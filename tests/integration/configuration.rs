//! What `nginx -t` says of configurations, right and wrong.

use std::fs;

use phantom_token_devkit::{Gateway, Nginx, Verdict, expect};

use crate::verdict::{emerg_of, test_http};

#[test]
fn a_wrong_directive_is_an_emerg_that_names_file_line_and_directive() {
    let table = [
        ("phantom_token yes", "phantom_token"),
        ("phantom_token", "phantom_token"),
        ("phantom_token on off", "phantom_token"),
        ("phantom_token_introspection_endpoint", "phantom_token_introspection_endpoint"),
        ("phantom_token_introspection_endpoint ''", "phantom_token_introspection_endpoint"),
        ("phantom_token_introspection_endpoint /a /b", "phantom_token_introspection_endpoint"),
        ("phantom_token_introspection_endpoint =/a", "phantom_token_introspection_endpoint"),
        ("phantom_token_introspection_endpoint @a", "phantom_token_introspection_endpoint"),
        ("phantom_token_realm", "phantom_token_realm"),
        ("phantom_token_realm a b", "phantom_token_realm"),
        ("phantom_token_realm 'a\nb'", "phantom_token_realm"),
        ("phantom_token_realm 'é'", "phantom_token_realm"),
        ("phantom_token_scopes", "phantom_token_scopes"),
        ("phantom_token_scopes 'a\"b'", "phantom_token_scopes"),
        ("phantom_token_scope 'é'", "phantom_token_scope"),
        ("phantom_token_scope", "phantom_token_scope"),
        ("phantom_token_client_credential", "phantom_token_client_credential"),
        ("phantom_token_client_credential id", "phantom_token_client_credential"),
        ("phantom_token_client_credential '' secret", "phantom_token_client_credential"),
        ("phantom_token_client_credential '' ''", "phantom_token_client_credential"),
        ("phantom_token_client_credential id ''", "a secret that is not empty"),
        ("phantom_token_client_credential OFF", "expected a client id and a secret, or \"off\" in"),
        ("phantom_token_client_credential ''", "phantom_token_client_credential"),
        ("phantom_token_client_credential a b c", "phantom_token_client_credential"),
        (
            "phantom_token_client_credential id file:/does/not/exist",
            "cannot read \"/does/not/exist\" (2: No such file or directory)",
        ),
        ("phantom_token_token_syntax", "phantom_token_token_syntax"),
        (
            "phantom_token_token_syntax any",
            "\"phantom_token_token_syntax\" directive: expected \"b64token\" or \"visible\", got \"any\"",
        ),
        ("phantom_token_introspection_accept_header", "phantom_token_introspection_accept_header"),
        (
            "phantom_token_introspection_accept_header 'a/b\nX: y'",
            "phantom_token_introspection_accept_header",
        ),
        ("phantom_token_jwt_claim", "phantom_token_jwt_claim"),
        ("phantom_token_jwt_claim ''", "phantom_token_jwt_claim"),
        ("phantom_token_jwt_claim exp", "phantom_token_jwt_claim"),
        ("phantom_token_jwt_claim jwt token_type", "phantom_token_jwt_claim"),
        ("phantom_token_max_response_size", "phantom_token_max_response_size"),
        ("phantom_token_max_response_size big", "phantom_token_max_response_size"),
        ("phantom_token_max_response_size -1", "phantom_token_max_response_size"),
        ("phantom_token_max_response_size 0", "phantom_token_max_response_size"),
        ("phantom_token_cache", "phantom_token_cache"),
        ("phantom_token_cache nowhere", "nowhere"),
        ("phantom_token_cache zone=nowhere", "got \"nowhere\""),
        ("phantom_token_cache zone=", "phantom_token_cache"),
        ("phantom_token_cache zone=zone=nowhere", "phantom_token_cache"),
        ("phantom_token_cache_valid", "phantom_token_cache_valid"),
        ("phantom_token_cache_valid soon", "phantom_token_cache_valid"),
        ("phantom_token_cache_valid -1s", "phantom_token_cache_valid"),
        ("phantom_token_cache_max_valid soon", "phantom_token_cache_max_valid"),
        ("phantom_token_cache_ignore_headers", "phantom_token_cache_ignore_headers"),
        ("phantom_token_cache_ignore_headers Vary", "phantom_token_cache_ignore_headers"),
        ("phantom_token_options", "phantom_token_options"),
        ("phantom_token_options maybe", "phantom_token_options"),
        ("phantom_token_challenge_error maybe", "phantom_token_challenge_error"),
        ("phantom_token_cache_zone a:1m", "phantom_token_cache_zone"),
        (
            "phantom_token_status; phantom_token_status",
            "\"phantom_token_status\" directive is duplicate",
        ),
        (
            "phantom_token_status; phantom_token_purge",
            "\"phantom_token_purge\" directive stands beside another directive that answers requests",
        ),
    ];
    for (directive, named) in table {
        let verdict = test_directives(&format!("{directive};"));

        assert!(!verdict.accepted, "{directive}: {}", verdict.output);
        let emerg = emerg_of(&verdict);
        assert!(emerg.contains(named), "{directive}: {emerg}");
        assert!(emerg.contains("nginx.conf:"), "{directive}: {emerg}");
    }
}

#[test]
fn a_wrong_cache_zone_is_an_emerg_that_names_it() {
    let table = [
        "phantom_token_cache_zone",
        "phantom_token_cache_zone name",
        "phantom_token_cache_zone name:",
        "phantom_token_cache_zone :1m",
        "phantom_token_cache_zone name:big",
        "phantom_token_cache_zone name:-1m",
        "phantom_token_cache_zone name:1",
        "phantom_token_cache_zone name:1m name2:1m",
        "phantom_token_cache_zone off:1m",
        "phantom_token_cache_zone zone=off:1m",
        "phantom_token_cache_zone zone=:1m",
        "phantom_token_cache_zone zone=name",
        "phantom_token_cache_zone zone=zone=name:1m",
        "phantom_token_cache_zone keys_zone=name:1m",
        "phantom_token_cache_zone shared:name:1m",
        "phantom_token_cache_zone zone=name:1m; phantom_token_cache_zone name:2m",
        "phantom_token_cache_zone name:1m; phantom_token_cache_zone name:2m",
    ];
    for directive in table {
        let verdict = test_http(&format!("{directive};"));

        assert!(!verdict.accepted, "{directive}: {}", verdict.output);
        let emerg = emerg_of(&verdict);
        assert!(emerg.contains("phantom_token_cache_zone"), "{directive}: {emerg}");
        assert!(emerg.contains("nginx.conf:"), "{directive}: {emerg}");
    }
}

#[test]
fn a_directive_given_twice_is_an_emerg() {
    let table = [
        "phantom_token on",
        "phantom_token_introspection_endpoint /introspection",
        "phantom_token_token_syntax visible",
        "phantom_token_realm a",
        "phantom_token_scopes a",
        "phantom_token_client_credential a b",
        "phantom_token_introspection_accept_header a/b",
        "phantom_token_max_response_size 1k",
        "phantom_token_cache off",
        "phantom_token_cache_valid 1s",
        "phantom_token_cache_max_valid 1s",
        "phantom_token_options pass",
        "phantom_token_challenge_error on",
    ];
    for directive in table {
        let verdict = test_http(&format!(
            "server {{ listen {{port}}; location / {{ {directive}; {directive}; }} }}"
        ));

        assert!(!verdict.accepted, "{directive}: {}", verdict.output);
        assert!(emerg_of(&verdict).contains("is duplicate"), "{}", verdict.output);
    }
}

#[test]
fn every_directive_is_accepted_where_it_may_stand() {
    let everywhere = "
        phantom_token on;
        phantom_token_introspection_endpoint /introspection;
        phantom_token_token_syntax visible;
        phantom_token_realm '';
        phantom_token_scopes 'a b';
        phantom_token_scope a;
        phantom_token_scope b;
        phantom_token_client_credential id secret;
        phantom_token_introspection_accept_header application/json;
        phantom_token_jwt_claim one two;
        phantom_token_max_response_size 1m;
        phantom_token_cache zone;
        phantom_token_cache_valid 5m;
        phantom_token_cache_max_valid 1h;
        phantom_token_cache_ignore_headers Cache-Control Expires;
        phantom_token_options check;
        phantom_token_challenge_error off;";

    let verdict = test_http(&format!(
        "phantom_token_cache_zone zone:1m;
         {everywhere}
         server {{
             listen {{port}};
             {everywhere}
             location / {{ {everywhere} }}
             location = /introspection {{ internal; return 204; }}
         }}"
    ));

    assert!(verdict.accepted, "{}", verdict.output);
}

#[test]
fn a_zone_may_be_declared_after_the_location_that_uses_it() {
    let verdict = test_http(
        "server {
             listen {port};
             location / {
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 phantom_token_cache zone;
             }
         }
         phantom_token_cache_zone zone:1m;",
    );

    assert!(verdict.accepted, "{}", verdict.output);
}

#[test]
fn a_zone_is_declared_and_used_by_its_name_in_either_spelling() {
    for (declared, used) in [
        ("phantom_token_cache_zone phantom_token:1m;", ""),
        ("phantom_token_cache_zone zone=phantom_token:1m;", ""),
        ("phantom_token_cache_zone zone=tokens:1m;", "phantom_token_cache tokens;"),
        ("phantom_token_cache_zone tokens:1m;", "phantom_token_cache zone=tokens;"),
        ("phantom_token_cache_zone zone=tokens:1m;", "phantom_token_cache zone=tokens;"),
    ] {
        let gateway = Gateway::with_http(&format!(
            "{declared}
             server {{
                 listen 127.0.0.1:{{port}};
                 location / {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /introspection;
                     {used}
                     proxy_pass http://{{api}};
                 }}
                 location = /introspection {{ internal; proxy_pass http://{{as}}; }}
                 location = /status {{ phantom_token_status; }}
             }}"
        ));
        let status: serde_json::Value =
            serde_json::from_str(&gateway.get("/status").send().text()).unwrap();

        let zones = status["zones"].as_object().unwrap();
        let name = if used.is_empty() { "phantom_token" } else { "tokens" };
        assert_eq!(zones.keys().collect::<Vec<_>>(), [name], "{declared} {used}");
        let log = gateway.error_log() + &gateway.log_named("stderr.log");
        assert!(log.contains(&format!("cache zone \"{name}\" of 1048576 bytes")), "{log}");
        assert!(!log.contains("[warn]"), "{log}");
    }
}

#[test]
fn a_zone_that_no_protected_location_uses_is_a_warning_that_names_it_and_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let zones = folder.path().join("zones.conf");
    fs::write(
        &zones,
        "\nphantom_token_cache_zone used:1m;\nphantom_token_cache_zone zone=spare:1m;",
    )
    .unwrap();

    let verdict = test_http(&format!(
        "include {};
         server {{
             listen {{port}};
             phantom_token_introspection_endpoint /introspection;
             location / {{ phantom_token on; phantom_token_cache used; }}
             location /open {{ phantom_token_cache spare; }}
             location /uncached {{ phantom_token on; phantom_token_cache off; }}
             location = /introspection {{ internal; }}
         }}",
        zones.display()
    ));

    assert!(verdict.accepted, "{}", verdict.output);
    let warnings: Vec<_> = verdict.output.lines().filter(|line| line.contains("[warn]")).collect();
    let [warning] = warnings[..] else { panic!("{}", verdict.output) };
    assert!(warning.contains("\"phantom_token_cache_zone\""), "{warning}");
    assert!(warning.contains("\"spare\""), "{warning}");
    assert!(warning.ends_with(&format!("in {}:3", zones.display())), "{warning}");
}

#[test]
fn a_dollar_where_there_are_no_variables_is_a_warning_that_does_not_print_the_value() {
    let table = [
        "phantom_token_client_credential $hidden secret",
        "phantom_token_client_credential id pa$hidden",
        "phantom_token_client_credential id ${hidden}",
        "phantom_token_realm $hidden",
        "phantom_token_scopes 'a $hidden'",
        "phantom_token_scope $hidden",
        "phantom_token_introspection_accept_header application/$hidden",
        "phantom_token_jwt_claim jwt $hidden",
    ];
    for directive in table {
        let verdict = test_directives(&format!("{directive};"));

        let (name, _) = directive.split_once(' ').unwrap();
        assert!(verdict.accepted, "{directive}: {}", verdict.output);
        let warning = verdict.output.lines().find(|line| line.contains("[warn]"));
        let warning = warning.unwrap_or_else(|| panic!("{directive}: {}", verdict.output));
        assert!(warning.contains(&format!("\"{name}\"")), "{warning}");
        assert!(warning.contains("nginx.conf:"), "{warning}");
        assert!(!verdict.output.contains("hidden"), "{}", verdict.output);
    }
    let zone = test_http("phantom_token_cache_zone $zone:1m;");
    assert!(
        zone.output.contains(" \"phantom_token_cache_zone\" takes no variables"),
        "{}",
        zone.output
    );
    for directive in ["phantom_token_cache_bypass $arg_fresh;", "phantom_token_cache_vary $host;"] {
        let variables = test_directives(directive);
        assert!(!variables.output.contains("[warn]"), "{}", variables.output);
    }
}

#[test]
fn a_protected_location_without_an_endpoint_is_an_emerg() {
    let table = [
        "server { listen {port}; location /things { phantom_token on; } }",
        "server { listen {port}; location = /things { phantom_token on; } }",
        "server { listen {port}; location ~ things { phantom_token on; } }",
        "server { listen {port}; phantom_token on; location /things { return 200; } }",
        "phantom_token on; server { listen {port}; location /things { return 200; } }",
        "server { listen {port}; location / { location /things { phantom_token on; } } }",
    ];
    for http in table {
        let verdict = test_http(http);

        assert!(!verdict.accepted, "{http}: {}", verdict.output);
        let emerg = emerg_of(&verdict);
        assert!(emerg.contains("phantom_token_introspection_endpoint"), "{http}: {emerg}");
        assert!(emerg.contains("nginx.conf:"), "{http}: {emerg}");
    }
}

#[test]
fn an_emerg_about_a_location_names_the_server_and_where_the_location_stands() {
    let on = "phantom_token on;";
    let ask = "phantom_token_introspection_endpoint /ask;";
    let table = [
        (
            on.to_owned(),
            "server_name b.example.com c.example.com;\nlocation / {}",
            "phantom_token on",
            "protects location \"/\" of server \"b.example.com\" in {file}:4, which has no \
             \"phantom_token_introspection_endpoint\"",
        ),
        (
            on.to_owned(),
            "location / {\nphantom_token off;\nlocation /b { phantom_token on; } }",
            "phantom_token on",
            "protects location \"/b\" of the server on 127.0.0.1:8082 in {file}:5",
        ),
        (
            format!("{on} {ask}"),
            "server_name b.example.com;\nlocation ~ x {}\nlocation /ask {}",
            "phantom_token on",
            "protects location \"/ask\" of server \"b.example.com\" in {file}:5, which is its own \
             introspection endpoint",
        ),
        (
            format!("{ask} phantom_token_cache nowhere;"),
            "server_name b.example.com;\nlocation / { phantom_token on; }",
            "phantom_token_cache",
            "is invalid in location \"/\" of server \"b.example.com\" in {file}:4: expected a zone",
        ),
        (
            format!("{ask} phantom_token_realm 'é';"),
            "server_name b.example.com;\nphantom_token on;",
            "phantom_token_realm",
            "is invalid in server \"b.example.com\" in {file}:1: ",
        ),
        (
            format!("{ask} phantom_token_scope 'é';"),
            "server_name b.example.com;\nlocation / {\nlocation ~ x { phantom_token on; } }",
            "phantom_token_scope",
            "is invalid in location \"x\" of server \"b.example.com\" in {file}:5: ",
        ),
    ];
    for (http, server, directive, named) in table {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a.conf", "b.conf"].map(|name| folder.path().join(name));
        let of_first = "phantom_token off; location / { return 204; }";
        fs::write(&first, format!("server {{ listen 127.0.0.1:8081; {of_first} }}")).unwrap();
        fs::write(&second, format!("server {{\nlisten 127.0.0.1:8082;\n{server}\n}}")).unwrap();
        let verdict = test_http(&format!("{http} include {}/*.conf;", folder.path().display()));

        let named = named.replace("{file}", &second.display().to_string());
        let emerg = emerg_of(&verdict);
        assert!(emerg.contains(&format!(" \"{directive}\" in ")), "{emerg}");
        assert!(emerg.contains(&named), "{named}: {emerg}");
    }
}

#[test]
fn a_server_block_without_an_endpoint_is_accepted_and_its_requests_get_500() {
    let gateway = Gateway::with_server(
        "phantom_token on;
         root html;
         location /things {
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{api};
         }",
    );
    gateway.activate("opaque");
    fs::write(gateway.prefix().join("html/secret"), "secret").unwrap();

    let granted = gateway.get("/things").bearer("opaque").send();
    let elsewhere = gateway.get("/secret").bearer("opaque").send();

    assert_eq!(granted.status, 200);
    expect::server_error(&elsewhere, 500);
    let line = gateway.wait_for_log("phantom_token_introspection_endpoint");
    assert!(line.contains("[error]"), "{line}");
}

#[test]
fn an_internal_location_without_an_endpoint_is_accepted_and_its_requests_get_500() {
    let gateway = Gateway::with_server(
        "location / { try_files /nothing /inside; }
         location /inside { internal; phantom_token on; proxy_pass http://{api}; }",
    );

    let response = gateway.get("/").bearer("opaque").send();

    expect::server_error(&response, 500);
    let line = gateway.wait_for_log("phantom_token_introspection_endpoint");
    assert!(line.contains("[error]"), "{line}");
    assert_eq!(gateway.api.count(), 0);
}

fn test_directives(directives: &str) -> Verdict {
    let needed = [
        ("phantom_token ", "phantom_token on;"),
        ("phantom_token_introspection_endpoint", "phantom_token_introspection_endpoint /ask;"),
    ];
    let needed: String = needed
        .into_iter()
        .filter(|(name, _)| !directives.replace(';', " ").starts_with(name))
        .map(|(_, directive)| directive)
        .collect();
    test_http(&format!(
        "server {{
             listen {{port}};
             location / {{ {needed} {directives} }}
             location = /ask {{ internal; }}
         }}"
    ))
}

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
