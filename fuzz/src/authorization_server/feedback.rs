//! Tells libFuzzer what NGINX did, since it cannot see into another process.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

const COUNTERS: usize = 1 << 14;

/// libFuzzer takes what is in this section for coverage.
#[used]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static SEEN: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

/// Makes an input interesting that leads to this for the first time.
pub fn saw(what: impl Hash) {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    let index = usize::try_from(hasher.finish() % COUNTERS as u64).unwrap_or_default();
    SEEN[index].store(1, Ordering::Relaxed);
}

/// What must not stand in an error log.
const FAULTS: [&str; 6] =
    ["[alert]", "[emerg]", "exited on", "panicked", "Sanitizer", "runtime error"];

/// Larger than this, the log is begun anew.
const LARGEST_LOG: u64 = 8 << 20;

/// NGINX's error log, read as it grows.
pub struct ErrorLog {
    file: File,
    read: u64,
}

impl ErrorLog {
    pub fn open(path: &Path) -> Self {
        let file = File::options().read(true).write(true).open(path).expect("the error log");
        Self { file, read: 0 }
    }

    /// The messages since the last call, without what is different each time.
    ///
    /// # Panics
    ///
    /// When one tells of a fault.
    pub fn messages(&mut self) -> Vec<String> {
        let unread = self.unread();
        let end = unread.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.read += end as u64;
        // Not in the middle of a line, whose end may tell of a fault.
        if self.read > LARGEST_LOG && end == unread.len() {
            self.file.set_len(0).expect("to empty the error log");
            self.read = 0;
        }
        let text = String::from_utf8_lossy(&unread[..end]).into_owned();
        let fault = text.lines().find(|line| FAULTS.iter().any(|fault| line.contains(fault)));
        assert_eq!(fault, None);
        text.lines().map(message).collect()
    }

    fn unread(&self) -> Vec<u8> {
        let (mut unread, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        loop {
            let from = self.read + unread.len() as u64;
            match self.file.read_at(&mut buffer, from).expect("to read the error log") {
                0 => return unread,
                length => unread.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

/// The words of a line after its time and its numbers, up to the first that quotes anything.
fn message(line: &str) -> String {
    let text = line.split_once(": ").map_or(line, |(_, text)| text);
    let text = text.split(['"', '{']).next().unwrap_or_default();
    let end = text.find(", client:").unwrap_or(text.len());
    text[..end].chars().filter(|character| !character.is_ascii_digit()).take(120).collect()
}
