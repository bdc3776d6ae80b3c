//! Another module that adds an Authorization header to requests: `tests/modules/second_authorization.c`.

use std::process::Command;

use phantom_token_devkit::{Gateway, Installation};
use tempfile::TempDir;

/// The compiler and the flags of the NGINX that this is built beside.
const COMPILER: &str = include_str!(concat!(env!("OUT_DIR"), "/compiler.txt"));

#[test]
fn a_request_to_which_a_module_adds_a_second_one_is_refused() {
    let Some((gateway, _folder)) = gateway_with_module() else {
        return;
    };

    let response = gateway.get("/").bearer("opaque").header("X-Add", "1").send();

    assert_eq!(response.status, 400);
    assert_eq!(gateway.api.count(), 0);
    assert_eq!(gateway.authorization_server.count(), 0);
    gateway.wait_for_log("the request has two Authorization headers");
}

#[test]
fn a_request_to_which_a_module_adds_its_only_one_does_not_reach_the_api_with_it() {
    let Some((gateway, _folder)) = gateway_with_module() else {
        return;
    };

    let response = gateway.get("/").header("X-Add", "1").send();

    assert!([400, 401].contains(&response.status), "{}", response.status);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn where_a_module_adds_none_exactly_one_reaches_the_api() {
    let Some((gateway, _folder)) = gateway_with_module() else {
        return;
    };

    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);

    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization").len(), 1);
}

/// Nothing for an NGINX of another version than the headers at hand.
fn gateway_with_module() -> Option<(Gateway, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("second_authorization.so");
    let mut words = COMPILER.lines();
    let compiled = Command::new(words.next().unwrap())
        .args(words)
        .args(["-shared", "-fPIC", "-o"])
        .arg(&module)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modules/second_authorization.c"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let configuration = format!(
        "load_module {ours};
         load_module {module};
         error_log logs/error.log info;
         events {{}}
         http {{
             server {{
                 listen 127.0.0.1:{{port}};
                 location / {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /ask;
                     proxy_pass http://{{api}};
                 }}
                 location = /ask {{ internal; proxy_pass http://{{as}}; }}
             }}
         }}",
        ours = Installation::get().module.display(),
        module = module.display(),
    );
    let builder = Gateway::builder().nginx(|nginx| nginx.whole(configuration));
    let verdict = builder.test();
    if verdict.output.contains("instead of") || verdict.output.contains("not binary compatible") {
        println!("not tried with this NGINX: {}", verdict.output);
        return None;
    }
    let gateway = builder.start();
    gateway.activate("opaque");
    gateway.activate("added");
    Some((gateway, folder))
}
