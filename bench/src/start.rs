//! How long NGINX takes to start and to reload with a large zone.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use crate::{
    http::{Connection, request},
    nginx::{Config, Nginx},
    options::Options,
    setting::load_module,
    statistics::median,
};

/// Longer than any reload takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one configuration takes, in milliseconds, as medians.
pub struct Start {
    /// The configuration.
    pub name: &'static str,
    /// From the start of the process until its first answer.
    pub start: f64,
    /// From the signal until the first answer of a new worker.
    pub reload: f64,
}

/// Measures all configurations in turn.
pub fn measure(options: &Options) -> Result<Vec<Start>, Box<dyn Error>> {
    eprintln!("    starting with zones of 1 GB");
    let server = "server { listen 127.0.0.1:{port}; location / { return 200 \"pid $pid\"; }\n";
    let stock = format!("limit_req_zone $uri zone=large:1024m rate=1r/s;\n{server}}}\n");
    let ours = format!(
        "phantom_token_cache_zone large:1024m;\n{server}\
         location /protected {{ phantom_token on; phantom_token_cache large;\n\
         phantom_token_introspection_endpoint /introspect; }}\n\
         location = /introspect {{ internal; return 204; }}\n}}\n"
    );
    let cases = [
        ("no zone", String::new(), format!("{server}}}\n")),
        ("limit_req_zone of 1 GB", String::new(), stock.clone()),
        ("limit_req_zone of 1 GB, our module loaded", load_module(), stock),
        ("phantom_token_cache_zone of 1 GB", load_module(), ours),
    ];
    let mut times = cases.each_ref().map(|_| (Vec::new(), Vec::new()));
    for _ in 0..if options.quick { 3 } else { 21 } {
        for ((index, (_, main, http)), times) in cases.iter().enumerate().zip(&mut times) {
            let config = Config { main: main.clone(), http: http.clone() };
            let started = Instant::now();
            let nginx = Nginx::start(&options.folder.join(format!("start-{index}")), &config)?;
            pid(&nginx)?;
            times.0.push(milliseconds(started.elapsed()));
            times.1.push(milliseconds(reload(&nginx)?));
        }
    }
    let results = cases.iter().zip(times).map(|((name, ..), (starts, reloads))| Start {
        name,
        start: median(starts),
        reload: median(reloads),
    });
    Ok(results.collect())
}

fn reload(nginx: &Nginx) -> Result<Duration, Box<dyn Error>> {
    let old = pid(nginx)?;
    let asked = Instant::now();
    nginx.reload();
    while pid(nginx)? == old {
        if asked.elapsed() > PATIENCE {
            return Err("a reload did not happen".into());
        }
    }
    Ok(asked.elapsed())
}

/// The worker that answers a new connection.
fn pid(nginx: &Nginx) -> Result<String, Box<dyn Error>> {
    let asked = Instant::now();
    loop {
        let answer =
            Connection::open(nginx.address(0)).and_then(|mut client| client.ask(&request(None)));
        match answer {
            Ok((200, text)) => return Ok(text.rsplit(' ').next().unwrap_or_default().to_owned()),
            // The old worker may end before it has answered.
            _ if asked.elapsed() < PATIENCE => {}
            Ok((status, _)) => return Err(format!("unexpected status {status}").into()),
            Err(error) => return Err(error),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
