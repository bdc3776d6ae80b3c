//! An introspection endpoint whose name leads to some other location.

use phantom_token_devkit::{
    Gateway,
    jwt::{an_hour_of_claims, jwt},
};

#[test]
fn a_misspelt_endpoint_sends_nothing_to_where_it_leads() {
    let gateway = Gateway::with_server(
        "location /things {
             phantom_token on;
             phantom_token_introspection_endpoint /introspektion;
             phantom_token_client_credential gateway secret;
             proxy_pass http://{api};
         }
         location / { proxy_pass http://{api}; }",
    );

    let response = gateway.get("/things").bearer("opaque").send();

    assert_eq!(response.status, 502);
    assert_eq!(gateway.api.count(), 0);
    gateway.wait_for_log("introspection endpoint \"/introspektion\" leads to location \"/\"");
}

#[test]
fn a_misspelt_endpoint_sends_nothing_to_the_error_page_of_where_it_leads() {
    for error_page in ["error_page 500 502 = @fallback;", "error_page 500 502 /fallback;"] {
        let gateway = Gateway::with_server(&format!(
            "location /things {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspektion;
                 phantom_token_client_credential gateway secret;
                 proxy_pass http://{{api}};
             }}
             location / {{ proxy_pass http://{{api}}; {error_page} }}
             location @fallback {{ proxy_pass http://{{as}}; }}
             location /fallback {{ proxy_pass http://{{as}}; }}"
        ));
        gateway.activate("opaque");

        let response = gateway.get("/things").bearer("opaque").send();

        assert_eq!(response.status, 502, "{error_page}");
        assert_eq!(gateway.authorization_server.count(), 0, "{error_page}");
        assert_eq!(gateway.api.count(), 0, "{error_page}");
    }
}

#[test]
fn what_returns_where_a_misspelt_endpoint_leads_is_no_answer() {
    let gateway = Gateway::with_server(&format!(
        "location /things {{
             phantom_token on;
             phantom_token_introspection_endpoint /introspektion;
             proxy_pass http://{{api}};
         }}
         location / {{ default_type application/jwt; return 200 {}; }}",
        jwt(an_hour_of_claims())
    ));

    let response = gateway.get("/things").bearer("opaque").send();

    assert_eq!(response.status, 502);
    assert_eq!(gateway.api.count(), 0);
    gateway.wait_for_log("introspection endpoint \"/introspektion\" leads to location \"/\"");
}

#[test]
fn a_path_above_the_endpoint_may_be_its_location() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /oauth/introspect;
             proxy_pass http://{api};
         }
         location /oauth/ { proxy_pass http://{as}; }",
    );
    gateway.activate("opaque");

    assert_eq!(gateway.get("/").bearer("opaque").send().status, 200);
}
