//! Picks a few members out of a JSON object and skips the rest unread.
//!
//! A member that occurs twice is reported as such: which of the two counts differs between
//! parsers (RFC 8259 section 4), so an answer must not mean one thing here and another elsewhere.

mod member;
mod plain;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::UnixTime;
pub(crate) use member::Member;

/// `text` is not one JSON object (RFC 8259) in UTF-8, or has a name or a wanted value that cannot be
/// represented: a lone surrogate, a number out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAnObject;

/// Reads the members called `names`, in the order of `names`.
///
/// # Errors
///
/// [`NotAnObject`].
pub(crate) fn members<'a, const N: usize>(
    text: &'a [u8],
    names: [&str; N],
) -> Result<[Member<'a>; N], NotAnObject> {
    let mut members = [const { Member::Absent }; N];
    read_into(text, &names, &mut members)?;
    Ok(members)
}

/// Reads the members called `names` into `members`, in the order of `names`.
///
/// # Errors
///
/// [`NotAnObject`].
pub(crate) fn read_into<'a>(
    text: &'a [u8],
    names: &[&str],
    members: &mut [Member<'a>],
) -> Result<(), NotAnObject> {
    if plain::read_into(text, names, members).is_some() {
        return Ok(());
    }
    members.fill(Member::Absent);
    parse_into(text, names, members)
}

/// As [`read_into`], for any text.
#[inline(never)]
fn parse_into<'a>(
    text: &'a [u8],
    names: &[&str],
    members: &mut [Member<'a>],
) -> Result<(), NotAnObject> {
    // Of what it skips, the parser does not look at the encoding.
    let text = str::from_utf8(text).map_err(|_| NotAnObject)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let object = ObjectVisitor { names, members };
    (&mut deserializer).deserialize_map(object).map_err(|_| NotAnObject)?;
    deserializer.end().map_err(|_| NotAnObject)
}

struct ObjectVisitor<'n, 'm, 'a> {
    names: &'n [&'n str],
    members: &'m mut [Member<'a>],
}

impl<'de> Visitor<'de> for ObjectVisitor<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(index) = map.next_key_seed(NameSeed { names: self.names })? {
            match index.and_then(|index| self.members.get_mut(index)) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(member @ Member::Absent) => *member = map.next_value_seed(MemberSeed)?,
                Some(member) => {
                    map.next_value::<IgnoredAny>()?;
                    *member = Member::Repeated;
                }
            }
        }
        Ok(())
    }
}

/// Finds the place of a member's name among those asked for.
struct NameSeed<'n> {
    names: &'n [&'n str],
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|&wanted| wanted == name))
    }
}

struct MemberSeed;

impl<'de> DeserializeSeed<'de> for MemberSeed {
    type Value = Member<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberSeed {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Member::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Member::Bool(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Member::String(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Member::String(Cow::Borrowed(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Member::Date(UnixTime(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(value.try_into().map_or(Member::BeforeEpoch, |seconds| Member::Date(UnixTime(seconds))))
    }

    // A float-to-integer cast saturates: huge becomes the largest time.
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(if value < 0.0 { Member::BeforeEpoch } else { Member::Date(UnixTime(value as u64)) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<'a>(text: &'a str, name: &str) -> Result<Member<'a>, NotAnObject> {
        members(text.as_bytes(), [name]).map(|[member]| member)
    }

    #[test]
    fn members_come_in_the_order_asked_for() {
        let found = members(br#"{"b": 1, "x": [{"a": 3}], "a": true}"#, ["a", "b", "c"]);
        let expected = [Member::Bool(true), Member::Date(UnixTime(1)), Member::Absent];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn every_kind_of_value_is_told_apart() {
        for (text, expected) in [
            (r#"{"a": null}"#, Member::Null),
            (r#"{"a": false}"#, Member::Bool(false)),
            (r#"{"a": "text"}"#, Member::String("text".into())),
            (r#"{"a": "t\u0065xt"}"#, Member::String("text".into())),
            (r#"{"a": [1, [2]]}"#, Member::Other),
            (r#"{"a": {"a": {"a": 1}}}"#, Member::Other),
            (r#"{"b": 1}"#, Member::Absent),
        ] {
            assert_eq!(read(text, "a"), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_number_is_rounded_down_to_a_time_that_can_be_represented() {
        for (number, seconds) in [
            ("1700000000", 1_700_000_000),
            ("1700000000.999", 1_700_000_000),
            ("1.7e9", 1_700_000_000),
            ("0", 0),
            ("0.9", 0),
            ("-0", 0),
            ("-0.0", 0),
            ("9007199254740993", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551616", u64::MAX),
            ("1e300", u64::MAX),
        ] {
            let text = format!("{{\"a\": {number}}}");
            assert_eq!(read(&text, "a"), Ok(Member::Date(UnixTime(seconds))), "{number}");
        }
    }

    #[test]
    fn a_number_below_0_is_a_time_before_1970() {
        for number in ["-1", "-0.5", "-1e300", "-9223372036854775808", "-18446744073709551616"] {
            let text = format!("{{\"a\": {number}}}");
            assert_eq!(read(&text, "a"), Ok(Member::BeforeEpoch), "{number}");
        }
    }

    #[test]
    fn a_repeated_member_is_reported_whatever_its_values() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": false, "a": true}"#,
            r#"{"a": null, "b": 0, "a": "x"}"#,
            r#"{"a": 1, "\u0061": 2, "a": 3}"#,
        ] {
            assert_eq!(read(text, "a"), Ok(Member::Repeated), "{text}");
        }
    }

    #[test]
    fn a_member_that_nobody_asked_for_may_be_repeated() {
        assert_eq!(read(r#"{"b": 1, "b": 2, "a": null}"#, "a"), Ok(Member::Null));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in [
            "",
            "null",
            "[1]",
            "\"a\"",
            "{",
            r#"{"a": 1"#,
            r#"{"a": 1} x"#,
            "{\"a\": 1}\0",
            "\u{feff}{\"a\": 1}",
            r#"{"a": 1,}"#,
            "{'a': 1}",
            r#"{"b": NaN}"#,
            r#"{"a": 1e400}"#,
            r#"{"a": -1e400}"#,
            r#"{"a": "\ud800"}"#,
            r#"{"\ud800": 1}"#,
        ] {
            assert_eq!(read(text, "a"), Err(NotAnObject), "{text}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_no_object_wherever_that_stands() {
        for text in [&b"{\"a\":1,\"b\":\"\xff\"}"[..], b"{\"\xc3\":1}", b"{\"a\":\"\xed\xa0\x80\"}"]
        {
            assert_eq!(members(text, ["a"]), Err(NotAnObject), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn deep_nesting_is_skipped_without_recursion() {
        let text = format!(r#"{{"b": {}{}, "a": 1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&text, "a"), Ok(Member::Date(UnixTime(1))));
    }

    const NAMES: [&str; 3] = ["a", "exp", "typ"];

    fn read_plain(text: &[u8]) -> Option<[Member<'_>; 3]> {
        let mut members = [const { Member::Absent }; 3];
        plain::read_into(text, &NAMES, &mut members).map(|()| members)
    }

    fn parse(text: &[u8]) -> Result<[Member<'_>; 3], NotAnObject> {
        let mut members = [const { Member::Absent }; 3];
        parse_into(text, &NAMES, &mut members).map(|()| members)
    }

    /// A JSON value, which may have what is not plain in it.
    fn values() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|value| value.to_string()),
            any::<u64>().prop_map(|value| value.to_string()),
            any::<i64>().prop_map(|value| value.to_string()),
            (0..2_000_000_000_u64).prop_map(|value| value.to_string()),
            "-?[0-9]{1,21}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
            "\"[ -!#-\\[\\]-~]{0,70}\"",
            any::<String>().prop_map(|value| serde_json::json!(value).to_string()),
        ];
        leaf.prop_recursive(20, 30, 3, |value| {
            let elements = prop::collection::vec(value.clone(), 0..4);
            prop_oneof![
                elements.prop_map(|elements| format!("[{}]", elements.join(","))),
                objects(value),
            ]
        })
    }

    fn objects(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let name = prop_oneof!["a|exp|typ|b|iss|ttl|", "[a-z]{0,40}", "[é\\\\\"]"];
        let member = (name, " ?", value).prop_map(|(name, blank, value)| {
            format!("{}{blank}:{blank}{value}{blank}", serde_json::json!(name))
        });
        prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
    }

    #[test]
    fn what_a_jwt_has_is_read_as_plain() {
        for text in [
            "{}",
            r#" { } "#,
            r#"{"alg":"RS256","typ":"at+jwt","kid":"0"}"#,
            r#"{"a":[],"exp":9999999999999999999,"x":[{"y":{}},[1,0]],"typ":null,"z":false}"#,
            r#"{"a":1,"a":{"exp":2}, "exp" : [ 0 , true ] }"#,
        ] {
            assert_eq!(read_plain(text.as_bytes()), parse(text.as_bytes()).ok(), "{text}");
            assert!(read_plain(text.as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_parser() {
        for text in [
            r#"{"a":"\/"}"#,
            "{\"a\":\"é\"}",
            "{\"a\":\n1}",
            r#"{"a":-1}"#,
            r#"{"b":1.5}"#,
            r#"{"b":1e5}"#,
            r#"{"b":10000000000000000000}"#,
            &format!(r#"{{"b":{}{}}}"#, "[".repeat(17), "]".repeat(17)),
        ] {
            assert_eq!(read_plain(text.as_bytes()), None, "{text}");
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
    }

    /// Whatever it is that makes the text wrong, wherever it stands.
    #[test]
    fn what_has_one_byte_too_many_too_few_or_another_one_is_read_as_the_parser_reads_it() {
        let text = br#"{"a":[{"b":"0123456789","c":{}},1],"exp":10,"t":true,"typ":"x","n":null}"#;
        let strangers = (0..=u8::MAX).filter(|byte| !byte.is_ascii_lowercase() || *byte == b'e');
        for (place, stranger) in (0..text.len())
            .flat_map(|place| strangers.clone().map(move |stranger| (place, stranger)))
        {
            let (before, behind) = text.split_at(place);
            for text in [
                [before, &[stranger], behind].concat(),
                [before, &[stranger], &behind[1..]].concat(),
                [before, &behind[1..]].concat(),
                before.to_vec(),
            ] {
                if let Some(members) = read_plain(&text) {
                    assert_eq!(Ok(members), parse(&text), "{}", text.escape_ascii());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_string_is_read_back(value: String) {
            let text = serde_json::json!({ "a": value }).to_string();
            prop_assert_eq!(read(&text, "a"), Ok(Member::String(value.into())));
        }

        #[test]
        fn what_is_read_as_plain_is_what_a_parser_reads(text in objects(values())) {
            let plain = read_plain(text.as_bytes());
            prop_assert!(plain.is_none() || plain == parse(text.as_bytes()).ok(), "{}", text);
        }

        #[test]
        fn what_is_no_json_is_not_read_as_plain(
            text in objects(values()),
            place: prop::sample::Index,
            stranger in prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",: 0e-.\\".to_vec())],
            replaces: bool,
        ) {
            let mut text = text.into_bytes();
            let place = place.index(text.len());
            text.splice(place..place.saturating_add(replaces.into()), [stranger]);
            let plain = read_plain(&text);
            prop_assert!(plain.is_none() || plain == parse(&text).ok(), "{}", text.escape_ascii());
        }

        #[test]
        fn a_heap_of_what_json_is_made_of_is_read_as_a_parser_reads_it(
            text in r#"\{("a"|"exp"|"typ"|[{}\[\],: "0-9]|true|null){0,12}\}"#,
        ) {
            let plain = read_plain(text.as_bytes());
            prop_assert!(plain.is_none() || plain == parse(text.as_bytes()).ok(), "{}", text);
        }
    }
}
