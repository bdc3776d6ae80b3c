//! Zones to test with.

use memmap2::{MmapOptions, MmapRaw};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{
    Answer, CacheKey, Entry, InsertError, Lookup, OwnerId, Process, Profile, RegionError, Zone,
};
use std::fs;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

pub const SECRET: [u8; 16] = *b"0123456789abcdef";
pub const MEGABYTE: usize = 1 << 20;

/// Memory that zones are made in.
pub struct Memory(MmapRaw);

impl From<MmapRaw> for Memory {
    fn from(map: MmapRaw) -> Self {
        Self(map)
    }
}

impl Memory {
    pub fn new(len: usize) -> Self {
        Self::from(MmapRaw::from(MmapOptions::new().len(len).map_anon().unwrap()))
    }

    pub fn create(&self) -> Result<Zone, RegionError> {
        self.create_with(SECRET)
    }

    pub fn create_with(&self, secret: [u8; 16]) -> Result<Zone, RegionError> {
        // SAFETY: mapped for as long as `self`, which the callers keep; zones are all that uses it.
        unsafe { Zone::create(self.base(), self.0.len(), secret) }
    }

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

    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn base(&self) -> NonNull<u8> {
        NonNull::new(self.0.as_mut_ptr()).unwrap()
    }
}

/// A zone in memory of its own, used by one process that never waits in vain.
pub struct TestZone {
    zone: Zone,
    pub memory: Memory,
}

impl TestZone {
    pub fn new(len: usize) -> Self {
        let memory = Memory::new(len);
        Self { zone: memory.create().unwrap(), memory }
    }

    /// The zone that is in `memory` already.
    pub fn take_up(memory: Memory) -> Self {
        Self { zone: memory.attach().unwrap(), memory }
    }

    pub fn key_of(&self, token: &str) -> CacheKey {
        self.key(token.as_bytes(), Profile::new(&[]))
    }

    pub fn find(&self, token: &str, now: u64) -> (Lookup, Vec<u8>) {
        let mut jwt = Vec::new();
        let lookup = self.lookup(&ALONE, &self.key_of(token), UnixTime(now), &mut jwt);
        (lookup, jwt)
    }

    /// Whether the token has a fresh answer at 0.
    pub fn has(&self, token: &str) -> bool {
        matches!(self.find(token, 0).0, Lookup::Fresh { .. } | Lookup::Inactive { .. })
    }

    pub fn store(&self, token: &str, entry: Entry<'_>) -> Result<(), InsertError> {
        self.insert(&ALONE, &self.key_of(token), entry, UnixTime(0))
    }

    /// An entry that is fresh until 100.
    pub fn fresh<'a>(&self, answer: Answer<'a>) -> Entry<'a> {
        Entry { answer, ..fresh(self, &[]) }
    }

    pub fn store_jwt(&self, token: &str, jwt: &[u8]) {
        self.store(token, self.fresh(Answer::Active(jwt))).unwrap();
    }

    /// Proves the invariants.
    pub fn assert_sound(&self) {
        self.check(&ALONE).unwrap();
    }
}

impl Deref for TestZone {
    type Target = Zone;

    fn deref(&self) -> &Zone {
        &self.zone
    }
}

/// An entry that is fresh until 100.
pub fn fresh<'a>(zone: &Zone, jwt: &'a [u8]) -> Entry<'a> {
    Entry {
        answer: Answer::Active(jwt),
        fresh_until: UnixTime(100),
        stale_until: UnixTime(100),
        expires: None,
        asked: zone.ask(),
    }
}

/// A process, or a thread that stands for one. Those with ids up to `living` are alive.
pub struct TestProcess {
    pub id: u64,
    pub living: u64,
}

pub const ALONE: TestProcess = TestProcess { id: 1, living: 1 };

impl Process for TestProcess {
    fn id(&self) -> OwnerId {
        OwnerId(NonZeroU64::new(self.id).unwrap())
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        id.0.get() <= self.living
    }

    fn relax(&self) {
        std::thread::yield_now();
    }
}

/// Numbers that look random and are the same every time.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
