//! What `nginx -t` says of cache zones: their names, sizes and uses.

use std::fs;

use phantom_token_devkit::Gateway;

use super::verdict::{emerg_of, test_http};

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
fn a_default_zone_whose_name_proxy_cache_uses_is_an_emerg_that_says_what_to_do() {
    let verdict = test_http(
        "proxy_cache_path cache keys_zone=phantom_token:1m;
         server {
             listen {port};
             proxy_cache phantom_token;
             location / { phantom_token on; phantom_token_introspection_endpoint /introspection; }
         }",
    );

    assert!(!verdict.accepted, "{}", verdict.output);
    let emerg = emerg_of(&verdict);
    for named in ["nginx.conf:", "phantom_token_cache_zone", "\"phantom_token_cache\""] {
        assert!(emerg.contains(named), "{emerg}");
    }
}
