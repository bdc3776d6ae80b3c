//! Lists of headers: those of a request and those of an answer.

use core::ptr::NonNull;

use nginx_sys::{
    ngx_http_headers_in_t, ngx_list_init, ngx_list_part_t, ngx_list_push, ngx_list_t, ngx_str_t,
    ngx_table_elt_t, ngx_uint_t,
};

use super::rc;
use super::request::{OutOfMemory, Request};

/// A header in a list. It lives in the pool of its request, and its address does not change.
#[derive(Clone, Copy)]
pub struct Header(NonNull<ngx_table_elt_t>);

impl Header {
    pub fn as_ptr(self) -> *mut ngx_table_elt_t {
        self.0.as_ptr()
    }

    /// Takes a header of an answer back.
    pub fn take_back(self) {
        // SAFETY: a header lives as long as its request.
        unsafe { (*self.as_ptr()).hash = 0 };
    }

    /// Sends a header of an answer that was taken back.
    pub fn restore(self) {
        // SAFETY: a header lives as long as its request.
        unsafe { (*self.as_ptr()).hash = 1 };
    }

    pub fn set_value(self, value: ngx_str_t) {
        // SAFETY: a header lives as long as its request.
        unsafe { (*self.as_ptr()).value = value };
    }

    fn write(self, element: ngx_table_elt_t) {
        // SAFETY: a header lives as long as its request.
        unsafe { self.0.write(element) };
    }
}

/// The name of a header that this module sends, as it is written and in lower case.
pub struct Name {
    key: &'static str,
    lowcase_key: &'static str,
}

const AUTHORIZATION: &str = "authorization";

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

/// Whether any header in a list is such: as [`iter`] with `any`, in fewer instructions.
#[inline(always)]
pub fn any(list: &ngx_list_t, mut is_such: impl FnMut(&ngx_table_elt_t) -> bool) -> bool {
    let mut part: Option<&ngx_list_part_t> = Some(&list.part);
    while let Some(current) = part {
        let headers = if current.elts.is_null() {
            &[][..]
        } else {
            // SAFETY: the list holds headers, and the first `nelts` of a part are initialised.
            unsafe { core::slice::from_raw_parts(current.elts.cast(), current.nelts) }
        };
        for header in headers {
            if is_such(header) {
                return true;
            }
        }
        // SAFETY: the parts of a live list are linked until a null pointer.
        part = unsafe { current.next.as_ref() };
    }
    false
}

/// The headers in a list, in their order: as [`iter`], in fewer instructions.
#[inline(always)]
pub fn for_each(list: &ngx_list_t, mut act: impl FnMut(&ngx_table_elt_t)) {
    any(list, |header| {
        act(header);
        false
    });
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

/// The type of a request's answer, which has a place of its own; empty if it has none.
pub fn content_type(request: &Request) -> &[u8] {
    // SAFETY: the string lives as long as the request.
    unsafe { super::bytes(request.raw().headers_out.content_type) }
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

    /// Copies the request's list, with this Authorization or without any in place of all that it has.
    /// What points to the headers of the former list still may: they stay where they are.
    pub fn copy_with_authorization(
        mut request: Request,
        authorization: Option<ngx_str_t>,
    ) -> Result<(), OutOfMemory> {
        let former = request.raw().headers_in;
        let copied = Self::copy(request, &former.headers, authorization);
        if copied.is_err() {
            request.raw_mut().headers_in = former;
        }
        copied
    }

    fn copy(
        mut request: Request,
        former: &ngx_list_t,
        authorization: Option<ngx_str_t>,
    ) -> Result<(), OutOfMemory> {
        init_list(request)?;
        request.raw_mut().headers_in.authorization = core::ptr::null_mut();
        let others = iter(former)
            .filter(|header| !name(header).eq_ignore_ascii_case(AUTHORIZATION.as_bytes()));
        for header in others {
            push(&mut request.raw_mut().headers_in.headers)?.write(*header);
        }
        match authorization {
            Some(value) => Self::set_authorization(request, value),
            None => Ok(()),
        }
    }

    /// Gives a request with a list of its own this Authorization, in place of the one it has, if any.
    pub fn set_authorization(mut request: Request, value: ngx_str_t) -> Result<(), OutOfMemory> {
        // SAFETY: a parsed header lives as long as the request.
        match unsafe { request.raw().headers_in.authorization.as_mut() } {
            Some(header) => header.value = value,
            None => {
                let header = Self(request).push(AUTHORIZATION, value)?;
                request.raw_mut().headers_in.authorization = header.as_ptr();
            }
        }
        Ok(())
    }

    /// Appends a header; `key` is the name in lower case, as HTTP/2 writes it.
    #[inline(always)]
    pub fn push(&mut self, key: &'static str, value: ngx_str_t) -> Result<Header, OutOfMemory> {
        let header = push(&mut self.fields().headers)?;
        write_header(header, &Name { key, lowcase_key: key }, value, hash(key));
        Ok(header)
    }

    /// The structure that holds the list, and pointers to the headers that NGINX reads itself.
    pub fn fields(&mut self) -> &mut ngx_http_headers_in_t {
        &mut self.0.raw_mut().headers_in
    }
}

impl Request {
    pub fn headers_out(self) -> HeadersOut {
        HeadersOut::new(self)
    }

    /// Whether there is an Authorization header beside the one that NGINX knows as such. NGINX refuses
    /// two of a client itself, but sends both on to an error page that it has for that; and another
    /// module may have added one.
    #[inline]
    pub fn has_second_authorization(self) -> bool {
        let known = self.raw().headers_in.authorization.cast_const();
        any(&self.raw().headers_in.headers, |header| {
            header.key.len == AUTHORIZATION.len()
                && !core::ptr::eq(header, known)
                && is_authorization(header)
        })
    }
}

#[inline(never)]
fn is_authorization(header: &ngx_table_elt_t) -> bool {
    name(header).eq_ignore_ascii_case(AUTHORIZATION.as_bytes())
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

    /// Whether a header that was appended under this name is still there: when NGINX makes a
    /// response of its own, it may throw away what there was.
    pub fn has(&self, header: Header, name: &Name) -> bool {
        iter(&self.0.raw().headers_out.headers).any(|element| {
            core::ptr::eq(element, header.as_ptr())
                && core::ptr::eq(element.key.data, name.key.as_ptr())
        })
    }

    /// Makes a header the one that `satisfy any` takes back when another module allows the request.
    pub fn set_www_authenticate(&mut self, header: Header) {
        self.0.raw_mut().headers_out.www_authenticate = header.as_ptr();
    }
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
    NonNull::new(unsafe { ngx_list_push(list) }.cast()).map(Header).ok_or(OutOfMemory)
}

/// As `ngx_hash_key()` has it, but the compiler knows that of a name that it knows.
#[inline(always)]
fn hash(key: &str) -> ngx_uint_t {
    let add = |hash: ngx_uint_t, byte| hash.wrapping_mul(31).wrapping_add(ngx_uint_t::from(byte));
    key.bytes().fold(0, add)
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
    header.write(element);
}
