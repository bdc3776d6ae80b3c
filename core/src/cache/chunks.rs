//! Which chunks are free.
//!
//! A map with a bit for each chunk, and a summary with a bit for each word of the map, so that a
//! search passes 4096 used chunks at a step. Neighbouring free chunks join by themselves.

use super::layout::ShardHeader;
use super::region::Corrupt;
use super::shard::{Shard, get, set};
use super::sync::AtomicU64;
use std::sync::atomic::Ordering;

/// Runs looked at for one that holds all that is wanted.
const RUNS_TRIED: u32 = 8;

/// Neighbouring chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) chunks: u32,
}

impl Run {
    fn end(self) -> u32 {
        self.first.saturating_add(self.chunks)
    }
}

/// The chunks of a shard that are free. Only who changes an entry needs them, and nobody who looks for one.
pub(super) struct FreeChunks<'a> {
    header: &'a ShardHeader,
    /// Chunks of the shard.
    chunks: u32,
    /// A bit for each chunk, set if it is free.
    map: &'a [AtomicU64],
    /// A bit for each word of the map, set if the word is not 0.
    summary: &'a [AtomicU64],
}

impl<'a> Shard<'a> {
    pub(super) fn free_chunks(&self) -> Result<FreeChunks<'a>, Corrupt> {
        let Self { region, geometry, offsets, header, .. } = self;
        Ok(FreeChunks {
            header,
            chunks: geometry.chunks,
            map: region.slice(offsets.map, geometry.map_words())?,
            summary: region.slice(offsets.summary, geometry.summary_words())?,
        })
    }

    pub(super) fn free_all_chunks(&self) -> Result<(), Corrupt> {
        let FreeChunks { map, summary, .. } = self.free_chunks()?;
        self.region.fill(self.offsets.map, size_of_val(map), 0xff)?;
        self.region.fill(self.offsets.summary, size_of_val(summary), 0xff)?;
        clear_from(map, self.geometry.chunks as usize);
        clear_from(summary, map.len());
        set(&self.header.free_chunks, self.geometry.chunks);
        set(&self.header.cursor, 0);
        Ok(())
    }
}

impl FreeChunks<'_> {
    /// Takes up to `wanted` neighbouring chunks, one at least: all of them if they are found at
    /// once, else the longest run seen.
    pub(super) fn take(&self, wanted: u32) -> Result<Run, Corrupt> {
        let mut longest = Run { first: 0, chunks: 0 };
        let mut from = get(&self.header.cursor);
        for _ in 0..RUNS_TRIED {
            let first = match self.next_free(from)? {
                Some(first) => first,
                None => self.next_free(0)?.ok_or(Corrupt)?,
            };
            let run = Run { first, chunks: self.run_length(first, wanted) };
            if run.chunks > longest.chunks {
                longest = run;
            }
            if run.chunks >= wanted {
                break;
            }
            from = run.end();
        }
        self.mark(longest, false)?;
        set(&self.header.cursor, longest.end());
        Ok(longest)
    }

    /// Gives back chunks that are in use.
    pub(super) fn free(&self, run: Run) -> Result<(), Corrupt> {
        self.mark(run, true)
    }

    /// Whether `chunk` is free.
    pub(super) fn is_free(&self, chunk: u32) -> bool {
        let word = self.map.get(chunk as usize / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (chunk % 64)) != 0)
    }

    /// Whether map and summary agree.
    pub(super) fn is_summed_up(&self) -> bool {
        let has_free = self.map.iter().map(|word| word.load(Ordering::Relaxed) != 0);
        has_free.enumerate().all(|(word, has_free)| self.summary_says(word) == has_free)
    }

    /// Whether the summary has it that the map's `word` has a free chunk.
    fn summary_says(&self, word: usize) -> bool {
        let summary = self.summary.get(word / 64);
        summary.is_some_and(|bits| bits.load(Ordering::Relaxed) & (1 << (word % 64)) != 0)
    }

    /// The first free chunk at `from` or after.
    fn next_free(&self, from: u32) -> Result<Option<u32>, Corrupt> {
        let word = from as usize / 64;
        let here = self.map.get(word).map_or(0, |bits| bits.load(Ordering::Relaxed));
        let here = here & (u64::MAX << (from % 64));
        if here != 0 {
            return self.chunk(word, here).map(Some);
        }
        let Some(word) = first_set(self.summary, word.saturating_add(1)) else {
            return Ok(None);
        };
        let bits = self.map.get(word).ok_or(Corrupt)?.load(Ordering::Relaxed);
        self.chunk(word, bits).map(Some)
    }

    /// The chunk of the lowest bit in `bits`, which are of the map's `word`.
    fn chunk(&self, word: usize, bits: u64) -> Result<u32, Corrupt> {
        let chunk = word.saturating_mul(64).saturating_add(bits.trailing_zeros() as usize);
        let chunk = u32::try_from(chunk).map_err(|_| Corrupt)?;
        if bits == 0 || chunk >= self.chunks {
            return Err(Corrupt);
        }
        Ok(chunk)
    }

    /// How many chunks from `first` on are free, as far as `wanted`.
    fn run_length(&self, first: u32, wanted: u32) -> u32 {
        let mut chunks = 0_u32;
        let mut at = first;
        while chunks < wanted {
            let Some(bits) = self.map.get(at as usize / 64) else {
                break;
            };
            let used = !bits.load(Ordering::Relaxed) >> (at % 64);
            // The shift brings in zeros, which must not count as free chunks.
            let left = 64_u32.saturating_sub(at % 64);
            let free = used.trailing_zeros().min(left);
            chunks = chunks.saturating_add(free);
            at = at.saturating_add(free);
            if free < left {
                break;
            }
        }
        chunks.min(wanted)
    }

    /// Marks all of `run`, which is marked the other way so far.
    fn mark(&self, run: Run, free: bool) -> Result<(), Corrupt> {
        if run.chunks == 0 || run.end() > self.chunks {
            return Err(Corrupt);
        }
        let mut at = run.first;
        while at < run.end() {
            let bit = at % 64;
            let bits = run.end().saturating_sub(at).min(64_u32.saturating_sub(bit));
            let mask = (u64::MAX >> 64_u32.saturating_sub(bits)) << bit;
            self.mark_word(at as usize / 64, mask, free)?;
            at = at.saturating_add(bits);
        }
        let chunks = get(&self.header.free_chunks);
        let chunks =
            if free { chunks.checked_add(run.chunks) } else { chunks.checked_sub(run.chunks) };
        set(&self.header.free_chunks, chunks.ok_or(Corrupt)?);
        Ok(())
    }

    fn mark_word(&self, word: usize, mask: u64, free: bool) -> Result<(), Corrupt> {
        let entry = self.map.get(word).ok_or(Corrupt)?;
        let bits = entry.load(Ordering::Relaxed);
        let expected = if free { 0 } else { mask };
        if bits & mask != expected {
            return Err(Corrupt);
        }
        let bits = bits ^ mask;
        entry.store(bits, Ordering::Relaxed);
        let summary = self.summary.get(word / 64).ok_or(Corrupt)?;
        let bit = 1_u64 << (word % 64);
        let others = summary.load(Ordering::Relaxed) & !bit;
        summary.store(if bits == 0 { others } else { others | bit }, Ordering::Relaxed);
        Ok(())
    }
}

/// The first set bit at `from` or after.
fn first_set(words: &[AtomicU64], from: usize) -> Option<usize> {
    let mut mask = u64::MAX << (from % 64);
    for (number, word) in words.iter().enumerate().skip(from / 64) {
        let bits = word.load(Ordering::Relaxed) & mask;
        if bits != 0 {
            return Some(number.saturating_mul(64).saturating_add(bits.trailing_zeros() as usize));
        }
        mask = u64::MAX;
    }
    None
}

/// Clears the bits from `count` on: there is nothing that they stand for.
fn clear_from(words: &[AtomicU64], count: usize) {
    if let Some(word) = words.get(count / 64) {
        let kept = !(u64::MAX << (count % 64));
        word.store(word.load(Ordering::Relaxed) & kept, Ordering::Relaxed);
    }
}
