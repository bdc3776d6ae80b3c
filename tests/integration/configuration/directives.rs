//! What `nginx -t` says of the directives, right and wrong.

use phantom_token_devkit::Verdict;

use super::verdict::{emerg_of, test_http};

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
