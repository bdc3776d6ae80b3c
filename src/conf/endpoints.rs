//! What the module answers by itself, each in a location of its own.

directives! {
    /// Answers with the state of all zones, and with what was counted in them.
    phantom_token_status {
        syntax: "",
        arguments: None,
        contexts: [Location],
        since: "0.1.0",
        does: |given, conf| given.answer_by(crate::nginx::handlers::handler::<crate::endpoints::status::Status>, conf),
    }

    /// Drops a token, or all, from all zones.
    phantom_token_purge {
        syntax: "",
        arguments: None,
        contexts: [Location],
        since: "0.1.0",
        does: |given, conf| given.answer_by(crate::nginx::handlers::handler::<crate::endpoints::purge::PurgeEndpoint>, conf),
    }
}
