//! Takes the answer to an introspection subrequest from the filter chain, whatever made it.

use core::cell::Cell;

use http::StatusCode;
use nginx_sys::{
    NGX_HTTP_SPECIAL_RESPONSE, ngx_http_upstream_headers_in_t, ngx_int_t, ngx_list_t,
    ngx_table_elt_t,
};
use phantom_token_core::UnixTime;
use phantom_token_core::introspection::{Body, Field, Fields, Source};

use crate::nginx::buffers::{Buffer, Chain, Unreadable};
use crate::nginx::headers;
use crate::nginx::request::Request;
use crate::nginx::upstream_cache::Entry;

/// The answer as far as it has come.
#[derive(Default)]
pub struct Capture {
    limit: usize,
    head: Cell<Option<Head>>,
    body: Cell<Vec<u8>>,
    end: Cell<End>,
    finished: Cell<Option<(ngx_int_t, Source)>>,
}

/// The status and the headers of an answer.
pub struct Head {
    pub status: StatusCode,
    pub headers: Fields,
    /// Where the answer comes from.
    pub source: Source,
    /// Until when the cache of NGINX that the answer came from holds it for valid.
    pub valid_until: Option<UnixTime>,
}

/// How the body ended.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Complete,
    TooLarge,
    Unreadable,
}

/// A whole answer.
pub struct Captured {
    pub head: Head,
    body: Vec<u8>,
    end: End,
}

impl Capture {
    /// Makes ready for an answer of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes the head of the answer that a subrequest is about to send.
    #[inline(never)]
    pub fn take_head(&self, request: Request, source: Source) {
        let status = u16::try_from(request.raw().headers_out.status).unwrap_or_default();
        self.head.set(Some(Head {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
            headers: answer_headers(&request),
            source,
            valid_until: valid_until(request),
        }));
    }

    /// Takes a piece of the body, consuming its buffers.
    pub fn take_body(&self, chain: Chain) {
        let mut body = self.body.take();
        for buffer in chain.buffers() {
            let last = buffer.is_last();
            if self.end.get() == End::Open {
                self.end.set(self.append(&mut body, &buffer));
            }
            if last && self.end.get() == End::Open {
                self.end.set(End::Complete);
            }
        }
        self.body.set(body);
    }

    fn append(&self, body: &mut Vec<u8>, buffer: &Buffer) -> End {
        if body.len().saturating_add(buffer.len()) > self.limit {
            *body = Vec::new();
            return End::TooLarge;
        }
        match buffer.append_to(body) {
            Ok(()) => End::Open,
            Err(Unreadable) => End::Unreadable,
        }
    }

    /// Whether nothing more of the body is of use, so that whoever sends it is to stop.
    pub fn is_given_up(&self) -> bool {
        matches!(self.end.get(), End::TooLarge | End::Unreadable)
    }

    /// The subrequest was finalized; where an answer with that status would come from.
    pub fn finish(&self, status: ngx_int_t, source: Source) {
        self.finished.set(Some((status, source)));
    }

    /// Whether the subrequest was finalized.
    pub fn is_finished(&self) -> bool {
        self.finished.get().is_some()
    }

    /// The answer, once the subrequest was finalized.
    pub fn take(&self) -> Option<Captured> {
        let (finished, source) = self.finished.get()?;
        let end = self.end.get();
        let head = self.head.take().unwrap_or_else(|| Head::without_answer(finished, source));
        Some(Captured { head, body: self.body.take(), end })
    }
}

impl Captured {
    /// The body, or what is wrong with it.
    pub fn body(&self) -> Body<'_> {
        match self.end {
            End::Complete => Body::Complete(&self.body),
            End::TooLarge => Body::TooLarge,
            End::Open => Body::Truncated,
            End::Unreadable => Body::Unreadable,
        }
    }
}

impl Head {
    /// The subrequest ended with nothing but a return code.
    fn without_answer(finished: ngx_int_t, source: Source) -> Self {
        let code = u16::try_from(finished)
            .ok()
            .filter(|code| u32::from(*code) >= NGX_HTTP_SPECIAL_RESPONSE);
        let status = code.and_then(|code| StatusCode::from_u16(code).ok());
        Self {
            status: status.unwrap_or(StatusCode::BAD_GATEWAY),
            headers: Fields::default(),
            source,
            valid_until: None,
        }
    }
}

/// The headers that say what the answer is and how long it is fresh. What an upstream has sent counts
/// before what NGINX makes of it, which lacks lines that are hidden, or that it takes for repeated.
fn answer_headers(request: &Request) -> Fields {
    let mut headers = Fields::default();
    if let Some(sent) = headers_of_upstream(request) {
        for_each(&sent.headers, |field, line| headers.append(field, headers::value(line)));
        // NGINX adds an empty Date where there was none.
        if headers.contains(Field::Expires) && !sent.date.is_null() {
            append_dates(&mut headers, headers::iter(&sent.headers));
        }
    }
    let mut others = Fields::default();
    let out = &request.raw().headers_out;
    for_each(&out.headers, |field, line| {
        if line.hash != 0 && !headers.contains(field) {
            others.append(field, headers::value(line));
        }
    });
    // It has a place of its own there.
    let content_type = headers::content_type(request);
    if !content_type.is_empty() && !headers.contains(Field::ContentType) {
        others.append(Field::ContentType, content_type);
    }
    headers.append_all(&others);
    if headers.contains(Field::Expires) && !headers.contains(Field::Date) {
        append_dates(&mut headers, headers::iter(&out.headers).filter(|line| line.hash != 0));
    }
    headers
}
fn append_dates<'a>(headers: &mut Fields, lines: impl Iterator<Item = &'a ngx_table_elt_t>) {
    for line in lines.filter(|line| Field::of(headers::name(line)) == Some(Field::Date)) {
        headers.append(Field::Date, headers::value(line));
    }
}

/// The lines that matter even without others, each with its name.
fn for_each(list: &ngx_list_t, mut act: impl FnMut(Field, &ngx_table_elt_t)) {
    headers::for_each(list, |line| match Field::of(headers::name(line)) {
        None | Some(Field::Date) => {}
        Some(field) => act(field, line),
    });
}

/// What an upstream has sent, if the answer is its own: an error page may have taken its place.
fn headers_of_upstream(request: &Request) -> Option<&ngx_http_upstream_headers_in_t> {
    let upstream = request.upstream()?;
    let is_its_own = !upstream.cleanup.is_null() || from_cache(*request).is_some();
    is_its_own.then_some(&upstream.headers_in)
}

fn valid_until(request: Request) -> Option<UnixTime> {
    let seconds = from_cache(request)?.valid_sec();
    Some(UnixTime(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default()))
}

fn from_cache(request: Request) -> Option<Entry> {
    Entry::of(request).filter(|entry| entry.is_source())
}
