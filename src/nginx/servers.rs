//! The `server` blocks of a configuration: their names, and where they listen.

use std::collections::HashMap;

use nginx_sys::{
    ngx_conf_t, ngx_http_conf_addr_t, ngx_http_conf_port_t, ngx_http_core_main_conf_t,
    ngx_http_core_srv_conf_t, ngx_http_server_name_t,
};
use ngx::http::{HttpModuleMainConf as _, NgxHttpCoreModule};

/// A server. It is known by its address, which lives as long as the configuration.
pub type Server = *const ngx_http_core_srv_conf_t;

/// The servers of a configuration that is being read, in their order.
pub fn all(cf: &ngx_conf_t) -> &[Server] {
    // SAFETY: `servers` is an array of pointers to servers.
    core(cf).map_or(&[], |core| unsafe { core.servers.as_slice() })
}

/// The names of a server.
pub fn names<'a>(server: Server) -> impl Iterator<Item = &'a [u8]> {
    // SAFETY: null, or a server of NGINX's, whose servers live as long as the configuration, and have an
    // array of names.
    let names: &[ngx_http_server_name_t] =
        unsafe { server.as_ref().map_or(&[][..], |server| server.server_names.as_slice()) };
    // SAFETY: a name lives in the pool of the configuration.
    names.iter().map(|name| unsafe { super::bytes(name.name) })
}

/// The addresses that each server listens on, sorted.
pub fn addresses(cf: &ngx_conf_t) -> HashMap<Server, Vec<Vec<u8>>> {
    let mut addresses: HashMap<Server, Vec<Vec<u8>>> = HashMap::new();
    // SAFETY: `ports` is an array of ports once a server listens, and null before; a port has an
    // array of addresses, and an address an array of pointers to servers.
    unsafe {
        let ports = core(cf).and_then(|core| core.ports.as_ref());
        let ports = ports.map_or(&[][..], |ports| ports.as_slice::<ngx_http_conf_port_t>());
        for address in ports.iter().flat_map(|port| port.addrs.as_slice::<ngx_http_conf_addr_t>()) {
            for server in address.servers.as_slice::<Server>() {
                let text = super::bytes(address.opt.addr_text).to_vec();
                addresses.entry(*server).or_default().push(text);
            }
        }
    }
    for of_server in addresses.values_mut() {
        of_server.sort();
    }
    addresses
}

fn core(cf: &ngx_conf_t) -> Option<&ngx_http_core_main_conf_t> {
    NgxHttpCoreModule::main_conf(cf)
}
