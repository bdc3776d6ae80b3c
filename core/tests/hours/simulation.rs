//! The clock, the workers and what they have before them.

use crate::exchange::Own;
use crate::introspection::Question;
use crate::ledger::{Floor, Holder, Ledger, Serving, Way};
use crate::location::Location;
use crate::server::Server;
use crate::tally::{Tally, What};
use phantom_token_core::UnixTime;
use phantom_token_core::cache::{CacheKey, OwnerId, Process, Usage, WorkerCache, Zone};
use phantom_token_core::flow::{Flow, Memory as OwnMemory};
use phantom_token_core_testing::{Memory, Random};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::num::{NonZeroU64, NonZeroUsize};
use std::rc::Rc;

const HOUR: u64 = 3_600_000;
/// When it begins, in milliseconds since the epoch.
const BEGIN: u64 = 1_800_000_000_000;
const WORKERS: usize = 3;
const LIVE_TOKENS: usize = 40;
/// The most milliseconds by which a worker's idea of the time lags behind.
const LAG: usize = 50;

/// Workers around a zone.
pub struct Simulation {
    pub random: Random,
    pub clock: Clock,
    pub server: Server,
    pub ledger: Ledger,
    pub tally: Tally,
    pub locations: [Location; 3],
    /// By their ids; those that end, too, while they have something left to do.
    pub workers: BTreeMap<u64, Worker>,
    /// Those that take requests.
    pub serving: Vec<u64>,
    pub questions: BTreeMap<u64, Question>,
    pub followers: BTreeMap<u64, Follower>,
    /// Those that clients use, the most popular first.
    pub live_tokens: Vec<u64>,
    pub living: Rc<RefCell<BTreeSet<u64>>>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    last_id: u64,
    // Dropped after the zones in it.
    pub memory: Memory,
}

/// The time, in milliseconds.
pub struct Clock {
    pub now: u64,
    /// By how many seconds the clock of this machine is wrong.
    pub offset: i64,
}

/// Something that is to happen. Names a question or a follower, which may be gone by then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Requests,
    Accident,
    /// So many things happen to tokens that nobody here uses.
    Strangers(u64),
    /// The server makes up its mind.
    Decision(u64),
    /// Its answer is there.
    Answer(u64),
    /// A follower looks.
    Look(u64),
}

pub struct Worker {
    pub zone: Rc<Zone>,
    pub process: Rc<Member>,
    /// Nothing while it is at a request.
    pub own: Option<Own>,
    lag: u64,
}

/// A worker, as the locks know it.
pub struct Member {
    id: u64,
    living: Rc<RefCell<BTreeSet<u64>>>,
}

#[derive(Clone, Copy)]
pub struct Request {
    pub worker: u64,
    pub token: u64,
    /// The number of the location.
    pub location: usize,
    pub is_bypassed: bool,
    /// What binds the answer to its own question.
    pub floor: Floor,
}

/// A request that waits for another's introspection.
pub struct Follower {
    pub request: Request,
    pub flow: Flow,
}

impl Simulation {
    pub fn new(seed: u64, zone: usize) -> Self {
        let memory = Memory::new(zone);
        memory.create().unwrap();
        let mut simulation = Self {
            random: Random(seed),
            clock: Clock { now: BEGIN, offset: 0 },
            server: Server::default(),
            ledger: Ledger::default(),
            tally: Tally::default(),
            locations: Location::all(),
            workers: BTreeMap::new(),
            serving: Vec::new(),
            questions: BTreeMap::new(),
            followers: BTreeMap::new(),
            live_tokens: Vec::new(),
            living: Rc::default(),
            events: BinaryHeap::new(),
            last_id: 0,
            memory,
        };
        simulation.start_workers();
        for _ in 0..LIVE_TOKENS {
            let token = simulation.server.issue(simulation.clock.seconds(), &mut simulation.random);
            simulation.live_tokens.push(token);
        }
        simulation
    }

    /// Lets so many hours pass, and then answers what is left.
    pub fn run(&mut self, hours: u64) {
        let end = BEGIN + hours * HOUR;
        self.after(0, Event::Requests);
        self.after(0, Event::Accident);
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.clock.now = at;
            match event {
                Event::Requests | Event::Accident | Event::Strangers(_) if at >= end => {}
                Event::Requests => self.requests(),
                Event::Accident => self.accident(),
                Event::Strangers(left) => self.strangers(left),
                Event::Decision(id) => self.decide(id),
                Event::Answer(id) => self.resume(id),
                Event::Look(id) => self.follow(id),
            }
        }
        assert!(self.questions.is_empty() && self.followers.is_empty(), "somebody still waits");
    }

    /// Proves the zone's invariants.
    pub fn check(&self) -> Usage {
        let Worker { zone, process, .. } = &self.workers[&self.serving[0]];
        let usage = zone.check(&**process).unwrap();
        assert_eq!((usage.corruptions, usage.lock_timeouts), (0, 0));
        usage
    }

    /// Starts as many workers as a configuration has. They attach to the zone as they find it.
    pub fn start_workers(&mut self) {
        let zone = Rc::new(self.memory.attach().unwrap());
        self.serving = (0..WORKERS).map(|_| self.start_worker(&zone)).collect();
    }

    pub fn start_worker(&mut self, zone: &Rc<Zone>) -> u64 {
        let id = self.next_id();
        self.living.borrow_mut().insert(id);
        let worker = Worker {
            zone: Rc::clone(zone),
            process: Rc::new(Member { id, living: Rc::clone(&self.living) }),
            own: Some(Own {
                memory: OwnMemory::default(),
                cache: WorkerCache::new(NonZeroUsize::new(40).unwrap(), 64 * 1024),
            }),
            lag: self.random.below(LAG) as u64,
        };
        self.workers.insert(id, worker);
        id
    }

    /// Makes something happen in so many milliseconds.
    pub fn after(&mut self, pause: u64, event: Event) {
        let order = self.next_id();
        self.events.push(Reverse((self.clock.now + pause, order, event)));
    }

    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A few requests, or a crowd with one token.
    fn requests(&mut self) {
        let pause = self.random.below(6_000) as u64;
        self.after(pause, Event::Requests);
        let crowd = (self.random.below(30) == 0).then(|| self.popular_token());
        for _ in 0..1 + self.random.below(if crowd.is_some() { 30 } else { 4 }) {
            let token = crowd.unwrap_or_else(|| self.popular_token());
            let request = self.request(token);
            self.tally.add(What::Request);
            self.exchange(request);
        }
    }

    pub fn request(&mut self, token: u64) -> Request {
        // Most go to the first location.
        let location = [0, 0, 1, 1, 1, 2][self.random.below(6)];
        let bypass = self.locations[location].bypass;
        Request {
            worker: self.serving[self.random.below(WORKERS)],
            token,
            location,
            is_bypassed: bypass.is_some_and(|one_in| self.random.below(one_in) == 0),
            floor: self.ledger.floor((token, location)),
        }
    }

    /// Few tokens make most requests. Once a token has ended, its client gets another before long.
    fn popular_token(&mut self) -> u64 {
        let place =
            (LIVE_TOKENS as f64).powf(self.random.below(1_000) as f64 / 1_000.0) as usize - 1;
        let now = self.clock.seconds();
        if !self.server.is_active(self.live_tokens[place], now) && self.random.below(3) == 0 {
            self.live_tokens[place] = self.server.issue(now, &mut self.random);
        }
        self.live_tokens[place]
    }

    /// Makes a request wait until it looks for itself.
    pub fn wait(&mut self, follower: Follower) {
        let pause = follower.flow.pause(self.monotonic_ms(follower.request.worker), true);
        let id = self.next_id();
        self.after(pause, Event::Look(id));
        self.followers.insert(id, follower);
    }

    /// Takes what a worker has for itself, until it is given back.
    pub fn take_own(&mut self, worker: u64) -> Own {
        self.workers.get_mut(&worker).unwrap().own.take().unwrap()
    }

    pub fn give_own_back(&mut self, worker: u64, own: Own) {
        self.workers.get_mut(&worker).unwrap().own = Some(own);
    }

    /// Sends a request with its JWT to the API, which must be allowed.
    pub fn grant(&mut self, request: &Request, jwt: &[u8], way: Way, floor: Floor, what: What) {
        let now = self.now(request.worker).0;
        self.ledger.allow(&Serving { jwt, holder: request.holder(), way, now, floor });
        self.tally.add(what);
    }

    /// What a worker shares with the others.
    pub fn shared(&self, request: &Request) -> (Rc<Zone>, Rc<Member>, CacheKey) {
        let Worker { zone, process, .. } = &self.workers[&request.worker];
        let profile = self.locations[request.location].profile;
        let key = zone.key(token_text(request.token).as_bytes(), profile);
        (Rc::clone(zone), Rc::clone(process), key)
    }

    /// The time, in whole seconds, as a worker last read it.
    pub fn now(&self, worker: u64) -> UnixTime {
        let seconds = (self.clock.now - self.workers[&worker].lag) / 1_000;
        UnixTime(seconds.checked_add_signed(self.clock.offset).unwrap())
    }

    /// A clock that never jumps.
    pub fn monotonic_ms(&self, worker: u64) -> u64 {
        self.clock.now - self.workers[&worker].lag
    }
}

impl Clock {
    /// The time of the server, whose clock is right.
    pub fn seconds(&self) -> u64 {
        self.now / 1_000
    }
}

impl Request {
    pub fn holder(&self) -> Holder {
        (self.token, self.location)
    }

    /// What its client sends.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", token_text(self.token))
    }
}

/// What a token is called.
pub fn token_text(token: u64) -> String {
    format!("token-{token}")
}

impl Process for Member {
    fn id(&self) -> OwnerId {
        OwnerId(NonZeroU64::new(self.id).unwrap())
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        self.living.borrow().contains(&id.0.get())
    }

    fn relax(&self) {
        panic!("no two of them use the zone at once");
    }
}
