//! `phantom_token_status`.

use std::collections::{BTreeMap, BTreeSet};

use phantom_token_devkit::{
    Answer, Gate, Gateway, Response, eventually,
    jwt::{an_hour_of_claims, jwt},
};
use serde_json::{Value, json};

use crate::crowd::{self, Crowd, connection_to_each_worker};

const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[test]
fn the_status_tells_of_each_zone_its_size_and_what_is_in_it() {
    let gateway = Gateway::with_http(
        "phantom_token_cache_zone one:1m;
         phantom_token_cache_zone two:2m;
         server {
             listen 127.0.0.1:{port};
             location / {
                 phantom_token on;
                 phantom_token_cache one;
                 phantom_token_cache_inactive_valid 60s;
                 phantom_token_introspection_endpoint /introspection;
                 proxy_pass http://{api};
             }
             location = /introspection { internal; proxy_pass http://{as}; }
             location = /status { phantom_token_status; }
         }",
    );
    let lengths = ["a", "b"].map(|token| {
        let jwt = gateway.activate(token);
        gateway.get("/").bearer(token).send();
        jwt.len()
    });
    gateway.get("/").bearer("inactive").send();

    let status = status(&gateway);

    let (one, two) = (&status["zones"]["one"], &status["zones"]["two"]);
    assert_eq!(one["entries"], json!({"active": 2, "inactive": 1}));
    assert_eq!(two["entries"], json!({"active": 0, "inactive": 0}));
    assert_eq!(one["jwt_bytes"], lengths.iter().sum::<usize>());
    for (zone, declared) in [(one, 1 << 20), (two, 2 << 20)] {
        let [size, capacity, used, free] =
            ["size", "capacity", "used", "free"].map(|name| zone[name].as_u64().unwrap());
        assert!(size <= declared && size > declared * 9 / 10, "{zone}");
        assert!(capacity < size && capacity > size * 8 / 10, "{zone}");
        assert_eq!(used + free, capacity, "{zone}");
    }
    assert!(one["used"].as_u64() > one["jwt_bytes"].as_u64(), "{one}");
    assert_eq!(two["used"], 0);
}

#[test]
fn each_request_is_counted_once_by_its_result() {
    let gateway = crowd::gateway(1, "");
    let requests = send_one_of_each_result(&gateway);

    let counts = &status(&gateway)["zones"]["phantom_token"]["requests"];

    let expected = json!({
        "granted": 2,
        "missing_token": 1,
        "malformed_token": 1,
        "inactive_token": 1,
        "insufficient_scope": 0,
        "introspection_failed": 1,
        "unavailable": 1,
        "options": 1,
    });
    assert_eq!(counts, &expected);
    assert_eq!(sum(counts), requests);
}

#[test]
fn what_the_cache_did_is_counted() {
    let gateway = crowd::gateway(
        1,
        "phantom_token_cache_bypass $http_x_fresh; phantom_token_cache_use_stale http_503;",
    );
    let (gate, jwt) = (Gate::closed(), jwt(an_hour_of_claims()));
    gateway.authorization_server.answer("gated", Answer::jwt(&jwt).max_age(60).after(&gate));
    let answers = [Answer::jwt(&jwt).max_age(1), Answer::status(503)];
    gateway.authorization_server.answer_in_turn("failing", answers);
    gateway.activate("bypassed");

    gateway.get("/").bearer("bypassed").header("X-Fresh", "1").send();
    let crowd = Crowd::send(&gateway, 10, "gated");
    gate.open();
    crowd.answers();
    let stale = || gateway.get("/").bearer("failing").send().header("x-cache") == Some("STALE");
    eventually(|| stale().then_some(())).expect("a stale JWT");
    stale();

    let cache = &status(&gateway)["zones"]["phantom_token"]["cache"];
    let counts = ["bypass", "coalesced", "stale", "updating"].map(|name| cache[name].as_u64());
    assert_eq!(counts, [Some(1), Some(9), Some(2), Some(0)], "{cache}");
}

#[test]
fn introspections_and_how_long_they_took_are_counted() {
    let gateway = crowd::gateway(1, "");
    let empty = status(&gateway)["zones"]["phantom_token"]["introspection"].clone();
    for token in ["a", "b", "c"] {
        gateway.activate(token);
        gateway.get("/").bearer(token).send();
    }

    let introspection = &status(&gateway)["zones"]["phantom_token"]["introspection"];

    assert_eq!(empty["latency_ms"]["count"], 0);
    assert_eq!(empty["latency_ms"]["p99"], Value::Null);
    assert_eq!(introspection["introspections"], 3);
    let latency = &introspection["latency_ms"];
    assert_eq!(latency["count"], 3);
    let [p50, p90, p99] = ["p50", "p90", "p99"].map(|name| latency[name].as_u64().unwrap());
    assert!(p50 <= p90 && p90 <= p99, "{latency}");
}

#[test]
fn what_workers_count_is_added_up_and_goes_on_over_a_reload() {
    let gateway = crowd::gateway(2, "");
    gateway.activate("opaque");
    let fetch_in_each_worker = || {
        for mut connection in connection_to_each_worker(&gateway).into_values() {
            for _ in 0..3 {
                gateway.get("/").bearer("opaque").send_on(&mut connection);
            }
        }
    };

    fetch_in_each_worker();
    let before: BTreeSet<_> = status_in_each_worker(&gateway);
    gateway.reload();
    fetch_in_each_worker();
    let after = status_in_each_worker(&gateway);

    assert_eq!(before, BTreeSet::from([(6, 1)]));
    assert_eq!(after, BTreeSet::from([(12, 1)]));
}

#[test]
fn the_format_is_that_of_the_query_or_else_the_one_that_accept_prefers() {
    let gateway = crowd::gateway(1, "");
    let table = [
        ("/status", "", JSON),
        ("/status", "*/*", JSON),
        ("/status", "application/json", JSON),
        ("/status", "text/plain", PROMETHEUS),
        ("/status", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", PROMETHEUS),
        ("/status", "application/json;q=0.5, text/plain", PROMETHEUS),
        ("/status?format=json", "text/plain", JSON),
        ("/status?format=prometheus", "application/json", PROMETHEUS),
        ("/status?a=b&format=prometheus", "", PROMETHEUS),
        ("/status?format=unknown", "text/plain", PROMETHEUS),
    ];
    for (target, accept, content_type) in table {
        let response = gateway.get(target).header("Accept", accept).send();

        assert_eq!(response.status, 200, "{target} {accept}");
        assert_eq!(response.header("content-type"), Some(content_type), "{target} {accept}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{target} {accept}");
        let is_json = serde_json::from_slice::<Value>(&response.body).is_ok();
        assert_eq!(is_json, content_type == JSON, "{target} {accept}");
    }
}

#[test]
fn prometheus_reads_the_same_numbers() {
    let gateway = crowd::gateway(1, "");
    send_one_of_each_result(&gateway);

    let samples = parse(&gateway.get("/status?format=prometheus").send());
    let json = status(&gateway);

    let zone = &json["zones"]["phantom_token"];
    let sample = |name: &str| samples.get(name).copied().unwrap_or_else(|| panic!("no {name}"));
    for (family, label, counts) in
        [("requests", "result", &zone["requests"]), ("cache_requests", "status", &zone["cache"])]
    {
        for (value, count) in counts.as_object().unwrap() {
            let name = format!("{family}_total{{zone=\"phantom_token\",{label}=\"{value}\"}}");
            assert_eq!(Some(sample(&name)), count.as_f64(), "{name}");
        }
    }
    for (name, value) in [
        ("zone_size_bytes", &zone["size"]),
        ("zone_used_bytes", &zone["used"]),
        ("introspections_total", &zone["introspection"]["introspections"]),
        ("introspection_duration_seconds_count", &zone["introspection"]["latency_ms"]["count"]),
    ] {
        let name = format!("{name}{{zone=\"phantom_token\"}}");
        assert_eq!(Some(sample(&name)), value.as_f64(), "{name}");
    }
    let bucket = |le: &str| {
        let name = "introspection_duration_seconds_bucket";
        sample(&format!("{name}{{zone=\"phantom_token\",le=\"{le}\"}}"))
    };
    assert_eq!(
        bucket("+Inf"),
        sample("introspection_duration_seconds_count{zone=\"phantom_token\"}")
    );
}

#[test]
fn head_has_the_same_header_and_no_body() {
    let gateway = crowd::gateway(1, "");
    for target in ["/status", "/status?format=prometheus"] {
        let mut connection = gateway.connect();

        let head = gateway.request("HEAD", target).send_on(&mut connection);
        assert!(connection.is_silent(), "{target}: a body");
        let get = gateway.get(target).send_on(&mut connection);

        assert_eq!((head.status, get.status), (200, 200));
        for name in ["content-type", "content-length", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{target}");
        }
    }
}

#[test]
fn any_other_method_than_get_and_head_is_refused() {
    let gateway = crowd::gateway(1, "");
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let response = gateway.request(method, "/status").body("all=true").send();

        assert_eq!(response.status, 405, "{method}");
    }
}

#[test]
fn a_get_request_with_a_body_leaves_the_connection_usable() {
    let gateway = crowd::gateway(1, "");
    let mut connection = gateway.connect();
    for _ in 0..2 {
        let response = gateway.request("GET", "/status").body("a body").send_on(&mut connection);

        assert_eq!(response.status, 200);
    }
}

#[test]
fn without_any_zone_the_status_is_empty() {
    let gateway = Gateway::with_server("location = /status { phantom_token_status; }");

    assert_eq!(status(&gateway)["zones"], json!({}));
}

#[test]
fn the_status_page_has_neither_token_nor_jwt() {
    let gateway = Gateway::with_server(
        "location / {
             phantom_token on;
             phantom_token_introspection_endpoint /introspection;
             proxy_pass http://{api};
         }
         location = /status { phantom_token_status; }",
    );
    let jwt = gateway.activate("opaque-token");
    gateway.get("/").bearer("opaque-token").send();

    for format in ["json", "prometheus"] {
        let page = gateway.get(&format!("/status?format={format}")).send().text();

        assert!(page.contains("granted"), "{page}");
        for secret in ["opaque-token", &jwt[..20], &jwt[jwt.len() - 20..]] {
            assert!(!page.contains(secret), "{page}");
        }
    }
}

fn status(gateway: &Gateway) -> Value {
    let response = gateway.get("/status").send();
    assert_eq!(response.status, 200);
    response.json()
}

/// Granted requests and introspections, as each worker tells them.
fn status_in_each_worker(gateway: &Gateway) -> BTreeSet<(u64, u64)> {
    let connections = connection_to_each_worker(gateway).into_values();
    let status = connections.map(|mut connection| {
        let status = gateway.get("/status").send_on(&mut connection).json();
        let zone = &status["zones"]["phantom_token"];
        let granted = zone["requests"]["granted"].as_u64().unwrap();
        (granted, zone["introspection"]["introspections"].as_u64().unwrap())
    });
    status.collect()
}

/// Sends a request for each result there is, and one more that is granted; gives their number.
fn send_one_of_each_result(gateway: &Gateway) -> u64 {
    gateway.activate("active");
    gateway.authorization_server.answer("failed", Answer::status(500));
    gateway.authorization_server.answer("unavailable", Answer::status(503));
    let requests = [
        gateway.get("/").bearer("active"),
        gateway.get("/").bearer("active"),
        gateway.get("/"),
        gateway.get("/").bearer("no b64token"),
        gateway.get("/").bearer("inactive"),
        gateway.get("/").bearer("failed"),
        gateway.get("/").bearer("unavailable"),
        gateway.request("OPTIONS", "/"),
    ];
    requests.iter().for_each(|request| drop(request.send()));
    requests.len() as u64
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// The samples, by name and labels without the prefix that all of them have. Each family begins
/// with its help and its type, and the buckets of a histogram only grow.
fn parse(response: &Response) -> BTreeMap<String, f64> {
    let text = response.text();
    assert!(text.ends_with('\n'));
    let mut samples = BTreeMap::new();
    let (mut family, mut helped) = ("", "");
    let mut last_bucket = 0.0;
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').expect("a text").0;
            continue;
        }
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name, helped, "{line}");
            family = name;
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let value: f64 = value.parse().expect("a number");
        assert!(name.starts_with(family) && !family.is_empty(), "{line} in {family}");
        if name.contains("_bucket{") {
            assert!(value >= last_bucket, "{line}");
            last_bucket = value;
        }
        let name = name.strip_prefix("nginx_phantom_token_").expect("the prefix");
        assert!(samples.insert(name.to_owned(), value).is_none(), "{line} is there twice");
    }
    samples
}
