//! The bytes of an entry: its header and its JWT, in one or more runs of chunks.

use super::chunks::Run;
use super::layout::{CHUNK, EntryHeader, LEN_BITS, RunHeader};
use super::region::Corrupt;
use super::shard::{EntryNumber, Shard, get, set};
use std::mem::size_of;

impl<'a> Shard<'a> {
    pub(super) fn free_runs(
        &self,
        number: EntryNumber,
        entry: &EntryHeader,
    ) -> Result<(), Corrupt> {
        let mut run = Run { first: number.0, chunks: get(&entry.run.chunks) };
        let mut next = self.follow(&entry.run.next)?;
        let free_chunks = self.free_chunks()?;
        free_chunks.free(run)?;
        // Each run frees a chunk at least, and a chunk that is free already is an error: a
        // circle of runs ends.
        while let Some(EntryNumber(first)) = next {
            let header = self.run(first)?;
            run = Run { first, chunks: get(&header.chunks) };
            next = self.follow(&header.next)?;
            free_chunks.free(run)?;
        }
        Ok(())
    }

    /// Takes chunks for an entry and writes the JWT into them. Enough chunks are free.
    pub(super) fn write_entry(
        &self,
        jwt: &[u8],
    ) -> Result<(EntryNumber, &'a EntryHeader), Corrupt> {
        let free_chunks = self.free_chunks()?;
        let run = free_chunks.take(chunks_for(size_of::<EntryHeader>(), jwt.len()))?;
        let number = EntryNumber(run.first);
        let entry = self.entry(number)?;
        set(&entry.len, u32::try_from(jwt.len()).map_err(|_| Corrupt)?);
        set(&entry.run.chunks, run.chunks);
        let mut rest = self.write_run(run, size_of::<EntryHeader>(), jwt)?;
        let mut link = &entry.run.next;
        while !rest.is_empty() {
            let run = free_chunks.take(chunks_for(size_of::<RunHeader>(), rest.len()))?;
            let header = self.run(run.first)?;
            set(&header.chunks, run.chunks);
            set(link, run.first.wrapping_add(1));
            link = &header.next;
            rest = self.write_run(run, size_of::<RunHeader>(), rest)?;
        }
        set(link, 0);
        Ok((number, entry))
    }

    /// Writes as much of `jwt` as fits after the header of `run`; what is left.
    fn write_run<'j>(&self, run: Run, header: usize, jwt: &'j [u8]) -> Result<&'j [u8], Corrupt> {
        let (at, room) = self.payload(run, header)?;
        let (here, rest) = jwt.split_at_checked(room).unwrap_or((jwt, &[]));
        self.region.write(at, here)?;
        Ok(rest)
    }

    /// Copies the JWT of an entry out; whether there was memory for it.
    pub(super) fn copy_jwt(
        &self,
        number: EntryNumber,
        entry: &EntryHeader,
        jwt: &mut Vec<u8>,
    ) -> Result<bool, Corrupt> {
        jwt.clear();
        let mut rest = jwt_len(entry) as usize;
        if rest > self.geometry.longest_jwt() {
            return Err(Corrupt);
        }
        if jwt.try_reserve_exact(rest).is_err() {
            return Ok(false);
        }
        let mut run = Run { first: number.0, chunks: get(&entry.run.chunks) };
        let mut header = size_of::<EntryHeader>();
        let mut next = &entry.run.next;
        loop {
            let (at, room) = self.payload(run, header)?;
            let here = rest.min(room);
            self.region.append_to(at, here, jwt)?;
            rest = rest.saturating_sub(here);
            if rest == 0 {
                return Ok(true);
            }
            let EntryNumber(first) = self.follow(next)?.ok_or(Corrupt)?;
            let run_header = self.run(first)?;
            run = Run { first, chunks: get(&run_header.chunks) };
            header = size_of::<RunHeader>();
            next = &run_header.next;
        }
    }

    /// Where the bytes behind a run's header are, and how many.
    pub(super) fn payload(&self, run: Run, header: usize) -> Result<(usize, usize), Corrupt> {
        let end = run.first.checked_add(run.chunks).ok_or(Corrupt)?;
        if run.chunks == 0 || end > self.geometry.chunks {
            return Err(Corrupt);
        }
        let at = self.chunk_offset(run.first)?.wrapping_add(header);
        let len = (run.chunks as usize).wrapping_mul(CHUNK).saturating_sub(header);
        Ok((at, len))
    }
}

/// The length of an entry's JWT in bytes.
pub(super) fn jwt_len(entry: &EntryHeader) -> u32 {
    get(&entry.len) & !(u32::MAX << LEN_BITS)
}

/// Neighbouring chunks that hold a header and `len` bytes.
fn chunks_for(header: usize, len: usize) -> u32 {
    u32::try_from(len.saturating_add(header).div_ceil(CHUNK)).unwrap_or(u32::MAX)
}
