//! What a scene is made of: the configuration of NGINX, and the load.

use phantom_token_devkit::{
    Installation, Nginx, NginxBuilder,
    load::{CheckingApi, Issuer, Token, mixture},
};

use crate::scene::Scene;

pub const WORKERS: usize = 2;
pub const CONNECTIONS: usize = 32;
/// Tokens that come again and again.
pub const KNOWN: u64 = 500;

/// Describes a scene.
pub struct Plan {
    /// Directives outside of all blocks.
    pub main: String,
    pub worker_connections: usize,
    /// Directives of the protected location.
    pub directives: String,
    /// Directives of the introspection location.
    pub introspection: &'static str,
    pub zone: &'static str,
    /// Where the authorization server is, if it is not reached as usual.
    pub issuer_address: Option<String>,
    pub load: LoadPlan,
    /// Texts of log lines that the fault brings.
    pub tolerated: Vec<&'static str>,
    /// Changes how NGINX is started.
    pub launch: Box<dyn FnOnce(NginxBuilder) -> NginxBuilder>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            main: String::new(),
            worker_connections: 1024,
            directives: String::new(),
            introspection: "",
            zone: "4m",
            issuer_address: None,
            load: LoadPlan::default(),
            tolerated: Vec::new(),
            launch: Box::new(|nginx| nginx),
        }
    }
}

impl Plan {
    /// The configuration file.
    pub fn config(&self) -> String {
        let Self { main, worker_connections, directives, introspection, zone, .. } = self;
        let module = Installation::get().module.display();
        format!(
            "load_module {module};
             worker_processes {WORKERS};
             error_log logs/error.log notice;
             {main}
             events {{ worker_connections {worker_connections}; }}
             http {{
                 upstream api {{ server {{api}}; keepalive 64; keepalive_timeout 1s; }}
                 upstream as {{ server {{as}}; keepalive 16; keepalive_timeout 1s; }}
                 proxy_http_version 1.1;
                 proxy_set_header Connection \"\";
                 phantom_token_cache_zone phantom_token:{zone};
                 server {{
                     listen 127.0.0.1:{{port}};
                     access_log off;
                     keepalive_requests 100000;
                     location / {{
                         phantom_token on;
                         phantom_token_introspection_endpoint /introspection;
                         phantom_token_cache_inactive_valid 5s;
                         phantom_token_cache_background_update on before=2s;
                         phantom_token_worker_cache 256;
                         proxy_set_header Connection \"\";
                         proxy_set_header X-Now $msec;
                         {directives}
                         proxy_pass http://api;
                     }}
                     location = /introspection {{ internal; {introspection} proxy_pass http://as; }}
                     location = /time {{ return 200 $msec; }}
                     location = /status {{ phantom_token_status; }}
                 }}
             }}
             "
        )
    }

    /// Starts it and warms it up.
    pub fn start(self) -> Scene {
        let (issuer, api) = (Issuer::start(), CheckingApi::start());
        self.start_with(issuer, api)
    }

    /// Starts it with this authorization server and this API.
    pub fn start_with(self, issuer: Issuer, api: CheckingApi) -> Scene {
        let issuer_address = self.issuer_address.clone();
        let mut nginx = Nginx::builder()
            .whole(self.config())
            .replace("{as}", issuer_address.as_deref().unwrap_or(issuer.address()))
            .replace("{api}", api.address());
        for text in &self.tolerated {
            nginx = nginx.tolerate(text);
        }
        let nginx = (self.launch)(nginx).start();
        Scene::new(nginx, issuer, api, self.load)
    }
}

/// Describes the load.
pub struct LoadPlan {
    pub connections: usize,
    /// So many more connections have load while the fault lasts.
    pub crowd: usize,
    /// What each request has for a token.
    pub choose: fn(u64) -> Option<Token>,
    /// Requests that are cut before NGINX read them are sent again, and not lost.
    pub resends: bool,
}

impl Default for LoadPlan {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            crowd: 0,
            choose: |number| mixture(number, KNOWN),
            resends: true,
        }
    }
}
