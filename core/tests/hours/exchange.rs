//! Carries out what flows say, as the module does.

use crate::introspection::Question;
use crate::ledger::{Floor, Order, Way};
use crate::simulation::{Follower, Member, Request, Simulation};
use crate::tally::What;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{CacheKey, WorkerCache, Zone};
use phantom_token_core::flow::{
    Flow, Found, Grant, Here, Memory, Next, Settings, Site, Step, Wake,
};
use phantom_token_core::outcome::CacheStatus;
use phantom_token_core::refusal::Refusal;
use phantom_token_core::token::bearer::TokenSyntax;
use phantom_token_core::token::presented::Presented;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A request in its worker, while others do what they like.
pub struct Place<'a> {
    simulation: RefCell<&'a mut Simulation>,
    request: Request,
    pub zone: Rc<Zone>,
    pub settings: Settings,
    process: Rc<Member>,
    /// What binds the answer to the present look into the cache.
    floor: Cell<Floor>,
    has_woken: Cell<bool>,
    /// The question whose answer is being read: others have their turn when it has had the JWT of its
    /// token dropped.
    pub answered: Option<Order>,
}

impl Site for Place<'_> {
    type Process = Member;

    fn process(&self) -> &Member {
        &self.process
    }

    fn now(&self) -> UnixTime {
        let simulation = self.simulation.borrow();
        self.floor.set(simulation.ledger.floor(self.request.holder()));
        simulation.now(self.request.worker)
    }

    fn now_ms(&self) -> u64 {
        self.simulation.borrow().monotonic_ms(self.request.worker)
    }

    fn may_renew(&self) -> bool {
        self.simulation.borrow_mut().random.below(4) != 0
    }

    /// The module wakes those in this worker; here all look for themselves, as those in others do.
    fn wake(&self, _: &CacheKey, whom: Wake) {
        self.has_woken.set(self.has_woken.get() || whom == Wake::All);
    }

    fn meanwhile(&self) {
        let mut simulation = self.simulation.borrow_mut();
        if let Some(order) = self.answered {
            simulation.tally.add(What::DroppedOnRefresh);
            simulation.ledger.dropped(self.request.holder(), order);
        }
        simulation.purge_in_between(&self.request);
        simulation.land_in_between(&self.request);
    }
}

/// What a worker has for itself.
pub struct Own {
    pub memory: Memory,
    pub cache: WorkerCache,
}

/// What has come of a step.
struct Turn {
    step: Step,
    jwt: Vec<u8>,
    floor: Floor,
    has_woken: bool,
}

impl Simulation {
    /// Gets the JWT for a token, or starts to.
    pub fn exchange(&mut self, request: Request) {
        let flow = Flow::default();
        if request.is_bypassed {
            self.tally.add(What::Bypassed);
        }
        let turn = self.turn(&request, |here| match request.is_bypassed {
            true => flow.start_afresh(here.token, here.key).into(),
            false => flow.start(here),
        });
        if flow.status() == Some(CacheStatus::Expired) {
            self.tally.add(What::Expired);
        }
        if turn.step == Step::Other(Next::Wait) {
            self.tally.add(What::Followed);
        }
        self.carry_out(request, flow, turn, What::HitOfLeader);
    }

    /// Goes on when a flight may be over.
    pub fn follow(&mut self, id: u64) {
        let Some(Follower { request, flow }) = self.followers.remove(&id) else {
            return;
        };
        let has_time = flow.pause(self.monotonic_ms(request.worker), false) > 0;
        let turn = self.turn(&request, |here| flow.look(here));
        match (&turn.step, turn.has_woken) {
            (Step::Other(Next::Ask(question)), false) if question.ticket.is_some() => {
                self.tally.add(What::TookOver);
            }
            (Step::Other(Next::Ask(_)), false) if !has_time => self.tally.add(What::TimedOut),
            (Step::Other(Next::Wait), true) => self.tally.add(What::FlightGone),
            (Step::Other(Next::Ask(question)), true) if question.ticket.is_some() => {
                self.tally.add(What::FlightGone);
            }
            _ => {}
        }
        self.carry_out(request, flow, turn, What::HitOfFollower);
    }

    /// Goes on when the request's own question has no JWT for an answer.
    pub fn fail(&mut self, request: Request, flow: Flow, refusal: Refusal) {
        let turn = self.turn(&request, |here| flow.failed(here, refusal));
        self.carry_out(request, flow, turn, What::HitOfLeader);
    }

    /// Where a request is.
    pub fn place(&mut self, request: Request) -> Place<'_> {
        let (zone, process, _) = self.shared(&request);
        Place {
            zone,
            process,
            settings: self.locations[request.location].settings,
            request,
            floor: Cell::new(request.floor),
            has_woken: Cell::new(false),
            answered: None,
            simulation: RefCell::new(self),
        }
    }

    /// Has a flow do something, with what the worker has for itself.
    fn turn(
        &mut self,
        request: &Request,
        act: impl FnOnce(&mut Here<'_, Place<'_>>) -> Step,
    ) -> Turn {
        let mut own = self.take_own(request.worker);
        let uses_cache = self.locations[request.location].worker_cache;
        let (authorization, (_, _, key)) = (request.authorization(), self.shared(request));
        let presented = Presented::parse(Some(authorization.as_bytes()), TokenSyntax::B64token);
        let place = self.place(*request);
        let step = act(&mut Here {
            site: &place,
            token: presented.unwrap().token(),
            key: &key,
            zone: &place.zone,
            cache: uses_cache.then_some(&mut own.cache),
            memory: &own.memory,
            settings: &place.settings,
        });
        let (floor, has_woken) = (place.floor.get(), place.has_woken.get());
        let jwt = match step {
            Step::Grant(Grant { jwt: Found::InWorker, .. }) => own.cache.served().to_vec(),
            _ => own.memory.with_jwt(|jwt| jwt.clone()),
        };
        self.give_own_back(request.worker, own);
        Turn { step, jwt, floor, has_woken }
    }

    fn carry_out(&mut self, request: Request, flow: Flow, turn: Turn, coalesced: What) {
        let Turn { step, jwt, floor, .. } = turn;
        match step {
            Step::Grant(Grant { instead_of: Some(_), .. }) => {
                self.grant(&request, &jwt, Way::Stale, floor, What::StaleAfterFailure);
            }
            Step::Grant(Grant { renewal, .. }) => {
                let (way, what) = match flow.status() {
                    Some(CacheStatus::WorkerHit) => (Way::Fresh, What::WorkerHit),
                    Some(CacheStatus::Coalesced) => (Way::Fresh, coalesced),
                    Some(CacheStatus::Updating) => (Way::Stale, What::StaleWhileUpdating),
                    _ => (Way::Fresh, What::ZoneHit),
                };
                self.grant(&request, &jwt, way, floor, what);
                if let Some(renewal) = renewal {
                    self.tally.add(What::Renewal);
                    self.ask(request, Flow::default(), renewal);
                }
            }
            Step::Other(Next::Refuse(_)) => self.tally.add(What::Refused),
            Step::Other(Next::Ask(question)) => {
                self.tally.add(
                    match (&question.ticket, self.locations[request.location].settings.lock) {
                        (Some(_), _) => What::Led,
                        (None, false) => What::Alone,
                        (None, true) => What::LeftAlone,
                    },
                );
                self.ask(request, flow, question);
            }
            Step::Other(Next::Wait) => self.wait(Follower { request, flow }),
        }
    }

    /// Answers a request with the JWT that its own question has brought.
    pub fn grant_answer(&mut self, question: &Question, jwt: &[u8]) {
        let request = &question.request;
        self.grant(request, jwt, Way::Own, request.floor, What::OwnAnswer);
    }
}
