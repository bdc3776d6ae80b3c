//! Asks the authorization server, and has what it says kept.

use crate::ledger::Order;
use crate::server::{JWT_MEMBER, Reply};
use crate::simulation::{Event, Request, Simulation};
use crate::tally::What;
use phantom_token_core::cache::InsertError;
use phantom_token_core::flow::{self, Flow, Inquiry, Unstored};
use phantom_token_core::introspection as answers;
use phantom_token_core::refusal::Refusal;
use phantom_token_core::token::jwt::Jwt;

/// An introspection under way.
pub struct Question {
    pub request: Request,
    flow: Flow,
    inquiry: Inquiry,
    order: Order,
    /// In Unix time, as its worker had it.
    asked: u64,
    reply: Option<Reply>,
}

impl Question {
    /// Whether the server has made up its mind.
    pub fn is_answered(&self) -> bool {
        self.reply.is_some()
    }

    /// Whether nobody waits for it.
    pub fn is_renewal(&self) -> bool {
        self.inquiry.is_renewal()
    }
}

impl Simulation {
    /// Asks a question.
    pub fn ask(&mut self, request: Request, flow: Flow, question: flow::Ask) {
        self.tally.add(What::Introspection);
        let (order, asked) = (self.ledger.next(), self.now(request.worker).0);
        let place = self.place(request);
        let inquiry = Inquiry::begin(question, Some(&place.zone), &place);
        self.purge_in_between(&request);
        let id = self.next_id();
        self.questions.insert(id, Question { request, flow, inquiry, order, asked, reply: None });
        let latency = self.latency();
        let decision = self.random.below(latency) as u64;
        self.after(decision, Event::Decision(id));
        self.after(latency as u64, Event::Answer(id));
    }

    /// Gives up a question, as when its client hangs up.
    pub fn give_up(&mut self, question: &Question) {
        let place = self.place(question.request);
        question.inquiry.abandon(&place, &place.zone);
    }

    /// The server makes up its mind.
    pub fn decide(&mut self, id: u64) {
        let Some(question) = self.questions.get_mut(&id) else {
            return;
        };
        let Request { token, location, .. } = question.request;
        let reply = self.server.answer(token, self.clock.seconds(), &mut self.random);
        if let Some(promise) = &reply.promise {
            let asked = (question.order, question.asked);
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
        let worker = question.request.worker;
        let mut own = self.take_own(worker);
        let mut place = self.place(question.request);
        place.answered = Some(question.order);
        let conclusion = question.inquiry.conclude(
            &place,
            Some((&place.zone, Some(&mut own.cache))),
            &place.settings,
            &flow::Reply {
                answer: answers::Answer {
                    token: b"",
                    credential: None,
                    source: answers::Source::Upstream,
                    status: reply.status,
                    headers: &reply.headers,
                    body: reply.body(),
                },
                valid_until: None,
                is_to_other: false,
            },
            &[JWT_MEMBER],
        );
        self.give_own_back(worker, own);
        self.note(&question, &conclusion.verdict, conclusion.unstored.as_ref());
        self.purge_in_between(&question.request);
        if self.dies_before_landing(worker, &question) {
            return;
        }
        let place = self.place(question.request);
        question.inquiry.land(&place, &place.zone, conclusion.ending);
        match conclusion.verdict {
            _ if question.is_renewal() => {}
            Ok(jwt) => self.grant_answer(&question, jwt.as_bytes()),
            Err(refusal) => self.fail(question.request, question.flow, refusal),
        }
    }

    fn note(
        &mut self,
        question: &Question,
        verdict: &Result<Jwt<'_>, Refusal>,
        unstored: Option<&Unstored>,
    ) {
        let (holder, order) = (question.request.holder(), question.order);
        match verdict {
            Err(Refusal::IntrospectionFailed(_)) => self.tally.add(What::Failed),
            Err(Refusal::ExpiredToken) => self.tally.add(What::ExpiredOnArrival),
            Err(_) => self.tally.add(What::Inactive),
            Ok(_) => {}
        }
        match unstored {
            None if verdict.is_ok() => {
                self.tally.add(What::Stored);
                self.ledger.kept(holder, order);
            }
            None => {}
            Some(Unstored::Kind(_)) => self.tally.add(What::NotStorable),
            Some(Unstored::Refused(InsertError::Outdated))
                if !self.ledger.is_outdated(holder, order) =>
            {
                self.tally.add(What::KeptOutByOthers);
            }
            Some(Unstored::Refused(_)) => self.tally.add(What::NotAdmitted),
        }
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
}
