//! Processes that may be stopped, and may die, before each access to the memory they share.

use phantom_token_core::UnixTime;
use phantom_token_core::cache::{
    self, Asked, CacheKey, Entry, InsertError, OwnerId, Process, Profile, Zone,
};
use phantom_token_core_testing::{Memory, fresh};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::AtomicBool as Point;
use shuttle::thread::JoinHandle;
use shuttle::{Config, MaxSteps, Runner, thread};
use std::cell::Cell;
use std::env;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// The smallest zone there is.
const LEN: usize = 24 * 1024;
/// Where the lock of its only shard is.
const LOCK: usize = 128;
const SCHEDULES: usize = 2_000;
/// Far more than any process needs: who takes as many waits in vain.
const STEPS_AT_MOST: usize = 1_000_000;
/// Priority changes in a schedule, as the PCT algorithm has them.
const CHANGES: usize = 3;
const PROCESSES: usize = 8;

/// Runs the model in many orders: random ones, and ones in which the first process that can go on
/// does so, until priorities change.
pub fn explore(model: fn()) {
    cache::watch(pass_point);
    let schedules = env::var("PHANTOM_SCHEDULES").ok();
    let schedules = schedules.map_or(SCHEDULES, |number| number.parse().unwrap());
    run(RandomScheduler::new(schedules), model);
    run(PctScheduler::new(CHANGES, schedules), model);
}

fn run(scheduler: impl Scheduler + 'static, model: fn()) {
    let mut config = Config::new();
    config.stack_size = 256 * 1024;
    config.max_steps = MaxSteps::FailAfter(STEPS_AT_MOST);
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(model);
}

/// A zone, and what all know of each other.
pub struct World {
    pub zone: Zone,
    memory: Memory,
    dead: [AtomicBool; PROCESSES],
    deaths_with_lock: AtomicU64,
    millis: AtomicU64,
}

impl World {
    pub fn new() -> Arc<Self> {
        let memory = Memory::new(LEN);
        Arc::new(Self {
            zone: memory.create().unwrap(),
            memory,
            dead: Default::default(),
            deaths_with_lock: AtomicU64::new(0),
            millis: AtomicU64::new(0),
        })
    }

    /// Starts a process that does this and lives on.
    pub fn start<T: Send + 'static>(
        self: &Arc<Self>,
        id: usize,
        act: impl FnOnce(&Arc<World>, &Living) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let world = Arc::clone(self);
        thread::spawn(move || {
            let process = Living::new(id, &world);
            act(&world, &process)
        })
    }

    /// Starts a process that does this, or dies at one of its next `accesses` to the memory.
    pub fn start_mortal(
        self: &Arc<Self>,
        id: usize,
        accesses: u32,
        act: impl FnOnce(&Arc<World>, &Living) + Send + 'static,
    ) -> JoinHandle<()> {
        self.start(id, move |world, process| {
            let accesses = thread_rng().gen_range(0..accesses);
            DEATH.with(|death| death.set(Some(accesses)));
            let end = catch_unwind(AssertUnwindSafe(|| act(world, process)));
            DEATH.with(|death| death.set(None));
            match end {
                Err(cause) if cause.is::<Died>() => world.bury(id),
                Err(cause) => resume_unwind(cause),
                Ok(()) => {}
            }
        })
    }

    /// No access comes between a death and this.
    fn bury(&self, id: usize) {
        self.dead[id].store(true, SeqCst);
        if self.memory.word(LOCK).load(SeqCst) == id as u64 {
            self.deaths_with_lock.fetch_add(1, SeqCst);
        }
    }

    /// How many died while they held the lock.
    pub fn deaths_with_lock(&self) -> u64 {
        self.deaths_with_lock.load(SeqCst)
    }

    pub fn is_dead(&self, id: u64) -> bool {
        self.dead[id as usize].load(SeqCst)
    }

    pub fn key(&self, token: u64) -> CacheKey {
        self.zone.key(&token.to_le_bytes(), Profile::new(&[]))
    }

    pub fn insert(&self, process: &Living, token: u64, jwt: &[u8]) -> Result<(), InsertError> {
        self.zone.insert(process, &self.key(token), fresh(&self.zone, jwt), UnixTime(0))
    }

    /// An answer that is fresh, and when it was asked for.
    pub fn fresh<'a>(&self, jwt: &'a [u8], asked: Asked) -> Entry<'a> {
        Entry { asked, ..fresh(&self.zone, jwt) }
    }

    /// The time, in milliseconds.
    pub fn now(&self) -> u64 {
        self.millis.load(SeqCst)
    }

    /// Lets time go by.
    pub fn pass(&self, millis: u64) {
        self.millis.fetch_add(millis, SeqCst);
    }
}

/// A process of the model.
pub struct Living {
    id: usize,
    world: Arc<World>,
}

impl Living {
    pub fn new(id: usize, world: &Arc<World>) -> Self {
        Self { id, world: Arc::clone(world) }
    }

    /// Its id, as the lock has it.
    pub fn number(&self) -> u64 {
        self.id as u64
    }
}

impl Process for Living {
    fn id(&self) -> OwnerId {
        OwnerId(NonZeroU64::new(self.number()).unwrap())
    }

    fn is_alive(&self, id: OwnerId) -> bool {
        !self.world.is_dead(id.0.get())
    }

    fn relax(&self) {
        thread::yield_now();
    }
}

struct Died;

shuttle::thread_local! {
    /// How many accesses this process has left to make, if it is to die.
    static DEATH: Cell<Option<u32>> = Cell::new(None);
}

/// Comes before each access to the memory.
fn pass_point() {
    // What a dying process does as it unwinds is nobody's turn.
    if std::thread::panicking() {
        return;
    }
    // Shuttle may switch to another process here.
    Point::new(false).load(SeqCst);

    let accesses_left = DEATH.with(|death| {
        let left = death.get();
        death.set(left.map(|left| left.saturating_sub(1)));
        left
    });
    if accesses_left == Some(0) {
        // Unwinds without a word. The lock takes it for the accident that it is, and nothing else
        // on the way touches the memory.
        resume_unwind(Box::new(Died));
    }
}
