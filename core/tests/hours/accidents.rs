//! What happens to the workers and to the tokens.

use crate::introspection::Question;
use crate::simulation::{Event, Request, Simulation, token_text};
use crate::tally::What;
use std::rc::Rc;

/// Milliseconds between two accidents, at most.
const PAUSE: usize = 60_000;
/// The most seconds by which the clock is ever wrong.
const WRONG: i64 = 30;
/// What happens to tokens that nobody here uses, one after the other.
const STRANGERS: u64 = 1_000;
/// Milliseconds between two of these: 20 a second.
const BETWEEN_STRANGERS: u64 = 50;

impl Simulation {
    pub fn accident(&mut self) {
        let pause = self.random.below(PAUSE) as u64;
        self.after(pause, Event::Accident);
        match self.random.below(100) {
            0..20 => self.log_out(),
            20..35 => self.revoke(),
            35..50 => self.purge_a_token(),
            50..52 => self.purge_all(),
            52..55 => self.reload(),
            55..60 => self.kill(),
            60..70 => self.set_clock(),
            70..90 => self.hang_up(),
            90..95 => self.go_down(),
            95..97 => self.strangers(STRANGERS),
            _ => _ = self.check(),
        }
    }

    /// Another worker purges while this one is at work. Seldom.
    pub fn purge_in_between(&mut self, request: &Request) {
        match self.random.below(400) {
            0 => self.purge(request.token),
            1 if self.random.below(20) == 0 => self.purge_all(),
            _ => return,
        }
        self.tally.add(What::PurgeInBetween);
    }

    /// Another worker's introspection for the same token ends while this one is at work. Seldom.
    pub fn land_in_between(&mut self, request: &Request) {
        let (worker, holder) = (request.worker, request.holder());
        let is_idle = |worker| self.workers[&worker].own.is_some();
        let is_of_another = |other: &Request| {
            other.worker != worker && other.holder() == holder && is_idle(other.worker)
        };
        let ready = self.questions.iter().find_map(|(&id, question)| {
            (question.is_answered() && is_of_another(&question.request)).then_some(id)
        });
        if let Some(id) = ready.filter(|_| self.random.below(2) == 0) {
            self.resume(id);
        }
    }

    /// Whether the worker dies when it has stored an answer and told nobody yet.
    pub fn dies_before_landing(&mut self, worker: u64, question: &Question) -> bool {
        if self.random.below(1_000) != 0 {
            return false;
        }
        self.tally.add(What::DeathBeforeLanding);
        if !question.is_renewal() {
            self.tally.add(What::Died);
        }
        self.bury(worker);
        true
    }

    /// Tokens that nobody here uses are purged, or turn out inactive, many a second.
    pub fn strangers(&mut self, left: u64) {
        self.tally.add(What::Stranger);
        let token = u64::MAX - self.next_id();
        match self.random.below(2) {
            0 => self.purge(token),
            _ => {
                let request = self.request(token);
                self.tally.add(What::Request);
                self.exchange(request);
            }
        }
        if left > 1 {
            self.after(BETWEEN_STRANGERS, Event::Strangers(left - 1));
        }
    }

    /// The server revokes a token, and has it purged.
    fn log_out(&mut self) {
        self.tally.add(What::Logout);
        let token = self.victim();
        self.server.revoke(token);
        self.purge(token);
    }

    /// The server revokes a token, and says so when it is asked.
    fn revoke(&mut self) {
        self.tally.add(What::Revocation);
        let token = self.victim();
        self.server.revoke(token);
    }

    fn purge_a_token(&mut self) {
        self.tally.add(What::TokenPurge);
        let token = self.victim();
        self.purge(token);
    }

    /// One that is being asked for, or one in use.
    fn victim(&mut self) -> u64 {
        let asked: Vec<u64> =
            self.questions.values().map(|question| question.request.token).collect();
        if !asked.is_empty() && self.random.below(2) == 0 {
            return asked[self.random.below(asked.len())];
        }
        self.live_tokens[self.random.below(self.live_tokens.len())]
    }

    fn purge(&mut self, token: u64) {
        let worker = self.any_worker();
        let worker = &self.workers[&worker];
        worker.zone.purge_token(&*worker.process, token_text(token).as_bytes());
        self.ledger.purged(token);
    }

    fn purge_all(&mut self) {
        self.tally.add(What::PurgeOfAll);
        let worker = self.any_worker();
        self.workers[&worker].zone.purge_all();
        self.ledger.all_purged();
    }

    /// New workers take requests; the old ones finish what they have begun.
    fn reload(&mut self) {
        self.tally.add(What::Reload);
        let busy: Vec<u64> = self.pending().map(|request| request.worker).collect();
        self.workers.retain(|id, _| busy.contains(id));
        self.living.borrow_mut().retain(|id| busy.contains(id));
        self.start_workers();
    }

    /// One dies with all that it has before it.
    fn kill(&mut self) {
        self.tally.add(What::Death);
        let busy: Vec<u64> = self.pending().map(|request| request.worker).collect();
        let worker = match busy.len() {
            0 => self.any_worker(),
            len => busy[self.random.below(len)],
        };
        self.bury(worker);
    }

    /// What a dead worker leaves behind in the zone stays there. Another is started in its place.
    fn bury(&mut self, worker: u64) {
        let dead = self.workers.remove(&worker).unwrap();
        self.living.borrow_mut().remove(&worker);
        let waited = self.questions.values().filter(|question| !question.is_renewal());
        let waited = waited.map(|question| question.request.worker);
        let followed = self.followers.values().map(|follower| follower.request.worker);
        for _ in waited.chain(followed).filter(|&other| other == worker) {
            self.tally.add(What::Died);
        }
        self.questions.retain(|_, question| question.request.worker != worker);
        self.followers.retain(|_, follower| follower.request.worker != worker);
        if let Some(place) = self.serving.iter().position(|&serving| serving == worker) {
            self.serving[place] = self.start_worker(&Rc::clone(&dead.zone));
        }
    }

    fn set_clock(&mut self) {
        let offset = self.random.below(2 * WRONG as usize + 1) as i64 - WRONG;
        self.tally.add(match offset < self.clock.offset {
            true => What::ClockBackward,
            false => What::ClockForward,
        });
        self.clock.offset = offset;
    }

    /// A client does not wait for the end; neither does a background introspection in its request.
    fn hang_up(&mut self) {
        let count = self.questions.len() + self.followers.len();
        if count == 0 {
            return;
        }
        let chosen = self.random.below(count);
        let question = self.questions.keys().nth(chosen).copied();
        if let Some(question) = question.and_then(|id| self.questions.remove(&id)) {
            if !question.is_renewal() {
                self.tally.add(What::HungUp);
            }
            return self.give_up(&question);
        }
        let id = *self.followers.keys().nth(chosen - self.questions.len()).unwrap();
        self.followers.remove(&id);
        self.tally.add(What::HungUp);
    }

    fn go_down(&mut self) {
        self.tally.add(What::Outage);
        let seconds = 5 + self.random.below(60) as u64;
        self.server.go_down(self.clock.seconds() + seconds);
    }

    fn any_worker(&mut self) -> u64 {
        self.serving[self.random.below(self.serving.len())]
    }

    fn pending(&self) -> impl Iterator<Item = &Request> {
        let questions = self.questions.values().map(|question| &question.request);
        questions.chain(self.followers.values().map(|follower| &follower.request))
    }
}
