//! How entries are linked: in the buckets of the index, and in the LRU lists.

use super::key::{CacheKey, TokenHash};
use super::layout::{EntryHeader, ListHeader};
use super::region::Corrupt;
use super::shard::{EntryNumber, Shard, get, set};
use super::sync::AtomicU32;
use std::sync::atomic::Ordering;

impl<'a> Shard<'a> {
    /// The entry of `key`.
    pub(super) fn find(
        &self,
        key: &CacheKey,
    ) -> Result<Option<(EntryNumber, &'a EntryHeader)>, Corrupt> {
        let profile = key.profile().value();
        self.find_with(key.token(), |entry| entry.profile.load(Ordering::Relaxed) == profile)
    }

    /// The first entry of `token` that `matches`.
    pub(super) fn find_with(
        &self,
        token: TokenHash,
        matches: impl Fn(&EntryHeader) -> bool,
    ) -> Result<Option<(EntryNumber, &'a EntryHeader)>, Corrupt> {
        let mut reference = self.bucket(token)?;
        // One round more than there are entries, to see the end of the longest chain.
        for _ in 0..=self.entries() {
            let Some(number) = self.follow(reference)? else {
                return Ok(None);
            };
            let entry = self.entry(number)?;
            if token_of(entry) == token && matches(entry) {
                return Ok(Some((number, entry)));
            }
            reference = &entry.bucket_next;
        }
        Err(Corrupt)
    }

    pub(super) fn link_in_bucket(
        &self,
        token: TokenHash,
        number: EntryNumber,
        entry: &EntryHeader,
    ) -> Result<(), Corrupt> {
        let bucket = self.bucket(token)?;
        set(&entry.bucket_next, get(bucket));
        set(bucket, number.reference());
        Ok(())
    }

    pub(super) fn unlink_from_bucket(
        &self,
        number: EntryNumber,
        entry: &EntryHeader,
    ) -> Result<(), Corrupt> {
        let mut reference = self.bucket(token_of(entry))?;
        for _ in 0..=self.entries() {
            let found = self.follow(reference)?.ok_or(Corrupt)?;
            if found == number {
                set(reference, get(&entry.bucket_next));
                return Ok(());
            }
            reference = &self.entry(found)?.bucket_next;
        }
        Err(Corrupt)
    }

    pub(super) fn link_as_newest(
        &self,
        list: &ListHeader,
        number: EntryNumber,
        entry: &EntryHeader,
    ) -> Result<(), Corrupt> {
        let newest = self.follow(&list.head)?;
        set(&entry.newer, 0);
        set(&entry.older, get(&list.head));
        match newest {
            Some(newest) => set(&self.entry(newest)?.newer, number.reference()),
            None => set(&list.tail, number.reference()),
        }
        set(&list.head, number.reference());
        set(&list.entries, get(&list.entries).checked_add(1).ok_or(Corrupt)?);
        Ok(())
    }

    pub(super) fn unlink_from_list(
        &self,
        list: &ListHeader,
        number: EntryNumber,
        entry: &EntryHeader,
    ) -> Result<(), Corrupt> {
        let newer = match self.follow(&entry.newer)? {
            Some(newer) => &self.entry(newer)?.older,
            None => &list.head,
        };
        let older = match self.follow(&entry.older)? {
            Some(older) => &self.entry(older)?.newer,
            None => &list.tail,
        };
        if get(newer) != number.reference() || get(older) != number.reference() {
            return Err(Corrupt);
        }
        set(newer, get(&entry.older));
        set(older, get(&entry.newer));
        set(&list.entries, get(&list.entries).checked_sub(1).ok_or(Corrupt)?);
        Ok(())
    }

    pub(super) fn bucket(&self, token: TokenHash) -> Result<&'a AtomicU32, Corrupt> {
        let bucket = token.bucket(self.geometry.buckets);
        self.index.get(bucket as usize).ok_or(Corrupt)
    }
}

impl EntryNumber {
    /// As it is written to memory.
    pub(super) fn reference(self) -> u32 {
        self.0.wrapping_add(1)
    }
}

pub(super) fn token_of(entry: &EntryHeader) -> TokenHash {
    let [high, low] = &entry.token;
    TokenHash { high: high.load(Ordering::Relaxed), low: low.load(Ordering::Relaxed) }
}
