//! Chains of buffers, as body filters get them.

use core::ptr::NonNull;

use nginx_sys::{ngx_alloc_chain_link, ngx_buf_t, ngx_chain_t, ngx_read_file, off_t};

use super::bits::buf::{IN_FILE, LAST_BUF, LAST_IN_CHAIN, MEMORY, MMAP, TEMPORARY};
use super::lasting::Lasting;
use super::pool;
use super::request::{OutOfMemory, Request};

/// A buffer whose data could not be read from its file, or that no memory was left for.
#[derive(Debug)]
pub struct Unreadable;

/// A chain of buffers that a filter was given, or that was made for one. Whoever has it may consume it.
pub struct Chain(*mut ngx_chain_t);

impl Chain {
    /// # Safety
    ///
    /// `chain` is null or a live chain whose buffers the caller may consume.
    pub unsafe fn new(chain: *mut ngx_chain_t) -> Self {
        Self(chain)
    }

    /// Makes a chain of one buffer; `last` ends the request's answer.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn over(request: Request, data: Lasting<[u8]>, last: bool) -> Result<Self, OutOfMemory> {
        // SAFETY: `ngx_calloc_buf()` is this, and zero is a buffer without data.
        let buffer: &mut ngx_buf_t = unsafe { pool::zeroed(request) }?;
        let range = data.as_ptr_range();
        buffer.start = range.start.cast_mut();
        buffer.pos = buffer.start;
        buffer.end = range.end.cast_mut();
        buffer.last = buffer.end;
        MEMORY.set(buffer, 1);
        LAST_BUF.set(buffer, (last && request.is_main()).into());
        LAST_IN_CHAIN.set(buffer, last.into());
        // SAFETY: the pool is the request's.
        let link = unsafe { ngx_alloc_chain_link(request.pool()).as_mut() }.ok_or(OutOfMemory)?;
        link.buf = buffer;
        link.next = core::ptr::null_mut();
        Ok(Self(link))
    }

    pub fn as_ptr(&self) -> *mut ngx_chain_t {
        self.0
    }

    /// The first buffer; null if there is none.
    pub fn first(&self) -> *mut ngx_buf_t {
        // SAFETY: null, or a live chain.
        unsafe { self.0.as_ref() }.map_or(core::ptr::null_mut(), |link| link.buf)
    }

    /// Takes each buffer out of the chain in turn, marking it as sent, so that whoever filled it
    /// may use it again.
    pub fn buffers(self) -> impl Iterator<Item = Buffer> {
        let mut link = self.0;
        core::iter::from_fn(move || {
            // SAFETY: links of a live chain end with a null pointer.
            let current = unsafe { link.as_ref() }?;
            link = current.next;
            NonNull::new(current.buf).map(Buffer)
        })
    }
}

impl Request {
    /// The body that NGINX has read, which the caller may consume.
    pub fn take_body(self) -> Option<Chain> {
        // SAFETY: null, or lives as long as the request; nobody else wants the buffers of a body.
        unsafe { self.raw().request_body.as_ref().map(|body| Chain::new(body.bufs)) }
    }
}

/// One buffer of a chain. It is consumed when dropped.
pub struct Buffer(NonNull<ngx_buf_t>);

impl Buffer {
    /// Whether this is the end of the answer of a request or a subrequest.
    pub fn is_last(&self) -> bool {
        let buffer = self.raw();
        LAST_BUF.is_set(buffer) || LAST_IN_CHAIN.is_set(buffer)
    }

    /// The length of the buffer's data in bytes.
    pub fn len(&self) -> usize {
        let buffer = self.raw();
        if self.in_memory() {
            return (buffer.last as usize).saturating_sub(buffer.pos as usize);
        }
        if !IN_FILE.is_set(buffer) {
            return 0;
        }
        usize::try_from(buffer.file_last.saturating_sub(buffer.file_pos)).unwrap_or(0)
    }

    /// Appends the buffer's data to `sink`, from memory or from the file it is in.
    pub fn append_to(&self, sink: &mut Vec<u8>) -> Result<(), Unreadable> {
        let len = self.len();
        if len == 0 {
            return Ok(());
        }
        sink.try_reserve(len).map_err(|_| Unreadable)?;
        if self.in_memory() {
            // SAFETY: the buffer's data in memory is between `pos` and `last`.
            sink.extend_from_slice(unsafe { core::slice::from_raw_parts(self.raw().pos, len) });
            return Ok(());
        }
        self.read_file(sink, len)
    }

    fn read_file(&self, sink: &mut Vec<u8>, len: usize) -> Result<(), Unreadable> {
        let start = sink.len();
        sink.resize(start.saturating_add(len), 0);
        let target = sink.get_mut(start..).ok_or(Unreadable)?;
        let (file, offset): (_, off_t) = (self.raw().file, self.raw().file_pos);
        // SAFETY: a buffer with `in_file` has a file, and `target` has room for `len` bytes.
        let read = unsafe { ngx_read_file(file, target.as_mut_ptr(), len, offset) };
        if usize::try_from(read) != Ok(len) {
            return Err(Unreadable);
        }
        Ok(())
    }

    fn in_memory(&self) -> bool {
        let buffer = self.raw();
        TEMPORARY.is_set(buffer) || MEMORY.is_set(buffer) || MMAP.is_set(buffer)
    }

    fn raw(&self) -> &ngx_buf_t {
        // SAFETY: buffers outlive the call of the filter that got their chain.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: as in `raw`; the filter owns the data of the chain that it was given.
        let buffer = unsafe { self.0.as_mut() };
        buffer.pos = buffer.last;
        buffer.file_pos = buffer.file_last;
    }
}
