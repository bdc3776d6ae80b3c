//! What is known of a request's token, for as long as the request lives.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::NonNull;

use http::StatusCode;
use nginx_sys::{ngx_http_request_t, ngx_str_t};
use phantom_token_core::cache::{Counter, Profile};
use phantom_token_core::flow::Flow;

use crate::flight::{self, Waiter};
use crate::introspection::Introspection;
use crate::nginx::bits::request::{FILTER_FINALIZE, INTERNAL};
use crate::nginx::headers::Header;
use crate::nginx::request::{OutOfMemory, Request};
use crate::nginx::{self, pool};

/// How far a request has come.
#[derive(Clone, Copy)]
pub enum State {
    /// Nothing was decided yet.
    New,
    /// The subrequest is under way, and its answer is being captured.
    Introspecting,
    /// Another request's introspection is waited for.
    Following,
    /// The token was exchanged for this value of Authorization.
    Granted(ngx_str_t),
    /// The client has no access.
    Refused(Refused),
    /// The client has no access by this module, but another one let it pass (`satisfy any`).
    Overruled(Refused),
    /// An OPTIONS request, which needed no token where it was made.
    Options,
}

/// How a request was refused.
#[derive(Clone, Copy)]
pub struct Refused {
    pub status: StatusCode,
    pub challenge: Option<ngx_str_t>,
    pub retry_after: Option<ngx_str_t>,
    pub body: &'static [u8],
    /// What has counted it.
    pub result: Counter,
}

/// What a client sent as `Authorization`.
#[derive(Clone, Copy)]
enum Authorization {
    Nothing,
    One(ngx_str_t),
    /// Or another module added one.
    Several,
}

/// The record of one client request, or of a subrequest that is authenticated by itself.
///
/// An internal redirect clears the contexts of modules and runs the access phase again. The record
/// is kept in the request's pool beside its context, so that a client request is introspected once,
/// and never with the JWT that took the token's place.
pub struct Record {
    request: *const ngx_http_request_t,
    authorization: Authorization,
    pub state: Cell<State>,
    /// For which question the state holds.
    pub question: Cell<Option<Profile>>,
    /// The introspection that the request waits for.
    pub introspection: Cell<Option<NonNull<Introspection>>>,
    /// The place in the queue for an introspection that another request waits for.
    pub waiter: Cell<Option<NonNull<Waiter>>>,
    /// How far its way to a JWT has come.
    pub flow: Flow,
    /// The headers of a refusal.
    pub challenge: Cell<Option<Header>>,
    pub retry_after: Cell<Option<Header>>,
    pub no_store: Cell<Option<Header>>,
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
        Self::in_location(request).or_else(|| Self::from_before(request))
    }

    /// The record that a request had where it was redirected from.
    fn from_before(request: &Request) -> Option<&Self> {
        // A subrequest finds the records of all requests in the pool that they share.
        let redirected = INTERNAL.is_set(request.raw()) || FILTER_FINALIZE.is_set(request.raw());
        if !redirected {
            return None;
        }
        Self::in_pool(*request).find(|record| record.request == request.as_ptr())
    }

    /// The record of a request, made if there is none, and found by [`Record::in_location`] from
    /// here on.
    pub fn of_or_new(request: &Request) -> Result<&Self, OutOfMemory> {
        if let Some(record) = Self::in_location(request) {
            return Ok(record);
        }
        let record = match Self::from_before(request) {
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

    /// Whether a request with this record goes on with a JWT that this question would have got.
    pub fn is_granted_for(&self, question: Profile) -> bool {
        self.question.get() == Some(question) && matches!(self.state.get(), State::Granted(_))
    }

    /// Nothing is decided for this question yet, whatever was for another one before an internal
    /// redirect.
    pub fn begin(&self, question: Profile) {
        self.state.set(State::New);
        self.question.set(Some(question));
    }

    /// Nobody is to wake the request any more, which is not where it waited.
    pub fn stop_waiting(&self) {
        flight::leave(self);
        self.flow.give_up();
        self.introspection.set(None);
        if let State::Introspecting | State::Following = self.state.get() {
            self.state.set(State::New);
        }
    }

    /// What was decided for this question already, before an internal redirect.
    pub fn decided(&self, question: Profile) -> Option<State> {
        if self.question.get() != Some(question) {
            return None;
        }
        match self.state.get() {
            state @ (State::Granted(_) | State::Refused(_)) => Some(state),
            State::Overruled(refused) => Some(State::Refused(refused)),
            State::New | State::Introspecting | State::Following | State::Options => None,
        }
    }

    /// The client's Authorization, also after the header was given the JWT.
    pub fn authorization(&self) -> Option<ngx_str_t> {
        match self.authorization {
            Authorization::One(value) => Some(value),
            Authorization::Nothing | Authorization::Several => None,
        }
    }

    /// The same, as bytes.
    pub fn authorization_bytes(&self) -> Option<&[u8]> {
        // SAFETY: the header's value lives as long as the request.
        self.authorization().map(|value| unsafe { nginx::bytes(value) })
    }

    /// Whether the request came with more than one Authorization.
    pub fn has_second_authorization(&self) -> bool {
        matches!(self.authorization, Authorization::Several)
    }

    fn add<'a>(request: Request) -> Result<&'a Self, OutOfMemory> {
        let authorization = match Self::inherited(&request) {
            Some(inherited) => inherited.authorization,
            None if request.has_second_authorization() => Authorization::Several,
            None => {
                request.authorization_value().map_or(Authorization::Nothing, Authorization::One)
            }
        };
        let record = Self {
            request: request.as_ptr(),
            authorization,
            state: Cell::new(State::New),
            question: Cell::new(None),
            introspection: Cell::new(None),
            waiter: Cell::new(None),
            flow: Flow::default(),
            challenge: Cell::new(None),
            retry_after: Cell::new(None),
            no_store: Cell::new(None),
            body: Cell::new(None),
        };
        pool::allocate_with(request, record, Some(drop_record))
    }

    fn in_pool<'a>(request: Request) -> impl Iterator<Item = &'a Self> {
        // SAFETY: only `add` puts something into a pool with that function, which `allocate` makes
        // sure that no other one is merged with.
        unsafe { pool::find(request, drop_record) }
    }
}

/// Not generic, so that it is at one address, by which records are found.
unsafe extern "C" fn drop_record(data: *mut c_void) {
    // SAFETY: `Record::add` put a record there, and NGINX runs a cleanup once.
    unsafe { core::ptr::drop_in_place(data.cast::<Record>()) };
}
