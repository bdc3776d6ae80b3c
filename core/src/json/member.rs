//! The value of a member of a JSON object.

use std::borrow::Cow;

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
    /// A number below 0, which is a time before 1970.
    BeforeEpoch,
    /// An array or an object.
    Other,
}

impl<'a> Member<'a> {
    /// The time that a number stands for; one before 1970 is as good as 1970.
    pub(crate) fn date(&self) -> Option<UnixTime> {
        match self {
            Self::Date(time) => Some(*time),
            Self::BeforeEpoch => Some(UnixTime(0)),
            _ => None,
        }
    }

    /// The bytes of a string; nothing for any other value.
    pub(crate) fn into_string(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::String(Cow::Borrowed(text)) => Some(Cow::Borrowed(text.as_bytes())),
            Self::String(Cow::Owned(text)) => Some(Cow::Owned(text.into_bytes())),
            _ => None,
        }
    }
}
