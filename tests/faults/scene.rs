//! The stage of each fault: a gateway under load, and what must hold at the end.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use phantom_token_devkit::{
    Nginx, Resources,
    load::{CheckingApi, Issuer, Load, RunningLoad, Totals},
};
use serde_json::Value;

use crate::{plan::LoadPlan, report::Row};

/// Requests before anything is measured, and after a fault until all is well again.
const ENOUGH: u64 = 2000;
/// The numbers of the crowd's requests are so much larger.
const CROWD: u64 = 1 << 36;
const PATIENCE: Duration = Duration::from_secs(30);
/// What a worker may keep in addition, once it was busy: its own cache may hold 1 MB, and the
/// allocator keeps pages for the next time.
const MEMORY_MARGIN: u64 = 4 << 20;

/// A gateway that works.
pub struct Scene {
    pub nginx: Nginx,
    pub issuer: Issuer,
    pub api: CheckingApi,
    plan: LoadPlan,
    next: u64,
    before: Resources,
    counted: Value,
}

/// How a fault went, before it is judged.
pub struct Course {
    totals: Totals,
    recovery: Duration,
}

/// What a fault may cost.
#[derive(Default)]
pub struct Allowed {
    /// Statuses of NGINX's own in place of the expected ones.
    pub statuses: &'static [u16],
    /// Requests without an answer.
    pub lost: Lost,
    /// NGINX's counters say nothing, since they ended with the zone.
    pub counters_end: bool,
    /// Requests that NGINX refuses are not counted by the module.
    pub uncounted: bool,
}

/// How many requests may stay without an answer.
#[derive(Default)]
pub enum Lost {
    #[default]
    None,
    /// Those in flight when a worker was killed: at most one on each connection.
    PerKill(u64),
    /// NGINX closes connections in place of an answer, and that is the fault.
    AnyNumber,
}

impl Scene {
    /// One that is warmed up.
    pub fn new(nginx: Nginx, issuer: Issuer, api: CheckingApi, plan: LoadPlan) -> Self {
        let before = Resources::default();
        let mut scene = Self { nginx, issuer, api, plan, next: 0, before, counted: Value::Null };
        scene.warm_up();
        scene
    }

    /// Has load while `fault` goes on, and until all is well again afterwards.
    pub fn run(&mut self, allowed: &Allowed, fault: impl FnOnce(&mut Stage<'_>)) -> Course {
        let load = self.load(self.plan.connections, self.next, allowed);
        let crowd = self.load(self.plan.crowd, self.next + CROWD, allowed);
        let mut stage = Stage { load: &load, nginx: &mut self.nginx, issuer: &self.issuer };
        fault(&mut stage);
        let tallies = [load.tally.clone(), crowd.tally.clone()];
        crowd.stop();
        let ended = Instant::now();
        recover(&load, ended, &self.nginx);
        let last_failure = tallies[0].last_failure();
        self.next = load.stop();
        let wrong = tallies.each_ref().map(|tally| tally.wrong.first()).concat();
        let wrong = [wrong, self.api.findings().first()].concat();
        assert!(
            wrong.is_empty(),
            "wrong answers:\n{}\n{}",
            wrong.join("\n"),
            self.nginx.error_log()
        );
        let [totals, others] = tallies.each_ref().map(|tally| tally.totals());
        Course {
            totals: totals.with(&others),
            recovery: last_failure
                .map_or(Duration::ZERO, |last| last.saturating_duration_since(ended)),
        }
    }

    /// Judges what is left of the fault, and reports it.
    pub fn conclude(self, name: &str, how: &str, allowed: &Allowed, course: &Course) {
        let Course { totals, recovery } = course;
        assert!(totals.is_complete(), "{totals:?}");
        let bound = match allowed.lost {
            Lost::None => Some(0),
            Lost::PerKill(kills) => Some(kills * self.plan.connections as u64),
            Lost::AnyNumber => None,
        };
        assert!(bound.is_none_or(|bound| totals.lost <= bound), "{totals:?}, at most {bound:?}");
        let after = self.settle();
        let zones = self.nginx.check_zones().unwrap_or_else(|broken| panic!("the zone: {broken}"));
        assert_eq!(zones[0].corruptions, 0);
        if matches!(bound, Some(0)) && !allowed.counters_end {
            self.compare_counters(totals, allowed);
        }
        let row = Row { name, how, totals, bound, before: self.before, after, recovery: *recovery };
        row.report();
    }

    fn load(&self, connections: usize, first: u64, allowed: &Allowed) -> RunningLoad {
        Load::new(self.nginx.address(), connections, self.plan.choose)
            .resending(self.plan.resends)
            .accepting(allowed.statuses)
            .start(first)
    }

    fn warm_up(&mut self) {
        let load = self.load(self.plan.connections, self.next, &Allowed::default());
        recover(&load, Instant::now(), &self.nginx);
        let totals = load.tally.clone();
        self.next = load.stop();
        assert_eq!(totals.totals().wrong + totals.totals().lost, 0, "{:?}", totals.wrong.first());
        self.before = self.idle(|_| true);
        self.counted = status(&self.nginx);
    }

    /// Waits until the gateway takes no more than before the fault.
    fn settle(&self) -> Resources {
        let before = self.before;
        let memory = before.memory + MEMORY_MARGIN * before.workers as u64;
        self.idle(|now| {
            now.workers == before.workers
                && now.descriptors <= before.descriptors
                && now.memory <= memory
        })
    }

    /// Waits until all connections are closed and workers are as wanted.
    fn idle(&self, wanted: impl Fn(&Resources) -> bool) -> Resources {
        let port = |address: &str| address.rsplit(':').next().and_then(|port| port.parse().ok());
        let upstreams = [self.api.address(), self.issuer.address()].map(port);
        let deadline = Instant::now() + PATIENCE;
        let (mut last, mut same) = (Resources::default(), 0);
        loop {
            let now = self.nginx.resources();
            // Idle connections to the API and to the authorization server are closed after a second.
            let is_idle = connections().iter().all(|&(local, remote)| {
                local != self.nginx.address().port() && !upstreams.contains(&Some(remote))
            });
            same = if is_idle && now.descriptors == last.descriptors { same + 1 } else { 0 };
            if same > 3 && wanted(&now) {
                return now;
            }
            last = now;
            assert!(Instant::now() < deadline, "{last:?} do not settle, before: {:?}", self.before);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn compare_counters(&self, totals: &Totals, allowed: &Allowed) {
        let now = status(&self.nginx);
        let counted = |results: &[&str]| -> u64 {
            let count = |status: &Value, name: &str| status["requests"][name].as_u64().unwrap();
            results.iter().map(|name| count(&now, name) - count(&self.counted, name)).sum()
        };
        let granted = counted(&["granted"]);
        let unauthorized = counted(&["missing_token", "malformed_token", "inactive_token"]);
        let failed = counted(&["introspection_failed", "unavailable"]);
        if allowed.uncounted {
            // The API may not have answered, or NGINX refused the request before the module saw it.
            assert!(granted >= totals.granted, "{granted} granted, {totals:?}");
            assert!(unauthorized >= totals.unauthorized, "{unauthorized} refused, {totals:?}");
            return;
        }
        assert_eq!(granted, totals.granted, "{totals:?}");
        assert_eq!(unauthorized + failed, totals.unauthorized + totals.refusals(), "{totals:?}");
    }
}

/// What a fault works with.
pub struct Stage<'a> {
    pub load: &'a RunningLoad,
    pub nginx: &'a mut Nginx,
    pub issuer: &'a Issuer,
}

impl Stage<'_> {
    /// Does this again and again for as long as a fault is to last, each time when some requests have
    /// been answered since the last; gives how often.
    pub fn repeat(&mut self, requests: u64, act: impl FnMut(&mut Self, u64)) -> u64 {
        self.repeat_until(requests, |_| true, act)
    }

    /// The same, and goes on until the fault has had this effect.
    pub fn repeat_until(
        &mut self,
        requests: u64,
        has_effect: impl Fn(&Self) -> bool,
        mut act: impl FnMut(&mut Self, u64),
    ) -> u64 {
        let end = Instant::now() + seconds();
        let deadline = end + PATIENCE;
        let mut times = 0;
        while times == 0 || Instant::now() < end || !has_effect(self) {
            assert!(Instant::now() < deadline, "the fault has no effect");
            self.wait_for_answers(requests);
            act(self, times);
            times += 1;
        }
        times
    }

    /// Whether NGINX has refused any request so far.
    pub fn has_refusals(&self) -> bool {
        self.load.tally.totals().refusals() > 0
    }

    /// Waits until so many more requests have been answered, in whatever way.
    pub fn wait_for_answers(&self, requests: u64) {
        let answered = || {
            let totals = self.load.tally.totals();
            totals.expected() + totals.refusals() + totals.wrong
        };
        let wanted = answered() + requests;
        let deadline = Instant::now() + PATIENCE;
        while answered() < wanted {
            let totals = self.load.tally.totals();
            assert!(
                Instant::now() < deadline,
                "no answers: {totals:?}\n{}",
                self.nginx.error_log()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What the status page counts.
pub fn status(nginx: &Nginx) -> Value {
    nginx.get("/status").send().json()["zones"]["phantom_token"].clone()
}

/// For how long a fault is to last.
pub fn seconds() -> Duration {
    let seconds = env::var("PHANTOM_FAULTS_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(2.0))
}

/// Waits until requests are answered as expected, one after the other.
fn recover(load: &RunningLoad, since: Instant, nginx: &Nginx) {
    let deadline = since + PATIENCE;
    let (mut failure, mut start) = (None, 0);
    loop {
        let (totals, last) = (load.tally.totals(), load.tally.last_failure());
        if last != failure || start == 0 {
            (failure, start) = (last, totals.expected());
        }
        if totals.expected() >= start + ENOUGH {
            return;
        }
        assert!(Instant::now() < deadline, "no recovery: {totals:?}\n{}", nginx.error_log());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The ports of both ends of each connection that is open.
fn connections() -> Vec<(u16, u16)> {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string("/proc/net/tcp").expect("the connections");
    let ports = table.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        let port = |address: &str| u16::from_str_radix(address.rsplit(':').next()?, 16).ok();
        (state == ESTABLISHED).then_some((port(local)?, port(remote)?))
    });
    ports.collect()
}
