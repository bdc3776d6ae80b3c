//! The header fields of an answer, as far as they decide anything.

use std::fmt;

/// A header field that says what an answer is, how long it is fresh, or when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `Age`
    Age,
    /// `Cache-Control`
    CacheControl,
    /// `Content-Encoding`
    ContentEncoding,
    /// `Content-Type`
    ContentType,
    /// `Date`, which matters only beside `Expires`.
    Date,
    /// `Expires`
    Expires,
    /// `Pragma`
    Pragma,
    /// `Retry-After`
    RetryAfter,
    /// `Vary`
    Vary,
    /// `Retry-After` as some servers and their proxies call it.
    XRetryAfter,
}

impl Field {
    /// The field of that name, in any case, if it is one that matters.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        // Most names are told by their length.
        let field = match name.len() {
            3 if is(name, b"age") => Self::Age,
            4 if is(name, b"date") => Self::Date,
            4 if is(name, b"vary") => Self::Vary,
            6 if is(name, b"pragma") => Self::Pragma,
            7 if is(name, b"expires") => Self::Expires,
            11 if is(name, b"retry-after") => Self::RetryAfter,
            12 if is(name, b"content-type") => Self::ContentType,
            13 if is(name, b"cache-control") => Self::CacheControl,
            13 if is(name, b"x-retry-after") => Self::XRetryAfter,
            16 if is(name, b"content-encoding") => Self::ContentEncoding,
            _ => return None,
        };
        Some(field)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::CacheControl => "cache-control",
            Self::ContentEncoding => "content-encoding",
            Self::ContentType => "content-type",
            Self::Date => "date",
            Self::Expires => "expires",
            Self::Pragma => "pragma",
            Self::RetryAfter => "retry-after",
            Self::Vary => "vary",
            Self::XRetryAfter => "x-retry-after",
        }
    }
}

/// Compares all bytes at once, as the compiler makes of a length that it knows.
#[inline]
fn is<const N: usize>(name: &[u8], lowercase: &[u8; N]) -> bool {
    name.first_chunk::<N>().filter(|_| name.len() == N).is_some_and(|name| {
        let pairs = name.iter().zip(lowercase);
        pairs.fold(true, |same, (byte, letter)| same & (byte.to_ascii_lowercase() == *letter))
    })
}

/// Fields with their values, in the order they came. An answer has few of them.
#[derive(Clone, Default)]
pub struct Fields {
    /// Each value behind the one before it.
    values: Vec<u8>,
    /// Each field with the end of its value.
    ends: Vec<(Field, usize)>,
}

impl Fields {
    /// Appends a field with its value as it came. Bytes that none may have (RFC 9110 section 5.5) become
    /// ones that no grammar takes, so that the field is there, and is malformed.
    pub fn append(&mut self, field: Field, value: &[u8]) {
        if self.ends.is_empty() {
            self.values = Vec::with_capacity(SOME_BYTES);
            self.ends = Vec::with_capacity(SOME_FIELDS);
        }
        if value.iter().all(is_valid) {
            self.values.extend_from_slice(value);
        } else {
            let readable = value.iter().map(|byte| if is_valid(byte) { *byte } else { MALFORMED });
            self.values.extend(readable);
        }
        self.ends.push((field, self.values.len()));
    }

    /// Appends all of another's fields.
    pub fn append_all(&mut self, other: &Self) {
        other.iter().for_each(|(field, value)| self.append(field, value));
    }

    /// Whether there is such a field.
    #[must_use]
    pub fn contains(&self, wanted: Field) -> bool {
        self.ends.iter().any(|&(field, _)| field == wanted)
    }

    /// The values of all such fields, in their order.
    pub fn get_all(&self, wanted: Field) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |&(field, _)| field == wanted).map(|(_, value)| value)
    }

    fn iter(&self) -> impl Iterator<Item = (Field, &[u8])> {
        let mut begin = 0;
        self.ends.iter().map(move |&(field, end)| {
            let value = self.values.get(begin..end).unwrap_or_default();
            begin = end;
            (field, value)
        })
    }
}

/// Those of the names and values that matter.
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Fields {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(lines: T) -> Self {
        let mut fields = Self::default();
        for (name, value) in lines {
            if let Some(field) = Field::of(name.as_ref()) {
                fields.append(field, value.as_ref());
            }
        }
        fields
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(field, value)| (field.name(), value.escape_ascii()));
        f.debug_map().entries(fields.map(|(name, value)| (name, value.to_string()))).finish()
    }
}

/// Anything but control characters (RFC 9110 section 5.5).
fn is_valid(byte: &u8) -> bool {
    *byte >= b' ' && *byte != 0x7f || *byte == b'\t'
}

/// Neither a letter of a token nor one of a date or a number.
const MALFORMED: u8 = 0xff;

/// As much as most answers have.
const SOME_FIELDS: usize = 4;
const SOME_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Field; 10] = [
        Field::Age,
        Field::CacheControl,
        Field::ContentEncoding,
        Field::ContentType,
        Field::Date,
        Field::Expires,
        Field::Pragma,
        Field::RetryAfter,
        Field::Vary,
        Field::XRetryAfter,
    ];

    #[test]
    fn a_field_is_known_by_its_name_in_any_case() {
        for field in ALL {
            let name = field.name();
            assert_eq!(Field::of(name.as_bytes()), Some(field));
            assert_eq!(Field::of(name.to_ascii_uppercase().as_bytes()), Some(field));
            let others =
                [name.replacen(|_| true, "", 1), format!("{name}s"), name.replace('e', "f")];
            for other in others.iter().filter(|other| *other != name) {
                assert_eq!(Field::of(other.as_bytes()), None, "{other}");
            }
        }
        for name in ["", "data", "server", "connection", "content-length", "cache_control"] {
            assert_eq!(Field::of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn fields_come_back_in_their_order() {
        let lines = [("Vary", "a"), ("server", "s"), ("AGE", ""), ("vary", "bc"), ("age", "1")];
        let mut fields: Fields = lines.into_iter().collect();
        let values = |fields: &Fields, field| -> Vec<Vec<u8>> {
            fields.get_all(field).map(<[u8]>::to_vec).collect()
        };
        assert_eq!(values(&fields, Field::Vary), [&b"a"[..], b"bc"]);
        assert_eq!(values(&fields, Field::Age), [&b""[..], b"1"]);
        assert!(fields.contains(Field::Age) && !fields.contains(Field::Date));

        fields.append_all(&[("date", "d"), ("vary", "d")].into_iter().collect());
        assert_eq!(values(&fields, Field::Vary), [&b"a"[..], b"bc", b"d"]);
        assert_eq!(values(&fields, Field::Date), [b"d"]);
        let shown =
            r#"{"vary": "a", "age": "", "vary": "bc", "age": "1", "date": "d", "vary": "d"}"#;
        assert_eq!(format!("{fields:?}"), shown);
    }

    #[test]
    fn what_no_value_may_have_becomes_what_no_grammar_takes() {
        for byte in 0..=u8::MAX {
            let fields: Fields = [("age", [b'a', byte, b'z'])].into_iter().collect();
            let value = fields.get_all(Field::Age).next().unwrap();
            match http::HeaderValue::from_bytes(&[b'a', byte, b'z']) {
                Ok(valid) => assert_eq!(value, valid.as_bytes()),
                Err(_) => assert_eq!(value, [b'a', MALFORMED, b'z']),
            }
        }
    }
}
