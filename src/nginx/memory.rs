//! Memory for Rust's collections, also at a moment when the system has none to give.
//!
//! A collection that gets no memory ends the process, and with a worker all its connections end.
//! NGINX refuses the one request instead. So what the system does not give comes out of a reserve,
//! which is there from the start and takes no memory before it is used. The request then fails by
//! NGINX's own means as soon as it asks for memory from its pool, or gets by.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator with a reserve.
pub struct Allocator {
    reserve: Reserve,
}

impl Allocator {
    pub const fn new() -> Self {
        Self { reserve: Reserve::new() }
    }
}

// SAFETY: memory is the system's or the reserve's, and goes back to where it came from. Blocks of the
// reserve never overlap, and go back with the layout that they were taken with, since `realloc` moves.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() { self.reserve.alloc(layout) } else { memory }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if self.reserve.owns(memory) {
            return self.reserve.dealloc(memory, layout);
        }
        // SAFETY: the caller's promise, and it did not come from the reserve.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.reserve.owns(memory) {
            // SAFETY: the caller's promise, and it did not come from the reserve.
            let grown = unsafe { System.realloc(memory, layout, size) };
            if !grown.is_null() {
                return grown;
            }
        }
        // SAFETY: the caller's promise about `size`; both blocks have as many bytes as are copied,
        // and are different.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(memory, new, layout.size().min(size));
                self.dealloc(memory, layout);
            }
            new
        }
    }
}

/// Bytes of the reserve: several of the largest introspection answers by default.
const LEN: usize = 1 << 20;
/// The sizes of blocks. A block once taken keeps its size.
const SIZES: [usize; 7] = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10];

struct Reserve {
    memory: Memory,
    blocks: UnsafeCell<Blocks>,
    is_locked: AtomicBool,
}

#[repr(align(64))]
struct Memory(UnsafeCell<[u8; LEN]>);

struct Blocks {
    /// Bytes from which blocks were taken.
    used: usize,
    /// The first free block of each size, which begins with a pointer to the next.
    free: [*mut u8; SIZES.len()],
}

// SAFETY: both cells are used under the lock alone, but for the address of the memory.
unsafe impl Sync for Reserve {}

impl Reserve {
    const fn new() -> Self {
        Self {
            memory: Memory(UnsafeCell::new([0; LEN])),
            blocks: UnsafeCell::new(Blocks { used: 0, free: [ptr::null_mut(); SIZES.len()] }),
            is_locked: AtomicBool::new(false),
        }
    }

    fn owns(&self, memory: *mut u8) -> bool {
        (memory as usize).wrapping_sub(self.memory.0.get() as usize) < LEN
    }

    fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((class, size)) = class(layout) else {
            return ptr::null_mut();
        };
        self.with_blocks(|blocks| {
            let Some(first) = blocks.free.get_mut(class) else {
                return ptr::null_mut();
            };
            if !first.is_null() {
                let block = *first;
                // SAFETY: a free block begins with a pointer to the next.
                *first = unsafe { block.cast::<*mut u8>().read() };
                return block;
            }
            let end = blocks.used.saturating_add(size);
            if end > LEN {
                return ptr::null_mut();
            }
            let block = self.memory.0.get().cast::<u8>().wrapping_add(blocks.used);
            blocks.used = end;
            block
        })
    }

    fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.with_blocks(|blocks| {
            let first = class(layout).and_then(|(class, _)| blocks.free.get_mut(class));
            let Some(first) = first else {
                return;
            };
            // SAFETY: a block is aligned to, and has room for, a pointer, and is nobody's now.
            unsafe { block.cast::<*mut u8>().write(*first) };
            *first = block;
        });
    }

    /// A worker has one thread, so the lock is never held for long.
    fn with_blocks<T>(&self, act: impl FnOnce(&mut Blocks) -> T) -> T {
        while self.is_locked.swap(true, Ordering::Acquire) {
            core::hint::spin_loop();
        }
        // SAFETY: the lock is held.
        let result = act(unsafe { &mut *self.blocks.get() });
        self.is_locked.store(false, Ordering::Release);
        result
    }
}

/// The place of the smallest size that is enough, and that size. All blocks are aligned to the
/// smallest one.
fn class(layout: Layout) -> Option<(usize, usize)> {
    if layout.align() > 64 {
        return None;
    }
    SIZES.into_iter().enumerate().find(|&(_, size)| layout.size() <= size)
}

// `tests/reserve.rs` runs these: tests of this crate itself cannot be linked, for want of NGINX.
#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    /// Takes blocks of a size until there are no more.
    fn exhaust(reserve: &Reserve, size: usize) -> Vec<*mut u8> {
        let blocks = std::iter::repeat_with(|| reserve.alloc(layout(size)));
        blocks.take_while(|block| !block.is_null()).collect()
    }

    #[test]
    fn blocks_are_aligned_and_never_overlap() {
        static RESERVE: Reserve = Reserve::new();
        let reserve = &RESERVE;
        let mut taken: Vec<(usize, usize)> = Vec::new();
        for size in [1, 64, 65, 5_000, 300, 70_000, 64, 200_000] {
            let block = reserve.alloc(layout(size));

            assert!(reserve.owns(block) && reserve.owns(block.wrapping_add(size - 1)), "{size}");
            assert_eq!(block as usize % 64, 0, "{size}");
            taken.push((block as usize, block as usize + size));
        }
        taken.sort_unstable();
        assert!(taken.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{taken:?}");
    }

    #[test]
    fn a_block_that_is_given_back_is_used_again_for_its_size() {
        static RESERVE: Reserve = Reserve::new();
        let reserve = &RESERVE;
        let (first, other) = (reserve.alloc(layout(100)), reserve.alloc(layout(2_000)));

        reserve.dealloc(first, layout(100));

        assert_ne!(reserve.alloc(layout(2_000)), other);
        assert_eq!(reserve.alloc(layout(256)), first);
    }

    #[test]
    fn a_reserve_that_is_used_up_gives_nothing_until_something_comes_back() {
        static RESERVE: Reserve = Reserve::new();
        let reserve = &RESERVE;
        let blocks = exhaust(reserve, 4_096);
        assert_eq!(blocks.len(), LEN / 4_096);

        reserve.dealloc(blocks[7], layout(4_096));

        assert_eq!(exhaust(reserve, 4_096), [blocks[7]]);
    }

    #[test]
    fn what_it_has_no_block_for_is_not_given() {
        static RESERVE: Reserve = Reserve::new();
        let reserve = &RESERVE;

        assert!(reserve.alloc(layout(LEN)).is_null());
        assert!(reserve.alloc(Layout::from_size_align(8, 128).unwrap()).is_null());
    }

    #[test]
    fn what_grows_out_of_the_reserve_keeps_its_bytes() {
        static ALLOCATOR: Allocator = Allocator::new();
        let allocator = &ALLOCATOR;
        let block = allocator.reserve.alloc(layout(100));
        // SAFETY: the block has that many bytes, and the layouts are those it was taken with.
        let grown = unsafe {
            block.write_bytes(b'j', 100);
            let grown = allocator.realloc(block, layout(100), 3_000);
            assert_eq!(std::slice::from_raw_parts(grown, 100), [b'j'; 100]);
            allocator.dealloc(grown, layout(3_000));
            grown
        };
        assert!(!allocator.reserve.owns(grown), "the system had memory");
        assert_eq!(allocator.reserve.alloc(layout(100)), block, "it went back to the reserve");
    }
}
