//! What the challenge says to a client that is refused.

directives! {
    use super::arguments;
    use super::arguments::once;
    use super::values::Placed;
    use super::values::Scopes;

    group: challenge,

    /// Sets the realm in `WWW-Authenticate`.
    phantom_token_realm {
        syntax: "text",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "api",
        since: "0.1.0",
        sets: realm: Placed<String> = "api".to_owned().into(),
        to: |given| Ok(given.placed(given.text("a realm in UTF-8")?)),
    }

    /// Sets the scopes that the challenge advertises.
    phantom_token_scopes {
        syntax: "\"scope ...\"",
        arguments: One,
        contexts: [Http, Server, Location],
        since: "0.1.0",
        sets: scopes: Scopes = Scopes::default(),
        adds: |given, settings| {
            let scopes = given.placed(given.text("scopes in ASCII")?);
            once(&mut settings.scopes.get_or_insert_default().all, scopes)
        },
    }

    /// Adds a scope to those that the challenge advertises.
    phantom_token_scope {
        syntax: "scope",
        arguments: One,
        contexts: [Http, Server, Location],
        repeatable: true,
        since: "0.1.0",
        adds: |given, settings| {
            let scope = given.placed(given.text("a scope in ASCII")?);
            settings.scopes.get_or_insert_default().each.push(scope);
            Ok(())
        },
    }

    /// Says in the challenge what was wrong with the token.
    phantom_token_challenge_error {
        syntax: "on | off",
        arguments: Flag,
        contexts: [Http, Server, Location],
        default: "on",
        since: "0.1.0",
        sets: with_error: bool = true,
        to: |given| arguments::flag(given.first()),
    }
}
