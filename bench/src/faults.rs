//! Bad days: a zone that is full, a flood of random tokens, an authorization server in trouble.

use std::{error::Error, path::PathBuf, thread::sleep, time::Duration};

use crate::{
    authority::{Authority, BAD},
    counting::token,
    load::{Load, Outcome},
    nginx::{Config, Nginx},
    options::Options,
    setting::{Answers, Backend, LISTEN, Setting, USUAL_JWT, load_module},
    tmpfs::Tmpfs,
};

const CONNECTIONS: usize = 32;
/// Large enough for the good tokens of each case, and for few besides.
const ZONE: &str = "4m";
/// Of so many requests in a flood one has a good token.
const FLOOD: u64 = 10;
const GOOD_TOKENS: u64 = 1000;
/// Few, because an update in the background holds up the next request on its connection, so that
/// each of these takes as long as the authorization server.
const TOKENS_IN_TROUBLE: u64 = 50;

/// What happened in one case.
pub struct Fault {
    /// What went wrong, and what was configured.
    pub name: String,
    /// How many requests were sent.
    pub requests: u64,
    /// The part of them that was answered as it should be, 0 to 1.
    pub right: f64,
    /// The part of the good tokens' requests that was answered without an introspection, where
    /// the configuration can tell.
    pub hits: Option<f64>,
    /// Introspections that reached the authorization server.
    pub asked: u64,
    /// Time until half, and until 99 % of the requests were answered, in milliseconds.
    pub latency: (f64, f64),
    /// Lines of level `error` and above in the error log.
    pub errors: usize,
}

/// Goes through all cases.
pub fn measure(options: &Options) -> Result<Vec<Fault>, Box<dyn Error>> {
    let tmpfs = Tmpfs::create()?;
    let bench = Bench { folder: options.folder.join("faults"), tmpfs, quick: options.quick };
    let backend = Backend::start(&bench.folder, "")?;
    let mut faults = vec![bench.full_zone(&backend)?];
    for gateway in [Gateway::Ours, Gateway::Stock] {
        faults.push(bench.flood(&backend, gateway)?);
    }
    for gateway in [Gateway::Ours, Gateway::Stock] {
        faults.push(bench.trouble(&backend, gateway, Trouble::Down)?);
        faults.push(bench.trouble(&backend, gateway, Trouble::Slow)?);
    }
    Ok(faults)
}

struct Bench {
    folder: PathBuf,
    /// For files of the peers, which are deleted by the thousands.
    tmpfs: Tmpfs,
    quick: bool,
}

#[derive(Clone, Copy)]
enum Gateway {
    Ours,
    Stock,
}

impl Gateway {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "phantom_token",
            Self::Stock => "auth_request",
        }
    }

    fn config(self, setting: &Setting) -> Config {
        match self {
            Self::Ours => Config {
                main: load_module(),
                http: setting.phantom_token(
                    "phantom_token_cache tokens;\nphantom_token_cache_inactive_valid 60s;\n\
                     phantom_token_cache_use_stale error timeout http_500 updating;\n\
                     phantom_token_cache_background_update on;\n\
                     add_header X-Cache $phantom_token_cache_status;",
                ),
            },
            Self::Stock => Config {
                main: String::new(),
                http: setting.auth_request_with(
                    Some("{tmpfs}/cache"),
                    "auth_request_set $cache $upstream_cache_status;\nadd_header X-Cache $cache;",
                    "proxy_cache_use_stale error timeout http_500 updating;\n\
                     proxy_cache_background_update on;",
                ),
            },
        }
    }
}

#[derive(Clone, Copy)]
enum Trouble {
    Down,
    Slow,
}

impl Bench {
    /// Far more tokens than fit, with JWTs of many lengths, each asked for twice in a row.
    fn full_zone(&self, backend: &Backend) -> Result<Fault, Box<dyn Error>> {
        let authority = Authority::start_with_mixed_lengths()?;
        let setting = setting(backend, &authority);
        let nginx = self.start("full", &Gateway::Ours.config(&setting))?;
        let requests = self.requests(40_000);
        let token = |index| Some(token(index / 2));
        let outcome = send(&nginx, requests, &token)?;
        let right = outcome.share(200);
        let name = format!("zone of {ZONE} full, {} tokens", requests / 2);
        let fault = fault(name, &nginx, requests, right, authority.asked(), &outcome);
        // The second request with a token mostly waits for the first instead of finding its answer.
        Ok(Fault { hits: None, ..fault })
    }

    /// Nine requests with random tokens for one with a good token.
    fn flood(&self, backend: &Backend, gateway: Gateway) -> Result<Fault, Box<dyn Error>> {
        let authority = Authority::start()?;
        let setting = setting(backend, &authority);
        let nginx = self.start(&format!("flood-{}", gateway.name()), &gateway.config(&setting))?;
        send(&nginx, GOOD_TOKENS, &|index| Some(token(index)))?;
        let before = authority.asked();

        let requests = self.requests(100_000);
        let flood = |index| match index % FLOOD {
            0 => Some(token(index / FLOOD % GOOD_TOKENS)),
            _ => Some(format!("{BAD}{}", token(index))),
        };
        let outcome = send(&nginx, requests, &flood)?;
        let right = outcome.share(200).min(1.0 / FLOOD as f64)
            + outcome.share(401).min(1.0 - 1.0 / FLOOD as f64);
        let name = format!("flood of random tokens, {}", gateway.name());
        Ok(fault(name, &nginx, requests, right, authority.asked() - before, &outcome))
    }

    /// The answers have gone stale, and there are no new ones, or not soon.
    fn trouble(
        &self,
        backend: &Backend,
        gateway: Gateway,
        trouble: Trouble,
    ) -> Result<Fault, Box<dyn Error>> {
        let authority = Authority::start()?;
        authority.allow(1);
        let setting = setting(backend, &authority);
        let (name, folder) = match trouble {
            Trouble::Down => ("answers 500", "down"),
            Trouble::Slow => ("takes 2 s", "slow"),
        };
        let folder = format!("{folder}-{}", gateway.name());
        let nginx = self.start(&folder, &gateway.config(&setting))?;
        send(&nginx, TOKENS_IN_TROUBLE, &|index| Some(token(index)))?;
        sleep(Duration::from_millis(2100));
        authority.allow(3600);
        let before = authority.asked();
        match trouble {
            Trouble::Down => authority.fail(true),
            Trouble::Slow => authority.take(Duration::from_secs(2)),
        }

        let requests = self.requests(50_000);
        let outcome = send(&nginx, requests, &|index| Some(token(index % TOKENS_IN_TROUBLE)))?;
        let name = format!("authorization server {name}, stale allowed, {}", gateway.name());
        let asked = authority.asked() - before;
        Ok(fault(name, &nginx, requests, outcome.share(200), asked, &outcome))
    }

    fn start(&self, name: &str, config: &Config) -> Result<Nginx, Box<dyn Error>> {
        eprintln!("    bad days: {name}");
        let mut config =
            Config { main: format!("{}worker_processes 2;\n", config.main), ..config.clone() };
        config.http = config.http.replace("{tmpfs}/cache", &format!("{{tmpfs}}/{name}"));
        self.tmpfs.put_into(&mut config);
        Nginx::start(&self.folder.join(name), &config)
    }

    fn requests(&self, usual: u64) -> u64 {
        if self.quick { usual / 10 } else { usual }
    }
}

fn setting<'a>(backend: &Backend, authority: &Authority) -> Setting<'a> {
    Setting {
        api: backend.address(),
        authorization_server: authority.address(),
        jwt: USUAL_JWT,
        answers: Answers::Storable,
        zone: ZONE,
        server: LISTEN,
    }
}

fn send(
    nginx: &Nginx,
    requests: u64,
    token: &dyn Fn(u64) -> Option<String>,
) -> Result<Outcome, Box<dyn Error>> {
    Load { address: nginx.address(0), connections: CONNECTIONS, requests, token }.run()
}

fn fault(
    name: String,
    nginx: &Nginx,
    requests: u64,
    right: f64,
    asked: u64,
    outcome: &Outcome,
) -> Fault {
    let good: u64 = outcome.cache.values().sum();
    let served = ["HIT", "STALE", "UPDATING"].map(|status| outcome.cache.get(status).copied());
    let served: u64 = served.into_iter().flatten().sum();
    let milliseconds = |part| outcome.percentile(part).as_secs_f64() * 1e3;
    let log = nginx.error_log();
    let severe = |line: &&str| {
        ["[error]", "[crit]", "[alert]", "[emerg]"].into_iter().any(|level| line.contains(level))
    };
    Fault {
        name,
        requests,
        right,
        hits: (good > 0).then(|| served as f64 / good as f64),
        asked,
        latency: (milliseconds(0.5), milliseconds(0.99)),
        errors: log.lines().filter(severe).count(),
    }
}
