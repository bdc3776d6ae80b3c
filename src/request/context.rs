//! The context of a request: what is known of its token and decided on it, for as long as it lives.
//!
//! Nobody else changes the state of a request: where it goes from one state to the next, a method here
//! says so.

use core::cell::Cell;
use core::ffi::c_void;

use nginx_sys::ngx_http_request_t;
use phantom_token_core::cache::Profile;
use phantom_token_core::flow::Flow;
use phantom_token_core::token::bearer::{BearerError, TokenSyntax};
use phantom_token_core::token::presented::Presented;

use crate::introspect::capture::Captured;
use crate::introspect::introspection::Introspection;
use crate::module::Module;
use crate::nginx::bits::request::{FILTER_FINALIZE, INTERNAL};
use crate::nginx::lasting::Lasting;
use crate::nginx::pool;
use crate::nginx::request::{OutOfMemory, Request};
use crate::request::fields::{Fields, Refused};
use crate::request::wait::Waiter;

/// How far a request has come.
#[derive(Clone, Copy)]
pub enum State {
    /// Nothing was decided yet.
    New,
    /// It waits for its own introspection.
    Introspecting(Lasting<Introspection>),
    /// It waits for another request's introspection.
    Waiting(Lasting<Waiter>),
    /// It goes on with this value of Authorization, which has the JWT.
    Granted(Lasting<[u8]>),
    /// The client has no access.
    Refused(Refused),
    /// The client has no access by this module, but another one let it pass (`satisfy any`).
    Overruled(Refused),
    /// An OPTIONS request, which needed no token where it was made.
    Options,
}

/// What a client sent as `Authorization`.
#[derive(Clone, Copy)]
enum Authorization {
    Nothing,
    One(Lasting<[u8]>),
    /// Or another module added one.
    Several,
}

/// The context of one client request, or of a subrequest that is authenticated by itself.
///
/// An internal redirect clears the contexts of modules and runs the access phase again. This one is kept
/// in the request's pool besides, so that a client request is introspected once, and never with the JWT
/// that took the token's place.
pub struct Context {
    request: *const ngx_http_request_t,
    authorization: Authorization,
    /// The token in it.
    presented: Cell<Option<Presented<'static>>>,
    state: Cell<State>,
    /// For which question the state holds.
    question: Cell<Option<Profile>>,
    flow: Flow,
    fields: Fields,
}

impl Context {
    /// The context of a request in the location it is in, unless it was redirected there.
    pub fn in_location(request: &Request) -> Option<&Self> {
        // SAFETY: only contexts are set as such.
        unsafe { Module::context_of(request) }
    }

    /// The context of a request, also after an internal redirect.
    pub fn of(request: &Request) -> Option<Lasting<Self>> {
        // SAFETY: a context lives in the pool of its request.
        let in_location =
            Self::in_location(request).map(|context| unsafe { Lasting::new(context) });
        in_location.or_else(|| Self::from_before(request))
    }

    /// The context that a request had where it was redirected from.
    fn from_before(request: &Request) -> Option<Lasting<Self>> {
        // A subrequest finds the contexts of all requests in the pool that they share.
        let redirected = INTERNAL.is_set(request.raw()) || FILTER_FINALIZE.is_set(request.raw());
        if !redirected {
            return None;
        }
        // SAFETY: only `add` puts something into a pool with that function, which `allocate` makes
        // sure that no other one is merged with.
        let mut contexts = unsafe { pool::find::<Self>(*request, drop_context) };
        contexts.find(|context| context.request == request.as_ptr())
    }

    /// The context of a request, made if there is none, and found by [`Context::in_location`] from here
    /// on.
    pub fn of_or_new(request: &Request) -> Result<Lasting<Self>, OutOfMemory> {
        if let Some(context) = Self::in_location(request) {
            // SAFETY: a context lives in the pool of its request.
            return Ok(unsafe { Lasting::new(context) });
        }
        let context = match Self::from_before(request) {
            Some(context) => context,
            None => Self::add(*request)?,
        };
        // SAFETY: nothing else is set as a context.
        unsafe { Module::set_context(*request, context) };
        Ok(context)
    }

    /// The context whose Authorization a subrequest inherited.
    pub fn inherited(request: &Request) -> Option<Lasting<Self>> {
        let mut parent = request.parent();
        while let Some(ancestor) = parent {
            if let Some(context) = Self::of(&ancestor) {
                return Some(context);
            }
            parent = ancestor.parent();
        }
        None
    }

    fn add(request: Request) -> Result<Lasting<Self>, OutOfMemory> {
        let authorization = match Self::inherited(&request) {
            Some(inherited) => inherited.authorization,
            None if request.has_second_authorization() => Authorization::Several,
            None => request.authorization().map_or(Authorization::Nothing, Authorization::One),
        };
        let context = Self {
            request: request.as_ptr(),
            authorization,
            presented: Cell::new(None),
            state: Cell::new(State::New),
            question: Cell::new(None),
            flow: Flow::default(),
            fields: Fields::default(),
        };
        pool::allocate_with(request, context, Some(drop_context))
    }

    /// How far the request has come.
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// The way of its token to a JWT.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// What its response has of a refusal.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Whether the request came with more than one Authorization.
    pub fn has_second_authorization(&self) -> bool {
        matches!(self.authorization, Authorization::Several)
    }

    /// Whether a request with this context goes on with a JWT that this question would have got.
    pub fn is_granted_for(&self, question: Profile) -> bool {
        self.question.get() == Some(question) && matches!(self.state.get(), State::Granted(_))
    }

    /// What was decided for this question already, before an internal redirect.
    pub fn decided(&self, question: Profile) -> Option<State> {
        if self.question.get() != Some(question) {
            return None;
        }
        match self.state.get() {
            state @ (State::Granted(_) | State::Refused(_)) => Some(state),
            State::Overruled(refused) => Some(State::Refused(refused)),
            State::New | State::Introspecting(_) | State::Waiting(_) | State::Options => None,
        }
    }

    /// Nothing is decided for this question yet, whatever was for another one before an internal
    /// redirect.
    pub fn begin(&self, question: Profile) {
        self.change(State::New);
        self.question.set(Some(question));
    }

    /// Takes the token out of what the client sent, also after the header was given the JWT.
    ///
    /// The lifetime `'static` means as long as the request. So what is presented may only be kept in the
    /// request's pool, as a [`Lasting`] reference.
    ///
    /// # Errors
    ///
    /// There is no token, or something else in its place.
    #[inline(always)]
    pub fn parse(&self, syntax: TokenSyntax) -> Result<Presented<'static>, BearerError> {
        let authorization = match self.authorization {
            // SAFETY: what is presented is only kept in the request's pool.
            Authorization::One(value) => Some(unsafe { value.bytes::<'static>() }),
            Authorization::Nothing | Authorization::Several => None,
        };
        Presented::parse(authorization, syntax)
    }

    /// Keeps what the request presents where it is.
    #[inline(always)]
    pub fn present(&self, presented: Presented<'static>) {
        self.presented.set(Some(presented));
    }

    /// What it presented.
    pub fn presented(&self) -> Option<Presented<'static>> {
        self.presented.get()
    }

    /// The request waits for its introspection.
    pub fn introspects(&self, introspection: Lasting<Introspection>) {
        self.change(State::Introspecting(introspection));
    }

    /// The introspection that the request has waited for, and its answer; nothing as long as there is no
    /// answer.
    pub fn take_answer(&self) -> Option<(Lasting<Introspection>, Captured)> {
        let State::Introspecting(introspection) = self.state.get() else {
            return None;
        };
        let captured = introspection.answer()?;
        self.change(State::New);
        Some((introspection, captured))
    }

    /// The request waits for another one's introspection.
    pub fn waits(&self, waiter: Lasting<Waiter>) {
        self.change(State::Waiting(waiter));
    }

    /// The request has left the location where it waited, so nobody is to wake it.
    pub fn stop_waiting(&self) {
        if let State::Introspecting(_) | State::Waiting(_) = self.state.get() {
            self.change(State::New);
        }
    }

    /// The request goes on with this Authorization.
    pub fn grant(&self, authorization: Lasting<[u8]>) {
        self.change(State::Granted(authorization));
    }

    /// The client has no access.
    pub fn refuse(&self, refused: Refused) {
        self.change(State::Refused(refused));
    }

    /// Another module lets a request pass that was refused.
    pub fn overrule(&self) {
        if let State::Refused(refused) = self.state.get() {
            self.change(State::Overruled(refused));
        }
    }

    /// The request needs no token.
    pub fn let_options_pass(&self) {
        self.change(State::Options);
    }

    fn change(&self, state: State) {
        if let State::Waiting(waiter) = self.state.replace(state)
            && !matches!(state, State::Waiting(next) if next.is(waiter))
        {
            waiter.leave();
            self.flow.give_up();
        }
    }
}

/// Not generic, so that it is at one address, by which contexts are found.
unsafe extern "C" fn drop_context(data: *mut c_void) {
    // SAFETY: `Context::add` put a context there, and NGINX runs a cleanup once.
    unsafe { core::ptr::drop_in_place(data.cast::<Context>()) };
}
