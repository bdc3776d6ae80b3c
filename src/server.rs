//! What tells one `server` block from another, over reloads as well.

use core::ptr;
use std::collections::HashMap;

use nginx_sys::{
    ngx_array_t, ngx_conf_t, ngx_http_conf_addr_t, ngx_http_conf_port_t, ngx_http_core_srv_conf_t,
    ngx_http_server_name_t,
};
use ngx::http::{HttpModuleMainConf as _, HttpModuleServerConf as _, NgxHttpCoreModule};

use crate::Module;
use crate::nginx;

type Server = *const ngx_http_core_srv_conf_t;

/// The identities of the servers, found once for a configuration.
#[derive(Default)]
pub struct Identities(HashMap<Server, Vec<u8>>);

/// The names of the server being merged and the addresses it listens on. Of several servers that
/// have both in common, NGINX reaches the later ones only as a default; they are told apart by
/// their order.
pub fn identity(cf: &mut ngx_conf_t) -> Vec<u8> {
    let server: Option<&ngx_http_core_srv_conf_t> = NgxHttpCoreModule::server_conf(cf);
    let Some(main) = Module::main_conf_mut(cf) else {
        return Vec::new();
    };
    if main.identities.0.is_empty() {
        main.identities = Identities(all(cf));
    }
    server
        .and_then(|server| main.identities.0.get(&ptr::from_ref(server)))
        .cloned()
        .unwrap_or_default()
}

/// What to call a server in a message: its first name, or where it listens.
pub fn title(cf: &ngx_conf_t, server: Server) -> String {
    let name = server_names(server).first().map(name).unwrap_or_default();
    if !name.is_empty() {
        return format!("server \"{}\"", String::from_utf8_lossy(name));
    }
    let ports =
        NgxHttpCoreModule::main_conf(cf).map_or(ptr::null(), |core| core.ports.cast_const());
    let addresses = addresses(ports).remove(&server).unwrap_or_default();
    let addresses: Vec<_> =
        addresses.iter().map(|address| String::from_utf8_lossy(address)).collect();
    format!("the server on {}", addresses.join(", "))
}

fn all(cf: &ngx_conf_t) -> HashMap<Server, Vec<u8>> {
    let Some(core) = NgxHttpCoreModule::main_conf(cf) else {
        return HashMap::new();
    };
    // SAFETY: `servers` is an array of pointers to servers.
    let servers = unsafe { core.servers.as_slice::<Server>() };
    let addresses = addresses(core.ports);
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut identities = HashMap::new();
    for &server in servers {
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
    for server_name in server_names(server) {
        append(&mut names, name(server_name));
    }
    append(&mut names, b"");
    names
}

fn server_names<'a>(server: Server) -> &'a [ngx_http_server_name_t] {
    // SAFETY: the pointer comes from NGINX, whose servers live as long as the configuration;
    // `server_names` is an array of names.
    unsafe { server.as_ref().map_or(&[][..], |server| server.server_names.as_slice()) }
}

fn name(server_name: &ngx_http_server_name_t) -> &[u8] {
    // SAFETY: a name lives in the pool of the configuration.
    unsafe { nginx::bytes(server_name.name) }
}

fn addresses(ports: *const ngx_array_t) -> HashMap<Server, Vec<Vec<u8>>> {
    let mut addresses: HashMap<Server, Vec<Vec<u8>>> = HashMap::new();
    // SAFETY: `ports` is an array of ports once a server listens, and null before; a port has an
    // array of addresses, and an address an array of pointers to servers.
    unsafe {
        let ports =
            ports.as_ref().map_or(&[][..], |ports| ports.as_slice::<ngx_http_conf_port_t>());
        for address in ports.iter().flat_map(|port| port.addrs.as_slice::<ngx_http_conf_addr_t>()) {
            for server in address.servers.as_slice::<Server>() {
                addresses
                    .entry(*server)
                    .or_default()
                    .push(nginx::bytes(address.opt.addr_text).to_vec());
            }
        }
    }
    for of_server in addresses.values_mut() {
        of_server.sort();
    }
    addresses
}

/// Appends a part with its length, so that two parts never read as one.
fn append(identity: &mut Vec<u8>, part: &[u8]) {
    identity.extend_from_slice(&part.len().to_le_bytes());
    identity.extend_from_slice(part);
}
