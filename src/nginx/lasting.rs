//! References that are kept by what lives in a pool of NGINX's.

use core::ops::Deref;
use core::ptr::NonNull;

use nginx_sys::ngx_str_t;

/// A reference to what outlives whoever holds the reference: a callback of NGINX, something in the pool of
/// a request, or something in the configuration.
pub struct Lasting<T: ?Sized>(NonNull<T>);

impl<T: ?Sized> Lasting<T> {
    /// # Safety
    ///
    /// `value` outlives whatever holds the reference.
    pub unsafe fn new(value: &T) -> Self {
        Self(NonNull::from(value))
    }

    /// Whether it is to the very same value.
    pub fn is(self, other: Self) -> bool {
        core::ptr::addr_eq(self.0.as_ptr(), other.0.as_ptr())
    }
}

impl<T> Lasting<T> {
    pub fn as_ptr(self) -> *mut T {
        self.0.as_ptr()
    }
}

/// Text for NGINX, which reads it and never writes.
impl Lasting<[u8]> {
    /// # Safety
    ///
    /// As [`Lasting::new`], for the bytes of the string.
    pub unsafe fn of_string(string: ngx_str_t) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::new(super::bytes(string)) }
    }

    pub fn of_static(bytes: &'static [u8]) -> Self {
        Self(NonNull::from(bytes))
    }

    /// The rest of a text that begins so.
    pub fn behind(self, beginning: &[u8]) -> Option<Self> {
        self.strip_prefix(beginning).map(NonNull::from).map(Self)
    }

    pub fn string(self) -> ngx_str_t {
        super::string(&self)
    }

    /// The bytes, for a value that is kept in the same pool.
    ///
    /// # Safety
    ///
    /// `'a` ends with the request at the latest.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: the constructor's promise, and the caller's.
        unsafe { &*self.0.as_ptr() }
    }
}

impl<T: ?Sized> Clone for Lasting<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Lasting<T> {}

impl<T: ?Sized> Deref for Lasting<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the constructor was promised that the value lives as long as this is used. Values in a
        // pool change by their cells alone.
        unsafe { self.0.as_ref() }
    }
}
