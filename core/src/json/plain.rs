//! Reads a plain JSON object, as nearly every JWT has one, in a third of the instructions that a parser
//! takes.
//!
//! Plain is ASCII without control characters and without a backslash. So a string ends at the next quote,
//! and has no other spelling. Of numbers, only whole ones of some digits are read, and nesting may not be
//! deep. Whatever is not plain is for the parser to read, and whatever looks wrong for it to refuse: what
//! is read here means to the parser the same.

use std::borrow::Cow;

use memchr::memchr;

use super::member::Member;
use crate::UnixTime;
use crate::token::charset;

/// As [`super::read_into`]; nothing if a parser has to see to the text. `members` are all absent, and mean
/// nothing when nothing is returned.
pub(super) fn read_into<'a>(
    text: &'a [u8],
    names: &[&str],
    members: &mut [Member<'a>],
) -> Option<()> {
    if !charset::all_of_many(text, is_plain) {
        return None;
    }
    let inside = expect(text, b'{')?;
    let rest = object(inside, |name, value| {
        let index = names.iter().position(|&wanted| is_same(wanted.as_bytes(), name));
        let Some(member) = index.and_then(|index| members.get_mut(index)) else {
            return skip(value, DEEPEST);
        };
        let (found, rest) = read(value)?;
        *member = if *member == Member::Absent { found } else { Member::Repeated };
        Some(rest)
    })?;
    rest.iter().all(|&byte| byte == b' ').then_some(())
}

/// As a number with a sign, an ASCII character is not below 0, as any other byte is.
#[inline]
fn is_plain(byte: u8) -> bool {
    (byte as i8 >= b' ' as i8) & (byte != b'\\')
}

/// Most names differ in length or in their first letter.
#[inline]
fn is_same(wanted: &[u8], name: &[u8]) -> bool {
    wanted.len() == name.len() && wanted.first() == name.first() && wanted == name
}

// Each of these takes what is left of a text and returns what is left behind it, in registers.

/// The next character that is no blank.
#[inline]
fn next(mut text: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        let (&first, rest) = text.split_first()?;
        if first != b' ' {
            return Some((first, rest));
        }
        text = rest;
    }
}

#[inline]
fn expect(text: &[u8], character: u8) -> Option<&[u8]> {
    let (first, rest) = next(text)?;
    (first == character).then_some(rest)
}

/// An object behind its brace. `read` takes the name of each member and what is left from its value on.
#[inline]
fn object<'a>(
    text: &'a [u8],
    mut read: impl FnMut(&'a [u8], &'a [u8]) -> Option<&'a [u8]>,
) -> Option<&'a [u8]> {
    let (first, mut rest) = next(text)?;
    match first {
        b'"' => {}
        b'}' => return Some(rest),
        _ => return None,
    }
    loop {
        let (name, behind) = string(rest)?;
        let (end, behind) = next(read(name, expect(behind, b':')?)?)?;
        match end {
            b',' => rest = expect(behind, b'"')?,
            b'}' => return Some(behind),
            _ => return None,
        }
    }
}

/// An array behind its bracket.
fn skip_array(text: &[u8], depth: usize) -> Option<&[u8]> {
    let (mut first, mut rest) = next(text)?;
    if first == b']' {
        return Some(rest);
    }
    loop {
        // Most elements are strings.
        let behind = match first {
            b'"' => string(rest)?.1,
            _ => skip_from(first, rest, depth)?,
        };
        let (end, behind) = next(behind)?;
        match end {
            b',' => (first, rest) = next(behind)?,
            b']' => return Some(behind),
            _ => return None,
        }
    }
}

/// The value of a member that is wanted.
fn read(text: &[u8]) -> Option<(Member<'_>, &[u8])> {
    let (first, rest) = next(text)?;
    Some(match first {
        b'"' => {
            let (string, rest) = string(rest)?;
            (Member::String(Cow::Borrowed(str::from_utf8(string).ok()?)), rest)
        }
        b'0'..=b'9' => {
            let (integer, rest) = integer(first, rest)?;
            (Member::Date(UnixTime(integer)), rest)
        }
        b't' => (Member::Bool(true), rest.strip_prefix(b"rue")?),
        b'f' => (Member::Bool(false), rest.strip_prefix(b"alse")?),
        b'n' => (Member::Null, rest.strip_prefix(b"ull")?),
        _ => (Member::Other, skip_nested(first, rest, DEEPEST)?),
    })
}

/// A value nested at most so deep.
#[inline]
fn skip(text: &[u8], depth: usize) -> Option<&[u8]> {
    let (first, rest) = next(text)?;
    skip_from(first, rest, depth)
}

/// As [`skip`], behind the first character.
#[inline]
fn skip_from(first: u8, rest: &[u8], depth: usize) -> Option<&[u8]> {
    match first {
        b'"' => Some(string(rest)?.1),
        b'0'..=b'9' => Some(integer(first, rest)?.1),
        b't' => rest.strip_prefix(b"rue"),
        b'f' => rest.strip_prefix(b"alse"),
        b'n' => rest.strip_prefix(b"ull"),
        _ => skip_nested(first, rest, depth),
    }
}

#[inline(never)]
fn skip_nested(first: u8, rest: &[u8], depth: usize) -> Option<&[u8]> {
    let depth = depth.checked_sub(1)?;
    match first {
        b'[' => skip_array(rest, depth),
        b'{' => object(rest, |_, value| skip(value, depth)),
        _ => None,
    }
}

/// A string behind its first quote.
#[inline]
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (string, end) = text.split_at_checked(find_quote(text)?)?;
    Some((string, end.get(1..)?))
}

/// A number behind its first digit. A fraction or an exponent is left, where nobody expects it.
#[inline]
fn integer(first: u8, text: &[u8]) -> Option<(u64, &[u8])> {
    let mut integer = digit(first)?;
    let mut digits = 1_usize;
    let mut rest = text;
    while let Some((&next, behind)) = rest.split_first()
        && let Some(digit) = digit(next)
    {
        integer = integer.wrapping_mul(10).wrapping_add(digit);
        digits = digits.wrapping_add(1);
        rest = behind;
    }
    (digits == 1 || first != b'0' && digits <= MOST_DIGITS).then_some((integer, rest))
}

#[inline]
fn digit(character: u8) -> Option<u64> {
    let digit = character.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// Where the first quote is in an ASCII text. Most strings are short, which a call is too dear for.
#[inline]
fn find_quote(text: &[u8]) -> Option<usize> {
    let (words, _) = text.as_chunks::<8>();
    let mut at = 0_usize;
    for word in words.iter().take(SHORT_WORDS) {
        let quotes = quotes(u64::from_le_bytes(*word));
        if quotes != 0 {
            return Some(at.wrapping_add(quotes.trailing_zeros() as usize / 8));
        }
        at = at.wrapping_add(8);
    }
    memchr(b'"', text.get(at..)?).map(|behind| at.wrapping_add(behind))
}

/// Eight ASCII characters with the highest bit of each set that is a quote.
#[inline]
fn quotes(characters: u64) -> u64 {
    // What is no quote is not 0 afterwards, so that the addition sets the bit, and carries nothing.
    let others = (characters ^ QUOTES).wrapping_add(!HIGHEST_BITS);
    !others & HIGHEST_BITS
}

const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const HIGHEST_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Words of eight characters that are looked at one by one.
const SHORT_WORDS: usize = 4;

/// As many as always fit into a number of 64 bits.
const MOST_DIGITS: usize = 19;

/// How deep arrays and objects may be inside of each other, in a member.
const DEEPEST: usize = 16;
