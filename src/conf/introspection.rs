//! What the authorization server is asked, and which answers are taken.

directives! {
    use std::rc::Rc;
    use super::arguments;
    use super::credential::CredentialChoice;

    group: introspection,

    /// Names the location that reaches the authorization server.
    phantom_token_introspection_endpoint {
        syntax: "name",
        arguments: One,
        contexts: [Http, Server, Location],
        since: "0.1.0",
        sets: endpoint: Rc<[u8]>,
        to: |given| arguments::endpoint(given.first()),
    }

    /// Authenticates the client that introspects, by HTTP Basic.
    phantom_token_client_credential {
        syntax: "id secret | off",
        arguments: OneOrTwo,
        contexts: [Http, Server, Location],
        default: "off",
        since: "0.1.0",
        sets: credential: CredentialChoice,
        inherits: |above: &Settings| {
            let credential = above.credential.as_ref()?;
            Some(credential.inherited_from(above.endpoint.as_ref()))
        },
        to: |given| {
            let credential = arguments::credential(given.cf)?;
            Ok(CredentialChoice::new(credential, given.place()))
        },
    }

    /// Sets the media type that the authorization server is asked for.
    phantom_token_introspection_accept_header {
        syntax: "type",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "application/jwt",
        since: "0.1.0",
        sets: accept: Rc<str> = "application/jwt".into(),
        to: |given| arguments::media_type(given.first()),
    }

    /// Names the members of a JSON answer that may have the JWT.
    phantom_token_jwt_claim {
        syntax: "name ...",
        arguments: OneOrMore,
        contexts: [Http, Server, Location],
        default: "jwt phantom_token",
        since: "0.1.0",
        sets: jwt_members: Rc<[String]> = ["jwt", "phantom_token"].map(str::to_owned).into(),
        to: |given| arguments::names(&given.all()),
    }

    /// Limits the size of an answer of the authorization server.
    phantom_token_max_response_size {
        syntax: "size",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "64k",
        since: "0.1.0",
        sets: max_response_size: usize = 64 << 10,
        to: |given| arguments::response_size(given.first()),
    }
}
