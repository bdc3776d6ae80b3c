use proptest::prelude::*;

use super::*;

/// Tue, 14 Nov 2023 22:13:20 GMT
const NOW: UnixTime = UnixTime(1_700_000_000);

fn headers(fields: &[(&str, &str)]) -> Fields {
    fields.iter().copied().collect()
}

/// The lifetime in seconds, or nothing if the answer must not be stored.
fn lifetime_with(settings: Settings, fields: &[(&str, &str)]) -> Option<u64> {
    let end = fresh_until(&headers(fields), &settings, None, None, NOW).ok()?;
    end.0.checked_sub(NOW.0)
}

fn lifetime(fields: &[(&str, &str)]) -> Option<u64> {
    lifetime_with(Settings::default(), fields)
}

#[test]
fn an_answer_that_states_no_lifetime_is_not_stored() {
    for fields in [
        &[][..],
        &[("cache-control", "public")],
        &[("cache-control", "")],
        &[("last-modified", "Tue, 14 Nov 2000 22:13:20 GMT")],
    ] {
        assert_eq!(lifetime(fields), None, "{fields:?}");
    }
}

#[test]
fn max_age_is_the_lifetime() {
    for value in
        ["max-age=60", "Max-Age=60", "public,max-age=60", " , max-age=60,", "max-age=\"60\""]
    {
        assert_eq!(lifetime(&[("cache-control", value)]), Some(60), "{value}");
    }
}

#[test]
fn s_maxage_counts_before_max_age() {
    for value in ["max-age=600, s-maxage=60", "s-maxage=60, max-age=600"] {
        assert_eq!(lifetime(&[("cache-control", value)]), Some(60), "{value}");
    }
}

#[test]
fn max_age_counts_before_expires() {
    let fields = [("expires", "Tue, 14 Nov 2023 22:14:20 GMT"), ("cache-control", "max-age=5")];
    assert_eq!(lifetime(&fields), Some(5));
}

#[test]
fn expires_is_measured_from_date() {
    let fields =
        [("date", "Tue, 14 Nov 2023 21:00:00 GMT"), ("expires", "Tue, 14 Nov 2023 21:01:40 GMT")];
    assert_eq!(lifetime(&fields), Some(100));
}

#[test]
fn expires_without_a_date_is_measured_from_now() {
    assert_eq!(lifetime(&[("expires", "Tue, 14 Nov 2023 22:14:20 GMT")]), Some(60));
}

#[test]
fn expires_beside_a_date_that_cannot_be_read_is_not_stored() {
    let expires = ("expires", "Tue, 14 Nov 2023 22:14:20 GMT");
    let date = ("date", "Tue, 14 Nov 2023 22:13:20 GMT");
    for fields in
        [&[expires, ("date", "yesterday")][..], &[expires, ("date", "")], &[expires, date, date]]
    {
        assert_eq!(lifetime(fields), None, "{fields:?}");
    }
    assert_eq!(lifetime(&[("cache-control", "max-age=60"), ("date", "yesterday")]), Some(60));
}

#[test]
fn every_date_format_of_http_is_understood() {
    for date in [
        "Tue, 14 Nov 2023 22:14:20 GMT",
        "Tuesday, 14-Nov-23 22:14:20 GMT",
        "Tue Nov 14 22:14:20 2023",
    ] {
        assert_eq!(lifetime(&[("expires", date)]), Some(60), "{date}");
    }
}

#[test]
fn an_expires_that_is_no_date_is_in_the_past() {
    for expires in ["0", "-1", "", "soon", "Tue, 14 Nov 2023 22:13:20 GMT"] {
        assert_eq!(lifetime(&[("expires", expires)]), None, "{expires}");
    }
    let twice = ("expires", "Tue, 14 Nov 2023 22:14:20 GMT");
    assert_eq!(lifetime(&[twice, twice]), None);
}

#[test]
fn age_is_time_already_spent() {
    let cache_control = ("cache-control", "max-age=60");
    for (age, expected) in [
        ("0", Some(60)),
        ("20", Some(40)),
        ("60", None),
        ("99999999999999999999", None),
        ("10, 20", Some(40)),
        ("x", None),
        ("", None),
        ("10, x", None),
        ("10,", None),
        ("10, , 20", None),
        ("-1", None),
        ("0;", None),
    ] {
        assert_eq!(lifetime(&[cache_control, ("age", age)]), expected, "{age}");
    }
}

#[test]
fn an_answer_that_forbids_it_is_not_stored() {
    for value in [
        "no-store",
        "No-Store, max-age=60",
        "max-age=60, no-cache",
        "private, max-age=60",
        "private=\"set-cookie\", max-age=60",
        "max-age=60, no-cache=\"a, b\"",
    ] {
        assert_eq!(lifetime(&[("cache-control", value)]), None, "{value}");
    }
    assert_eq!(lifetime(&[("cache-control", "max-age=60"), ("cache-control", "no-store")]), None);
    assert_eq!(lifetime(&[("cache-control", "max-age=60"), ("vary", "accept, *")]), None);
}

#[test]
fn a_malformed_or_repeated_lifetime_is_stale() {
    for value in [
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "max-age=60s",
        "max-age = 60",
        "max-age=\"60",
        "max-age=60, max-age=60",
        "max-age=60, s-maxage=x",
        "max-age=60, x=\"a, no-store",
    ] {
        assert_eq!(lifetime(&[("cache-control", value)]), None, "{value}");
    }
}

/// Fields that no grammar knows, or not so.
const MALFORMED: [&str; 22] = [
    "no-store; max-age=60",
    "max-age=60; no-store",
    "public; no-store",
    "public no-store",
    "max-age=60 no-store",
    "no\u{e4}store",
    "\u{ff}no-store",
    "max-age =60",
    "max-age= 60",
    "=60",
    "x=",
    "x=a=b",
    "x=\"a",
    "x=\"a\"b",
    "x=a\"b\"",
    "x=\"a\\\"",
    "x=\"a\"\"b\"",
    "\"max-age=60\"",
    "[no-store]",
    "no-store:1",
    "a/b",
    "max-age=60, x=\"a, no-store",
];

#[test]
fn an_answer_with_a_cache_control_that_cannot_be_read_is_not_stored() {
    let settings = Settings {
        valid: Some(Duration::from_secs(30)),
        inactive_valid: Some(Duration::from_secs(30)),
        ..Settings::default()
    };
    let ignoring = Settings { ignore_cache_control: true, ..settings };
    for value in MALFORMED {
        for fields in [
            &[("cache-control", value)][..],
            &[("cache-control", "max-age=60"), ("cache-control", value)],
            &[("cache-control", value), ("expires", "Tue, 14 Nov 2033 22:14:20 GMT")],
        ] {
            assert_eq!(lifetime_with(settings, fields), None, "{fields:?}");
            assert_eq!(inactive_until(&headers(fields), &settings, None, NOW), None, "{fields:?}");
        }
        assert_eq!(lifetime_with(ignoring, &[("cache-control", value)]), Some(30), "{value}");
    }
}

#[test]
fn a_cache_control_with_directives_that_nobody_knows_is_read() {
    for value in [
        "max-age=60, stale-if-error=60, immutable",
        "max-age=60, community=\"UCI\"",
        "max-age=60, x=\"a \\\" b; no-store\"",
        "max-age=60, x=\"\"",
        "max-age=60, !#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~",
        "max-age=60 , , public ,",
    ] {
        assert_eq!(lifetime(&[("cache-control", value)]), Some(60), "{value}");
    }
}

#[test]
fn an_answer_with_a_vary_or_pragma_that_cannot_be_read_is_not_stored() {
    let settings = Settings { valid: Some(Duration::from_secs(30)), ..Settings::default() };
    for (name, value) in [
        ("vary", "*;"),
        ("vary", "accept *"),
        ("vary", "\"*\""),
        ("vary", "*\u{ff}"),
        ("pragma", "no-cache; x"),
        ("pragma", "x, \u{ff}no-cache"),
        ("pragma", "No-Cache=1"),
    ] {
        assert_eq!(lifetime_with(settings, &[(name, value)]), None, "{name}: {value}");
    }
    for (name, value) in [("vary", "accept, origin"), ("vary", ""), ("pragma", "x=\"y\", z")] {
        assert_eq!(lifetime_with(settings, &[(name, value)]), Some(30), "{name}: {value}");
    }
}

#[test]
fn a_directive_inside_a_quoted_string_is_none() {
    assert_eq!(lifetime(&[("cache-control", r#"x="a, max-age=9, \", b", max-age=60"#)]), Some(60));
}

#[test]
fn pragma_counts_only_without_cache_control() {
    let settings = Settings { valid: Some(Duration::from_secs(30)), ..Settings::default() };
    let pragma = ("pragma", "no-cache");
    assert_eq!(lifetime_with(settings, &[pragma]), None);
    assert_eq!(lifetime_with(settings, &[pragma, ("cache-control", "max-age=60")]), Some(60));
}

#[test]
fn the_configured_lifetime_is_for_answers_that_state_none() {
    let settings = Settings { valid: Some(Duration::from_secs(30)), ..Settings::default() };
    assert_eq!(lifetime_with(settings, &[]), Some(30));
    assert_eq!(lifetime_with(settings, &[("cache-control", "max-age=60")]), Some(60));
    assert_eq!(lifetime_with(settings, &[("cache-control", "max-age=0")]), None);
    assert_eq!(lifetime_with(settings, &[("cache-control", "no-store")]), None);
    assert_eq!(lifetime_with(settings, &[("expires", "0")]), None);
}

#[test]
fn an_ignored_cache_control_leaves_expires() {
    let settings = Settings { ignore_cache_control: true, ..Settings::default() };
    let expires = ("expires", "Tue, 14 Nov 2023 22:14:20 GMT");
    for ignored in [("cache-control", "no-store"), ("pragma", "no-cache")] {
        assert_eq!(lifetime_with(settings, &[ignored, expires]), Some(60), "{ignored:?}");
    }
}

#[test]
fn an_ignored_expires_leaves_the_configured_lifetime() {
    let valid = Some(Duration::from_secs(30));
    let settings = Settings { valid, ignore_expires: true, ..Settings::default() };
    assert_eq!(lifetime_with(settings, &[("expires", "0")]), Some(30));
}

#[test]
fn the_earliest_bound_is_the_end() {
    let fields = headers(&[("cache-control", "max-age=60")]);
    let at = |seconds| Some(after(NOW, seconds));
    let fresh_until = |settings, exp, bound| fresh_until(&fields, &settings, exp, bound, NOW).ok();
    let max_valid =
        |seconds| Settings { max_valid: Some(Duration::from_secs(seconds)), ..Settings::default() };
    assert_eq!(fresh_until(max_valid(90), at(80), at(70)), at(60));
    assert_eq!(fresh_until(max_valid(50), at(80), at(70)), at(50));
    assert_eq!(fresh_until(max_valid(50), at(40), at(70)), at(40));
    assert_eq!(fresh_until(max_valid(50), at(40), at(30)), at(30));
    assert_eq!(fresh_until(max_valid(50), Some(NOW), None), None);
    assert_eq!(fresh_until(max_valid(0), None, None), None);
}

#[test]
fn a_huge_lifetime_is_cut_to_what_http_caches_can_count() {
    let fields = [("cache-control", "max-age=99999999999999999999999")];
    assert_eq!(lifetime(&fields), Some(1 << 31));
}

#[test]
fn the_reason_why_an_answer_is_not_stored_is_the_one_that_decides() {
    use NotStored::*;
    let table: [(&[(&str, &str)], NotStored); 20] = [
        (&[], NoLifetime),
        (&[("cache-control", "public")], NoLifetime),
        (&[("cache-control", "no-store")], NoStore),
        (&[("cache-control", "max-age=60"), ("cache-control", "No-Store")], NoStore),
        (&[("cache-control", "no-cache, no-store")], NoCache),
        (&[("cache-control", "private, max-age=60")], Private),
        (&[("pragma", "no-cache")], Pragma),
        (&[("cache-control", "max-age=60, x=\"a")], Malformed("Cache-Control")),
        (&[("cache-control", "public; no-store")], Malformed("Cache-Control")),
        (&[("pragma", "no cache")], Malformed("Pragma")),
        (&[("cache-control", "max-age=60"), ("vary", "*")], Vary),
        (&[("cache-control", "max-age=60"), ("vary", "a b")], Malformed("Vary")),
        (&[("cache-control", "max-age=0")], MaxAge),
        (&[("cache-control", "max-age=60"), ("age", "60")], MaxAge),
        (&[("cache-control", "s-maxage=x, max-age=60")], MaxAge),
        (&[("expires", "0")], Expires),
        (&[("expires", "Tue, 14 Nov 2023 22:14:20 GMT"), ("date", "now")], Malformed("Date")),
        (&[("expires", "Tue, 14 Nov 2023 22:13:20 GMT")], Expires),
        (&[("expires", "Tue, 14 Nov 2023 22:14:20 GMT"), ("age", "60")], Expires),
        (&[("expires", "0"), ("cache-control", "max-age=0")], MaxAge),
    ];
    for (fields, reason) in table {
        let stored = fresh_until(&headers(fields), &Settings::default(), None, None, NOW);
        assert_eq!(stored, Err(reason), "{fields:?}");
    }
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (settings, exp, bound, reason) in [
        (Settings { valid: seconds(0), ..Settings::default() }, None, None, Valid),
        (
            Settings { valid: seconds(9), max_valid: seconds(0), ..Settings::default() },
            None,
            None,
            MaxValid,
        ),
        (Settings { valid: seconds(9), ..Settings::default() }, Some(NOW), None, Jwt),
        (Settings { valid: seconds(9), ..Settings::default() }, None, Some(NOW), ProxyCache),
    ] {
        let stored = fresh_until(&Fields::default(), &settings, exp, bound, NOW);
        assert_eq!(stored, Err(reason), "{settings:?}");
    }
}

#[test]
fn the_remedy_names_the_directives_that_are_missing_and_no_other() {
    let default = Settings::default();
    let valid = Settings { valid: Some(Duration::from_secs(30)), ..default };
    let ignoring = Settings { ignore_cache_control: true, ..default };
    const VALID: &str = "\"phantom_token_cache_valid\"";
    let no_store = ("cache-control", "no-store");
    let spring = [
        ("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
        ("pragma", "no-cache"),
        ("expires", "0"),
    ];
    for (fields, settings, expected) in [
        (&[][..], default, VALID.to_owned()),
        (&[], ignoring, VALID.to_owned()),
        (&[no_store], default, ignore("Cache-Control") + " and " + VALID),
        (&[no_store], valid, ignore("Cache-Control")),
        (&[no_store], ignoring, VALID.to_owned()),
        (
            &[no_store, ("expires", "Tue, 14 Nov 2023 22:14:20 GMT")],
            default,
            ignore("Cache-Control"),
        ),
        (&[("expires", "0")], valid, ignore("Expires")),
        (&[("expires", "0")], ignoring, ignore("Cache-Control Expires") + " and " + VALID),
        (&spring, default, ignore("Cache-Control Expires") + " and " + VALID),
        (&spring, valid, ignore("Cache-Control Expires")),
    ] {
        let remedy = Remedy::find(&headers(fields), &settings, None, None, NOW);
        assert_eq!(
            remedy.map(|remedy| remedy.to_string()),
            Some(expected),
            "{fields:?} {settings:?}"
        );
    }
    let vary = headers(&[("cache-control", "max-age=60"), ("vary", "*")]);
    assert_eq!(Remedy::find(&vary, &default, None, None, NOW), None);
    let none = Settings { max_valid: Some(Duration::ZERO), ..default };
    assert_eq!(Remedy::find(&Fields::default(), &none, None, None, NOW), None);
    assert_eq!(Remedy::find(&Fields::default(), &default, Some(NOW), None, NOW), None);
}

fn ignore(names: &str) -> String {
    format!("\"phantom_token_cache_ignore_headers {names}\"")
}

fn cache_control() -> impl Strategy<Value = String> {
    let directive = prop_oneof![
        "(max-age|s-maxage)=[0-9]{1,22}",
        "(no-store|private|no-cache|public|must-revalidate)",
        "[ -~]{0,12}",
    ];
    prop::collection::vec(directive, 0..4).prop_map(|directives| directives.join(", "))
}

fn seconds() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(prop_oneof![0..4_000_000_000_u64, any::<u64>()])
}

proptest! {
    #[test]
    fn no_bound_is_ever_exceeded(
        cache_control in prop::option::of(cache_control()),
        expires in prop::option::of("[ -~]{0,30}|Tue, 14 Nov 20[0-9]{2} 22:14:20 GMT"),
        age in prop::option::of("[0-9]{0,12}"),
        (valid, max_valid) in (seconds(), seconds()),
        (exp, upper_bound) in (seconds(), seconds()),
        (ignore_cache_control, ignore_expires) in any::<(bool, bool)>(),
        now in prop_oneof![Just(NOW.0), any::<u64>()],
    ) {
        let fields = [("cache-control", cache_control), ("expires", expires), ("age", age)];
        let fields: Vec<_> =
            fields.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let settings = Settings {
            valid: valid.map(Duration::from_secs),
            max_valid: max_valid.map(Duration::from_secs),
            inactive_valid: None,
            ignore_cache_control,
            ignore_expires,
        };
        let bounds = [exp, upper_bound, max_valid.map(|max_valid| now.saturating_add(max_valid))];
        let [exp, upper_bound] = [exp, upper_bound].map(|bound| bound.map(UnixTime));

        let end = fresh_until(&headers(&fields), &settings, exp, upper_bound, UnixTime(now));

        if let Ok(UnixTime(end)) = end {
            prop_assert!(end > now);
            prop_assert!(bounds.into_iter().flatten().all(|bound| end <= bound));
        }
    }

    #[test]
    fn no_store_is_obeyed_wherever_it_stands(before in "[a-z=0-9, ]{0,20}", after in "[ -~]{0,20}") {
        let value = format!("{before},no-store,{after}");
        prop_assert_eq!(lifetime(&[("cache-control", &value)]), None);
    }

    #[test]
    fn no_field_value_makes_it_panic(name in "cache-control|expires|date|age|vary|pragma", value: Vec<u8>) {
        let mut headers = headers(&[("expires", "Tue, 14 Nov 2023 22:14:20 GMT")]);
        headers.append(Field::of(name.as_bytes()).unwrap(), &value);
        let _ = fresh_until(&headers, &Settings::default(), None, None, NOW);
    }
}

#[test]
fn an_inactive_token_is_remembered_for_no_longer_than_configured_and_stated() {
    let settings =
        Settings { inactive_valid: Some(Duration::from_secs(10)), ..Settings::default() };
    let until = |cache_control: Option<&'static str>, settings: &Settings| {
        let headers = cache_control.map(|value| ("cache-control", value)).into_iter().collect();
        inactive_until(&headers, settings, None, UnixTime(1000))
    };

    assert_eq!(until(None, &settings), Some(UnixTime(1010)));
    assert_eq!(until(Some("max-age=3"), &settings), Some(UnixTime(1003)));
    assert_eq!(until(Some("max-age=300"), &settings), Some(UnixTime(1010)));
    assert_eq!(until(Some("no-store"), &settings), None);
    assert_eq!(until(Some("max-age=300"), &Settings::default()), None);
}

#[test]
fn an_answer_that_must_be_revalidated_is_never_stale() {
    for (value, expected) in [
        ("max-age=5", true),
        ("max-age=5, must-revalidate", false),
        ("max-age=5, proxy-revalidate", false),
        ("s-maxage=5", false),
    ] {
        let headers = headers(&[("cache-control", value)]);
        assert_eq!(may_be_stale(&headers, &Settings::default()), expected, "{value}");

        let ignoring = Settings { ignore_cache_control: true, ..Settings::default() };
        assert!(may_be_stale(&headers, &ignoring), "{value}");
    }
}

#[test]
fn policies_that_differ_have_other_bytes() {
    let second = Some(Duration::from_secs(1));
    let policies = [
        Settings::default(),
        Settings { valid: second, ..Settings::default() },
        Settings { valid: Some(Duration::ZERO), ..Settings::default() },
        Settings { inactive_valid: second, ..Settings::default() },
        Settings { max_valid: second, ..Settings::default() },
        Settings { ignore_cache_control: true, ..Settings::default() },
        Settings { ignore_expires: true, ..Settings::default() },
    ];
    for (index, settings) in policies.iter().enumerate() {
        let others = &policies[..index];
        assert!(others.iter().all(|other| other.to_bytes() != settings.to_bytes()), "{settings:?}");
    }
}
