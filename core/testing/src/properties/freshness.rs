//! How long an answer may be reused.

use std::time::{Duration, UNIX_EPOCH};

use arbitrary::Arbitrary;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName, PRAGMA, VARY};
use http::{HeaderMap, HeaderValue};
use phantom_token_core::UnixTime;
use phantom_token_core::freshness::{Settings, fresh_until, inactive_until, may_be_stale};
use phantom_token_core::introspection::Fields;

use super::answer::Time;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    now: Time,
    exp: Option<Time>,
    upper_bound: Option<Time>,
    valid: Option<u64>,
    inactive_valid: Option<u64>,
    max_valid: Option<u64>,
    ignore_cache_control: bool,
    ignore_expires: bool,
    fields: Vec<(Field, &'a [u8])>,
}

#[derive(Arbitrary, Debug)]
enum Field {
    Age,
    CacheControl,
    Date,
    Expires,
    Pragma,
    Vary,
}

/// The input is an answer's header fields, a settings and bounds.
pub fn check(input: &[u8]) {
    let Some(input) = super::made_of::<Input<'_>>(input) else { return };
    let case = Case {
        headers: headers(&input.fields),
        settings: Settings {
            valid: input.valid.map(Duration::from_secs),
            inactive_valid: input.inactive_valid.map(Duration::from_secs),
            max_valid: input.max_valid.map(Duration::from_secs),
            ignore_cache_control: input.ignore_cache_control,
            ignore_expires: input.ignore_expires,
        },
        exp: input.exp.map(Time::unix),
        upper_bound: input.upper_bound.map(Time::unix),
        now: input.now.unix(),
    };
    case.assert_within_bounds();
    case.assert_older_is_not_fresher();
    case.assert_forbidden_is_not_stored();
    case.assert_inactive_is_not_remembered_for_longer();
    case.assert_lines_are_one_list();
    if !case.has_quotes() {
        assert_eq!(case.end(), case.plain_end(), "{case:?}");
    }
}

#[derive(Clone, Debug)]
struct Case {
    headers: HeaderMap,
    settings: Settings,
    exp: Option<UnixTime>,
    upper_bound: Option<UnixTime>,
    now: UnixTime,
}

impl Case {
    fn end(&self) -> Option<UnixTime> {
        fresh_until(&self.fields(), &self.settings, self.exp, self.upper_bound, self.now).ok()
    }

    fn fields(&self) -> Fields {
        self.headers.iter().collect()
    }

    fn with(&self, name: HeaderName, value: &'static str) -> Self {
        let mut other = self.clone();
        other.headers.append(name, HeaderValue::from_static(value));
        other
    }

    /// Each bound cuts off what is beyond it, and changes nothing else.
    fn assert_within_bounds(&self) {
        let unbounded = Self { exp: None, upper_bound: None, ..self.clone() };
        let bounds = [self.exp, self.upper_bound].into_iter().flatten();
        let expected = unbounded.end().and_then(|end| bounds.fold(end, UnixTime::min).after(self));
        assert_eq!(self.end(), expected, "{self:?}");

        let longest = self.settings.max_valid.map(|max_valid| max_valid.as_secs());
        let longest = longest.map(|longest| self.now.0.saturating_add(longest));
        assert!(self.end().is_none_or(|end| end > self.now), "{self:?}");
        assert!(self.end().zip(longest).is_none_or(|(end, longest)| end.0 <= longest), "{self:?}");
    }

    fn assert_older_is_not_fresher(&self) {
        let older = [self.clone(), self.with(AGE, "7"), self.with(AGE, "4000000")].map(|c| c.end());
        assert!(older.is_sorted_by(|younger, older| younger >= older), "{self:?}");
    }

    fn assert_forbidden_is_not_stored(&self) {
        assert_eq!(self.with(VARY, "*").end(), None, "{self:?}");
        for directive in ["no-store", "Private", "no-cache"] {
            let forbidden = self.with(CACHE_CONTROL, directive);
            assert!(self.settings.ignore_cache_control || forbidden.end().is_none(), "{self:?}");
        }
        let revalidated = self.with(CACHE_CONTROL, "must-revalidate");
        let is_ignored = self.settings.ignore_cache_control;
        assert_eq!(may_be_stale(&revalidated.fields(), &self.settings), is_ignored, "{self:?}");
    }

    /// The inactive answer is remembered for as long as an active one would be, but no longer than
    /// is configured.
    fn assert_inactive_is_not_remembered_for_longer(&self) {
        let end = inactive_until(&self.fields(), &self.settings, self.upper_bound, self.now);
        let expected = self.settings.inactive_valid.and_then(|longest| {
            let settings = Settings { valid: Some(longest), ..self.settings };
            let active = Self { exp: None, settings, ..self.clone() }.end()?;
            active.min(UnixTime(self.now.0.saturating_add(longest.as_secs()))).after(self)
        });
        assert_eq!(end, expected, "{self:?}");
    }

    /// Several lines of a list field mean the same as one (RFC 9110 section 5.3).
    fn assert_lines_are_one_list(&self) {
        let mut other = self.clone();
        for name in [AGE, CACHE_CONTROL, PRAGMA, VARY] {
            let lines: Vec<_> = self.headers.get_all(&name).iter().collect();
            if lines.is_empty() || self.has_quotes() {
                continue;
            }
            let line =
                lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>().join(&b", "[..]);
            other.headers.insert(name, HeaderValue::from_bytes(&line).unwrap());
        }
        assert_eq!(other.end(), self.end(), "{self:?}");
    }

    fn has_quotes(&self) -> bool {
        self.headers.values().any(|value| value.as_bytes().contains(&b'"'))
    }

    /// The end as a plain reading of RFC 9111 has it, for fields without quoted strings.
    fn plain_end(&self) -> Option<UnixTime> {
        let mut ends = vec![self.now.0.saturating_add(self.plain_lifetime()?)];
        ends.extend(self.exp.map(|exp| exp.0));
        ends.extend(self.upper_bound.map(|upper_bound| upper_bound.0));
        let max_valid = self.settings.max_valid;
        ends.extend(max_valid.map(|max_valid| self.now.0.saturating_add(max_valid.as_secs())));
        ends.into_iter().min().map(UnixTime)?.after(self)
    }

    fn plain_lifetime(&self) -> Option<u64> {
        let obeys = !self.settings.ignore_cache_control;
        let fields = self.list(VARY);
        if fields.iter().any(|name| name == "*" || !is_token(name)) {
            return None;
        }
        let directives: Option<Vec<_>> =
            self.list(CACHE_CONTROL).iter().map(|text| directive(text)).collect();
        if obeys && directives.is_none() {
            return None;
        }
        let directives = directives.unwrap_or_default();
        let has = |wanted: &str| directives.iter().any(|(name, _)| name == wanted);
        if obeys && (has("no-store") || has("no-cache") || has("private")) {
            return None;
        }
        let forbids = |text: &String| directive(text).is_none_or(|(name, _)| name == "no-cache");
        let is_modern = self.headers.contains_key(CACHE_CONTROL);
        if obeys && !is_modern && self.list(PRAGMA).iter().any(forbids) {
            return None;
        }
        let ages = self.pieces(AGE);
        let ages = ages.iter().map(|age| delta_seconds(age).unwrap_or(u64::MAX));
        let age = ages.max().unwrap_or(0);
        for wanted in ["s-maxage", "max-age"] {
            let stated: Vec<_> = directives.iter().filter(|(name, _)| name == wanted).collect();
            match &stated[..] {
                _ if !obeys => {}
                [] => {}
                [(_, value)] => return Some(delta_seconds(value).unwrap_or(0).saturating_sub(age)),
                _ => return Some(0),
            }
        }
        if self.headers.contains_key(EXPIRES) && !self.settings.ignore_expires {
            let expires = self.date(EXPIRES).unwrap_or(0);
            let is_dated = self.headers.contains_key(DATE);
            let date = if is_dated { self.date(DATE)? } else { self.now.0 };
            return Some(expires.saturating_sub(date).saturating_sub(age));
        }
        self.settings.valid.map(|valid| valid.as_secs())
    }

    /// The elements of a list; empty ones are none.
    fn list(&self, name: HeaderName) -> Vec<String> {
        let mut elements = self.pieces(name);
        elements.retain(|element| !element.is_empty());
        elements
    }

    /// What is between commas.
    fn pieces(&self, name: HeaderName) -> Vec<String> {
        let lines = self.headers.get_all(name).into_iter();
        let text = lines.map(|line| line.as_bytes().iter().copied().map(char::from).collect());
        let elements = text.flat_map(|line: String| {
            line.split(',')
                .map(|element| element.trim_matches([' ', '\t']).to_owned())
                .collect::<Vec<_>>()
        });
        elements.collect()
    }

    fn date(&self, name: HeaderName) -> Option<u64> {
        let lines: Vec<_> = self.headers.get_all(name).into_iter().collect();
        let [line] = &lines[..] else { return None };
        let date = httpdate::parse_http_date(line.to_str().ok()?).ok()?;
        Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }
}

trait After: Sized {
    /// This time, unless it has come.
    fn after(self, case: &Case) -> Option<Self>;
}

impl After for UnixTime {
    fn after(self, case: &Case) -> Option<Self> {
        (self > case.now).then_some(self)
    }
}

/// A directive without quotes; nothing if it is malformed.
fn directive(text: &str) -> Option<(String, String)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) if is_token(value) => (name, value),
        Some(_) => return None,
        None => (text, ""),
    };
    is_token(name).then(|| (name.to_ascii_lowercase(), value.to_owned()))
}

fn is_token(text: &str) -> bool {
    let is_in_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(is_in_token)
}

fn delta_seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    // What does not fit has more digits than the largest.
    is_number.then(|| text.parse().unwrap_or(u64::MAX).min(1 << 31))
}

fn headers(fields: &[(Field, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (field, value) in fields {
        let name = match field {
            Field::Age => AGE,
            Field::CacheControl => CACHE_CONTROL,
            Field::Date => DATE,
            Field::Expires => EXPIRES,
            Field::Pragma => PRAGMA,
            Field::Vary => VARY,
        };
        headers.append(name, super::field_value(value));
    }
    headers
}
