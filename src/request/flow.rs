//! Gets the JWT for a request's token: carries out what its [`Flow`] says.

use nginx_sys::ngx_int_t;
use phantom_token_core::admit::{Admission, admit};
use phantom_token_core::cache::{CacheKey, Counter, Profile, Zone};
use phantom_token_core::flow::{self, Ask, Flow, Found, Grant, Here, Memory, Next};
use phantom_token_core::outcome::Outcome;
use phantom_token_core::refusal::Refusal;
use phantom_token_core::token::bearer::OpaqueToken;

use crate::introspect;
use crate::introspect::introspection::Introspection;
use crate::log;
use crate::nginx::OfWorker;
use crate::nginx::lasting::Lasting;
use crate::nginx::rc;
use crate::nginx::request::{OutOfMemory, Request};
use crate::protection::Protection;
use crate::request::authorization;
use crate::request::context::{Context, State};
use crate::request::refusal::refuse;
use crate::request::site::Site;
use crate::request::wait::{self, Waiter};
use crate::zone::CacheZone;

/// The status to return to NGINX's phase engine.
pub type Step = Result<ngx_int_t, OutOfMemory>;

/// What this worker remembers of its requests.
static MEMORY: OfWorker<Memory> = OfWorker::new(Memory::new());

/// A request that has presented a token, in a protected location.
#[derive(Clone, Copy)]
struct Holder<'a> {
    request: Request,
    context: &'a Context,
    protection: &'a Protection,
}

/// Gets the JWT for a request's token, or starts to; the profile is that of its answer.
#[inline]
pub fn start(
    request: Request,
    context: &Context,
    protection: &Protection,
    profile: Profile,
) -> Step {
    let presented = match context.parse(protection.token_syntax) {
        Ok(presented) => presented,
        Err(error) => return refuse(request, context, Some(protection), &error.into()),
    };
    let (holder, token) = (Holder { request, context, protection }, presented.token());
    let Some(zone) = protection.zone() else {
        context.present(presented);
        return holder.start_alone(token);
    };
    let key = zone.key(token.as_bytes(), profile);
    context.present(presented.at(key));
    if protection.is_bypassed(request) {
        return holder.carry_out(context.flow().start_afresh(token, &key));
    }
    holder.advance((zone, token, &key), |flow, here| flow.start(here))
}

/// Goes on when what the request waits for may be there.
#[inline(never)]
pub fn resume(request: Request, context: &Context, protection: &Protection) -> Step {
    let holder = Holder { request, context, protection };
    match context.state() {
        State::Waiting(_) => holder.look(),
        _ => holder.conclude(),
    }
}

/// Lets a request go on with a JWT that it has already, where a redirect has led it or as a part of
/// another request, if the rules here admit it.
pub fn keep_grant(request: Request, protection: &Protection) -> Step {
    match admitted(protection) {
        Ok(_admission) => Ok(rc::OK),
        Err(refusal) => {
            let context = Context::of_or_new(&request)?;
            refuse(request, &context, Some(protection), &refusal)
        }
    }
}

/// Asks the rules of a location, as each grant does.
#[inline(always)]
fn admitted(protection: &Protection) -> Result<Admission, Refusal> {
    admit(&protection.rules)
}

/// A token, and its place in the cache.
type Cached<'a> = (&'a Zone, OpaqueToken<'a>, &'a CacheKey);

impl Holder<'_> {
    /// Introspects without a cache.
    #[cold]
    fn start_alone(&self, token: OpaqueToken<'_>) -> Step {
        if self.protection.lost_its_cache() {
            log::no_cache(self.request);
        }
        self.carry_out(self.context.flow().start_alone(token))
    }

    /// Goes on when another request's introspection may be over.
    fn look(&self) -> Step {
        let presented = self.context.presented().ok_or(OutOfMemory)?;
        let (Some(zone), Some(key)) = (self.protection.zone(), presented.key()) else {
            return Ok(rc::INTERNAL_SERVER_ERROR);
        };
        self.advance((zone, presented.token(), key), |flow, here| flow.look(here))
            .inspect_err(|OutOfMemory| self.context.stop_waiting())
    }

    /// Goes on when its own introspection may be over.
    fn conclude(&self) -> Step {
        let Some((introspection, captured)) = self.context.take_answer() else {
            return Ok(rc::AGAIN);
        };
        let refusal = match introspection.conclude(&captured) {
            Ok(jwt) => return self.grant(jwt.as_bytes()),
            Err(refusal) => refusal,
        };
        let presented = introspection.presented();
        let (Some(zone), Some(key)) = (self.protection.zone(), presented.key()) else {
            return self.refuse(&refusal);
        };
        self.advance((zone, presented.token(), key), |flow, here| flow.failed(here, refusal))
    }

    /// Has the flow do something with what this worker has, and carries out what it says.
    #[inline]
    fn advance(
        &self,
        (zone, token, key): Cached<'_>,
        act: impl FnOnce(&Flow, &mut Here<'_, Site>) -> flow::Step,
    ) -> Step {
        let copies = self.protection.zone_with_copies();
        let mut cache = copies.map(CacheZone::take_worker_cache);
        let step = act(
            self.context.flow(),
            &mut Here {
                site: &Site(self.request),
                token,
                key,
                zone,
                cache: cache.as_deref_mut(),
                memory: MEMORY.get(),
                settings: &self.protection.settings,
            },
        );
        let granted = match &step {
            flow::Step::Grant(found) => match (found.jwt, &cache) {
                (Found::InWorker, Some(cache)) => self.grant(cache.served()),
                _ => MEMORY.get().with_jwt(|jwt| self.grant(jwt)),
            },
            flow::Step::Other(_) => Ok(rc::AGAIN),
        };
        if let (Some(zone), Some(cache)) = (copies, cache) {
            zone.put_worker_cache(cache);
        }
        match step {
            flow::Step::Grant(Grant { renewal: None, instead_of: None, .. }) => {}
            flow::Step::Grant(Grant { renewal, instead_of, .. }) => {
                self.finish_grant(renewal, instead_of);
            }
            flow::Step::Other(next) => return self.carry_out(next),
        }
        granted
    }

    /// Lets the request go on with the JWT in place of the token, if the rules admit it.
    #[inline(always)]
    fn grant(&self, jwt: &[u8]) -> Step {
        let admission = match admitted(self.protection) {
            Ok(admission) => admission,
            Err(refusal) => return self.refuse(&refusal),
        };
        let authorization = authorization::put_jwt(self.request, jwt, admission)?;
        self.context.grant(authorization);
        self.protection.count_result(Outcome::Granted, self.context.flow().status());
        Ok(rc::OK)
    }

    fn refuse(&self, refusal: &Refusal) -> Step {
        refuse(self.request, self.context, Some(self.protection), refusal)
    }

    /// Goes on where there is no JWT.
    #[inline(never)]
    fn carry_out(&self, next: Next) -> Step {
        match next {
            Next::Ask(ask) => self.ask(ask),
            Next::Wait => self.wait(),
            Next::Refuse(refusal) => self.refuse(&refusal),
        }
    }

    /// Makes the introspection that the request waits for.
    fn ask(&self, ask: Ask) -> Step {
        self.context.introspects(self.introspect(ask)?);
        Ok(rc::AGAIN)
    }

    /// Waits until its flow is to look, which it may have done before.
    fn wait(&self) -> Step {
        let &Self { request, context, protection } = self;
        let waiter = match context.state() {
            State::Waiting(waiter) => waiter,
            _ => {
                let presented = context.presented().ok_or(OutOfMemory)?;
                let key = *presented.key().ok_or(OutOfMemory)?;
                wait::begin(request, key, protection.ignores_client_abort)?
            }
        };
        context.waits(waiter);
        Waiter::rest(waiter, context.flow());
        Ok(rc::AGAIN)
    }

    /// What is to be done beside a grant that is not the usual one.
    #[cold]
    fn finish_grant(&self, renewal: Option<Ask>, instead_of: Option<Refusal>) {
        if let Some(refusal) = instead_of {
            log::served_stale(self.request, self.protection, &refusal);
        }
        if let Some(ask) = renewal {
            self.protection.count(Counter::BackgroundUpdate);
            // The request at hand has a JWT; the next one tries again.
            _ = self.introspect(ask);
        }
    }

    fn introspect(&self, ask: Ask) -> Result<Lasting<Introspection>, OutOfMemory> {
        let presented = self.context.presented().ok_or(OutOfMemory)?;
        introspect::start(self.request, self.protection, presented, ask)
    }
}
