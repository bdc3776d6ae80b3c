//! The zone: what the processes that share it call.

use super::check::{Usage, UsageOfShard, check_shard};
use super::counters::Counters;
use super::error::{CheckError, InsertError, RegionError};
use super::key::{CacheKey, Profile, TokenHash, TokenHasher};
use super::layout::{Geometry, LAYOUT_VERSION, MAGIC, ShardHeader};
use super::lock::{Acquired, Busy, Lock, Process};
use super::region::{Corrupt, Region, Words};
use super::shard::{Shard, Stored, count};
use super::sync::AtomicU64;
use super::{Asked, Entry, Generation, Lookup};
use crate::UnixTime;
use std::sync::atomic::Ordering;

/// Workers read the clock at different moments, and it is set right by some seconds now and then.
/// An answer may be used for so many seconds longer without harm.
const CLOCK_TOLERANCE: u64 = 60;

/// A cache in memory shared by processes.
///
/// All of a token belongs to one of many stripes. Of a stripe is known
///
/// - its generation, which changes when a token of it is purged, or turns out inactive: copies of
///   JWTs outside of the zone are then looked up once more;
/// - its floor, the last question before that: answers to it, and to those before it, are not stored.
///
/// So what happens to one token is felt by few others, and no more than that.
pub struct Zone {
    region: Region,
    geometry: Geometry,
    hasher: TokenHasher,
    generations: Words,
    floors: Words,
}

impl Zone {
    /// The key of `token`, introspected in the way of `profile`.
    pub fn key(&self, token: &[u8], profile: Profile) -> CacheKey {
        CacheKey::new(self.hasher.hash(token), profile)
    }

    /// The profile of `profile` and of values that clients may choose: nobody who does not know the zone's
    /// secret finds other values of the same profile.
    pub fn profile(&self, profile: Profile, values: &[&[u8]]) -> Profile {
        self.hasher.profile(profile, values)
    }

    /// Looks for an answer that may be used at `now`. The JWT of an active token is put into
    /// `jwt`, in place of what was there; otherwise `jwt` means nothing.
    ///
    /// A zone that is locked for too long, or corrupt, has no answer.
    pub fn lookup(
        &self,
        process: &impl Process,
        key: &CacheKey,
        now: UnixTime,
        jwt: &mut Vec<u8>,
    ) -> Lookup {
        self.follow_clock(now);
        self.with_shard_of(key, process, |shard| shard.lookup(key, now, jwt))
            .unwrap_or(Lookup::Miss)
    }

    /// Marks an answer as in use, as a lookup does, without reading it. Whether there is one with a
    /// JWT: a copy of one that is gone should go, too. `None` if the zone cannot be used just now.
    pub fn touch(&self, process: &impl Process, key: &CacheKey, now: UnixTime) -> Option<bool> {
        self.follow_clock(now);
        self.with_shard_of(key, process, |shard| shard.touch(key)).ok()
    }

    /// Begins a question: noted before the authorization server is asked, and later than all that
    /// were begun before.
    pub fn ask(&self) -> Asked {
        let questions = &self.region.zone_header().questions;
        Asked(questions.fetch_add(1, Ordering::SeqCst).wrapping_add(1))
    }

    /// Stores an answer in place of the one that is stored for `key`, if any, and evicts others
    /// until it fits. If it cannot be stored, the former answer is removed all the same, unless it
    /// was asked for later.
    ///
    /// An answer that the token is inactive is to be preceded by [`Zone::forget`].
    ///
    /// # Errors
    ///
    /// [`InsertError`]. None of them is a reason not to use the answer at hand.
    pub fn insert(
        &self,
        process: &impl Process,
        key: &CacheKey,
        entry: Entry<'_>,
        now: UnixTime,
    ) -> Result<(), InsertError> {
        self.follow_clock(now);
        let insert = |shard: &Shard<'_>| {
            let refusal = match shard.remove(key, entry.asked)? {
                Some(Stored { is_later: true, .. }) => Err(InsertError::Outdated),
                _ => self.admit(key, &entry, now),
            };
            if refusal.is_err() {
                count(&shard.header.refusals);
                return Ok(refusal);
            }
            shard.insert(key, &entry, now).map(Ok)
        };
        self.with_shard_of(key, process, insert)?
    }

    /// Removes the answer stored for `key`, and makes copies of it useless, after an answer to a
    /// question begun at `asked` that must not be stored, or says that the token is inactive. No
    /// answer to an earlier question is stored from here on; one to a later question stays.
    ///
    /// If the shard of the token is locked for too long, the whole zone is purged instead.
    pub fn forget(&self, process: &impl Process, key: &CacheKey, asked: Asked) {
        self.raise_floor(key.token(), asked.before());
        match self.with_shard_of(key, process, |shard| shard.remove(key, asked)) {
            // Whoever remembered that the token is inactive has left no copies of a JWT.
            Ok(Some(Stored { is_inactive: true, .. })) => {}
            Ok(_) | Err(Unavailable::Corrupt) => self.next_generation_of(key.token()),
            Err(Unavailable::Busy) => self.purge_all(),
        }
    }

    /// Removes the answers for `token` of every profile. What was known of it before this call
    /// returns is never found after: see [`Zone::generation`].
    ///
    /// If its shard is locked for too long, the whole zone is purged instead.
    pub fn purge_token(&self, process: &impl Process, token: &[u8]) {
        let token = self.hasher.hash(token);
        let number = token.shard(self.geometry.shards);
        self.raise_floor(token, self.last_asked());
        let purged = self.with_shard(number, process, |shard| shard.remove_token(token));
        if matches!(purged, Err(Unavailable::Busy)) {
            return self.purge_all();
        }
        self.next_generation_of(token);
    }

    /// Removes everything, at once.
    pub fn purge_all(&self) {
        let Asked(last) = self.last_asked();
        let floor = &self.region.zone_header().floor;
        for floor in self.floors.iter().chain([floor]) {
            self.read_floor(floor);
        }
        floor.fetch_max(last, Ordering::SeqCst);
        self.next_epoch();
        self.forget_epochs();
        self.generations.iter().for_each(next);
    }

    /// Counts the purges of a token, and of the few others in its stripe. Whoever keeps a copy of an
    /// answer notes the generation *before* it looks for the answer: a copy of another generation
    /// must not be used any more.
    #[inline]
    pub fn generation(&self, key: &CacheKey) -> Generation {
        Generation(self.generations.get(key.token().stripe()).load(Ordering::SeqCst))
    }

    /// The longest JWT that this zone takes, in bytes.
    pub fn longest_jwt(&self) -> usize {
        self.geometry.longest_jwt()
    }

    /// What is in use, and what has happened. Takes no lock, so the numbers may not agree with
    /// each other while the zone is in use.
    pub fn usage(&self) -> Usage {
        let epoch = self.epoch();
        let mut usage = Usage::new(self.region.len(), &self.geometry);
        for number in 0..self.geometry.shards {
            if let Ok(header) = self.region.view::<ShardHeader>(self.geometry.shard(number).header)
            {
                usage.add(UsageOfShard::read(header, epoch, &self.geometry));
            }
        }
        usage
    }

    /// What is counted in this zone. Whoever counts several things at once asks once.
    pub fn counters(&self) -> Counters<'_> {
        let Geometry { first_counter_line, counter_lines, .. } = self.geometry;
        let lines = self.region.slice(first_counter_line, counter_lines);
        Counters::new(lines.unwrap_or_default())
    }

    /// Walks the whole zone, shard by shard under its lock, and proves that each chunk is free or
    /// owned by one entry, that index and lists agree and that the sums add up. Slow: a
    /// millisecond for some thousands of entries, during which a shard is locked.
    ///
    /// # Errors
    ///
    /// [`CheckError::Broken`] names an invariant that does not hold; the shard is left as it is.
    pub fn check(&self, process: &impl Process) -> Result<Usage, CheckError> {
        let mut usage = Usage::new(self.region.len(), &self.geometry);
        for number in 0..self.geometry.shards {
            let broken = |_| CheckError::Broken { shard: number, what: "out of bounds" };
            let shard = Shard::new(&self.region, &self.geometry, number).map_err(broken)?;
            let _lock =
                self.lock(&shard, process).map_err(|_| CheckError::Busy { shard: number })?;
            let epoch = self.epoch();
            if shard.header.epoch.load(Ordering::SeqCst) == epoch {
                check_shard(&shard, number)
                    .map_err(|what| CheckError::Broken { shard: number, what })?;
            }
            usage.add(UsageOfShard::read(shard.header, epoch, &self.geometry));
        }
        Ok(usage)
    }

    pub(super) fn lay_out(region: Region, secret: [u8; 16]) -> Result<Self, RegionError> {
        let geometry = Geometry::new(region.len())?;
        let header = region.zone_header();
        let headers = geometry.shard(0).flights;
        region.fill(0, headers, 0).map_err(|Corrupt| too_small(region.len()))?;
        let [low, high] = halves(secret);
        header.secret[0].store(low, Ordering::Relaxed);
        header.secret[1].store(high, Ordering::Relaxed);
        header.version.store(LAYOUT_VERSION, Ordering::Relaxed);
        header.len.store(region.len() as u64, Ordering::Relaxed);
        header.epoch.store(1, Ordering::Relaxed);
        header.magic.store(MAGIC, Ordering::Release);
        Self::new(region, geometry, &secret)
    }

    pub(super) fn take_up(region: Region) -> Result<Self, RegionError> {
        let header = region.zone_header();
        if header.magic.load(Ordering::Acquire) != MAGIC {
            return Err(RegionError::NotAZone);
        }
        let found = header.version.load(Ordering::Relaxed);
        if found != LAYOUT_VERSION {
            return Err(RegionError::OtherVersion { found, expected: LAYOUT_VERSION });
        }
        let found = header.len.load(Ordering::Relaxed);
        if found != region.len() as u64 {
            return Err(RegionError::OtherLength { found, len: region.len() });
        }
        let geometry = Geometry::new(region.len())?;
        let [low, high] = &header.secret;
        let secret = whole([low.load(Ordering::Relaxed), high.load(Ordering::Relaxed)]);
        Self::new(region, geometry, &secret)
    }

    fn new(region: Region, geometry: Geometry, secret: &[u8; 16]) -> Result<Self, RegionError> {
        let words = |offset| region.words(offset, geometry.stripes);
        let stripes = words(geometry.generations).and_then(|generations| {
            let floors = words(geometry.floors)?;
            Ok((generations, floors))
        });
        let (generations, floors) = stripes.map_err(|Corrupt| too_small(region.len()))?;
        let hasher = TokenHasher::new(secret);
        Ok(Self { region, geometry, hasher, generations, floors })
    }

    /// Whether an answer may be stored now. Called under the shard's lock, after its epoch was
    /// read, so that a purge either is seen here or empties the shard later.
    fn admit(&self, key: &CacheKey, entry: &Entry<'_>, now: UnixTime) -> Result<(), InsertError> {
        let len = entry.answer.jwt().len();
        let longest = self.longest_jwt();
        if len > longest {
            return Err(InsertError::TooLarge { len, longest });
        }
        if entry.stored_lifetime().is_over(now) {
            return Err(InsertError::Expired);
        }
        if entry.asked <= self.floor(key.token()) {
            return Err(InsertError::Outdated);
        }
        Ok(())
    }

    /// Calls `act` on the shard of `key`; see [`Zone::with_shard`].
    pub(super) fn with_shard_of<T>(
        &self,
        key: &CacheKey,
        process: &impl Process,
        act: impl FnOnce(&Shard<'_>) -> Result<T, Corrupt>,
    ) -> Result<T, Unavailable> {
        self.with_shard(key.token().shard(self.geometry.shards), process, act)
    }

    /// Calls `act` on a shard that is locked and up to date. A shard that proves corrupt is
    /// emptied.
    fn with_shard<T>(
        &self,
        number: u32,
        process: &impl Process,
        act: impl FnOnce(&Shard<'_>) -> Result<T, Corrupt>,
    ) -> Result<T, Unavailable> {
        let shard = Shard::new(&self.region, &self.geometry, number)?;
        let _lock = self.lock(&shard, process)?;
        let epoch = self.epoch();
        if shard.header.epoch.load(Ordering::SeqCst) != epoch {
            shard.reset(epoch)?;
        }
        act(&shard).or_else(|Corrupt| {
            count(&shard.header.corruptions);
            shard.reset(epoch)?;
            Err(Unavailable::Corrupt)
        })
    }

    /// Locks a shard; empties it if its last owner died with the lock.
    fn lock<'s>(&self, shard: &Shard<'s>, process: &impl Process) -> Result<Lock<'s>, Busy> {
        let header = shard.header;
        let acquired = Lock::acquire(&header.lock, process);
        match acquired {
            Ok((_, Acquired::Released { waited: false })) => {}
            Ok((_, Acquired::Released { waited: true })) => count(&header.lock_waits),
            Ok((_, Acquired::Abandoned)) => {
                header.epoch.store(0, Ordering::SeqCst);
                count(&header.takeovers);
            }
            Err(Busy) => {
                header.lock_timeouts.fetch_add(1, Ordering::Relaxed);
            }
        }
        acquired.map(|(lock, _)| lock)
    }

    /// Purges everything when the clock was set back: how old an answer is can then not be told from
    /// the times stored with it, and it would be used for longer than it may be.
    fn follow_clock(&self, now: UnixTime) {
        let clock = &self.region.zone_header().clock;
        let latest = clock.load(Ordering::Relaxed);
        if now.0 > latest {
            clock.fetch_max(now.0, Ordering::Relaxed);
            return;
        }
        if latest.saturating_sub(now.0) > CLOCK_TOLERANCE {
            // A process may die after the first step, and several may come here at once: better
            // purged twice than never.
            self.purge_all();
            _ = clock.compare_exchange(latest, now.0, Ordering::SeqCst, Ordering::Relaxed);
        }
    }

    /// Never 0, which stands for a shard that is to be emptied, not even if memory has it so.
    fn epoch(&self) -> u64 {
        match self.region.zone_header().epoch.load(Ordering::SeqCst) {
            0 => self.next_epoch(),
            epoch => epoch,
        }
    }

    fn next_epoch(&self) -> u64 {
        let epoch = &self.region.zone_header().epoch;
        epoch.fetch_add(1, Ordering::SeqCst).wrapping_add(1).max(1)
    }

    /// Where memory was overwritten, the next epoch may be one that a shard has had before.
    fn forget_epochs(&self) {
        for number in 0..self.geometry.shards {
            if let Ok(header) = self.region.view::<ShardHeader>(self.geometry.shard(number).header)
            {
                header.epoch.store(0, Ordering::SeqCst);
            }
        }
    }

    fn next_generation_of(&self, token: TokenHash) {
        next(self.generations.get(token.stripe()));
    }

    /// The last question that was begun.
    fn last_asked(&self) -> Asked {
        Asked(self.region.zone_header().questions.load(Ordering::SeqCst))
    }

    /// The last question whose answer is not stored any more.
    fn floor(&self, token: TokenHash) -> Asked {
        let of_all = self.read_floor(&self.region.zone_header().floor);
        let of_stripe = self.read_floor(self.floors.get(token.stripe()));
        of_all.max(of_stripe)
    }

    /// Where memory was overwritten, a floor may be above all questions. It must not stay there, or
    /// nothing would be stored any more.
    fn read_floor(&self, word: &AtomicU64) -> Asked {
        let floor = word.load(Ordering::SeqCst);
        let Asked(last) = self.last_asked();
        if floor > last {
            _ = word.compare_exchange(floor, last, Ordering::SeqCst, Ordering::Relaxed);
        }
        Asked(floor.min(last))
    }

    fn raise_floor(&self, token: TokenHash, Asked(number): Asked) {
        self.floors.get(token.stripe()).fetch_max(number, Ordering::SeqCst);
    }
}

fn next(generation: &AtomicU64) {
    generation.fetch_add(1, Ordering::SeqCst);
}

/// Why a shard cannot be used just now.
pub(super) enum Unavailable {
    Busy,
    Corrupt,
}

impl From<Busy> for Unavailable {
    fn from(Busy: Busy) -> Self {
        Self::Busy
    }
}

impl From<Corrupt> for Unavailable {
    fn from(Corrupt: Corrupt) -> Self {
        Self::Corrupt
    }
}

impl From<Unavailable> for InsertError {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Busy => Self::Busy,
            Unavailable::Corrupt => Self::Corrupt,
        }
    }
}

pub(super) fn too_small(len: usize) -> RegionError {
    RegionError::TooSmall { len, minimum: super::layout::MINIMUM_LEN }
}

fn halves(secret: [u8; 16]) -> [u64; 2] {
    let secret = u128::from_le_bytes(secret);
    [secret as u64, (secret >> 64) as u64]
}

fn whole([low, high]: [u64; 2]) -> [u8; 16] {
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}
