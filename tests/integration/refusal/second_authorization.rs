//! A second Authorization header, which comes in by an error page, or which another module adds to requests:
//! `tests/modules/second_authorization.c`.

use std::fs;
use std::process::Command;

use phantom_token_devkit::{Gateway, Installation};
use tempfile::TempDir;

#[test]
fn a_request_to_which_a_module_adds_a_second_one_is_refused() {
    let (gateway, _folder) = gateway_with_module();

    let response = gateway.get("/").bearer("opaque").header("X-Add", "1").send();

    assert_eq!(response.status, 400);
    assert_eq!(gateway.api.count(), 0);
    assert_eq!(gateway.authorization_server.count(), 0);
    gateway.wait_for_log("the request has two Authorization headers");
}

#[test]
fn a_request_to_which_a_module_adds_its_only_one_does_not_reach_the_api_with_it() {
    let (gateway, _folder) = gateway_with_module();

    let response = gateway.get("/").header("X-Add", "1").send();

    assert!([400, 401].contains(&response.status), "{}", response.status);
    assert_eq!(gateway.api.count(), 0);
}

#[test]
fn where_a_module_adds_none_exactly_one_reaches_the_api() {
    let (gateway, _folder) = gateway_with_module();

    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);

    let arrived = gateway.api.only_request();
    assert_eq!(arrived.headers.all("authorization").len(), 1);
}

#[test]
fn a_second_authorization_header_does_not_come_in_by_an_error_page() {
    for target in ["@things", "/things"] {
        let protected = "phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{api};";
        let gateway = Gateway::with_server(&format!(
            "error_page 400 = {target};
             location / {{ {protected} }}
             location @things {{ {protected} }}"
        ));
        gateway.activate("opaque");

        let response = gateway.get("/").bearer("opaque").bearer("other").send();

        assert_eq!(response.status, 400, "{target}");
        assert_eq!(gateway.api.count(), 0, "{target}");
    }
}

fn gateway_with_module() -> (Gateway, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("second_authorization.so");
    let compiler = Installation::get().module.with_file_name("compiler.txt");
    let compiler = fs::read_to_string(&compiler)
        .unwrap_or_else(|error| panic!("{}: {error}, run scripts/build", compiler.display()));
    let mut words = compiler.lines();
    let compiled = Command::new(words.next().unwrap())
        .args(words)
        // Of the two modules only ours is looked into.
        .args(["-fno-sanitize=all", "-shared", "-fPIC", "-o"])
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
    let gateway = Gateway::builder().nginx(|nginx| nginx.whole(configuration)).start();
    gateway.activate("opaque");
    gateway.activate("added");
    (gateway, folder)
}
