//! NGINX between an authorization server and an API, as most tests want it.

use std::ops::Deref;

use crate::{Answer, Api, AuthorizationServer, Nginx, NginxBuilder, Verdict, jwt};

/// The introspection location of most tests.
const INTROSPECTION: &str = "
    location = /introspection {
        internal;
        proxy_pass http://{as};
    }
";

/// NGINX with the module, the authorization server that it asks, and the API behind it.
///
/// It is used as the [`Nginx`] that it has.
pub struct Gateway {
    // Dropped in this order: servers that hang would keep NGINX from ending.
    /// The authorization server, `{as}` in the configuration.
    pub authorization_server: AuthorizationServer,
    /// The API, `{api}` in the configuration.
    pub api: Api,
    /// NGINX.
    pub nginx: Nginx,
}

impl Gateway {
    /// Protects every path with nothing but the necessary directives and these.
    pub fn with(directives: &str) -> Self {
        Self::builder().directives(directives).start()
    }

    /// Has these directives and locations in its `server` block, beside the introspection location
    /// `/introspection`.
    pub fn with_server(server: &str) -> Self {
        Self::builder().server(server).start()
    }

    /// Has this `http` block.
    pub fn with_http(http: &str) -> Self {
        Self::builder().http(http).start()
    }

    /// Describes one.
    pub fn builder() -> GatewayBuilder {
        Self::builder_with(AuthorizationServer::start())
    }

    /// Describes one that asks this authorization server.
    pub fn builder_with(authorization_server: AuthorizationServer) -> GatewayBuilder {
        let api = Api::start();
        let nginx = Nginx::builder()
            .replace("{as}", authorization_server.address())
            .replace("{api}", api.address());
        GatewayBuilder { authorization_server, api, nginx }
    }

    /// Makes the token active, with a JWT that is good for an hour and an answer that may be cached
    /// for a minute; gives the JWT.
    pub fn activate(&self, token: &str) -> String {
        let mut claims = jwt::an_hour_of_claims();
        claims["jti"] = token.into();
        let jwt = jwt::jwt(claims);
        self.authorization_server.answer(token, Answer::jwt(&jwt).max_age(60));
        jwt
    }
}

impl Deref for Gateway {
    type Target = Nginx;

    fn deref(&self) -> &Nginx {
        &self.nginx
    }
}

/// Describes a [`Gateway`].
pub struct GatewayBuilder {
    authorization_server: AuthorizationServer,
    api: Api,
    nginx: NginxBuilder,
}

impl GatewayBuilder {
    /// Protects every path with nothing but the necessary directives and these.
    pub fn directives(self, directives: &str) -> Self {
        self.server(&format!(
            "location / {{
                phantom_token on;
                phantom_token_introspection_endpoint /introspection;
                {directives}
                proxy_pass http://{{api}};
            }}"
        ))
    }

    /// Has these directives and locations in its `server` block, beside the introspection location
    /// `/introspection`.
    pub fn server(self, server: &str) -> Self {
        self.http(&format!("server {{ listen 127.0.0.1:{{port}}; {server} {INTROSPECTION} }}"))
    }

    /// Has this `http` block.
    pub fn http(self, http: &str) -> Self {
        self.nginx(|nginx| nginx.http(http))
    }

    /// Changes something else about NGINX.
    pub fn nginx(mut self, change: impl FnOnce(NginxBuilder) -> NginxBuilder) -> Self {
        self.nginx = change(self.nginx);
        self
    }

    /// Asks `nginx -t` about the configuration.
    pub fn test(&self) -> Verdict {
        self.nginx.test()
    }

    /// Starts it.
    pub fn start(self) -> Gateway {
        Gateway {
            authorization_server: self.authorization_server,
            api: self.api,
            nginx: self.nginx.start(),
        }
    }
}
