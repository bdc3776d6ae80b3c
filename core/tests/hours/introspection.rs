//! Asks the authorization server, and keeps what it says, in the order in which the module does.

use crate::ledger::{Order, Way};
use crate::server::{JWT_MEMBER, Reply};
use crate::simulation::{Event, Request, Simulation};
use crate::tally::What;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{Answer, Asked, Entry, InsertError, Landing, Ticket};
use phantom_token_core::freshness;
use phantom_token_core::introspection::{self as answers, Verdict};
use phantom_token_core::jwt::Jwt;
use phantom_token_core::refusal::Refusal;

/// An introspection under way.
pub struct Question {
    pub request: Request,
    /// For whom else it is asked.
    pub ticket: Option<Ticket>,
    /// Nobody waits for it.
    pub is_background: bool,
    place: Asked,
    asked: UnixTime,
    order: Order,
    reply: Option<Reply>,
}

impl Question {
    /// Whether the server has made up its mind.
    pub fn is_answered(&self) -> bool {
        self.reply.is_some()
    }
}

impl Simulation {
    /// Makes the introspection that the request waits for.
    pub fn ask(&mut self, request: Request, ticket: Option<Ticket>) {
        self.start(request, ticket, false);
    }

    /// Makes one while the request goes on.
    pub fn renew(&mut self, request: Request, ticket: Ticket) {
        self.tally.add(What::Renewal);
        self.start(request, Some(ticket), true);
    }

    /// Gives up a question, as when its client hangs up.
    pub fn give_up(&mut self, question: Question) {
        let (zone, process, _) = self.shared(&question.request);
        if let Some(ticket) = question.ticket {
            zone.abandon(&*process, ticket);
        }
    }

    /// The server makes up its mind.
    pub fn decide(&mut self, id: u64) {
        let Some(question) = self.questions.get_mut(&id) else {
            return;
        };
        let Request { token, location, .. } = question.request;
        let reply = self.server.answer(token, self.clock.seconds(), &mut self.random);
        if let Some(promise) = &reply.promise {
            let asked = (question.order, question.asked.0);
            let (holder, location) = (question.request.holder(), &self.locations[location]);
            self.ledger.write(promise, holder, location, asked);
        }
        question.reply = Some(reply);
    }

    /// Goes on when the answer is there.
    pub fn resume(&mut self, id: u64) {
        let Some(mut question) = self.questions.remove(&id) else {
            return;
        };
        let reply = question.reply.take().unwrap();
        let verdict = self.verdict(&question, &reply);
        let landing = match &verdict {
            Ok(jwt) => self.store_active(&question, &reply, jwt),
            Err(Refusal::IntrospectionFailed(failure)) => Some(Landing::Failed(failure.into())),
            Err(refusal) => {
                self.store_inactive(&question, &reply, refusal);
                Some(Landing::Inactive)
            }
        };
        self.purge_in_between(&question.request);
        let Request { worker, floor, .. } = question.request;
        if self.dies_before_landing(worker, &question) {
            return;
        }
        self.land(&mut question, landing);
        let request = question.request;
        match verdict {
            _ if question.is_background => {}
            Ok(jwt) => self.grant(&request, jwt.as_bytes(), Way::Own, floor, What::OwnAnswer),
            Err(refusal) => self.fail(&request, &refusal),
        }
    }

    fn start(&mut self, request: Request, ticket: Option<Ticket>, is_background: bool) {
        self.tally.add(What::Introspection);
        let (zone, ..) = self.shared(&request);
        let place = zone.ask();
        let order = self.ledger.next();
        let question = Question {
            request,
            ticket,
            is_background,
            place,
            asked: self.now(request.worker),
            order,
            reply: None,
        };
        self.purge_in_between(&request);
        let id = self.next_id();
        self.questions.insert(id, question);
        let latency = self.latency();
        let decision = self.random.below(latency) as u64;
        self.after(decision, Event::Decision(id));
        self.after(latency as u64, Event::Answer(id));
    }

    /// Milliseconds from a question to its answer.
    fn latency(&mut self) -> usize {
        let longest = match self.random.below(50) {
            0 => 60_000,
            1..4 => 10_000,
            _ => 400,
        };
        2 + self.random.below(longest)
    }

    fn verdict<'a>(&mut self, question: &Question, reply: &'a Reply) -> Result<Jwt<'a>, Refusal> {
        let answer = answers::Answer {
            token: b"",
            credential: None,
            source: answers::Source::Upstream,
            status: reply.status,
            headers: &reply.headers,
            body: reply.body(),
        };
        let now = self.now(question.request.worker);
        match answers::interpret(&answer, &[JWT_MEMBER], now) {
            Ok(verdict) => {
                match verdict {
                    Verdict::Inactive => self.tally.add(What::Inactive),
                    Verdict::Expired => self.tally.add(What::ExpiredOnArrival),
                    _ => {}
                }
                verdict.into_jwt()
            }
            Err(failure) => {
                self.tally.add(What::Failed);
                Err(failure.into())
            }
        }
    }

    /// What to tell those who follow. Nothing, if one of them should ask once more.
    fn store_active(
        &mut self,
        question: &Question,
        reply: &Reply,
        jwt: &Jwt<'_>,
    ) -> Option<Landing> {
        let location = &self.locations[question.request.location];
        let (headers, policy) = (&reply.headers, &location.policy);
        let fresh_until =
            freshness::fresh_until(headers, policy, jwt.expires(), None, question.asked);
        let Ok(fresh_until) = fresh_until else {
            self.tally.add(What::NotStorable);
            self.forget(question);
            return Some(Landing::NotStored);
        };
        let may_be_stale = location.use_stale.is_on() && freshness::may_be_stale(headers, policy);
        let stored = self.store(
            question,
            Entry {
                answer: Answer::Active(jwt.as_bytes()),
                fresh_until,
                stale_until: jwt.expires().filter(|_| may_be_stale).unwrap_or(fresh_until),
                expires: jwt.expires(),
                asked: question.place,
            },
        );
        match stored {
            Ok(()) => {
                self.tally.add(What::Stored);
                Some(Landing::Stored)
            }
            Err(error) => (!error.is_transient()).then_some(Landing::NotStored),
        }
    }

    fn store_inactive(&mut self, question: &Question, reply: &Reply, refusal: &Refusal) {
        self.forget(question);
        if *refusal == Refusal::ExpiredToken {
            return;
        }
        let policy = &self.locations[question.request.location].policy;
        let fresh_until = freshness::inactive_until(&reply.headers, policy, None, question.asked);
        if let Some(fresh_until) = fresh_until {
            let (answer, stale_until, asked) = (Answer::Inactive, fresh_until, question.place);
            let entry = Entry { answer, fresh_until, stale_until, expires: None, asked };
            let _ = self.store(question, entry);
        }
    }

    fn store(&mut self, question: &Question, entry: Entry<'_>) -> Result<(), InsertError> {
        let (zone, process, key) = self.shared(&question.request);
        let now = self.now(question.request.worker);
        self.workers.get_mut(&question.request.worker).unwrap().cache.remove(&key);
        let stored = zone.insert(&*process, &key, entry, now);
        match stored {
            Ok(()) => self.ledger.kept(question.request.holder(), question.order),
            Err(InsertError::Outdated)
                if !self.ledger.is_outdated(question.request.holder(), question.order) =>
            {
                self.tally.add(What::KeptOutByOthers);
            }
            Err(_) => self.tally.add(What::NotAdmitted),
        }
        stored
    }

    /// Drops what is stored for the token.
    fn forget(&mut self, question: &Question) {
        let (zone, process, key) = self.shared(&question.request);
        zone.forget(&*process, &key, question.place);
        self.tally.add(What::DroppedOnRefresh);
        self.ledger.dropped(question.request.holder(), question.order);
        self.purge_in_between(&question.request);
    }

    fn land(&mut self, question: &mut Question, landing: Option<Landing>) {
        let (zone, process, _) = self.shared(&question.request);
        let Some(ticket) = question.ticket.take() else {
            return;
        };
        match landing {
            Some(landing) => {
                let now = self.monotonic_ms(question.request.worker);
                zone.land(&*process, ticket, landing, now);
            }
            None => zone.abandon(&*process, ticket),
        }
    }
}
