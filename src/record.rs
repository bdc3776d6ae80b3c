//! What is known of a request's token, for as long as the request lives.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::NonNull;

use nginx_sys::{NGX_OK, ngx_int_t, ngx_pool_cleanup_add, ngx_str_t};
use phantom_token_core::UnixTime;
use phantom_token_core::bearer::{self, BearerError};
use phantom_token_core::cache::{Generation, Profile};

use crate::capture::Capture;
use crate::conf::Guard;
use crate::nginx;
use crate::nginx::headers::Header;
use crate::nginx::request::{OutOfMemory, Request};

/// `$phantom_token_cache_status`.
#[derive(Clone, Copy)]
pub enum CacheStatus {
    Hit,
    Miss,
    Expired,
}

impl CacheStatus {
    /// The value of the variable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Expired => "EXPIRED",
        }
    }
}

/// How far a request has come.
#[derive(Clone, Copy)]
pub enum State {
    /// Nothing was decided yet.
    New,
    /// The subrequest is under way, and its answer is being captured.
    Introspecting,
    /// The token was exchanged for this value of Authorization.
    Granted(ngx_str_t),
    /// The client has no access.
    Refused(Refused),
    /// An OPTIONS request, which needs no token, and the status returned for it.
    Options(ngx_int_t),
}

/// How a request was refused.
#[derive(Clone, Copy)]
pub struct Refused {
    pub status: ngx_int_t,
    pub body: &'static [u8],
    /// `$phantom_token_result`.
    pub result: &'static str,
}

/// The record of one client request, or of a subrequest that is authenticated by itself.
///
/// An internal redirect clears the contexts of modules and runs the access phase again. The record
/// is kept in the request's pool beside its context, so that a client request is introspected once,
/// and never with the JWT that took the token's place.
pub struct Record {
    request: Request,
    /// The client's Authorization, as it came.
    authorization: Option<ngx_str_t>,
    pub state: Cell<State>,
    /// For which profile the state holds.
    pub profile: Cell<Option<Profile>>,
    pub capture: Capture,
    /// When the introspection began.
    pub asked: Cell<UnixTime>,
    /// The generation of the zone at that time.
    pub generation: Cell<Generation>,
    pub cache_status: Cell<Option<CacheStatus>>,
    /// The challenge among the answer's headers, which `satisfy any` may take back.
    pub challenge: Cell<Option<Header>>,
    /// Whether the answer's headers say that it must not be stored.
    pub no_store: Cell<bool>,
    /// What takes the place of NGINX's own error page, until it is sent.
    pub body: Cell<Option<&'static [u8]>>,
}

impl Record {
    /// The record of a request in the location it is in, unless it was redirected there.
    pub fn in_location(request: &Request) -> Option<&Self> {
        // SAFETY: only records are set as context, and they live as long as the request.
        request.context::<Self>().map(|record| unsafe { record.as_ref() })
    }

    /// The record of a request, also after an internal redirect.
    pub fn of(request: &Request) -> Option<&Self> {
        if let Some(record) = Self::in_location(request) {
            return Some(record);
        }
        // A subrequest finds the records of all requests in the pool that they share.
        let redirected = request.raw().internal() == 1 || request.raw().filter_finalize() == 1;
        if !redirected {
            return None;
        }
        Self::in_pool(*request).find(|record| record.request == *request)
    }

    /// The record of a request, made if there is none, and found by [`Record::in_location`] from
    /// here on.
    pub fn of_or_new(request: &Request) -> Result<&Self, OutOfMemory> {
        if let Some(record) = Self::in_location(request) {
            return Ok(record);
        }
        let record = match Self::of(request) {
            Some(record) => record,
            None => Self::add(*request)?,
        };
        request.set_context(NonNull::from(record));
        Ok(record)
    }

    /// The record whose Authorization a subrequest inherited.
    pub fn inherited(request: &Request) -> Option<&Self> {
        let mut parent = request.parent();
        while let Some(ancestor) = parent {
            if let Some(record) = Self::of(&ancestor) {
                // SAFETY: a record lives in the pool that the requests share.
                return Some(unsafe { NonNull::from(record).as_ref() });
            }
            parent = ancestor.parent();
        }
        None
    }

    /// Whether a request with this record goes on with a JWT that `guard` would have got.
    pub fn is_granted_for(&self, guard: &Guard) -> bool {
        self.profile.get() == Some(guard.profile) && matches!(self.state.get(), State::Granted(_))
    }

    /// What was decided for `guard` already, before an internal redirect.
    pub fn decided(&self, guard: &Guard) -> Option<ngx_int_t> {
        if self.profile.get() != Some(guard.profile) {
            return None;
        }
        match self.state.get() {
            State::New | State::Introspecting => None,
            State::Granted(_) => Some(NGX_OK as ngx_int_t),
            State::Options(status) => Some(status),
            State::Refused(refused) => {
                // `satisfy any` may not overrule it a second time.
                self.challenge.get().into_iter().for_each(nginx::headers::send);
                Some(refused.status)
            }
        }
    }

    /// Whether the client sent anything under the scheme of bearer tokens.
    pub fn has_bearer_token(&self) -> bool {
        !matches!(bearer::parse(self.authorization()), Err(BearerError::Missing))
    }

    /// The client's Authorization, also after the header was given the JWT.
    pub fn authorization(&self) -> Option<&[u8]> {
        // SAFETY: the header's value lives as long as the request.
        self.authorization.map(|value| unsafe { nginx::bytes(value) })
    }

    /// Whether a refusal was overruled by `satisfy any`.
    pub fn is_overruled(&self) -> bool {
        self.challenge.get().is_some_and(|challenge| !nginx::headers::is_sent(challenge))
    }

    fn add<'a>(request: Request) -> Result<&'a Self, OutOfMemory> {
        // SAFETY: the pool is the request's own; NGINX aligns the data of a cleanup for any type.
        let cleanup = unsafe { ngx_pool_cleanup_add(request.pool(), size_of::<Self>()).as_mut() };
        let cleanup = cleanup.ok_or(OutOfMemory)?;
        let record = Self {
            request,
            authorization: match Self::inherited(&request) {
                Some(inherited) => inherited.authorization,
                None => request.authorization_value(),
            },
            state: Cell::new(State::New),
            profile: Cell::new(None),
            capture: Capture::default(),
            asked: Cell::default(),
            generation: Cell::default(),
            cache_status: Cell::new(None),
            challenge: Cell::new(None),
            no_store: Cell::new(false),
            body: Cell::new(None),
        };
        let place = cleanup.data.cast::<Self>();
        // SAFETY: NGINX gave us `size_of::<Self>()` bytes, which live as long as the request.
        let record = unsafe {
            place.write(record);
            &*place
        };
        cleanup.handler = Some(drop_record);
        Ok(record)
    }

    fn in_pool<'a>(request: Request) -> impl Iterator<Item = &'a Self> {
        // SAFETY: the pool of a live request.
        let mut cleanup = unsafe { (*request.pool()).cleanup };
        core::iter::from_fn(move || {
            // SAFETY: the list of a pool's cleanups ends with a null pointer.
            while let Some(current) = unsafe { cleanup.as_ref() } {
                cleanup = current.next;
                let ours = drop_record as unsafe extern "C" fn(*mut c_void);
                if current.handler.is_some_and(|handler| core::ptr::fn_addr_eq(handler, ours)) {
                    // SAFETY: `add` wrote a record there before it set this handler.
                    return unsafe { current.data.cast::<Self>().as_ref() };
                }
            }
            None
        })
    }
}

unsafe extern "C" fn drop_record(data: *mut c_void) {
    // SAFETY: `Record::add` wrote a record there, and NGINX runs a cleanup once.
    unsafe { core::ptr::drop_in_place(data.cast::<Record>()) };
}
