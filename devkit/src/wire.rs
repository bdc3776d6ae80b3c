//! HTTP/1.1 messages as they stand on the wire: nothing is folded, sorted or forgiven.
//!
//! A library would hide what the tests are about: the order of headers, a header sent twice, a
//! body that ends too early.

use std::fmt;

/// The most header fields a message may have here.
const MAX_HEADERS: usize = 200;

/// Header fields in the order in which they came, names and values byte for byte.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The value of the only field of that name, in any case of letters.
    ///
    /// # Panics
    ///
    /// When the field is there more than once, or is not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name).into_iter();
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there more than once: {self:?}");
        value
    }

    /// Every value of that name, in order.
    ///
    /// # Panics
    ///
    /// When a value is not UTF-8.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| std::str::from_utf8(value).expect("a header value in UTF-8"))
            .collect()
    }

    /// Whether a field of that name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }

    /// Every field as name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The field names in lower case, in order.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    fn parsed(headers: &[httparse::Header]) -> Self {
        Self(headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

/// A request as a server received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// The method, such as `GET`.
    pub method: String,
    /// The request target as it was sent.
    pub target: String,
    /// The header fields.
    pub headers: Headers,
    /// The body, without the framing of a chunked transfer.
    pub body: Vec<u8>,
}

impl ReceivedRequest {
    /// The value of the only header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Parses the request that `input` begins with; gives it and its length, or nothing while
    /// bytes are missing.
    pub(crate) fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(head_length) = head.parse(input).map_err(display)? else {
            return Ok(None);
        };
        let headers = Headers::parsed(head.headers);
        let framing = match Framing::stated_by(&headers)? {
            Framing::UntilClose => Framing::Length(0),
            framing => framing,
        };
        let (method, target) = (head.method.unwrap_or_default(), head.path.unwrap_or_default());
        let Some((body, body_length)) = framing.body(&input[head_length..], false)? else {
            return Ok(None);
        };
        let request = Self { method: method.to_owned(), target: target.to_owned(), headers, body };
        Ok(Some((request, head_length + body_length)))
    }
}

/// An answer as a client received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The body, without the framing of a chunked transfer.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the only header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// Parses the answer to a request with that method which `input` begins with; gives it and
    /// its length, or nothing while bytes are missing.
    pub(crate) fn parse(
        input: &[u8],
        method: &str,
        ended: bool,
    ) -> Result<Option<(Self, usize)>, String> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(head_length) = head.parse(input).map_err(display)? else {
            return Ok(None);
        };
        let status = head.code.unwrap_or_default();
        let headers = Headers::parsed(head.headers);
        let framing = match status {
            100..=199 | 204 | 304 => Framing::Length(0),
            _ if method == "HEAD" => Framing::Length(0),
            _ => Framing::stated_by(&headers)?,
        };
        let Some((body, body_length)) = framing.body(&input[head_length..], ended)? else {
            return Ok(None);
        };
        Ok(Some((Self { status, headers, body }, head_length + body_length)))
    }
}

/// How a body says where it ends.
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    fn stated_by(headers: &Headers) -> Result<Self, String> {
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            return Ok(Self::Chunked);
        }
        match headers.get("content-length") {
            Some(length) => length.parse().map(Self::Length).map_err(display),
            None => Ok(Self::UntilClose),
        }
    }

    /// The body at the start of `input` and the bytes it takes there, once it is complete.
    fn body(&self, input: &[u8], ended: bool) -> Result<Option<(Vec<u8>, usize)>, String> {
        match *self {
            Self::Length(length) => Ok(input.get(..length).map(|body| (body.to_vec(), length))),
            Self::UntilClose => Ok(ended.then(|| (input.to_vec(), input.len()))),
            Self::Chunked => dechunked(input),
        }
    }
}

fn dechunked(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let size_line = httparse::parse_chunk_size(&input[at..]).map_err(|_| "bad chunk size")?;
        let httparse::Status::Complete((line_length, size)) = size_line else {
            return Ok(None);
        };
        let start = at + line_length;
        let end = start + usize::try_from(size).map_err(display)?;
        let Some(chunk_end) = input.get(end..end + 2) else {
            return Ok(None);
        };
        if chunk_end != b"\r\n" {
            return Err("a chunk or the last chunk is not followed by an empty line".into());
        }
        body.extend_from_slice(&input[start..end]);
        at = end + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn display(error: impl fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_only_with_its_last_byte() {
        let messages: [&[u8]; 3] = [
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ];
        for message in messages {
            for length in 0..message.len() {
                assert_eq!(ReceivedRequest::parse(&message[..length]), Ok(None), "{length}");
            }
            let pipelined = [message, b"GET /next"].concat();

            let (request, length) = ReceivedRequest::parse(&pipelined).unwrap().unwrap();

            assert_eq!(length, message.len());
            assert_eq!(request.text(), if request.method == "POST" { "hello" } else { "" });
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body_whatever_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

        let (response, length) = Response::parse(answer, "HEAD", false).unwrap().unwrap();

        assert_eq!((response.body.len(), length), (0, answer.len()));
    }

    #[test]
    fn an_answer_without_a_length_ends_with_the_connection() {
        let answer = b"HTTP/1.1 200 OK\r\n\r\nhello";

        let open = Response::parse(answer, "GET", false);
        let (ended, _) = Response::parse(answer, "GET", true).unwrap().unwrap();

        assert_eq!(open, Ok(None));
        assert_eq!(ended.text(), "hello");
    }
}
