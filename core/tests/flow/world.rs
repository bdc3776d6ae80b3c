//! A process with a zone, in which time stands still until it is set.

use http::StatusCode;
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{
    Answer, CacheKey, Entry, Lifetime, Lookup, Profile, Ticket, WorkerCache,
};
use phantom_token_core::flow::{
    self, Ask, Flow, Grant, Here, Inquiry, Memory, Next, Settings, Site, Step, Unstored, Wake,
};
use phantom_token_core::introspection::{self, Body, Failure, Source};
use phantom_token_core::refusal::Refusal;
use phantom_token_core::token::bearer::{OpaqueToken, TokenSyntax};
use phantom_token_core::token::presented::Presented;
use phantom_token_core_testing::{ALONE, MEGABYTE, TestProcess, TestZone};
use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;

pub const JWT: &[u8] = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl";

pub struct World {
    zone: TestZone,
    cache: RefCell<WorkerCache>,
    memory: Memory,
    settings: Settings,
    now: Cell<u64>,
    now_ms: Cell<u64>,
    pub may_renew: Cell<bool>,
    woken: RefCell<Vec<Wake>>,
    /// A request that waits.
    pub waiting: Flow,
}

impl Site for World {
    type Process = TestProcess;

    fn process(&self) -> &TestProcess {
        &ALONE
    }

    fn now(&self) -> UnixTime {
        UnixTime(self.now.get())
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn may_renew(&self) -> bool {
        self.may_renew.get()
    }

    fn wake(&self, _: &CacheKey, whom: Wake) {
        self.woken.borrow_mut().push(whom);
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(Self::settings())
    }

    pub fn with(settings: Settings) -> Self {
        Self {
            zone: TestZone::new(MEGABYTE),
            cache: RefCell::new(WorkerCache::new(NonZeroUsize::new(10).unwrap(), MEGABYTE)),
            memory: Memory::new(),
            settings,
            now: Cell::new(0),
            now_ms: Cell::new(0),
            may_renew: Cell::new(true),
            woken: RefCell::default(),
            waiting: Flow::default(),
        }
    }

    pub fn settings() -> Settings {
        Settings { lock: true, lock_timeout_ms: 5_000, ..Settings::default() }
    }

    pub fn set_now(&self, now: u64) {
        self.now.set(now);
    }

    pub fn set_now_ms(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
    }

    pub fn key(&self, token: &str) -> CacheKey {
        self.zone.key(token.as_bytes(), Profile::new(&[]))
    }

    /// Stores a JWT that is fresh until then.
    pub fn store(&self, token: &str, fresh_until: u64) {
        self.insert(token, fresh_until, fresh_until);
    }

    /// Stores a JWT, and lets it go stale.
    pub fn store_stale(&self, token: &str) {
        self.insert(token, 10, 1_000);
        self.set_now(20);
    }

    fn insert(&self, token: &str, fresh_until: u64, stale_until: u64) {
        let entry = self.entry(fresh_until, stale_until);
        self.zone.insert(&ALONE, &self.key(token), entry, self.now()).unwrap();
    }

    fn entry(&self, fresh_until: u64, stale_until: u64) -> Entry<'static> {
        Entry {
            answer: Answer::Active(JWT),
            lifetime: Lifetime {
                fresh_until: UnixTime(fresh_until),
                stale_until: UnixTime(stale_until),
                expires: None,
            },
            asked: self.zone.ask(),
        }
    }

    pub fn find(&self, token: &str) -> Lookup {
        self.zone.lookup(&ALONE, &self.key(token), self.now(), &mut Vec::new())
    }

    pub fn purge(&self, token: &str) {
        self.zone.purge_token(&ALONE, token.as_bytes());
    }

    /// Has others take all the room.
    pub fn evict(&self, token: &str) {
        let jwt = [b'x'; 4096];
        for number in 0..MEGABYTE / jwt.len() * 2 {
            let key = self.key(&format!("other-{number}"));
            let entry = Entry { answer: Answer::Active(&jwt), ..self.entry(1_000, 1_000) };
            self.zone.insert(&ALONE, &key, entry, self.now()).unwrap();
        }
        assert_eq!(self.find(token), Lookup::Miss);
    }

    /// The JWT that the worker served last.
    pub fn copy(&self) -> Vec<u8> {
        self.cache.borrow().served().to_vec()
    }

    /// Who was woken since this was asked last.
    pub fn woken(&self) -> Vec<Wake> {
        self.woken.take()
    }

    pub fn start(&self, flow: &Flow, token: &str) -> Step {
        self.act(token, |here| flow.start(here))
    }

    pub fn fail(&self, flow: &Flow, refusal: Refusal) -> Step {
        self.act("token", |here| flow.failed(here, refusal))
    }

    /// Has the one who waits look.
    pub fn look_back(&self) -> Step {
        self.look(&self.waiting)
    }

    pub fn look(&self, flow: &Flow) -> Step {
        self.act("token", |here| flow.look(here))
    }

    fn act(&self, token: &str, act: impl FnOnce(&mut Here<'_, Self>) -> Step) -> Step {
        let mut cache = self.cache.borrow_mut();
        act(&mut Here {
            site: self,
            token: opaque(&authorization(token)),
            key: &self.key(token),
            zone: &self.zone,
            cache: Some(&mut cache),
            memory: &self.memory,
            settings: &self.settings,
        })
    }

    pub fn begin(&self, question: Ask) -> Inquiry {
        Inquiry::begin(question, Some(&self.zone), self)
    }

    /// The answer comes, and those who follow are told.
    pub fn conclude(&self, inquiry: &Inquiry, reply: &Reply) -> Option<Unstored> {
        let max_age = reply.max_age.map(|max_age| format!("max-age={max_age}"));
        let headers = max_age.map(|max_age| ("cache-control", max_age)).into_iter().collect();
        let answer = introspection::Answer {
            token: b"token",
            credential: None,
            source: Source::Upstream,
            status: reply.status,
            headers: &headers,
            body: Body::Complete(reply.body),
        };
        let reply = flow::Reply { answer, valid_until: None, is_to_other: reply.is_to_other };
        let mut cache = self.cache.borrow_mut();
        let place = Some((&*self.zone, Some(&mut *cache)));
        let conclusion = inquiry.conclude(self, place, &self.settings, &reply, &["jwt"]);
        inquiry.land(self, &self.zone, conclusion.ending);
        conclusion.unstored
    }

    pub fn abandon(&self, inquiry: &Inquiry) {
        inquiry.abandon(self, &self.zone);
    }

    /// The server has failed so.
    pub fn failure(status: StatusCode) -> Refusal {
        Refusal::IntrospectionFailed(Failure::ServerError(status))
    }
}

/// What a client sends with a token.
pub fn authorization(token: &str) -> String {
    format!("Bearer {token}")
}

/// The token in it.
pub fn opaque(authorization: &str) -> OpaqueToken<'_> {
    Presented::parse(Some(authorization.as_bytes()), TokenSyntax::B64token).unwrap().token()
}

/// What a server answers.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub status: StatusCode,
    /// With a JWT, that may be kept for so long.
    pub max_age: Option<u64>,
    pub body: &'static [u8],
    pub is_to_other: bool,
}

impl Reply {
    pub fn jwt(max_age: u64) -> Self {
        Self { max_age: Some(max_age), body: JWT, ..Self::status(200) }
    }

    /// An active token whose JWT ends in second 5.
    pub fn expired() -> Self {
        let body = br#"{"active":true,"exp":5,"jwt":"eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"}"#;
        Self { body, ..Self::status(200) }
    }

    pub fn inactive() -> Self {
        Self::status(204)
    }

    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, max_age: None, body: b"", is_to_other: false }
    }
}

pub fn grant(step: Step) -> Grant {
    match step {
        Step::Grant(grant) => grant,
        step @ Step::Other(_) => panic!("{step:?}"),
    }
}

pub fn question(step: Step) -> Ask {
    match step {
        Step::Other(Next::Ask(question)) => question,
        step => panic!("{step:?}"),
    }
}

pub fn ticket_of(question: &Ask) -> Option<&Ticket> {
    question.ticket.as_ref()
}
