//! Instructions and system calls per request, counted, so that noise cannot spoil them.
//!
//! Each number is the difference of two runs that differ in the number of requests alone, so that
//! start-up, connecting and the first request drop out.

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use crate::{
    http::{Connection, request},
    nginx::{Config, Nginx},
    profile::Profile,
    setting::{Answers, Backend, JWT_LENGTHS, LISTEN, Setting, USUAL_JWT, load_module},
};

const FEW: u64 = 500;
const MANY: u64 = 3 * FEW;

/// What one request costs.
#[derive(Clone, Debug)]
pub struct Count {
    /// What is counted: the configuration and what becomes of the request.
    pub name: String,
    /// Whether the module is in it.
    pub module: bool,
    /// The length of the JWT in bytes.
    pub jwt: usize,
    /// Instructions in user mode.
    pub instructions: Profile,
    /// System calls by their names.
    pub calls: BTreeMap<String, f64>,
}

impl Count {
    /// All system calls together.
    pub fn all_calls(&self) -> f64 {
        self.calls.values().sum()
    }
}

/// Which cases to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those that the budget bounds.
    Budget,
    /// The alternative that stock NGINX offers, too.
    Everything,
}

/// Counts; writes what valgrind says of each case into that folder, for `callgrind_annotate`.
pub fn count(folder: &Path, extent: Extent) -> Result<Vec<Count>, Box<dyn Error>> {
    let backend = Backend::start(folder, "")?;
    let mut counts = Vec::new();
    for case in cases(&backend, extent) {
        eprintln!("    counting: {} ({} bytes)", case.name, case.jwt);
        let folder = folder.join(format!("{}-{}", case.name.replace(' ', "-"), case.jwt));
        counts.push(Count {
            name: case.name.to_owned(),
            module: case.module,
            jwt: case.jwt,
            instructions: instructions(&folder, &case)?,
            calls: system_calls(&folder, &case)?,
        });
    }
    Ok(counts)
}

struct Case {
    name: &'static str,
    module: bool,
    jwt: usize,
    http: String,
    sent: Sent,
    status: u16,
}

#[derive(Clone, Copy)]
enum Sent {
    OneToken,
    NewTokens,
    NoToken,
    Malformed,
}

impl Sent {
    fn request(self, index: u64) -> Vec<u8> {
        match self {
            Self::OneToken => request(Some(&token(0))),
            Self::NewTokens => request(Some(&token(index))),
            Self::NoToken => request(None),
            Self::Malformed => request(Some("not a token")),
        }
    }
}

/// An opaque token, as long as a UUID.
pub fn token(index: u64) -> String {
    format!("7b1e9c1e-0d0c-4a43-9b66-{index:012x}")
}

fn cases(backend: &Backend, extent: Extent) -> Vec<Case> {
    let address = backend.address();
    let setting = |jwt, answers| Setting {
        api: address,
        authorization_server: address,
        jwt,
        answers,
        zone: "32m",
        server: LISTEN,
    };
    let case = |name, jwt, http, sent, status| Case { name, module: true, jwt, http, sent, status };

    let mut cases = Vec::new();
    for jwt in JWT_LENGTHS {
        let setting = setting(jwt, Answers::Storable);
        let bare = setting.bare();
        cases.push(Case { module: false, ..case("bare", jwt, bare, Sent::OneToken, 200) });
        let worker = setting.phantom_token("phantom_token_cache tokens;");
        cases.push(case("hit", jwt, worker, Sent::OneToken, 200));
        let zone =
            setting.phantom_token("phantom_token_cache tokens; phantom_token_worker_cache off;");
        cases.push(case("hit in the zone", jwt, zone, Sent::OneToken, 200));
    }

    let cached = "phantom_token_cache tokens;";
    let storable = setting(USUAL_JWT, Answers::Storable).phantom_token(cached);
    let no_store = setting(USUAL_JWT, Answers::NoStore).phantom_token(cached);
    let inactive = setting(USUAL_JWT, Answers::Inactive).phantom_token(cached);
    cases.extend([
        case("miss stored", USUAL_JWT, storable.clone(), Sent::NewTokens, 200),
        case("miss not stored", USUAL_JWT, no_store, Sent::NewTokens, 200),
        case("refused inactive", USUAL_JWT, inactive, Sent::OneToken, 401),
        case("refused without token", USUAL_JWT, storable.clone(), Sent::NoToken, 401),
        case("refused malformed", USUAL_JWT, storable, Sent::Malformed, 401),
    ]);
    if extent == Extent::Everything {
        let stock = setting(USUAL_JWT, Answers::Storable).auth_request(Some("{folder}/cache"));
        let hit = case("auth_request hit", USUAL_JWT, stock.clone(), Sent::OneToken, 200);
        let miss = case("auth_request miss", USUAL_JWT, stock, Sent::NewTokens, 200);
        cases.push(Case { module: false, ..hit });
        cases.push(Case { module: false, ..miss });
    }
    cases
}

fn instructions(folder: &Path, case: &Case) -> Result<Profile, Box<dyn Error>> {
    // Valgrind takes each byte that "rep movsb" copies for an instruction, so that the C library is
    // told to copy otherwise.
    let unlimited = "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000:\
                     glibc.cpu.x86_rep_stosb_threshold=1000000000";
    let profile = |requests: u64| {
        let folder = folder.join(requests.to_string());
        let counted = folder.join("callgrind.out");
        let program = [
            "env",
            unlimited,
            "valgrind",
            "--tool=callgrind",
            &format!("--callgrind-out-file={}", counted.display()),
        ]
        .map(str::to_owned);
        run(&program, &folder, case, requests)?;
        Ok::<_, Box<dyn Error>>(Profile::parse(&fs::read_to_string(&counted)?))
    };
    let (few, many) = (profile(FEW)?, profile(MANY)?);
    Ok(many.less(&few, (MANY - FEW) as f64))
}

fn system_calls(folder: &Path, case: &Case) -> Result<BTreeMap<String, f64>, Box<dyn Error>> {
    let calls = |requests: u64| {
        let folder = folder.join(format!("strace-{requests}"));
        let counted = folder.join("strace.out");
        let program =
            ["strace", "-f", "-c", "-o", &counted.display().to_string()].map(str::to_owned);
        run(&program, &folder, case, requests)?;
        Ok::<_, Box<dyn Error>>(parse_strace(&fs::read_to_string(&counted)?))
    };
    let (few, many) = (calls(FEW)?, calls(MANY)?);
    let difference = many.into_iter().map(|(name, count)| {
        let before = few.get(&name).copied().unwrap_or(0.0);
        (name, per_request(before, count))
    });
    // A call that happens now and then has nothing to do with a request.
    Ok(difference.filter(|(_, calls)| *calls >= 0.01).collect())
}

fn per_request(few: f64, many: f64) -> f64 {
    (many - few) / (MANY - FEW) as f64
}

fn run(
    program: &[String],
    folder: &Path,
    case: &Case,
    requests: u64,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let load_module = if case.module { load_module() } else { String::new() };
    let main = format!("{load_module}master_process off;\n");
    let config = Config { main, http: case.http.clone() };
    let nginx = Nginx::start_under(program, folder, &config)?;
    let mut connection = Connection::open(nginx.address(0))?;
    for index in 0..requests {
        let (status, answer) = connection.ask(&case.sent.request(index))?;
        if status != case.status {
            return Err(format!("{}: {answer}\n{}", case.name, nginx.error_log()).into());
        }
    }
    drop(connection);
    nginx.stop();
    Ok(())
}

/// The counts in what `strace -c` prints: time, seconds, microseconds per call, calls, errors if
/// there were any, name.
fn parse_strace(table: &str) -> BTreeMap<String, f64> {
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let calls = columns.get(3)?.parse().ok()?;
        Some(((*columns.last()?).to_owned(), calls))
    };
    table.lines().filter_map(row).filter(|(name, _)| name != "total").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_with_and_without_errors() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n \
                     60.00    0.000600           1       500         3 recvfrom\n \
                     40.00    0.000400           1       400           writev\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    0.001000           1       900         3 total\n";

        let calls = parse_strace(table);

        assert_eq!(calls, BTreeMap::from([("recvfrom".into(), 500.0), ("writev".into(), 400.0)]));
    }
}
