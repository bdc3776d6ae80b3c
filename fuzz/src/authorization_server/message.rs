//! Messages that NGINX sends, as a plain HTTP/1.1 parser reads them.

/// A request or a response.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The request line or the status line.
    pub start: String,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// The message at the start of `bytes` and its length, once it is whole.
///
/// # Panics
///
/// When it is not well-formed.
pub fn parse(bytes: &[u8]) -> Option<(Message, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head of text");
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a name and a value");
        assert!(line.chars().all(|character| (' '..='~').contains(&character)), "{line:?}");
        (name.to_ascii_lowercase(), value.as_bytes().to_vec())
    });
    let mut message = Message { start, fields: fields.collect(), body: Vec::new() };
    let length = match &message.all("content-length")[..] {
        [] => 0,
        [length] => length.parse().expect("a length"),
        _ => panic!("two lengths"),
    };
    let body = bytes[end + 4..].get(..length)?;
    message.body = body.to_vec();
    Some((message, end + 4 + length))
}

impl Message {
    /// The status of a response.
    pub fn status(&self) -> u16 {
        let status = self.start.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status.and_then(|status| status.parse().ok()).expect("a status")
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| std::str::from_utf8(value).expect("text")).collect()
    }

    pub fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).contains(&value)
    }
}
