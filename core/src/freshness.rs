//! How long an introspection answer may be reused (RFC 9111, as a shared cache).
//!
//! Where a field is malformed or contradicts itself the answer is stale, or not stored at all: a token
//! that is asked for once more costs a little, one that is honoured for too long is a hole.

mod not_stored;
mod remedy;

use std::time::{Duration, UNIX_EPOCH};

use crate::UnixTime;
use crate::cache::Lifetime;
use crate::introspection::{Field, Fields};
pub use not_stored::NotStored;
pub use remedy::Remedy;

/// What the configuration says about lifetimes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The lifetime of an answer that states none; without it such an answer is not stored.
    pub valid: Option<Duration>,
    /// How long an inactive token is remembered at most; without it not at all.
    pub inactive_valid: Option<Duration>,
    /// The upper bound on any lifetime.
    pub max_valid: Option<Duration>,
    /// Take no notice of `Cache-Control`, nor of `Pragma`, its older form.
    pub ignore_cache_control: bool,
    /// Take no notice of `Expires`.
    pub ignore_expires: bool,
}

impl Settings {
    /// Bytes that no other settings has.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { valid, inactive_valid, max_valid, ignore_cache_control, ignore_expires } = *self;
        let mut bytes = vec![ignore_cache_control.into(), ignore_expires.into()];
        for time in [valid, inactive_valid, max_valid] {
            bytes.push(time.is_some().into());
            bytes.extend(time.unwrap_or_default().as_nanos().to_le_bytes());
        }
        bytes
    }
}

/// How long an answer with a JWT may be used that was received at `now`, where stale JWTs are of use or
/// not. A JWT without an end is never stale: nobody knows for how long it would be of use.
///
/// # Errors
///
/// As [`fresh_until`].
pub fn active_lifetime(
    headers: &Fields,
    settings: &Settings,
    exp: Option<UnixTime>,
    upper_bound: Option<UnixTime>,
    now: UnixTime,
    uses_stale: bool,
) -> Result<Lifetime, NotStored> {
    let fresh_until = fresh_until(headers, settings, exp, upper_bound, now)?;
    let may_be_stale = uses_stale && may_be_stale(headers, settings);
    let stale_until = exp.filter(|_| may_be_stale).unwrap_or(fresh_until);
    Ok(Lifetime { fresh_until, stale_until, expires: exp })
}

/// How long it is remembered that a token is inactive; nothing if it is not to be, as for
/// [`inactive_until`].
#[must_use]
pub fn inactive_lifetime(
    headers: &Fields,
    settings: &Settings,
    upper_bound: Option<UnixTime>,
    now: UnixTime,
) -> Option<Lifetime> {
    inactive_until(headers, settings, upper_bound, now).map(Lifetime::fresh_until)
}

/// Until when an answer received at `now` is fresh.
///
/// The result is later than `now`, and never later than `exp` (the end of the JWT), than
/// `upper_bound` (what is left in a cache that the answer came from) or than what `settings` allows.
///
/// # Errors
///
/// Why the answer must not be stored.
// Inlined into `Remedy::find`, it compares bounds before it looks whether they are there. That is right,
// but memcheck cannot know.
#[inline(never)]
pub fn fresh_until(
    headers: &Fields,
    settings: &Settings,
    exp: Option<UnixTime>,
    upper_bound: Option<UnixTime>,
    now: UnixTime,
) -> Result<UnixTime, NotStored> {
    let (lifetime, if_zero) = match stated_lifetime(headers, settings, now) {
        Stated::Nothing => {
            (settings.valid.ok_or(NotStored::NoLifetime)?.as_secs(), NotStored::Valid)
        }
        Stated::Lifetime(lifetime, if_zero) => (lifetime.saturating_sub(age(headers)), if_zero),
        Stated::NotStorable(reason) => return Err(reason),
    };
    end(lifetime, settings, [exp, upper_bound], now).ok_or_else(|| match lifetime {
        0 => if_zero,
        _ if settings.max_valid.is_some_and(|max_valid| max_valid.as_secs() == 0) => {
            NotStored::MaxValid
        }
        _ if upper_bound.is_some_and(|bound| bound <= now) => NotStored::ProxyCache,
        _ => NotStored::Jwt,
    })
}

/// Until when it is remembered that a token is inactive; nothing if it is not to be.
///
/// The answer may state less than `settings` says, but not more. The bounds of [`fresh_until`] hold
/// as well.
#[must_use]
pub fn inactive_until(
    headers: &Fields,
    settings: &Settings,
    upper_bound: Option<UnixTime>,
    now: UnixTime,
) -> Option<UnixTime> {
    let valid = settings.inactive_valid?.as_secs();
    let lifetime = match stated_lifetime(headers, settings, now) {
        Stated::Nothing => valid,
        Stated::Lifetime(lifetime, _) => lifetime.saturating_sub(age(headers)).min(valid),
        Stated::NotStorable(_) => return None,
    };
    end(lifetime, settings, [None, upper_bound], now)
}

/// Whether the answer may be used past its freshness when no other can be had
/// (RFC 9111 section 4.2.4).
#[must_use]
pub fn may_be_stale(headers: &Fields, settings: &Settings) -> bool {
    !CacheControl::of(headers, settings).must_revalidate
}

fn end(
    lifetime: u64,
    settings: &Settings,
    bounds: [Option<UnixTime>; 2],
    now: UnixTime,
) -> Option<UnixTime> {
    let max_valid = settings.max_valid.map(|max_valid| after(now, max_valid.as_secs()));
    let [first, second] = bounds.map(|bound| bound.unwrap_or(NEVER));
    let end = after(now, lifetime).min(first).min(second).min(max_valid.unwrap_or(NEVER));
    (end > now).then_some(end)
}

const NEVER: UnixTime = UnixTime(u64::MAX);

/// What the answer itself says about its freshness.
enum Stated {
    Nothing,
    /// In seconds, and what it means that none are left.
    Lifetime(u64, NotStored),
    NotStorable(NotStored),
}

fn stated_lifetime(headers: &Fields, settings: &Settings, now: UnixTime) -> Stated {
    let of_vary = find(headers, Field::Vary, |field_name| match field_name {
        b"*" => Some(NotStored::Vary),
        field_name => (!is_token(field_name)).then_some(NotStored::Malformed("Vary")),
    });
    if let Some(reason) = of_vary {
        return Stated::NotStorable(reason);
    }
    let cache_control = CacheControl::of(headers, settings);
    if let Some(reason) = cache_control.forbids_storing {
        return Stated::NotStorable(reason);
    }
    if let Some(lifetime) = cache_control.s_maxage.or(cache_control.max_age) {
        return Stated::Lifetime(lifetime, NotStored::MaxAge);
    }
    if settings.ignore_expires || !headers.contains(Field::Expires) {
        return Stated::Nothing;
    }
    let expires = date(headers, Field::Expires).unwrap_or_default();
    let date = if headers.contains(Field::Date) { date(headers, Field::Date) } else { Some(now) };
    match date {
        Some(date) => Stated::Lifetime(expires.0.saturating_sub(date.0), NotStored::Expires),
        None => Stated::NotStorable(NotStored::Malformed("Date")),
    }
}

/// The directives of RFC 9111 section 5.2.2 that matter here. Lifetimes are in seconds.
#[derive(Default)]
struct CacheControl {
    forbids_storing: Option<NotStored>,
    must_revalidate: bool,
    s_maxage: Option<u64>,
    max_age: Option<u64>,
}

impl CacheControl {
    fn of(headers: &Fields, settings: &Settings) -> Self {
        if settings.ignore_cache_control {
            return Self::default();
        }
        let mut cache_control = Self::default();
        for_each(headers, Field::CacheControl, |directive| cache_control.add(directive));
        if !headers.contains(Field::CacheControl) {
            cache_control.forbids_storing =
                find(headers, Field::Pragma, |directive| match split_directive(directive) {
                    Some((name, _)) => {
                        name.eq_ignore_ascii_case(b"no-cache").then_some(NotStored::Pragma)
                    }
                    None => Some(NotStored::Malformed("Pragma")),
                });
        }
        cache_control
    }

    fn add(&mut self, directive: &[u8]) {
        let Some((name, argument)) = split_directive(directive) else {
            // Nobody knows what was meant, nor what it has swallowed.
            self.forbid(NotStored::Malformed("Cache-Control"));
            return;
        };
        let is = |directive: &[u8]| name.eq_ignore_ascii_case(directive);
        // The forms with an argument, `no-cache="field"`, may be taken for those without.
        if is(b"no-store") {
            self.forbid(NotStored::NoStore);
        } else if is(b"no-cache") {
            self.forbid(NotStored::NoCache);
        } else if is(b"private") {
            self.forbid(NotStored::Private);
        } else if is(b"must-revalidate") || is(b"proxy-revalidate") {
            self.must_revalidate = true;
        } else if is(b"s-maxage") {
            // It has the meaning of `proxy-revalidate` too (RFC 9111 section 5.2.2.10).
            self.must_revalidate = true;
            add_lifetime(&mut self.s_maxage, argument);
        } else if is(b"max-age") {
            add_lifetime(&mut self.max_age, argument);
        }
    }

    fn forbid(&mut self, reason: NotStored) {
        self.forbids_storing.get_or_insert(reason);
    }
}

/// A directive that occurs twice makes the answer stale, as does one without a number
/// (RFC 9111 section 4.2.1).
fn add_lifetime(lifetime: &mut Option<u64>, argument: Option<&[u8]>) {
    let argument = argument.map(|argument| quoted(argument).unwrap_or(argument));
    *lifetime = match lifetime {
        None => Some(argument.and_then(delta_seconds).unwrap_or(0)),
        Some(_) => Some(0),
    };
}

/// `token [ "=" ( token / quoted-string ) ]` (RFC 9111 section 5.2); nothing if it is something else.
fn split_directive(directive: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut halves = directive.splitn(2, |&byte| byte == b'=');
    let (name, argument) = (halves.next()?, halves.next());
    let is_argument = |argument| is_token(argument) || quoted(argument).is_some_and(is_quoted_text);
    (is_token(name) && argument.is_none_or(is_argument)).then_some((name, argument))
}

/// What is between the two quotes of a `quoted-string`.
fn quoted(argument: &[u8]) -> Option<&[u8]> {
    argument.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// `*( qdtext / quoted-pair )` (RFC 9110 section 5.6.4), of bytes that a field value may have.
fn is_quoted_text(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return false,
            b'\\' if bytes.next().is_none() => return false,
            _ => {}
        }
    }
    true
}

/// `1*tchar` (RFC 9110 section 5.6.2)
fn is_token(text: &[u8]) -> bool {
    let is_in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_in_token)
}

/// The largest `Age` there is, in seconds. Of an answer with a malformed one nobody knows how old it is.
/// RFC 9111 section 5.1 would rather have that ignored, which would make the answer new.
///
/// The age that could be told from `Date` is left out, as RFC 9111 section 4.2.3 permits: it would
/// make every answer stale where the clocks of the two servers are a minute apart.
fn age(headers: &Fields) -> u64 {
    let lines = headers.get_all(Field::Age);
    let ages = lines.flat_map(|line| line.split(|&byte| byte == b','));
    let ages = ages.map(|age| delta_seconds(age.trim_ascii()).unwrap_or(u64::MAX));
    ages.max().unwrap_or(0)
}

/// A `delta-seconds`, no more than 2^31 (RFC 9111 section 1.2.2).
fn delta_seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |seconds, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte.wrapping_sub(b'0')))?;
        Some(seconds.saturating_mul(10).saturating_add(digit).min(MAX_DELTA_SECONDS))
    })
}

/// The date in a field that must occur once.
fn date(headers: &Fields, name: Field) -> Option<UnixTime> {
    let mut values = headers.get_all(name);
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let date = httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()?;
    date.duration_since(UNIX_EPOCH).ok().map(|since| UnixTime(since.as_secs()))
}

/// What is first found among the elements of a list field (RFC 9110 section 5.6.1), in one line or in
/// several.
fn find<T>(headers: &Fields, name: Field, mut find: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
    let mut lines = headers.get_all(name);
    lines.find_map(|line| split_at_commas(line).find_map(&mut find))
}

fn for_each(headers: &Fields, name: Field, mut act: impl FnMut(&[u8])) {
    find(headers, name, |element| -> Option<()> {
        act(element);
        None
    });
}

/// A comma inside a quoted string does not separate.
fn split_at_commas(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    list.split(move |&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
    .filter(|element| !element.is_empty())
}

fn after(now: UnixTime, seconds: u64) -> UnixTime {
    UnixTime(now.0.saturating_add(seconds))
}

const MAX_DELTA_SECONDS: u64 = 1 << 31;

#[cfg(test)]
mod tests;
