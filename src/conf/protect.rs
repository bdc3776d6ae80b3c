//! Whether a location is protected, and what it takes for a token.

directives! {
    use phantom_token_core::token::bearer::TokenSyntax;
    use super::arguments;
    use super::values::OnOptions;
    use super::values::Placed;

    group: protect,

    /// Lets a request in only with an active token.
    phantom_token {
        syntax: "on | off",
        arguments: Flag,
        contexts: [Http, Server, Location],
        default: "off",
        since: "0.1.0",
        sets: enable: Placed<bool> = false.into(),
        to: |given| Ok(given.placed(arguments::flag(given.first())?)),
    }

    /// Says which characters a token may have.
    phantom_token_token_syntax {
        syntax: "b64token | visible",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "b64token",
        since: "0.1.0",
        sets: token_syntax: TokenSyntax = TokenSyntax::B64token,
        to: |given| arguments::token_syntax(given.first()),
    }

    /// Says what happens to `OPTIONS`, which browsers send without a token.
    phantom_token_options {
        syntax: "reply | pass | check",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "reply",
        since: "0.1.0",
        sets: options: OnOptions = OnOptions::Reply,
        to: |given| arguments::options(given.first()),
    }
}
