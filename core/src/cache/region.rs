//! The memory of a zone: the only module of this crate with `unsafe` in it.
//!
//! A zone is mapped by several processes at once, so nothing in it may ever be borrowed as plain
//! data: another process could change the bytes under a `&T`. There are two ways in, and both are
//! sound whatever the bytes are and whoever writes them:
//!
//! - [`Region::view`] and [`Region::slice`] lend out types made of atomics alone. An atomic may be
//!   changed by anybody at any time, and each of its bit patterns is a value.
//! - [`Region::append_to`], [`Region::write`] and [`Region::fill`] copy bytes through raw pointers
//!   and lend out nothing. The shard lock orders these copies: whoever gets the lock sees all that
//!   its last holder wrote. Should a process break the lock's protocol, it can only change what
//!   the copied bytes are, and every byte is a valid `u8`.
//!
//! Atomics on memory shared by processes are what `pthread` mutexes and NGINX's own `ngx_atomic_t`
//! stand on: lock-free atomics work on physical memory, so the same instructions order processes
//! as they order threads.
//!
//! Offsets come from that memory too, so none is trusted: each access checks its bounds and its
//! alignment and answers [`Corrupt`] when they do not hold.

#![allow(unsafe_code)]

use super::error::RegionError;
use super::layout::{CounterLine, EntryHeader, FlightHeader, RunHeader, ShardHeader, ZoneHeader};
use super::sync::{AtomicU32, AtomicU64, access_memory};
use super::zone::{Zone, too_small};
use std::mem::{align_of, size_of};
use std::ptr::NonNull;
use std::slice;

impl Zone {
    /// Lays out a new, empty zone in `base..base + len`, whatever is in there. The secret keys
    /// the hash of tokens and must be random.
    ///
    /// Only the first few pages are touched: the rest is initialised as it comes into use.
    ///
    /// # Errors
    ///
    /// [`RegionError::TooSmall`], [`RegionError::TooLarge`].
    ///
    /// # Safety
    ///
    /// `base..base + len` is mapped, readable and writable, for as long as the zone lives; all
    /// that is done to it, by any process, is done through zones of this layout version; and no
    /// other process uses it before this function returns.
    pub unsafe fn create(
        base: NonNull<u8>,
        len: usize,
        secret: [u8; 16],
    ) -> Result<Self, RegionError> {
        // SAFETY: the caller's promise.
        let region = unsafe { Region::new(base, len) };
        Self::lay_out(region.ok_or(too_small(len))?, secret)
    }

    /// Takes up a zone that [`Zone::create`] has laid out, with all its entries.
    ///
    /// # Errors
    ///
    /// [`RegionError`], if this is no zone of this layout and length.
    ///
    /// # Safety
    ///
    /// `base..base + len` is mapped, readable and writable, for as long as the zone lives, and
    /// all that is done to it, by any process, is done through zones of this layout version.
    pub unsafe fn attach(base: NonNull<u8>, len: usize) -> Result<Self, RegionError> {
        // SAFETY: the caller's promise.
        let region = unsafe { Region::new(base, len) };
        Self::take_up(region.ok_or(too_small(len))?)
    }
}

/// What is in the memory cannot be: a reference out of bounds, a list that does not join up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

/// Types that may be lent out from shared memory.
///
/// # Safety
///
/// The type is made of atomics alone, without padding, and every bit pattern is a value of it.
pub(super) unsafe trait Shared {}

// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU32 {}
// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU64 {}
// SAFETY: `repr(C)` with atomic fields only, padded by atomics.
unsafe impl Shared for ZoneHeader {}
// SAFETY: `repr(C)` with atomic fields only, padded by atomics.
unsafe impl Shared for CounterLine {}
// SAFETY: `repr(C)` with atomic fields only, padded by atomics.
unsafe impl Shared for ShardHeader {}
// SAFETY: `repr(C)` with atomic fields only.
unsafe impl Shared for EntryHeader {}
// SAFETY: `repr(C)` with atomic fields only.
unsafe impl Shared for RunHeader {}
// SAFETY: `repr(C)` with atomic fields only, which fill it.
unsafe impl Shared for FlightHeader {}

/// A stretch of shared memory that begins at a multiple of [`Region::ALIGN`].
pub(super) struct Region {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to no thread, and every access to it is atomic or a raw copy.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// Words of a region that are read often. Whoever keeps them keeps the region with them.
pub(super) struct Words {
    first: NonNull<AtomicU64>,
    mask: usize,
}

// SAFETY: the memory belongs to no thread, and every access to it is atomic.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// The word of that number, of which only as many bits count as there are words.
    #[inline]
    pub(super) fn get(&self, number: u64) -> &AtomicU64 {
        let index = number as usize & self.mask;
        // SAFETY: `Region::words` saw that many words, and one more than `mask`; the region is kept.
        unsafe { self.first.add(index).as_ref() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &AtomicU64> {
        (0..=self.mask as u64).map(|number| self.get(number))
    }
}

impl Region {
    /// Alignment of the region's first byte: a cache line.
    pub(super) const ALIGN: usize = 64;

    /// Takes `base..base + len`, less what is needed to begin at a multiple of [`Region::ALIGN`].
    /// `None` if there is no room for a zone header.
    ///
    /// # Safety
    ///
    /// `base..base + len` is mapped, readable and writable, for as long as the `Region` lives, and
    /// all that this process does to it is done through a `Region`.
    pub(super) unsafe fn new(base: NonNull<u8>, len: usize) -> Option<Self> {
        let skipped = base.as_ptr().align_offset(Self::ALIGN);
        let len = len.checked_sub(skipped).filter(|&len| len >= size_of::<ZoneHeader>())?;
        // SAFETY: `skipped` is at most `len`, so the sum stays inside the mapping.
        let base = unsafe { base.add(skipped) };
        Some(Self { base, len })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The header at the region's start.
    pub(super) fn zone_header(&self) -> &ZoneHeader {
        // SAFETY: `new` made sure of length and alignment; `ZoneHeader` is `Shared`.
        unsafe { self.base.cast::<ZoneHeader>().as_ref() }
    }

    /// The `T` at `offset`.
    pub(super) fn view<T: Shared>(&self, offset: usize) -> Result<&T, Corrupt> {
        let at = self.range(offset, size_of::<T>(), align_of::<T>())?;
        // SAFETY: `range` checked bounds and alignment; `T` is `Shared`.
        Ok(unsafe { at.cast::<T>().as_ref() })
    }

    /// The `count` values of `T` that begin at `offset`.
    pub(super) fn slice<T: Shared>(&self, offset: usize, count: usize) -> Result<&[T], Corrupt> {
        let bytes = count.checked_mul(size_of::<T>()).ok_or(Corrupt)?;
        let at = self.range(offset, bytes, align_of::<T>())?;
        // SAFETY: `range` checked bounds and alignment; `T` is `Shared`.
        Ok(unsafe { slice::from_raw_parts(at.cast::<T>().as_ptr(), count) })
    }

    /// The `count` words that begin at `offset`, `count` being a power of two.
    pub(super) fn words(&self, offset: usize, count: usize) -> Result<Words, Corrupt> {
        let words = NonNull::from(self.slice::<AtomicU64>(offset, count)?);
        if !count.is_power_of_two() {
            return Err(Corrupt);
        }
        Ok(Words { first: words.cast(), mask: count.wrapping_sub(1) })
    }

    /// Appends a copy of `len` bytes at `offset` to `to`.
    pub(super) fn append_to(
        &self,
        offset: usize,
        len: usize,
        to: &mut Vec<u8>,
    ) -> Result<(), Corrupt> {
        let from = self.range(offset, len, 1)?;
        to.try_reserve(len).map_err(|_| Corrupt)?;
        access_memory();
        // SAFETY: `from` has `len` readable bytes, the vector `len` spare ones after the reserve;
        // the vector is private memory, so they do not overlap. The bytes copied are initialised
        // and `set_len` takes in just them, no more than the capacity.
        unsafe {
            to.as_mut_ptr().add(to.len()).copy_from_nonoverlapping(from.as_ptr(), len);
            to.set_len(to.len().wrapping_add(len));
        }
        Ok(())
    }

    /// Copies `bytes` to `offset`.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Corrupt> {
        let to = self.range(offset, bytes.len(), 1)?;
        access_memory();
        // SAFETY: `to` has room for `bytes`, which are private memory: no overlap.
        unsafe { to.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Sets `len` bytes at `offset` to `byte`.
    pub(super) fn fill(&self, offset: usize, len: usize, byte: u8) -> Result<(), Corrupt> {
        let to = self.range(offset, len, 1)?;
        access_memory();
        // SAFETY: `to` has `len` writable bytes.
        unsafe { to.as_ptr().write_bytes(byte, len) };
        Ok(())
    }

    fn range(&self, offset: usize, len: usize, align: usize) -> Result<NonNull<u8>, Corrupt> {
        let end = offset.checked_add(len).ok_or(Corrupt)?;
        if end > self.len || offset & align.wrapping_sub(1) != 0 {
            return Err(Corrupt);
        }
        // SAFETY: `offset <= end <= self.len`, so the sum stays inside the mapping. The base is
        // aligned to a cache line, which is a multiple of every `align` in use.
        Ok(unsafe { self.base.add(offset) })
    }
}
