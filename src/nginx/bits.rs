//! NGINX's bit-fields, at the places where C has them.
//!
//! `nginx-sys` has methods for bit-fields. Since NGINX 1.29.3 many of them read and write a neighbour:
//! `bindgen` 0.72, which generates them, takes another place for a bit-field that follows certain members
//! than C does. So the module uses none of them (`tests/layout.rs`), but the constants below, whose
//! places come from NGINX's C compiler. All other members are compared with what that compiler says, and
//! a difference does not compile. The build script, in `build/`, reads all this from C.

use core::marker::PhantomData;
use core::mem::offset_of;
use core::ptr;

/// A bit-field of the structure `S`.
pub struct Bits<S> {
    /// Bytes from the beginning of the structure to the integer that has the bits.
    offset: usize,
    /// Bytes of that integer.
    size: usize,
    /// Bits of that integer below the bit-field.
    shift: u32,
    /// As many ones as the bit-field has bits.
    mask: u64,
    of: PhantomData<fn(&S)>,
}

#[allow(clippy::arithmetic_side_effects, reason = "`new` does not compile with what overflows")]
impl<S> Bits<S> {
    const fn new(offset: usize, size: usize, shift: u32, width: u32) -> Self {
        assert!(offset + size <= size_of::<S>());
        assert!(width > 0 && (shift + width) as usize <= size * 8);
        Self { offset, size, shift, mask: u64::MAX >> (64 - width), of: PhantomData }
    }

    #[inline]
    pub fn is_set(&self, structure: &S) -> bool {
        self.get(structure) != 0
    }

    #[inline]
    pub fn get(&self, structure: &S) -> u64 {
        (self.read(structure) >> self.shift) & self.mask
    }

    /// Takes the low bits of `value`.
    #[inline]
    pub fn set(&self, structure: &mut S, value: u64) {
        let others = self.read(structure) & !(self.mask << self.shift);
        self.write(structure, others | (value & self.mask) << self.shift);
    }

    fn read(&self, structure: &S) -> u64 {
        // SAFETY: the integer is within the structure, as `new` has seen.
        unsafe {
            let integer = ptr::from_ref(structure).byte_add(self.offset);
            match self.size {
                1 => integer.cast::<u8>().read_unaligned().into(),
                2 => integer.cast::<u16>().read_unaligned().into(),
                4 => integer.cast::<u32>().read_unaligned().into(),
                _ => integer.cast::<u64>().read_unaligned(),
            }
        }
    }

    fn write(&self, structure: &mut S, value: u64) {
        // SAFETY: the integer is within the structure, as `new` has seen.
        unsafe {
            let integer = ptr::from_mut(structure).byte_add(self.offset);
            match self.size {
                1 => integer.cast::<u8>().write_unaligned(value as u8),
                2 => integer.cast::<u16>().write_unaligned(value as u16),
                4 => integer.cast::<u32>().write_unaligned(value as u32),
                _ => integer.cast::<u64>().write_unaligned(value),
            }
        }
    }
}

/// The bit-fields of the structures that the module uses.
pub use all::{
    ngx_buf_s as buf, ngx_connection_s as connection, ngx_event_s as event,
    ngx_http_core_loc_conf_s as core_loc_conf, ngx_http_headers_in_t as headers_in,
    ngx_http_request_s as request, ngx_variable_value_t as variable_value,
};

/// A structure of NGINX with its size, and its members with their offsets and sizes, all in bytes and
/// as C has them: compiles if `nginx-sys` has the same.
macro_rules! structure {
    ($structure:ident $size:literal $($member:ident $offset:literal $bytes:literal)*) => {
        const _: () = {
            type S = nginx_sys::$structure;
            assert!(size_of::<S>() == $size, disagreement!($structure));
            $(
                assert!(offset_of!(S, $member) == $offset, disagreement!($structure.$member));
                // SAFETY: nobody calls it.
                let bytes = size_of_member(|structure: *const S| unsafe {
                    &raw const (*structure).$member
                });
                assert!(bytes == $bytes, disagreement!($structure.$member));
            )*
        };
    };
}

macro_rules! disagreement {
    ($structure:ident $(. $member:ident)?) => {
        concat!(
            "nginx-sys and NGINX's C compiler disagree on ", stringify!($structure),
            $(".", stringify!($member),)? ", so the module would not work with this NGINX"
        )
    };
}

/// The bit-fields of a structure of NGINX, as C has them.
macro_rules! bit_fields {
    ($structure:ident
        $($name:ident $offset:literal $size:literal $shift:literal $width:literal)*) => {
        pub mod $structure {
            $(
                pub const $name: super::Bits<nginx_sys::$structure> =
                    super::Bits::new($offset, $size, $shift, $width);
            )*
        }
    };
}

const fn size_of_member<S, T>(_: fn(*const S) -> *const T) -> usize {
    size_of::<T>()
}

#[allow(dead_code, reason = "NGINX has more bit-fields than the module uses")]
mod all {
    use super::{Bits, offset_of, size_of_member};

    include!(concat!(env!("OUT_DIR"), "/layout.rs"));
}

#[cfg(test)]
mod tests {
    use super::Bits;

    /// The bytes of each structure that have bits of one of its bit-fields, as a C program found them.
    const FOUND_BY_C: &str = include_str!(concat!(env!("OUT_DIR"), "/bit_fields.txt"));

    macro_rules! structure {
        ($($any:tt)*) => {};
    }

    macro_rules! bit_fields {
        ($structure:ident
            $($name:ident $offset:literal $size:literal $shift:literal $width:literal)*) => {
            #[allow(non_snake_case, reason = "NGINX gives the name")]
            mod $structure {
                #[test]
                fn bit_fields_are_where_c_has_them() {
                    $(
                        let bits: super::Bits<nginx_sys::$structure> =
                            super::Bits::new($offset, $size, $shift, $width);
                        super::check(stringify!($structure), stringify!($name), &bits);
                    )*
                }
            }
        };
    }

    include!(concat!(env!("OUT_DIR"), "/layout.rs"));

    fn check<S>(structure: &str, name: &str, bits: &Bits<S>) {
        let name = format!("{structure}.{}", name.to_lowercase());
        let in_c = found_by_c(&name, size_of::<S>());
        let others: Vec<u8> = in_c.iter().map(|byte| !byte).collect();

        let of_zeros = bytes_after::<S>(0, |structure| bits.set(structure, u64::MAX));
        assert_eq!(of_zeros, in_c, "set bits of {name}");
        let of_ones = bytes_after::<S>(0xff, |structure| bits.set(structure, 0));
        assert_eq!(of_ones, others, "cleared bits of {name}");

        bytes_after::<S>(0, |structure| assert!(!bits.is_set(structure), "{name}"));
        bytes_after::<S>(0xff, |structure| assert_eq!(bits.get(structure), bits.mask, "{name}"));
        for value in [1, 2, bits.mask] {
            bytes_after::<S>(0xff, |structure| {
                bits.set(structure, value);
                assert_eq!(bits.get(structure), value & bits.mask, "{name}");
            });
        }
    }

    fn found_by_c(name: &str, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        let line = FOUND_BY_C.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        for byte in line.unwrap_or_else(|| panic!("C has no {name}")).split(' ') {
            let (index, bits) = byte.split_once(':').unwrap();
            bytes[index.parse::<usize>().unwrap()] = u8::from_str_radix(bits, 16).unwrap();
        }
        bytes
    }

    fn bytes_after<S>(byte: u8, change: impl FnOnce(&mut S)) -> Vec<u8> {
        let mut memory = Box::<S>::new_uninit();
        // SAFETY: structures of C hold pointers, numbers and bits, and all bytes make some of these.
        unsafe {
            core::ptr::write_bytes(memory.as_mut_ptr(), byte, 1);
            change(memory.assume_init_mut());
            let first = memory.as_ptr().cast::<u8>();
            core::slice::from_raw_parts(first, size_of::<S>()).to_vec()
        }
    }
}
