//! NGINX's own cache of the answers of upstreams (`proxy_cache` and the like).

#[cfg(not(ngx_feature = "http_cache"))]
pub use none::Entry;
#[cfg(ngx_feature = "http_cache")]
pub use some::Entry;

#[cfg(ngx_feature = "http_cache")]
mod some {
    use core::ptr::NonNull;
    use core::slice;

    use nginx_sys::{
        ngx_http_cache_t, ngx_http_file_cache_header_t, ngx_str_t, ngx_table_elt_t, time_t,
    };

    use crate::nginx::bits::request::CACHED;
    use crate::nginx::request::{OutOfMemory, Request};
    use crate::nginx::{self, pool};

    /// The entry of the cache that an answer comes from, or is to go to. It lives as long as the request.
    #[derive(Clone, Copy)]
    pub struct Entry {
        request: Request,
        cache: NonNull<ngx_http_cache_t>,
    }

    impl Entry {
        pub fn of(request: Request) -> Option<Self> {
            Some(Self { request, cache: NonNull::new(request.raw().cache)? })
        }

        /// Whether the answer comes from the cache.
        pub fn is_source(self) -> bool {
            CACHED.is_set(self.request.raw())
        }

        /// The key as it is written (`proxy_cache_key`).
        pub fn key(&self) -> Vec<u8> {
            let keys = &self.raw().keys;
            if keys.elts.is_null() {
                return Vec::new();
            }
            // SAFETY: an array of strings, which live as long as the request.
            let parts = unsafe { slice::from_raw_parts(keys.elts.cast::<ngx_str_t>(), keys.nelts) };
            // SAFETY: as above.
            parts.iter().flat_map(|part| unsafe { nginx::bytes(*part) }).copied().collect()
        }

        /// Until when an answer from the cache is valid, in seconds since the epoch. While NGINX reads
        /// its headers, it counts their lifetime anew from the present time into its own `valid_sec`. What
        /// holds is in the header of the cache's file.
        pub fn valid_sec(&self) -> Option<time_t> {
            // SAFETY: null, or the beginning of the cache's file.
            let file = unsafe { self.raw().buf.as_ref() }?;
            let header = file.start.cast::<ngx_http_file_cache_header_t>();
            // SAFETY: the file begins with this header, but may not be aligned for it.
            Some(unsafe { (&raw const (*header).valid_sec).read_unaligned() })
        }

        /// The `ETag` of an answer from the cache.
        pub fn etag(&self) -> &[u8] {
            // SAFETY: points into the beginning of the cache's file.
            unsafe { nginx::bytes(self.raw().etag) }
        }

        /// Has NGINX keep the answer, if it is going to, as one with this `ETag`. This must be said before
        /// the head of the answer is sent.
        ///
        /// # Errors
        ///
        /// The request's memory is used up.
        pub fn keep_with_etag(self, etag: &[u8]) -> Result<(), OutOfMemory> {
            // SAFETY: null, or lives as long as the request.
            let Some(upstream) = (unsafe { self.request.raw().upstream.as_mut() }) else {
                return Ok(());
            };
            // SAFETY: pointers and numbers.
            let header: &mut ngx_table_elt_t = unsafe { pool::zeroed(self.request) }?;
            header.value = self.request.join(&[etag])?.string();
            upstream.headers_in.etag = header;
            Ok(())
        }

        fn raw(&self) -> &ngx_http_cache_t {
            // SAFETY: it lives as long as the request.
            unsafe { self.cache.as_ref() }
        }
    }
}

/// In an NGINX without it, no answer has an entry.
#[cfg(not(ngx_feature = "http_cache"))]
mod none {
    use core::convert::Infallible;

    use nginx_sys::time_t;

    use crate::nginx::request::{OutOfMemory, Request};

    /// There is none.
    #[derive(Clone, Copy)]
    pub struct Entry(Infallible);

    impl Entry {
        pub fn of(_request: Request) -> Option<Self> {
            None
        }

        pub fn is_source(self) -> bool {
            match self.0 {}
        }

        pub fn key(&self) -> Vec<u8> {
            match self.0 {}
        }

        pub fn valid_sec(&self) -> Option<time_t> {
            match self.0 {}
        }

        pub fn etag(&self) -> &[u8] {
            match self.0 {}
        }

        pub fn keep_with_etag(self, _etag: &[u8]) -> Result<(), OutOfMemory> {
            match self.0 {}
        }
    }
}
