//! Processor time of the gateway, requests per second and latency, of all configurations side by
//! side: all run at the same time, and get their share of requests in turn.

use std::{error::Error, fs, path::Path, time::Duration};

use crate::{
    counting::token,
    cpu::{Division, Memory, memory_of, time_used},
    h2load,
    load::{Load, Outcome},
    machine::nginx_version,
    nginx::{Config, Nginx},
    options::{Also, Options},
    setting::{Answers, Backend, Setting, USUAL_JWT, load_module},
    statistics::{median, range},
    tmpfs::Tmpfs,
};

const CONNECTIONS: usize = 32;

/// One comparison.
pub struct Scene {
    /// Its title in the report.
    pub title: String,
    /// What was compared.
    pub rows: Vec<Row>,
}

/// What one configuration took in one comparison.
pub struct Row {
    /// The configuration.
    pub name: String,
    /// Processor time of the gateway per request, in microseconds; the median of all rounds.
    pub cpu: f64,
    /// That time divided by that of bare proxying in the same round; the median, the smallest and
    /// the largest.
    pub ratio: (f64, f64, f64),
    /// Requests per second.
    pub rate: f64,
    /// The time until half of the requests were answered, and until 99 % were; in milliseconds.
    pub latency: Option<(f64, f64)>,
    /// Memory of the workers at the end.
    pub memory: Memory,
}

/// Measures all comparisons.
///
/// A file for each token is left where it is until all is measured: a file system that tens of thousands of
/// files were deleted from is slow for minutes.
pub fn measure(options: &Options) -> Result<Vec<Scene>, Box<dyn Error>> {
    let mut scenes = Vec::new();
    for plan in plans(options) {
        eprintln!("    comparing: {}", plan.title);
        let folder = options.folder.join(format!("scene-{}", scenes.len()));
        scenes.push(plan.measure(&folder, options)?);
    }
    Ok(scenes)
}

#[derive(Clone, Debug)]
enum Kind {
    Bare,
    Default,
    ZoneOnly,
    NoCache,
    AuthRequest(Cache),
    Also(Also),
}

#[derive(Clone, Copy, Debug)]
enum Cache {
    Disk,
    Memory,
    Off,
}

impl Kind {
    fn name(&self) -> &str {
        match self {
            Self::Bare => "bare proxying",
            Self::Default => "phantom_token",
            Self::ZoneOnly => "phantom_token, zone only",
            Self::NoCache => "phantom_token, no cache",
            Self::AuthRequest(Cache::Disk) => "auth_request, proxy_cache on disk",
            Self::AuthRequest(Cache::Memory) => "auth_request, proxy_cache on tmpfs",
            Self::AuthRequest(Cache::Off) => "auth_request, no cache",
            Self::Also(also) => &also.name,
        }
    }

    fn config(&self, setting: &Setting, main: &str) -> Result<Config, Box<dyn Error>> {
        let http = match self {
            Self::Bare => setting.bare(),
            Self::Default => setting.phantom_token("phantom_token_cache tokens;"),
            Self::ZoneOnly => {
                setting.phantom_token("phantom_token_cache tokens; phantom_token_worker_cache off;")
            }
            Self::NoCache => setting.phantom_token("phantom_token_cache off;"),
            Self::AuthRequest(Cache::Disk) => setting.auth_request(Some("{folder}/cache")),
            Self::AuthRequest(Cache::Memory) => setting.auth_request(Some("{tmpfs}/cache")),
            Self::AuthRequest(Cache::Off) => setting.auth_request(None),
            Self::Also(also) => setting.of_user(&fs::read_to_string(&also.config)?),
        };
        let module = match self {
            Self::Default | Self::ZoneOnly | Self::NoCache => load_module(),
            Self::Also(also) if !also.module.as_os_str().is_empty() => {
                format!("load_module {};\n", also.module.display())
            }
            _ => String::new(),
        };
        Ok(Config { main: module + main, http })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tokens {
    RoundRobin(u64),
    New,
    Missing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

struct Plan {
    title: String,
    kinds: Vec<Kind>,
    tokens: Tokens,
    jwt: usize,
    answers: Answers,
    status: u16,
    workers: usize,
    protocol: Protocol,
}

fn plans(options: &Options) -> Vec<Plan> {
    let also = || options.also.iter().cloned().map(Kind::Also);
    let stock = [Kind::AuthRequest(Cache::Disk), Kind::AuthRequest(Cache::Memory)];
    let cached: Vec<Kind> = [Kind::Bare, Kind::Default, Kind::ZoneOnly]
        .into_iter()
        .chain(stock.clone())
        .chain(also())
        .collect();
    let ours = vec![Kind::Bare, Kind::Default, Kind::ZoneOnly];
    let plan = |title: &str, kinds: &[Kind], tokens| Plan {
        title: title.to_owned(),
        kinds: kinds.to_vec(),
        tokens,
        jwt: USUAL_JWT,
        answers: Answers::Storable,
        status: 200,
        workers: 1,
        protocol: Protocol::Http1,
    };

    let mut uncached = cached.clone();
    uncached.extend([Kind::NoCache, Kind::AuthRequest(Cache::Off)]);
    let mut plans = vec![
        plan("One token", &uncached, Tokens::RoundRobin(1)),
        plan("1,000 tokens in turn", &cached, Tokens::RoundRobin(1000)),
    ];
    if !options.quick {
        plans.push(plan("100,000 tokens in turn", &cached, Tokens::RoundRobin(100_000)));
    }
    if options.full {
        plans.push(plan("1,000,000 tokens in turn", &ours, Tokens::RoundRobin(1_000_000)));
    }
    plans.push(Plan {
        workers: 2,
        ..plan("One token, two workers", &cached, Tokens::RoundRobin(1))
    });
    plans.push(Plan {
        workers: 2,
        ..plan("1,000 tokens in turn, two workers", &cached, Tokens::RoundRobin(1000))
    });
    for jwt in [600, 4096, 16384] {
        let title = format!("One token, JWT of {jwt} bytes");
        plans.push(Plan { jwt, ..plan(&title, &ours, Tokens::RoundRobin(1)) });
    }
    plans.push(plan("Miss, the answer is stored", &cached, Tokens::New));
    let not_stored: Vec<Kind> = [Kind::Bare, Kind::Default, Kind::AuthRequest(Cache::Off)]
        .into_iter()
        .chain(also())
        .collect();
    plans.push(Plan {
        answers: Answers::NoStore,
        ..plan("Miss, the answer may not be stored", &not_stored, Tokens::New)
    });
    let refusing: Vec<Kind> = std::iter::once(Kind::Default).chain(also()).collect();
    plans.push(Plan { status: 401, ..plan("Refused, no token", &refusing, Tokens::Missing) });
    if h2load::is_installed() {
        plans.push(Plan {
            protocol: Protocol::Http2,
            ..plan("One token, HTTP/2", &cached, Tokens::RoundRobin(1))
        });
    }
    plans
}

impl Plan {
    fn measure(&self, folder: &Path, options: &Options) -> Result<Scene, Box<dyn Error>> {
        let division = Division::for_workers(self.workers);
        let backend = Backend::start(folder, &division.backend())?;
        let tmpfs = Tmpfs::create()?;
        let mut runs = Vec::new();
        for (index, kind) in self.kinds.iter().enumerate() {
            let folder = folder.join(index.to_string());
            let nginx = self.start(kind, &backend, &division, &folder, &tmpfs)?;
            runs.push(Run { name: kind.name().to_owned(), nginx, sent: 0, rounds: Vec::new() });
        }
        division.among_others(|| self.rounds(&mut runs, options))?;
        Ok(Scene { title: self.title.clone(), rows: rows(&runs) })
    }

    fn start(
        &self,
        kind: &Kind,
        backend: &Backend,
        division: &Division,
        folder: &Path,
        tmpfs: &Tmpfs,
    ) -> Result<Nginx, Box<dyn Error>> {
        let zone = self.zone();
        let setting = Setting {
            api: backend.address(),
            authorization_server: backend.address(),
            jwt: self.jwt,
            answers: self.answers,
            zone: &zone,
            server: &self.listen(),
        };
        let main = format!("worker_processes {};\n{}", self.workers, division.gateway());
        let mut config = kind.config(&setting, &main)?;
        tmpfs.put_into(&mut config);
        Nginx::start(folder, &config)
    }

    fn rounds(&self, runs: &mut [Run], options: &Options) -> Result<(), Box<dyn Error>> {
        let (rounds, requests) = if options.quick { (3, 3000) } else { (9, 10_000) };
        let warm_up = match self.tokens {
            Tokens::RoundRobin(tokens) => tokens.max(2000),
            Tokens::New | Tokens::Missing => 2000,
        };
        for run in &mut *runs {
            self.send(run, warm_up)?;
        }
        let configurations = runs.len();
        for round in 0..rounds {
            for turn in 0..configurations {
                // Nobody is always the first, or always behind the same other.
                self.round(&mut runs[(round + turn) % configurations], requests)?;
            }
        }
        Ok(())
    }

    fn round(&self, run: &mut Run, requests: u64) -> Result<(), Box<dyn Error>> {
        let workers = run.nginx.workers();
        let before = time_used(&workers);
        let (rate, latency) = match self.protocol {
            Protocol::Http1 => {
                let outcome = self.send(run, requests)?;
                let milliseconds = |part| outcome.percentile(part).as_secs_f64() * 1e3;
                (outcome.rate(), Some((milliseconds(0.5), milliseconds(0.99))))
            }
            Protocol::Http2 => {
                let rate = h2load::run(run.nginx.address(1), requests, CONNECTIONS, &token(0))?;
                (rate, None)
            }
        };
        let used = (time_used(&workers).saturating_sub(before)).max(Duration::from_nanos(1));
        run.rounds.push(Round { cpu: used.as_secs_f64() * 1e6 / requests as f64, rate, latency });
        Ok(())
    }

    fn send(&self, run: &mut Run, requests: u64) -> Result<Outcome, Box<dyn Error>> {
        let first = run.sent;
        run.sent += requests;
        let token = |index| match self.tokens {
            Tokens::RoundRobin(tokens) => Some(token((first + index) % tokens)),
            Tokens::New => Some(token(first + index)),
            Tokens::Missing => None,
        };
        let load = Load {
            address: run.nginx.address(0),
            connections: CONNECTIONS,
            requests,
            token: &token,
        };
        load.run()?.expect(self.status)
    }

    /// Room for all tokens and half as many again.
    fn zone(&self) -> String {
        let tokens = match self.tokens {
            Tokens::RoundRobin(tokens) => tokens,
            Tokens::New | Tokens::Missing => 1,
        };
        let bytes = tokens * (self.jwt as u64 + 300) * 3 / 2;
        format!("{}m", bytes.div_ceil(1 << 20).max(64))
    }

    fn listen(&self) -> String {
        // Otherwise a worker that is quick takes more connections than the other.
        let shared = if self.workers > 1 { " reuseport" } else { "" };
        let http1 = format!("listen 127.0.0.1:{{port}}{shared};\n");
        match self.protocol {
            Protocol::Http1 => http1,
            Protocol::Http2 if nginx_version() >= vec![1, 25, 1] => {
                format!("{http1}listen 127.0.0.1:{{port2}};\nhttp2 on;\n")
            }
            Protocol::Http2 => format!("{http1}listen 127.0.0.1:{{port2}} http2;\n"),
        }
    }
}

struct Run {
    name: String,
    nginx: Nginx,
    sent: u64,
    rounds: Vec<Round>,
}

struct Round {
    cpu: f64,
    rate: f64,
    latency: Option<(f64, f64)>,
}

fn rows(runs: &[Run]) -> Vec<Row> {
    let Some(first) = runs.first() else {
        return Vec::new();
    };
    let row = |run: &Run| {
        let ratios: Vec<f64> = run
            .rounds
            .iter()
            .zip(&first.rounds)
            .map(|(round, bare)| round.cpu / bare.cpu)
            .collect();
        let (smallest, largest) = range(&ratios);
        let latencies: Vec<(f64, f64)> =
            run.rounds.iter().filter_map(|round| round.latency).collect();
        Row {
            name: run.name.clone(),
            cpu: median(run.rounds.iter().map(|round| round.cpu)),
            ratio: (median(ratios), smallest, largest),
            rate: median(run.rounds.iter().map(|round| round.rate)),
            latency: (!latencies.is_empty()).then(|| {
                let half = median(latencies.iter().map(|latency| latency.0));
                (half, median(latencies.iter().map(|latency| latency.1)))
            }),
            memory: memory_of(&run.nginx.workers()),
        }
    };
    runs.iter().map(row).collect()
}
