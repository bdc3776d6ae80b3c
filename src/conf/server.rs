//! What tells one `server` block from another, over reloads as well.

use core::ptr;
use std::collections::HashMap;

use nginx_sys::{ngx_conf_t, ngx_http_core_srv_conf_t};
use ngx::http::{HttpModuleServerConf as _, NgxHttpCoreModule};

use crate::nginx::servers::{self, Server};

/// The identities of the servers, found once for a configuration.
#[derive(Default)]
pub struct Identities(HashMap<Server, Vec<u8>>);

impl Identities {
    /// The names of the server being merged and the addresses it listens on. Of several servers that
    /// have both in common, NGINX reaches the later ones only as a default; they are told apart by
    /// their order.
    pub fn of(&mut self, cf: &ngx_conf_t) -> Vec<u8> {
        let server: Option<&ngx_http_core_srv_conf_t> = NgxHttpCoreModule::server_conf(cf);
        if self.0.is_empty() {
            self.0 = all(cf);
        }
        let found = server.and_then(|server| self.0.get(&ptr::from_ref(server)));
        found.cloned().unwrap_or_default()
    }
}

/// What to call a server in a message: its first name, or where it listens.
pub fn title(cf: &ngx_conf_t, server: Server) -> String {
    let name = servers::names(server).next().unwrap_or_default();
    if !name.is_empty() {
        return format!("server \"{}\"", String::from_utf8_lossy(name));
    }
    let addresses = servers::addresses(cf).remove(&server).unwrap_or_default();
    let addresses: Vec<_> =
        addresses.iter().map(|address| String::from_utf8_lossy(address)).collect();
    format!("the server on {}", addresses.join(", "))
}

fn all(cf: &ngx_conf_t) -> HashMap<Server, Vec<u8>> {
    let addresses = servers::addresses(cf);
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut identities = HashMap::new();
    for &server in servers::all(cf) {
        let mut identity = names(server);
        for address in addresses.get(&server).into_iter().flatten() {
            append(&mut identity, address);
        }
        let ordinal = seen.entry(identity.clone()).or_default();
        append(&mut identity, &ordinal.to_le_bytes());
        *ordinal = ordinal.saturating_add(1);
        identities.insert(server, identity);
    }
    identities
}

fn names(server: Server) -> Vec<u8> {
    let mut names = Vec::new();
    for name in servers::names(server) {
        append(&mut names, name);
    }
    append(&mut names, b"");
    names
}

/// Appends a part with its length, so that two parts never read as one.
fn append(identity: &mut Vec<u8>, part: &[u8]) {
    identity.extend_from_slice(&part.len().to_le_bytes());
    identity.extend_from_slice(part);
}
