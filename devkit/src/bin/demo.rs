//! Walks through the phantom token flow, with a real NGINX and the real module.
//!
//! `--keep` leaves everything running until Ctrl-C and prints what to try.

use std::process::ExitCode;

use base64::{Engine, engine::general_purpose::STANDARD};
use phantom_token_devkit::{
    Nginx, Request, Response,
    demo::{Client, DemoApi, DemoAuthorizationServer},
    runtime,
};

/// How many characters of a token are shown.
const SHOWN: usize = 46;

const CONFIGURATION: &str = "
    server {
        listen 127.0.0.1:{port};

        location / {
            phantom_token on;
            phantom_token_introspection_endpoint /_introspect;
            phantom_token_client_credential {gateway};

            # So that you see what the cache does. Leave it out in production.
            add_header X-Cache-Status $phantom_token_cache_status always;

            proxy_pass http://{api};
        }

        location = /_introspect { internal; proxy_pass http://{as}/introspect; }
    }
";

fn main() -> ExitCode {
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(argument) => {
            eprintln!("demo: unknown argument '{argument}', expected nothing or --keep");
            return ExitCode::FAILURE;
        }
    };
    let demo = Demo::start();
    demo.introduce();
    let token = demo.walk();
    if keep {
        demo.keep(&token);
    } else {
        drop(demo);
        println!("Stopped. scripts/demo --keep leaves it running.");
    }
    ExitCode::SUCCESS
}

struct Demo {
    authorization_server: DemoAuthorizationServer,
    api: DemoApi,
    nginx: Nginx,
    configuration: String,
}

impl Demo {
    fn start() -> Self {
        let authorization_server = DemoAuthorizationServer::start();
        let api = DemoApi::start(&authorization_server);
        let Client { id, secret } = Client::GATEWAY;
        let configuration = CONFIGURATION
            .replace("{as}", &authorization_server.address().to_string())
            .replace("{api}", &api.address().to_string())
            .replace("{gateway}", &format!("{id} {secret}"));
        let nginx = Nginx::builder().http(configuration.as_str()).start();
        Self { authorization_server, api, nginx, configuration }
    }

    fn introduce(&self) {
        let nginx = self.nginx.address();
        println!("Three servers run on this machine now:");
        println!();
        println!("  authorization server  http://{}", self.authorization_server.address());
        println!("  NGINX with the module http://{nginx}");
        println!("  API                   http://{}", self.api.address());
        println!();
        println!("NGINX has this configuration, in {}/nginx.conf:", self.nginx.prefix().display());
        println!("{}", self.configuration.replace("{port}", &nginx.port().to_string()));
    }

    /// Shows each step; gives the token that was issued.
    fn walk(&self) -> String {
        step(
            1,
            "An app gets an access token from the authorization server",
            "The token is opaque: random characters that mean nothing to whoever finds them.",
        );
        let issued = show(&self.token_request());
        let token = issued.json()["access_token"].as_str().expect("an access token").to_owned();

        step(
            2,
            "The app calls the API with it, through NGINX",
            "NGINX has not seen this token before, so the module asks the authorization server for\n\
             the JWT behind it, and forwards the request with the JWT in place of the token. The API\n\
             shows what it received, and has verified the signature by itself.",
        );
        show_forwarded(&self.nginx.get("/orders/1").bearer(&token));

        step(
            3,
            "The app calls the API again",
            "X-Cache-Status is HIT now: the JWT comes out of the cache in NGINX's shared memory, and\n\
             the authorization server is not asked.",
        );
        show_forwarded(&self.nginx.get("/orders/2").bearer(&token));

        step(
            4,
            "Somebody calls the API with a token that nobody issued",
            "The authorization server says that it is not active. The API is not called, and the\n\
             challenge in WWW-Authenticate says why (RFC 6750).",
        );
        show(&self.nginx.get("/orders/3").bearer("made-up-token"));

        step(
            5,
            "Somebody calls the API without a token",
            "Neither the authorization server nor the API is called.",
        );
        show(&self.nginx.get("/orders/4"));
        token
    }

    fn token_request(&self) -> Request {
        let credential = STANDARD.encode(format!("{}:{}", Client::APP.id, Client::APP.secret));
        Request::new(self.authorization_server.address(), "POST", "/token")
            .header("Authorization", format!("Basic {credential}"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials&scope=orders:read")
    }

    fn keep(&self, token: &str) {
        let (server, nginx) = (self.authorization_server.address(), self.nginx.address());
        let Client { id, secret } = Client::APP;
        println!();
        println!("Everything keeps running until you press Ctrl-C. Try:");
        println!();
        println!("  # a call with the token from above, good for ten minutes");
        println!("  curl -i -H 'Authorization: Bearer {token}' http://{nginx}/orders/5");
        println!();
        println!("  # a new token");
        println!("  curl -u {id}:{secret} -d grant_type=client_credentials http://{server}/token");
        println!();
        println!("  # what the module asks the authorization server");
        println!(
            "  curl -i -u {}:{} -H 'Accept: application/jwt' -d token={token} http://{server}/introspect",
            Client::GATEWAY.id,
            Client::GATEWAY.secret
        );
        println!();
        println!("  # no token");
        println!("  curl -i http://{nginx}/orders/6");
        println!();
        println!("NGINX's configuration and logs are in {}", self.nginx.prefix().display());
        runtime().block_on(until_asked_to_end());
    }
}

fn step(number: usize, title: &str, explanation: &str) {
    println!("--- {number}. {title} ---");
    println!();
    println!("{explanation}");
    println!();
}

/// Sends the request, and prints it and its answer.
fn show(request: &Request) -> Response {
    let response = request.send();
    for line in String::from_utf8_lossy(&request.to_bytes()).trim_end().lines() {
        println!("  > {}", shortened(line));
    }
    println!();
    println!("  < HTTP/1.1 {}", response.status);
    for (name, value) in response.headers.iter() {
        println!("  < {name}: {}", String::from_utf8_lossy(value));
    }
    println!("  <");
    let pretty = serde_json::to_string_pretty(&response.json()).expect("JSON");
    for line in pretty.lines() {
        println!("  < {}", shortened(line));
    }
    println!();
    response
}

fn show_forwarded(request: &Request) {
    let response = show(request);
    assert_eq!(response.status, 200, "the demo's own token is good");
}

/// The line with long words cut.
fn shortened(line: &str) -> String {
    let cut = |word: &str| match word.char_indices().nth(SHOWN) {
        Some((end, _)) if word.starts_with("\"Bearer") || !word.contains('=') => {
            format!("{}... ({} characters)", &word[..end], word.len())
        }
        _ => word.to_owned(),
    };
    line.split(' ').map(cut).collect::<Vec<_>>().join(" ")
}

async fn until_asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate()).expect("to listen for SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}
