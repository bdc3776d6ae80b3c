//! The configurations that are compared, all of them in front of the same backend.

use std::{error::Error, net::SocketAddr, path::Path};

use phantom_token_devkit::{Installation, jwt::jwt_of_length};
use serde_json::json;

use crate::nginx::{Config, Nginx};

/// The lengths of the JWTs that are measured, in bytes.
pub const JWT_LENGTHS: [usize; 4] = [600, 1200, 4096, 16384];
/// The length of a JWT where nothing else is said.
pub const USUAL_JWT: usize = 1200;

/// What the authorization server says about how long its answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// `max-age=3600`.
    Storable,
    /// `no-store`.
    NoStore,
    /// The token is not active.
    Inactive,
}

/// The API and the authorization server, both played by one NGINX that answers from its
/// configuration, which is the cheapest server there is.
pub struct Backend(Nginx);

impl Backend {
    /// Starts one, with these directives outside of all blocks.
    pub fn start(folder: &Path, main: &str) -> Result<Self, Box<dyn Error>> {
        let config = Config { main: main.to_owned(), http: backend_http() };
        Ok(Self(Nginx::start(&folder.join("backend"), &config)?))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address(0)
    }
}

/// What all configurations of one comparison have in common.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Where the API is.
    pub api: SocketAddr,
    /// Where the authorization server is.
    pub authorization_server: SocketAddr,
    /// The length of a JWT.
    pub jwt: usize,
    /// What the authorization server answers.
    pub answers: Answers,
    /// The size of a cache zone, as NGINX takes it.
    pub zone: &'a str,
    /// Directives for the `server` block.
    pub server: &'a str,
}

impl Setting<'_> {
    /// NGINX without any module, sending a header of the same size.
    pub fn bare(&self) -> String {
        let jwt = jwt(self.jwt);
        let mut headers = String::new();
        // A parameter of NGINX's configuration has less than 4096 bytes, so that a longer JWT is
        // spread over several headers.
        for (index, part) in pieces(&jwt).enumerate() {
            headers += &match index {
                0 => format!("proxy_set_header Authorization \"Bearer {part}\";\n"),
                _ => format!("proxy_set_header X-Part-{index} \"{part}\";\n"),
            };
        }
        self.gateway("", &headers, "")
    }

    /// Our module with these directives in the protected location.
    pub fn phantom_token(&self, directives: &str) -> String {
        let http = format!("phantom_token_cache_zone tokens:{};\n", self.zone);
        let location = format!(
            "phantom_token on;\nphantom_token_introspection_endpoint /introspect;\n{directives}\n"
        );
        let introspection = format!(
            "location = /introspect {{\ninternal;\nproxy_http_version 1.1;\n\
             proxy_set_header Connection \"\";\nproxy_pass http://authorization_server{};\n}}\n",
            self.path("jwt"),
        );
        self.gateway(&http, &location, &introspection)
    }

    /// What stock NGINX offers: `auth_request`, with its answers cached in that folder if one is
    /// given. It cannot read a body, so it gets the JWT in a header.
    pub fn auth_request(&self, cache: Option<&str>) -> String {
        self.auth_request_with(cache, "", "")
    }

    /// The same with these directives more, in the protected location and in that of the
    /// introspection.
    pub fn auth_request_with(
        &self,
        cache: Option<&str>,
        protected: &str,
        introspecting: &str,
    ) -> String {
        let zone = self.zone;
        let http = cache.map_or(String::new(), |folder| {
            format!(
                "proxy_cache_path {folder} levels=1:2 keys_zone=tokens:{zone} max_size=8g \
                 inactive=60m use_temp_path=off;\n"
            )
        });
        let cached = "proxy_cache tokens;\nproxy_cache_methods POST;\nproxy_cache_lock on;\n\
                      proxy_cache_key $http_authorization;\n";
        let introspection = format!(
            "location = /introspect {{\ninternal;\nproxy_http_version 1.1;\n\
             proxy_set_header Connection \"\";\nproxy_set_header Authorization \"\";\n\
             proxy_set_header Content-Type application/x-www-form-urlencoded;\n\
             proxy_method POST;\nproxy_set_body \"token=$http_authorization\";\n\
             proxy_buffer_size {buffer};\nproxy_buffers 8 {buffer};\n{cached}\
             {introspecting}\nproxy_pass http://authorization_server{path};\n}}\n",
            buffer = if self.jwt > 3000 { "32k" } else { "4k" },
            cached = if cache.is_some() { cached } else { "" },
            path = self.path("header"),
        );
        let location = format!(
            "auth_request /introspect;\nauth_request_set $jwt $upstream_http_x_jwt;\n\
             proxy_set_header Authorization \"Bearer $jwt\";\n{protected}\n"
        );
        self.gateway(&http, &location, &introspection)
    }

    /// A configuration that the user wrote, with its placeholders filled in.
    pub fn of_user(&self, text: &str) -> String {
        let endpoint = format!("http://authorization_server{}", self.path("jwt"));
        let text = text.replace("{introspection}", &endpoint).replace("{zone}", self.zone);
        format!("{}\n{text}", self.upstreams())
    }

    fn gateway(&self, http: &str, location: &str, more: &str) -> String {
        format!(
            "{upstreams}\n{http}\nserver {{\n{server}\nlocation / {{\nproxy_http_version 1.1;\n\
             proxy_set_header Connection \"\";\n{location}\nproxy_pass http://api;\n}}\n{more}\n}}\n",
            upstreams = self.upstreams(),
            server = self.server,
        )
    }

    fn upstreams(&self) -> String {
        format!(
            "upstream api {{ server {}; keepalive 256; }}\n\
             upstream authorization_server {{ server {}; keepalive 256; }}",
            self.api, self.authorization_server,
        )
    }

    fn path(&self, form: &str) -> String {
        match self.answers {
            Answers::Storable => format!("/{form}/{}", self.jwt),
            Answers::NoStore => format!("/{form}-no-store/{}", self.jwt),
            Answers::Inactive => "/inactive".to_owned(),
        }
    }
}

/// Where a gateway listens in most settings.
pub const LISTEN: &str = "listen 127.0.0.1:{port};";

/// The directive that loads our module.
pub fn load_module() -> String {
    format!("load_module {};\n", Installation::get().module.display())
}

/// A JWT of that length, of which two thirds are claims.
pub fn jwt(length: usize) -> String {
    let groups = (0..length / 60).map(|index| format!("orders:read:{index:04}"));
    let claims = json!({
        "iss": "https://login.example.com", "aud": "api.example.com", "sub": "alice",
        "exp": 4_000_000_000_u64, "iat": 1_700_000_000, "scope": "openid orders",
        "groups": groups.collect::<Vec<_>>(),
    });
    jwt_of_length(claims, length)
}

fn backend_http() -> String {
    let locations: String = JWT_LENGTHS.map(jwt_locations).concat();
    format!(
        "client_header_buffer_size 32k;\nlarge_client_header_buffers 8 32k;\n\
         server {{\nlisten 127.0.0.1:{{port}};\nlocation / {{ return 200 ok; }}\n\
         location = /inactive {{ return 204; }}\n{locations}}}\n"
    )
}

fn jwt_locations(length: usize) -> String {
    let jwt = jwt(length);
    let (mut set, mut whole) = (String::new(), String::new());
    for (index, part) in pieces(&jwt).enumerate() {
        set += &format!("set $part{index} \"{part}\";\n");
        whole += &format!("${{part{index}}}");
    }
    let location = |form: &str, cache_control: &str, answer: &str| {
        format!(
            "location = /{form}/{length} {{\ndefault_type application/jwt;\n{set}\
             add_header Cache-Control {cache_control};\n{answer}\n}}\n"
        )
    };
    let body = format!("return 200 \"{whole}\";");
    let header = format!("add_header X-JWT \"{whole}\";\nreturn 200 \"\";");
    [
        location("jwt", "max-age=3600", &body),
        location("jwt-no-store", "no-store", &body),
        location("header", "max-age=3600", &header),
        location("header-no-store", "no-store", &header),
    ]
    .concat()
}

fn pieces(jwt: &str) -> impl Iterator<Item = &str> {
    jwt.as_bytes().chunks(3900).filter_map(|piece| std::str::from_utf8(piece).ok())
}
