//! Many clients with one new token at the same moment.

use std::{error::Error, fs, path::Path, time::Duration};

use crate::{
    authority::Authority,
    counting::token,
    load::Load,
    nginx::{Config, Nginx},
    options::Options,
    setting::{Answers, Backend, Setting, USUAL_JWT, load_module},
    statistics::median,
};

/// How many clients.
pub const CLIENTS: usize = 200;
/// How long an introspection takes.
pub const INTROSPECTION: Duration = Duration::from_millis(100);

/// What became of the bursts at one configuration.
pub struct Burst {
    /// The configuration.
    pub name: String,
    /// Introspections that reached the authorization server: the median and the most.
    pub asked: (f64, u64),
    /// Until the last client had its answer, in milliseconds: the median and the longest.
    pub answered: (f64, f64),
}

/// Measures them, each burst with a token of its own.
pub fn measure(options: &Options) -> Result<Vec<Burst>, Box<dyn Error>> {
    let authority = Authority::start()?;
    let backend = Backend::start(&options.folder.join("burst"), "")?;
    authority.take(INTROSPECTION);
    let setting = Setting {
        api: backend.address(),
        authorization_server: authority.address(),
        jwt: USUAL_JWT,
        answers: Answers::Storable,
        zone: "16m",
        server: "listen 127.0.0.1:{port} reuseport;",
    };
    let ours = setting.phantom_token("phantom_token_cache tokens;");
    let stock = setting.auth_request(Some("{folder}/cache"));
    let mut cases = vec![
        ("phantom_token".to_owned(), load_module(), ours),
        ("auth_request, proxy_cache_lock".to_owned(), String::new(), stock),
    ];
    for also in &options.also {
        let module = format!("load_module {};\n", also.module.display());
        let module = if also.module.as_os_str().is_empty() { String::new() } else { module };
        let http = setting.of_user(&fs::read_to_string(&also.config)?);
        cases.push((also.name.clone(), module, http));
    }

    let times = if options.quick { 3 } else { 15 };
    let mut bursts = Vec::new();
    for (index, (name, main, http)) in cases.into_iter().enumerate() {
        eprintln!("    bursts: {name}");
        let config = Config { main: format!("{main}worker_processes 2;\n"), http };
        let folder = options.folder.join(format!("burst/{index}"));
        bursts.push(of(&name, &folder, &config, &authority, times)?);
    }
    Ok(bursts)
}

fn of(
    name: &str,
    folder: &Path,
    config: &Config,
    authority: &Authority,
    times: u64,
) -> Result<Burst, Box<dyn Error>> {
    let nginx = Nginx::start(folder, config)?;
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for time in 0..times {
        let before = authority.asked();
        let load = Load {
            address: nginx.address(0),
            connections: CLIENTS,
            requests: CLIENTS as u64,
            token: &|_| Some(token(time)),
        };
        let outcome = load.run()?.expect(200)?;
        asked.push(authority.asked() - before);
        answered.push(outcome.duration.as_secs_f64() * 1e3);
    }
    Ok(Burst {
        name: name.to_owned(),
        asked: (
            median(asked.iter().map(|&asked| asked as f64)),
            asked.iter().copied().max().unwrap_or(0),
        ),
        answered: (median(answered.clone()), answered.iter().copied().fold(0.0, f64::max)),
    })
}
