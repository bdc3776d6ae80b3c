//! A request of NGINX, as the rest of the module sees it.

use core::ptr::NonNull;

use nginx_sys::{
    NGX_HTTP_VERSION_20, ngx_http_arg, ngx_http_core_loc_conf_t, ngx_http_core_srv_conf_t,
    ngx_http_request_t, ngx_http_run_posted_requests, ngx_http_upstream_t, ngx_int_t, ngx_log_t,
    ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_table_elt_t, ngx_uint_t,
};
use ngx::http::{
    HttpModule as _, HttpModuleLocationConf as _, HttpModuleServerConf as _, NgxHttpCoreModule,
};

use super::bits::connection::ERROR;
use super::bits::headers_in::CHUNKED;
use super::bits::request::{INTERNAL, KEEPALIVE, POST_ACTION, URI_CHANGES};
use super::lasting::Lasting;
use super::{location, rc};

/// What makes the answer in a location: NGINX's `r->content_handler`.
pub type ContentHandler = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

/// No memory was left in the request's pool.
#[derive(Debug, thiserror::Error)]
#[error("out of memory")]
pub struct OutOfMemory;

/// A handle to `ngx_http_request_t`, valid for as long as the request lives: for the callback of NGINX
/// it was made in, and beyond for what is in the request's pool and dropped with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request(NonNull<ngx_http_request_t>);

impl Request {
    /// # Safety
    ///
    /// `r` is a live request, and the handle is not used when the request is no more.
    pub unsafe fn new(r: *mut ngx_http_request_t) -> Option<Self> {
        NonNull::new(r).map(Self)
    }

    pub fn as_ptr(self) -> *mut ngx_http_request_t {
        self.0.as_ptr()
    }

    /// The C structure. No reference to it is kept beyond the statement that needs it: other
    /// handles and NGINX read and write the same.
    pub fn raw(&self) -> &ngx_http_request_t {
        // SAFETY: the handle's constructor was promised a live request.
        unsafe { self.0.as_ref() }
    }

    /// The C structure, to be written. The same holds as for [`Request::raw`].
    pub fn raw_mut(&mut self) -> &mut ngx_http_request_t {
        // SAFETY: the handle's constructor was promised a live request, and no other reference is
        // kept, as said above.
        unsafe { self.0.as_mut() }
    }

    pub fn main(self) -> Request {
        // SAFETY: `main` is the live main request, the request itself outside of subrequests.
        unsafe { Request::new(self.raw().main) }.unwrap_or(self)
    }

    pub fn is_main(self) -> bool {
        self.main() == self
    }

    /// Whether what happens on the connection wakes this request, of all those on it.
    pub fn is_active(self) -> bool {
        // SAFETY: a request always has a connection.
        let active = unsafe { (*self.raw().connection).data };
        active == self.as_ptr().cast()
    }

    /// The parent of a subrequest.
    pub fn parent(self) -> Option<Request> {
        // SAFETY: a parent outlives its subrequests; a main request has none.
        unsafe { Request::new(self.raw().parent) }
    }

    pub fn log(self) -> *mut ngx_log_t {
        // SAFETY: a request always has a connection.
        unsafe { (*self.raw().connection).log }
    }

    /// Lets the request go on, as NGINX does when its connection can be written to. The request may
    /// be gone afterwards.
    pub fn run_write_handler(self) {
        let connection = self.raw().connection;
        let handler = self.raw().write_event_handler;
        // SAFETY: the request is live. Its connection may be closed by the handler, but NGINX keeps
        // the structure, in which it notes that.
        unsafe {
            if let Some(handler) = handler {
                handler(self.as_ptr());
            }
            ngx_http_run_posted_requests(connection);
        }
    }

    /// Whether the request came to its location by an internal redirect or as a subrequest.
    pub fn is_internal(self) -> bool {
        INTERNAL.is_set(self.raw())
    }

    /// Whether an `error_page` has led the request here that keeps the status of the error, or gives it
    /// another one: with `=` alone the page's location answers as if it had been asked for itself.
    pub fn is_error_page(self) -> bool {
        self.is_internal() && self.raw().err_status != 0
    }

    /// The status of the error whose page the request is.
    pub fn error_status(self) -> ngx_int_t {
        ngx_int_t::try_from(self.raw().err_status).unwrap_or_default()
    }

    /// Whether an upstream has sent the request here with `X-Accel-Redirect`.
    pub fn was_redirected_by_upstream(self) -> bool {
        self.upstream().is_some_and(|upstream| !upstream.headers_in.x_accel_redirect.is_null())
    }

    /// Whether an upstream, or NGINX's own cache for it, has answered with this status.
    pub fn has_answer_of_upstream(self, status: ngx_uint_t) -> bool {
        self.upstream().is_some_and(|upstream| upstream.headers_in.status_n == status)
    }

    /// Whether the request has a body that the client may still be sending.
    pub fn has_body(self) -> bool {
        let headers = &self.raw().headers_in;
        headers.content_length_n > 0 || CHUNKED.is_set(headers)
    }

    /// Whether the connection is closed after the request. NGINX has no other requests in mind than
    /// those of HTTP/1: a stream of HTTP/2 is never kept alive, and its connection is.
    pub fn is_last_of_connection(self) -> bool {
        !KEEPALIVE.is_set(self.raw()) && self.raw().http_version < NGX_HTTP_VERSION_20 as ngx_uint_t
    }

    /// Whether the client has closed its connection.
    pub fn has_lost_its_client(self) -> bool {
        // SAFETY: a request always has a connection.
        ERROR.is_set(unsafe { &*self.raw().connection })
    }

    /// Takes back that the client has closed its connection.
    pub fn has_its_client_after_all(self) {
        // SAFETY: a request always has a connection, to which no other reference is kept.
        ERROR.set(unsafe { &mut *self.raw().connection }, 0);
    }

    /// Whether an upstream is answering, and nobody keeps its answer in a cache, which is to have all of it.
    pub fn reads_from_upstream(self) -> bool {
        self.upstream().is_some_and(|upstream| !upstream.cleanup.is_null()) && !self.has_cache()
    }

    #[cfg(ngx_feature = "http_cache")]
    fn has_cache(self) -> bool {
        !self.raw().cache.is_null()
    }

    #[cfg(not(ngx_feature = "http_cache"))]
    fn has_cache(self) -> bool {
        false
    }

    /// Keeps NGINX from the `post_action` of a request whose client has gone (`ngx_http_post_action()`
    /// in `ngx_http_request.c`): it takes this for a request that has been there.
    pub fn forbid_post_action(&mut self) {
        POST_ACTION.set(self.raw_mut(), 1);
        URI_CHANGES.set(self.raw_mut(), 0);
    }

    /// Whether the error pages that hold here are the server's: a location without any of its own has
    /// the very list of the level above.
    pub fn has_error_pages_of_server(self) -> bool {
        let server: Option<&ngx_http_core_srv_conf_t> = NgxHttpCoreModule::server_conf(self.raw());
        let index = NgxHttpCoreModule::module().ctx_index;
        // SAFETY: a server has the configurations of its own level, the core's among them.
        let of_server = server.and_then(|server| unsafe {
            let conf = (*(*server.ctx).loc_conf.add(index)).cast::<ngx_http_core_loc_conf_t>();
            conf.as_ref()
        });
        self.core_location().zip(of_server).is_some_and(|(here, of_server)| {
            !here.error_pages.is_null() && here.error_pages == of_server.error_pages
        })
    }

    /// The name of the location that the request is in.
    pub fn location_name(&self) -> &str {
        let name = self.core_location().map_or(&[][..], location::name);
        core::str::from_utf8(name).unwrap_or("?")
    }

    /// The location that the request is in.
    pub fn core_location(&self) -> Option<&ngx_http_core_loc_conf_t> {
        NgxHttpCoreModule::location_conf(self.raw())
    }

    /// The value of the Authorization header.
    pub fn authorization(self) -> Option<Lasting<[u8]>> {
        value_of(self.raw().headers_in.authorization)
    }

    /// The value of the Host header.
    pub fn host(self) -> Option<Lasting<[u8]>> {
        value_of(self.raw().headers_in.host)
    }

    /// The value of an argument of the URI, as it is written there.
    pub fn argument(self, name: &str) -> Option<Lasting<[u8]>> {
        let mut value = ngx_str_t::empty();
        let name = super::string(name.as_bytes());
        // SAFETY: a live request, a name that is only read, and a place for a value, which is a part of
        // the request's URI.
        unsafe {
            let found = ngx_http_arg(self.as_ptr(), name.data, name.len, &mut value);
            (found == rc::OK).then(|| Lasting::of_string(value))
        }
    }

    /// The upstream that the request has been sent to, or is being sent to.
    pub fn upstream(&self) -> Option<&ngx_http_upstream_t> {
        // SAFETY: null, or lives as long as the request.
        unsafe { self.raw().upstream.as_ref() }
    }

    /// Has another handler make the answer.
    pub fn answer_by(self, handler: ContentHandler) -> ngx_int_t {
        // SAFETY: the handler of the request's location, called as NGINX calls it.
        unsafe { handler(self.as_ptr()) }
    }

    pub fn pool(self) -> *mut ngx_pool_t {
        self.raw().pool
    }

    /// Copies the pieces one after the other into the request's pool, followed by a NUL that the
    /// length leaves out, as NGINX does for header values.
    pub fn join(self, pieces: &[&[u8]]) -> Result<Lasting<[u8]>, OutOfMemory> {
        let len = pieces.iter().fold(0usize, |len, piece| len.saturating_add(piece.len()));
        // SAFETY: the pool is the request's own.
        let data = unsafe { ngx_pnalloc(self.pool(), len.saturating_add(1)) }.cast::<u8>();
        if data.is_null() {
            return Err(OutOfMemory);
        }
        let mut end = data;
        for piece in pieces {
            // SAFETY: the pieces add up to `len`, and one byte is left behind them.
            unsafe {
                end.copy_from_nonoverlapping(piece.as_ptr(), piece.len());
                end = end.add(piece.len());
            }
        }
        // SAFETY: as above, and memory of the pool lives as long as the request.
        unsafe {
            end.write(0);
            Ok(Lasting::of_string(ngx_str_t { len, data }))
        }
    }

    /// The configuration of a module for the http block that handles the request.
    ///
    /// # Safety
    ///
    /// The configuration of the module in that place is a `T`.
    pub unsafe fn main_conf<T>(&self, place: usize) -> Option<&T> {
        // SAFETY: `main_conf` has a place for each HTTP module; the caller's promise.
        unsafe { (*self.raw().main_conf.add(place)).cast::<T>().as_ref() }
    }

    /// The configuration of a module for the location that the request is in.
    ///
    /// # Safety
    ///
    /// As [`Request::main_conf`].
    pub unsafe fn location_conf<T>(&self, place: usize) -> Option<&T> {
        // SAFETY: `loc_conf` has a place for each HTTP module; the caller's promise.
        unsafe { (*self.raw().loc_conf.add(place)).cast::<T>().as_ref() }
    }

    /// The context of a module, which an internal redirect clears.
    ///
    /// # Safety
    ///
    /// Whatever the module in that place has set as a context is a `T`.
    pub unsafe fn context<T>(&self, place: usize) -> Option<&T> {
        // SAFETY: `ctx` has a place for each HTTP module; the caller's promise.
        unsafe { (*self.raw().ctx.add(place)).cast::<T>().as_ref() }
    }

    /// Sets that.
    ///
    /// # Safety
    ///
    /// As [`Request::context`].
    pub unsafe fn set_context<T>(self, place: usize, context: Lasting<T>) {
        // SAFETY: `ctx` has a place for each HTTP module.
        unsafe { *self.raw().ctx.add(place) = context.as_ptr().cast() };
    }
}

fn value_of(header: *const ngx_table_elt_t) -> Option<Lasting<[u8]>> {
    // SAFETY: null, or a parsed header, which lives as long as the request.
    unsafe { header.as_ref().map(|header| Lasting::of_string(header.value)) }
}
