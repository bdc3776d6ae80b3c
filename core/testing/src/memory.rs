//! Memory that zones are made in.

use memmap2::{MmapOptions, MmapRaw};
use phantom_token_core::cache::{RegionError, Zone};
use std::fs;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// What keys are made with, unless a test says otherwise.
pub const SECRET: [u8; 16] = *b"0123456789abcdef";
/// In bytes.
pub const MEGABYTE: usize = 1 << 20;

/// A mapping of its own, or of a file that processes share.
pub struct Memory(MmapRaw);

impl From<MmapRaw> for Memory {
    fn from(map: MmapRaw) -> Self {
        Self(map)
    }
}

impl Memory {
    /// Of `len` bytes, all zero.
    pub fn new(len: usize) -> Self {
        Self::from(MmapRaw::from(MmapOptions::new().len(len).map_anon().unwrap()))
    }

    /// Makes a zone in it.
    pub fn create(&self) -> Result<Zone, RegionError> {
        self.create_with(SECRET)
    }

    /// Makes a zone with this secret in it.
    pub fn create_with(&self, secret: [u8; 16]) -> Result<Zone, RegionError> {
        // SAFETY: mapped for as long as `self`, which the callers keep; zones are all that uses it.
        unsafe { Zone::create(self.base(), self.0.len(), secret) }
    }

    /// The zone that is in it already.
    pub fn attach(&self) -> Result<Zone, RegionError> {
        // SAFETY: as above.
        unsafe { Zone::attach(self.base(), self.0.len()) }
    }

    /// Overwrites the bytes at `offset`, as a fault in other code might.
    pub fn overwrite(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.0.len());
        // SAFETY: within the mapping, as just seen.
        unsafe { self.base().add(offset).as_ptr().copy_from(bytes.as_ptr(), bytes.len()) };
    }

    /// How many bytes of the mapping that it is part of have been touched.
    pub fn resident(&self) -> usize {
        let own = self.base().as_ptr() as usize;
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let holds_own = |line: &&str| {
            let range =
                line.split_ascii_whitespace().next().and_then(|range| range.split_once('-'));
            let address = |text| usize::from_str_radix(text, 16).ok();
            range.and_then(|(start, end)| Some((address(start)?..address(end)?).contains(&own)))
                == Some(true)
        };
        let details = maps.lines().skip_while(|line| !holds_own(line));
        let kilobytes =
            details.filter_map(|line| line.strip_prefix("Rss:")?.split_once(" kB")).next();
        1024 * kilobytes.unwrap().0.trim().parse::<usize>().unwrap()
    }

    /// The word at `offset`.
    pub fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len());
        // SAFETY: within the mapping, as just seen, and aligned, as mappings are; the zone uses
        // the words of its headers as atomics, too.
        unsafe { AtomicU64::from_ptr(self.base().add(offset).as_ptr().cast()) }
    }

    /// Flips a bit, as a fault in the machine might.
    pub fn flip(&self, bit: usize) {
        let offset = bit / 8;
        assert!(offset < self.len());
        // SAFETY: within the mapping, as just seen.
        let byte = unsafe { self.base().add(offset) };
        // SAFETY: as above, and no other thread is using it.
        unsafe { byte.write(byte.read() ^ (1 << (bit % 8))) };
    }

    /// Whether these bytes are anywhere in it.
    pub fn contains(&self, bytes: &[u8]) -> bool {
        // SAFETY: the mapping, which no other thread is using.
        let all = unsafe { std::slice::from_raw_parts(self.base().as_ptr(), self.len()) };
        all.windows(bytes.len()).any(|window| window == bytes)
    }

    /// In bytes; never 0.
    #[allow(clippy::len_without_is_empty, reason = "no mapping is empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn base(&self) -> NonNull<u8> {
        NonNull::new(self.0.as_mut_ptr()).unwrap()
    }
}
