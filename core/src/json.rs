//! Picks a few members out of a JSON object and skips the rest unread.
//!
//! A member that occurs twice is reported as such: which of the two counts differs between
//! parsers (RFC 8259 section 4), so an answer must not mean one thing here and another elsewhere.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::UnixTime;

/// The value of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Member<'a> {
    /// The object has no such member.
    #[default]
    Absent,
    /// The object has it more than once.
    Repeated,
    Null,
    Bool(bool),
    String(Cow<'a, str>),
    /// A number, read as a NumericDate (RFC 7519 section 2) and rounded down to whole seconds.
    Date(UnixTime),
    /// An array or an object.
    Other,
}

impl<'a> Member<'a> {
    /// The bytes of a string; nothing for any other value.
    pub(crate) fn into_string(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::String(Cow::Borrowed(text)) => Some(Cow::Borrowed(text.as_bytes())),
            Self::String(Cow::Owned(text)) => Some(Cow::Owned(text.into_bytes())),
            _ => None,
        }
    }
}

/// Reads the members called `names`, in the order of `names`; nothing if `text` is no JSON object.
pub(crate) fn members<'a>(text: &'a [u8], names: &[&str]) -> Option<Vec<Member<'a>>> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let members = (&mut deserializer).deserialize_map(ObjectVisitor { names }).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

struct ObjectVisitor<'n> {
    names: &'n [&'n str],
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = vec![Member::Absent; self.names.len()];
        while let Some(index) = map.next_key_seed(NameSeed { names: self.names })? {
            match index.and_then(|index| members.get_mut(index)) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(member @ Member::Absent) => *member = map.next_value_seed(MemberSeed)?,
                Some(member) => {
                    map.next_value::<IgnoredAny>()?;
                    *member = Member::Repeated;
                }
            }
        }
        Ok(members)
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
        Ok(Member::Date(UnixTime(value.try_into().unwrap_or(0))))
    }

    // A float-to-integer cast saturates: negative becomes 0, huge becomes the largest time.
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Member::Date(UnixTime(value as u64)))
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

    fn read<'a>(text: &'a str, name: &str) -> Option<Member<'a>> {
        members(text.as_bytes(), &[name]).map(|mut members| members.remove(0))
    }

    #[test]
    fn members_come_in_the_order_asked_for() {
        let found = members(br#"{"b": 1, "x": [{"a": 3}], "a": true}"#, &["a", "b", "c"]);
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
            assert_eq!(read(text, "a"), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_number_is_rounded_down_to_a_time_that_can_be_represented() {
        for (number, seconds) in [
            ("1700000000", 1_700_000_000),
            ("1700000000.999", 1_700_000_000),
            ("1.7e9", 1_700_000_000),
            ("0", 0),
            ("-1", 0),
            ("-0.5", 0),
            ("-9223372036854775808", 0),
            ("9007199254740993", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551616", u64::MAX),
            ("1e300", u64::MAX),
        ] {
            let text = format!("{{\"a\": {number}}}");
            assert_eq!(read(&text, "a"), Some(Member::Date(UnixTime(seconds))), "{number}");
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
            assert_eq!(read(text, "a"), Some(Member::Repeated), "{text}");
        }
    }

    #[test]
    fn a_member_that_nobody_asked_for_may_be_repeated() {
        assert_eq!(read(r#"{"b": 1, "b": 2, "a": null}"#, "a"), Some(Member::Null));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in ["", "null", "[1]", "\"a\"", "{", r#"{"a": 1"#, r#"{"a": 1} x"#, "{'a': 1}"] {
            assert_eq!(read(text, "a"), None, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_skipped_without_recursion() {
        let text = format!(r#"{{"b": {}{}, "a": 1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&text, "a"), Some(Member::Date(UnixTime(1))));
    }

    proptest! {
        #[test]
        fn any_string_is_read_back(value: String) {
            let text = serde_json::json!({ "a": value }).to_string();
            prop_assert_eq!(read(&text, "a"), Some(Member::String(value.into())));
        }
    }
}
