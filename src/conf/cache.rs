//! For how long JWTs are kept, and who is served which.

directives! {
    use core::num::NonZeroUsize;
    use core::time::Duration;
    use std::rc::Rc;
    use phantom_token_core::stale::UseStale;
    use crate::nginx::conf::ComplexValue;
    use crate::nginx::conf::Predicates;
    use super::zones::DEFAULT_ZONE;
    use super::arguments;
    use super::values::CacheChoice;
    use super::values::IgnoredHeaders;
    use super::values::Placed;

    group: cache,

    /// Declares a zone of shared memory for JWTs.
    phantom_token_cache_zone {
        syntax: "name:size",
        arguments: One,
        contexts: [Http],
        repeatable: true,
        since: "0.1.0",
        does: |given, _| given.declare_zone(),
    }

    /// Names the zone that keeps the JWTs.
    phantom_token_cache {
        syntax: "name | off",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "phantom_token",
        since: "0.1.0",
        sets: zone: Placed<CacheChoice> = CacheChoice::Zone(DEFAULT_ZONE.to_owned()).into(),
        to: |given| Ok(given.placed(arguments::cache(given.first())?)),
    }

    /// Sets how long a JWT is fresh if its answer does not say.
    phantom_token_cache_valid {
        syntax: "time | off",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "off",
        since: "0.1.0",
        sets: valid: Option<Duration> = None,
        to: |given| arguments::time_or_off(given.first()),
    }

    /// Limits for how long a JWT is fresh, whatever its answer says.
    phantom_token_cache_max_valid {
        syntax: "time | off",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "off",
        since: "0.1.0",
        sets: max_valid: Option<Duration> = None,
        to: |given| arguments::time_or_off(given.first()),
    }

    /// Ignores these headers of an answer in deciding how long its JWT is fresh.
    phantom_token_cache_ignore_headers {
        syntax: "Cache-Control | Expires ...",
        arguments: OneOrTwo,
        contexts: [Http, Server, Location],
        since: "0.1.0",
        sets: ignored_headers: IgnoredHeaders = IgnoredHeaders::default(),
        to: |given| arguments::ignored_headers(&given.all()),
    }

    /// Sets how long to remember that a token is not active.
    phantom_token_cache_inactive_valid {
        syntax: "time | off",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "off",
        since: "0.1.0",
        sets: inactive_valid: Option<Duration> = None,
        to: |given| arguments::time_or_off(given.first()),
    }

    /// Lets one of the requests with the same token introspect, and the others wait.
    phantom_token_cache_lock {
        syntax: "on | off",
        arguments: Flag,
        contexts: [Http, Server, Location],
        default: "on",
        since: "0.1.0",
        sets: lock: bool = true,
        to: |given| arguments::flag(given.first()),
    }

    /// Limits for how long a request waits for the introspection of another.
    phantom_token_cache_lock_timeout {
        syntax: "time",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "5s",
        since: "0.1.0",
        sets: lock_timeout_ms: u64 = 5000,
        to: |given| arguments::lock_timeout(given.first()),
    }

    /// Says when a JWT that is no longer fresh is served all the same.
    phantom_token_cache_use_stale {
        syntax: "error | timeout | updating | http_429 | http_500 | http_502 | http_503 | \
            http_504 ... | off",
        arguments: OneOrMore,
        contexts: [Http, Server, Location],
        default: "off",
        since: "0.1.0",
        sets: use_stale: UseStale = UseStale::default(),
        to: |given| arguments::use_stale(&given.all()),
    }

    /// Renews a JWT that is in use in the background, before its freshness ends.
    phantom_token_cache_background_update {
        syntax: "on [before=time] | off",
        arguments: OneOrTwo,
        contexts: [Http, Server, Location],
        default: "off",
        since: "0.1.0",
        // The seconds before the end of freshness.
        sets: background_update: Option<u64> = None,
        to: |given| arguments::background_update(&given.all()),
    }

    /// Introspects afresh if any of the values is neither empty nor `0`.
    phantom_token_cache_bypass {
        syntax: "value ...",
        arguments: OneOrMore,
        contexts: [Http, Server, Location],
        variables: true,
        since: "0.1.0",
        sets: bypass: Predicates,
        to: |given| given.predicates(),
    }

    /// Keeps answers apart by these values of a request.
    phantom_token_cache_vary {
        syntax: "value ...",
        arguments: OneOrMore,
        contexts: [Http, Server, Location],
        variables: true,
        since: "0.1.0",
        sets: vary: Rc<[ComplexValue]> = Rc::default(),
        to: |given| given.complex_values(),
    }

    /// Sets how many JWTs each worker keeps for itself, in front of the zone.
    phantom_token_worker_cache {
        syntax: "entries | off",
        arguments: One,
        contexts: [Http, Server, Location],
        default: "1024",
        since: "0.1.0",
        sets: worker_cache: Option<NonZeroUsize> = NonZeroUsize::new(1024),
        to: |given| arguments::worker_cache(given.first()),
    }
}
