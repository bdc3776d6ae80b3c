//! What `nginx -t` says of the directives of the cache.

use phantom_token_devkit::Verdict;

use super::verdict::{emerg_of, test_http};

#[test]
fn a_wrong_argument_is_an_emerg_that_names_the_directive() {
    let table: [(&str, &[&str]); 10] = [
        ("phantom_token_cache_lock", &["", "maybe", "on off", "1"]),
        ("phantom_token_cache_lock_timeout", &["", "soon", "0", "-1s", "off", "2h", "1s 2s", "''"]),
        (
            "phantom_token_cache_use_stale",
            &["", "http_404", "error off", "off error", "http_200", "ERROR", "''"],
        ),
        (
            "phantom_token_cache_background_update",
            &[
                "",
                "maybe",
                "on before",
                "on before=",
                "on before=soon",
                "on before=-1s",
                "on after=5s",
                "off before=5s",
                "before=5s",
                "on before=1s before=2s",
            ],
        ),
        ("phantom_token_cache_inactive_valid", &["", "soon", "-1s", "1s 2s", "''"]),
        ("phantom_token_cache_bypass", &[""]),
        ("phantom_token_cache_vary", &[""]),
        (
            "phantom_token_worker_cache",
            &["", "many", "0", "-1", "1.5", "1k", "2000000", "1 2", "''"],
        ),
        ("phantom_token_status", &["on", "json"]),
        ("phantom_token_purge", &["on", "all"]),
    ];
    for (directive, arguments) in table {
        for argument in arguments {
            let verdict = test_location(&format!("{directive} {argument};"));

            assert!(!verdict.accepted, "{directive} {argument}: {}", verdict.output);
            let emerg = emerg_of(&verdict);
            assert!(emerg.contains(&format!("\"{directive}\"")), "{directive} {argument}: {emerg}");
            assert!(emerg.contains("nginx.conf:"), "{directive} {argument}: {emerg}");
        }
    }
}

#[test]
fn an_unknown_variable_is_an_emerg_that_names_it() {
    for directive in ["phantom_token_cache_bypass", "phantom_token_cache_vary"] {
        let verdict = test_location(&format!("{directive} $no_such_variable;"));

        assert!(!verdict.accepted, "{}", verdict.output);
        assert!(emerg_of(&verdict).contains("no_such_variable"), "{}", verdict.output);
    }
}

#[test]
fn a_directive_given_twice_is_an_emerg() {
    let table = [
        "phantom_token_cache_lock on",
        "phantom_token_cache_lock_timeout 1s",
        "phantom_token_cache_use_stale error",
        "phantom_token_cache_background_update on",
        "phantom_token_cache_inactive_valid 1s",
        "phantom_token_cache_bypass $arg_fresh",
        "phantom_token_cache_vary $host",
        "phantom_token_worker_cache 1",
    ];
    for directive in table {
        let verdict = test_location(&format!("{directive}; {directive};"));

        assert!(!verdict.accepted, "{directive}: {}", verdict.output);
        assert!(emerg_of(&verdict).contains("is duplicate"), "{}", verdict.output);
    }
}

#[test]
fn every_directive_is_accepted_where_it_may_stand() {
    let everywhere = "
        phantom_token_cache_lock off;
        phantom_token_cache_lock_timeout 500ms;
        phantom_token_cache_use_stale error timeout http_500 http_502 http_503 http_504 http_429
            updating;
        phantom_token_cache_background_update on before=30s;
        phantom_token_cache_inactive_valid 10s;
        phantom_token_cache_bypass $arg_fresh $http_x_fresh;
        phantom_token_cache_vary $host $arg_tenant;
        phantom_token_worker_cache 1048576;";
    let off = "
        phantom_token_cache_lock on;
        phantom_token_cache_lock_timeout 1h;
        phantom_token_cache_use_stale off;
        phantom_token_cache_background_update off;
        phantom_token_cache_inactive_valid off;
        phantom_token_worker_cache off;";

    let verdict = test_http(&format!(
        "{everywhere}
         server {{
             listen {{port}};
             {everywhere}
             location / {{ {everywhere} }}
             location /off {{ {off} }}
             location /on {{ phantom_token_cache_background_update on; }}
             location = /status {{ phantom_token_status; }}
             location = /purge {{ phantom_token_purge; }}
         }}"
    ));

    assert!(verdict.accepted, "{}", verdict.output);
}

#[test]
fn status_and_purge_stand_in_locations_only() {
    for directive in ["phantom_token_status", "phantom_token_purge"] {
        for http in [
            format!("{directive}; server {{ listen {{port}}; }}"),
            format!("server {{ listen {{port}}; {directive}; }}"),
        ] {
            let verdict = test_http(&http);

            assert!(!verdict.accepted, "{http}: {}", verdict.output);
            let emerg = emerg_of(&verdict);
            assert!(emerg.contains(directive) && emerg.contains("not allowed here"), "{emerg}");
        }
    }
}

#[test]
fn status_and_purge_stand_beside_nothing_that_answers_requests() {
    for directive in ["phantom_token_status", "phantom_token_purge"] {
        for other in ["proxy_pass http://127.0.0.1:1", "stub_status"] {
            for both in [format!("{directive}; {other};"), format!("{other}; {directive};")] {
                let verdict = test_http(&format!(
                    "server {{ listen {{port}}; location = /admin {{ {both} }} }}"
                ));

                assert!(!verdict.accepted, "{both}: {}", verdict.output);
                let emerg = emerg_of(&verdict);
                assert!(emerg.contains(&format!("\"{directive}\"")), "{emerg}");
                assert!(emerg.contains("beside another directive that answers"), "{emerg}");
                assert!(emerg.contains("nginx.conf:"), "{emerg}");
            }
        }
    }
}

fn test_location(directives: &str) -> Verdict {
    test_http(&format!(
        "server {{
             listen {{port}};
             location / {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 {directives}
             }}
         }}"
    ))
}
