//! What is soaked: a gateway between an authorization server and an API, and its clients.

use std::time::Duration;

use phantom_token_devkit::{
    Installation, Nginx, eventually,
    load::{CheckingApi, Issuer, Load, RunningLoad, Totals, mixture},
};

use crate::{
    revocation::Revocations,
    samples::{Sample, Sampler},
};

pub const CONNECTIONS: usize = 64;
pub const WORKERS: usize = 2;
/// Tokens that come again and again: their JWTs are three times the size of the zone.
pub const KNOWN: u64 = 20_000;
pub const ZONE: &str = "16m";
/// What must not stand in the error log.
const FAULTS: [&str; 5] = ["[alert]", "[emerg]", "[crit]", "exited on signal", "panicked"];

/// A gateway under load.
pub struct Soak {
    load: RunningLoad,
    revocations: Revocations,
    sampler: Sampler,
    nginx: Nginx,
    issuer: Issuer,
    api: CheckingApi,
    reloads: u64,
    slow_reloads: u64,
}

/// What came of it.
pub struct Run {
    pub samples: Vec<Sample>,
    pub totals: Totals,
    pub introspections: u64,
    pub revoked: u64,
    pub reloads: u64,
    /// Reloads after which old workers did not end within ten seconds.
    pub slow_reloads: u64,
    /// Wrong answers, and what else was found.
    pub findings: Vec<String>,
    /// The status of the zone at the end.
    pub status: serde_json::Value,
}

impl Soak {
    /// Starts everything.
    pub fn start() -> Self {
        let (issuer, api) = (Issuer::start(), CheckingApi::start());
        let nginx = Nginx::builder()
            .whole(config())
            .replace("{as}", issuer.address())
            .replace("{api}", api.address())
            .start();
        let load =
            Load::new(nginx.address(), CONNECTIONS, |number| mixture(number, KNOWN)).start(0);
        let revocations = Revocations::start(nginx.address(), &issuer);
        let sampler = Sampler::new(load.tally.clone());
        Self { load, revocations, sampler, nginx, issuer, api, reloads: 0, slow_reloads: 0 }
    }

    /// Reloads the configuration and waits until the old workers have ended.
    pub fn reload(&mut self) {
        self.nginx.reload();
        self.reloads += 1;
        let ended = eventually(|| (self.nginx.workers().len() == WORKERS).then_some(()));
        self.slow_reloads += u64::from(ended.is_none());
    }

    /// Takes a sample.
    pub fn sample(&mut self, at: Duration) {
        let sample = self.sampler.sample(at, &self.nginx);
        eprintln!("{sample}");
    }

    /// Ends it.
    pub fn end(self) -> Run {
        let Self { load, revocations, sampler, nginx, issuer, api, reloads, slow_reloads } = self;
        let tally = load.tally.clone();
        load.stop();
        let (revoked, late) = revocations.stop();
        let mut findings = [tally.wrong.first(), api.findings().first(), late].concat();
        let log = nginx.error_log();
        let is_fault = |line: &&str| FAULTS.iter().any(|fault| line.contains(fault));
        findings.extend(log.lines().filter(is_fault).map(str::to_owned));
        if let Err(broken) = nginx.check_zones() {
            findings.push(format!("the zone: {broken}"));
        }
        let status = nginx.get("/status").send().json()["zones"]["phantom_token"].clone();
        Run {
            samples: sampler.into_samples(),
            totals: tally.totals(),
            introspections: issuer.introspections(),
            revoked,
            reloads,
            slow_reloads,
            findings,
            status,
        }
    }
}

fn config() -> String {
    format!(
        "load_module {module};
         worker_processes {WORKERS};
         error_log logs/error.log notice;
         events {{ worker_connections 1024; }}
         http {{
             upstream api {{ server {{api}}; keepalive 64; }}
             upstream as {{ server {{as}}; keepalive 32; }}
             proxy_http_version 1.1;
             phantom_token_cache_zone phantom_token:{ZONE};
             server {{
                 listen 127.0.0.1:{{port}};
                 access_log off;
                 keepalive_requests 10000;
                 location / {{
                     phantom_token on;
                     phantom_token_introspection_endpoint /introspection;
                     phantom_token_cache_inactive_valid 10s;
                     phantom_token_cache_background_update on before=2s;
                     proxy_set_header Connection \"\";
                     proxy_set_header X-Now $msec;
                     proxy_pass http://api;
                 }}
                 location = /introspection {{
                     internal;
                     proxy_set_header Connection \"\";
                     proxy_pass http://as;
                 }}
                 location = /status {{ phantom_token_status; }}
                 location = /purge {{ phantom_token_purge; }}
             }}
         }}
         ",
        module = Installation::get().module.display(),
    )
}
