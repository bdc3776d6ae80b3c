//! Answers of an authorization server as bytes on a connection, most of them nearly right.

use arbitrary::Arbitrary;
use phantom_token_core_testing::properties::answer::Text;

/// What the authorization server says, to the first question and to the second.
#[derive(Arbitrary, Debug)]
pub struct Input<'a> {
    pub answers: [Answer<'a>; 2],
}

#[derive(Arbitrary, Debug)]
pub struct Answer<'a> {
    status: Status<'a>,
    fields: Vec<Field<'a>>,
    framing: Framing,
    body: Body<'a>,
    /// Bytes that are overwritten.
    overwritten: Vec<(u16, u8)>,
    /// Where the answer breaks off.
    length: Option<u16>,
    /// Where it is cut into segments.
    cuts: [Option<u16>; 2],
    pub ending: Ending,
}

#[derive(Arbitrary, Debug)]
enum Status<'a> {
    Ok,
    NoContent,
    Code(u16),
    Line(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Field<'a> {
    CacheControl(Directive),
    Known(u8, &'a [u8]),
    Line(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Directive {
    MaxAge,
    NoStore,
    Private,
    Revalidate,
}

#[derive(Arbitrary, Debug)]
enum Framing {
    Length,
    WrongLength(i16),
    Chunked(u8),
    UntilClose,
    Both,
}

/// An input that ends here says no more than that the token is active.
#[derive(Arbitrary, Debug)]
enum Body<'a> {
    Active,
    Other(Text<'a>),
}

/// What becomes of the connection after the last byte.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Keep,
    Close,
    Reset,
}

/// Names that mean something to NGINX or to the module.
const NAMES: [&str; 16] = [
    "Age",
    "Cache-Control",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Date",
    "Expires",
    "Pragma",
    "Retry-After",
    "Transfer-Encoding",
    "Vary",
    "WWW-Authenticate",
    "X-Accel-Buffering",
    "X-Accel-Expires",
    "X-Accel-Redirect",
];

impl Answer<'_> {
    /// All that is sent, in segments.
    pub fn segments(&self) -> Vec<Vec<u8>> {
        let mut bytes = self.bytes();
        for &(at, byte) in &self.overwritten {
            if let Some(place) = bytes.get_mut(usize::from(at)) {
                *place = byte;
            }
        }
        bytes.truncate(self.length.map_or(bytes.len(), usize::from));
        let mut cuts: Vec<usize> = self.cuts.iter().flatten().map(|&cut| cut.into()).collect();
        cuts.sort_unstable();
        let mut segments = Vec::new();
        for cut in cuts.into_iter().rev().filter(|&cut| cut > 0) {
            if cut < bytes.len() {
                segments.insert(0, bytes.split_off(cut));
            }
        }
        segments.insert(0, bytes);
        segments
    }

    fn bytes(&self) -> Vec<u8> {
        let body = match &self.body {
            Body::Active => b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln".to_vec(),
            Body::Other(text) => text.bytes(),
        };
        let mut bytes = match self.status {
            Status::Ok => b"HTTP/1.1 200 OK\r\n".to_vec(),
            Status::NoContent => b"HTTP/1.1 204 No Content\r\n".to_vec(),
            Status::Code(code) => format!("HTTP/1.1 {} Code\r\n", code % 1000).into_bytes(),
            Status::Line(line) => [line, b"\r\n"].concat(),
        };
        for field in &self.fields {
            bytes.extend(field.line());
            bytes.extend(b"\r\n");
        }
        let length = |length: usize| format!("Content-Length: {length}\r\n");
        match self.framing {
            Framing::Length => bytes.extend(length(body.len()).bytes()),
            Framing::WrongLength(by) => {
                bytes.extend(length(body.len().saturating_add_signed(by.into())).bytes());
            }
            Framing::Chunked(_) => bytes.extend(b"Transfer-Encoding: chunked\r\n"),
            Framing::UntilClose => {}
            Framing::Both => {
                bytes.extend(length(body.len()).bytes());
                bytes.extend(b"Transfer-Encoding: chunked\r\n");
            }
        }
        bytes.extend(b"\r\n");
        match self.framing {
            Framing::Chunked(size) => bytes.extend(chunked(&body, size.max(1).into())),
            Framing::Both => bytes.extend(chunked(&body, usize::MAX)),
            _ => bytes.extend(body),
        }
        bytes
    }
}

impl Field<'_> {
    fn line(&self) -> Vec<u8> {
        let cache_control = match self {
            Self::Known(which, value) => {
                let name = NAMES[usize::from(*which) % NAMES.len()];
                return [name.as_bytes(), b": ", value].concat();
            }
            Self::Line(line) => return line.to_vec(),
            Self::CacheControl(Directive::MaxAge) => "max-age=60",
            Self::CacheControl(Directive::NoStore) => "no-store",
            Self::CacheControl(Directive::Private) => "private",
            Self::CacheControl(Directive::Revalidate) => "max-age=1, must-revalidate",
        };
        format!("Cache-Control: {cache_control}").into_bytes()
    }
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}
