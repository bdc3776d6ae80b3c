//! Lists of headers: those of a request and those of an answer.

use core::ptr::NonNull;

use nginx_sys::{
    ngx_hash_key, ngx_http_headers_in_t, ngx_list_init, ngx_list_part_t, ngx_list_push, ngx_list_t,
    ngx_str_t, ngx_table_elt_t, ngx_uint_t,
};

use super::rc;
use super::request::{OutOfMemory, Request};

/// A header in a list. It lives in the pool of the request, and its address does not change.
pub type Header = NonNull<ngx_table_elt_t>;

/// The name of a header that this module sends, as it is written and in lower case.
pub struct Name {
    key: &'static str,
    lowcase_key: &'static str,
}

pub static CACHE_CONTROL: Name = Name { key: "Cache-Control", lowcase_key: "cache-control" };
pub static RETRY_AFTER: Name = Name { key: "Retry-After", lowcase_key: "retry-after" };
pub static WWW_AUTHENTICATE: Name =
    Name { key: "WWW-Authenticate", lowcase_key: "www-authenticate" };

/// The headers in a list, in their order.
pub fn iter(list: &ngx_list_t) -> impl Iterator<Item = &ngx_table_elt_t> {
    let mut part: Option<&ngx_list_part_t> = Some(&list.part);
    core::iter::from_fn(move || {
        let current = part?;
        // SAFETY: the parts of a live list are linked until a null pointer.
        part = unsafe { current.next.as_ref() };
        if current.elts.is_null() {
            return Some(&[][..]);
        }
        let first = current.elts.cast::<ngx_table_elt_t>();
        // SAFETY: the list holds headers, and the first `nelts` of a part are initialised.
        Some(unsafe { core::slice::from_raw_parts(first, current.nelts) })
    })
    .flatten()
}

/// The value of a header.
pub fn value(header: &ngx_table_elt_t) -> &[u8] {
    // SAFETY: the strings of a header live in the same pool as its list.
    unsafe { super::bytes(header.value) }
}

/// The name of a header.
pub fn name(header: &ngx_table_elt_t) -> &[u8] {
    // SAFETY: the strings of a header live in the same pool as its list.
    unsafe { super::bytes(header.key) }
}

/// The header lines of a request that were made anew.
///
/// `ngx_http_subrequest()` copies the parent's `headers_in`, and with it the head of the parent's
/// list. Pushing onto that copy would corrupt the parent's list, so a subrequest whose headers
/// differ needs a list of its own.
pub struct HeadersIn(Request);

impl HeadersIn {
    /// Takes away all that the request inherited, `Content-Length`, `Range` and the like included.
    pub fn clear(mut request: Request) -> Result<Self, OutOfMemory> {
        // SAFETY: the structure holds pointers, numbers and bits, for all of which zero is a
        // value: NGINX makes it so itself.
        request.raw_mut().headers_in = unsafe { core::mem::zeroed::<ngx_http_headers_in_t>() };
        init_list(request)?;
        Ok(Self(request))
    }

    /// Copies the request's list, with another value for Authorization or without it. What points
    /// to the headers of the former list still may: they stay where they are.
    pub fn copy_with_authorization(
        mut request: Request,
        authorization: Option<ngx_str_t>,
    ) -> Result<(), OutOfMemory> {
        let former = request.raw().headers_in;
        init_list(request)?;
        request.raw_mut().headers_in.authorization = core::ptr::null_mut();
        for header in iter(&former.headers) {
            let is_authorization = core::ptr::eq(header, former.authorization);
            if is_authorization && authorization.is_none() {
                continue;
            }
            let place = push(&mut request.raw_mut().headers_in.headers)?;
            // SAFETY: `push` made room for a header; the strings outlive the request.
            unsafe { place.write(*header) };
            if let Some(value) = authorization.filter(|_| is_authorization) {
                // SAFETY: written just now.
                unsafe { (*place.as_ptr()).value = value };
                request.raw_mut().headers_in.authorization = place.as_ptr();
            }
        }
        Ok(())
    }

    /// Appends a header; `key` is the name in lower case, as HTTP/2 writes it.
    pub fn push(&mut self, key: &'static str, value: ngx_str_t) -> Result<Header, OutOfMemory> {
        let header = push(&mut self.fields().headers)?;
        // SAFETY: `ngx_hash_key()` only reads.
        let hash = unsafe { ngx_hash_key(key.as_ptr().cast_mut(), key.len()) };
        write_header(header, &Name { key, lowcase_key: key }, value, hash);
        Ok(header)
    }

    /// The structure that holds the list, and pointers to the headers that NGINX reads itself.
    pub fn fields(&mut self) -> &mut ngx_http_headers_in_t {
        &mut self.0.raw_mut().headers_in
    }
}

/// The header lines of an answer to the client.
pub struct HeadersOut(Request);

impl HeadersOut {
    pub fn new(request: Request) -> Self {
        Self(request)
    }

    /// Appends a header.
    pub fn push(&mut self, name: &Name, value: ngx_str_t) -> Result<Header, OutOfMemory> {
        let header = push(&mut self.0.raw_mut().headers_out.headers)?;
        write_header(header, name, value, 1);
        Ok(header)
    }

    /// Makes a header the one that `satisfy any` takes back when another module allows the request.
    pub fn set_www_authenticate(&mut self, header: Header) {
        self.0.raw_mut().headers_out.www_authenticate = header.as_ptr();
    }
}

/// Takes a header of an answer back.
pub fn take_back(mut header: Header) {
    // SAFETY: a header lives as long as its request.
    unsafe { header.as_mut() }.hash = 0;
}

/// Sends a header that was taken back.
pub fn restore(mut header: Header) {
    // SAFETY: a header lives as long as its request.
    unsafe { header.as_mut() }.hash = 1;
}

/// Sends a header of an answer with another value, also if it was taken back.
pub fn send(mut header: Header, value: ngx_str_t) {
    // SAFETY: a header lives as long as its request.
    let header = unsafe { header.as_mut() };
    header.hash = 1;
    header.value = value;
}

fn init_list(mut request: Request) -> Result<(), OutOfMemory> {
    let pool = request.pool();
    let list = &raw mut request.raw_mut().headers_in.headers;
    // SAFETY: the list is the request's, and so is the pool.
    let status = unsafe { ngx_list_init(list, pool, 20, size_of::<ngx_table_elt_t>()) };
    if status == rc::OK { Ok(()) } else { Err(OutOfMemory) }
}

fn push(list: &mut ngx_list_t) -> Result<Header, OutOfMemory> {
    // SAFETY: an initialised list of headers.
    NonNull::new(unsafe { ngx_list_push(list) }.cast()).ok_or(OutOfMemory)
}

fn write_header(header: Header, name: &Name, value: ngx_str_t, hash: ngx_uint_t) {
    let element = ngx_table_elt_t {
        hash,
        key: super::string(name.key.as_bytes()),
        value,
        lowcase_key: name.lowcase_key.as_ptr().cast_mut(),
        #[cfg(ngx_linked_headers)]
        next: core::ptr::null_mut(),
    };
    // SAFETY: `header` is a place in a list that was just made for it.
    unsafe { header.write(element) };
}
