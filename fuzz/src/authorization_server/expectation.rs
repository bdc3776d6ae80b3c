//! What an answer of the authorization server permits, by a reading of its bytes that shares no
//! code with NGINX or the module.

use std::time::{SystemTime, UNIX_EPOCH};

use phantom_token_core_testing::properties::reading::{self, Reading};

use super::answer::Ending;

/// What may come of an answer.
#[derive(Debug)]
pub enum Expectation {
    /// The JWT goes to the API.
    Grant(Vec<u8>),
    /// The client is told that its token is no good.
    Inactive,
    /// The client is told that something is wrong.
    Failure,
    /// Nobody could say, but no JWT goes to the API that is not in there.
    Unclear,
    /// As before; and whatever is granted, it is not for an answer that is whole.
    NoGrant,
}

/// The largest body that the configuration lets through.
pub const LARGEST_BODY: usize = 2048;

/// A head beyond this may not fit into NGINX's buffer.
const LARGEST_HEAD: usize = 3000;

impl Expectation {
    /// What the answer with these bytes permits.
    pub fn of(bytes: &[u8], ending: Ending) -> Self {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(head)) = response.parse(bytes) else {
            return Self::Unclear;
        };
        let all = |name: &str| -> Vec<&[u8]> {
            let named =
                response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            named.map(|field| field.value).collect()
        };
        let is_plain = !bytes[..head].windows(2).any(|pair| matches!(pair, [b'\n', b' ' | b'\t']));
        let is_plain = is_plain && bytes.starts_with(b"HTTP/1.");
        if !is_plain || head > LARGEST_HEAD || !all("X-Accel-Redirect").is_empty() {
            return Self::Unclear;
        }
        let framing = [all("Content-Length"), all("Transfer-Encoding"), all("Content-Encoding")];
        match response.code {
            Some(200) => {}
            Some(204) if framing.iter().all(Vec::is_empty) => return Self::Inactive,
            _ => return Self::NoGrant,
        }
        let types = all("Content-Type");
        let body = &bytes[head..];
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        let body = match framing.each_ref().map(|values| &values[..]) {
            [[], [], []] => Body::Complete(body.to_vec()),
            [[length], [], []] => Body::of_length(body, length),
            [[], [coding], []] if is_chunked(coding) && response.version == Some(1) => {
                Body::of_chunks(body)
            }
            _ => Body::Unclear,
        };
        match body {
            // What was sent before a reset may not have been read.
            Body::Complete(body) if ending == Ending::Reset => match Self::of_body(&body, &types) {
                Self::Grant(_) | Self::Unclear => Self::Unclear,
                _ => Self::NoGrant,
            },
            Body::Complete(body) => Self::of_body(&body, &types),
            Body::Incomplete => Self::Failure,
            Body::Unclear => Self::Unclear,
        }
    }

    fn of_body(body: &[u8], content_types: &[&[u8]]) -> Self {
        if body.len() > LARGEST_BODY {
            return Self::Failure;
        }
        let now = unix_now();
        match reading::read(body, content_types, &["jwt", "phantom_token"], now) {
            Err(reading::Undecided) => Self::Unclear,
            Ok(Reading::Failure(_)) => Self::Failure,
            Ok(Reading::Inactive | Reading::NoAccessToken(_) | Reading::NotYetValid) => {
                Self::Inactive
            }
            Ok(Reading::Active { expires, .. }) if expires.is_some_and(|end| end <= now) => {
                Self::Inactive
            }
            Ok(Reading::Active { jwt, .. }) => Self::Grant(jwt),
        }
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_secs()
}

enum Body {
    Complete(Vec<u8>),
    Incomplete,
    Unclear,
}

impl Body {
    fn of_length(bytes: &[u8], length: &[u8]) -> Self {
        let length = std::str::from_utf8(length).ok().filter(|text| {
            (1..10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        });
        let Some(length) = length.and_then(|length| length.parse::<usize>().ok()) else {
            return Self::Unclear;
        };
        bytes.get(..length).map_or(Self::Incomplete, |body| Self::Complete(body.to_vec()))
    }

    /// Takes chunks without extensions and trailers.
    fn of_chunks(mut bytes: &[u8]) -> Self {
        let mut body = Vec::new();
        loop {
            let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
                return if is_size(bytes) { Self::Incomplete } else { Self::Unclear };
            };
            if end == 0 || !is_size(&bytes[..end]) {
                return Self::Unclear;
            }
            let digits = std::str::from_utf8(&bytes[..end]).expect("digits");
            let size = usize::from_str_radix(digits, 16).expect("a few digits");
            let chunk = &bytes[end + 2..];
            match (size, chunk) {
                (0, [b'\r', b'\n', ..]) => return Self::Complete(body),
                (0, [] | [b'\r']) => return Self::Incomplete,
                (0, _) => return Self::Unclear,
                _ => {}
            }
            match chunk.get(size..) {
                Some([b'\r', b'\n', rest @ ..]) => {
                    body.extend(&chunk[..size]);
                    bytes = rest;
                }
                None | Some([] | [b'\r']) => return Self::Incomplete,
                Some(_) => return Self::Unclear,
            }
        }
    }
}

/// Whether this is the size of a chunk, or its beginning.
fn is_size(text: &[u8]) -> bool {
    text.len() < 7 && text.iter().all(u8::is_ascii_hexdigit)
}
