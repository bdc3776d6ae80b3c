//! The table of directives that NGINX reads.

use nginx_sys::ngx_command_t;

use super::{cache, challenge, endpoints, introspection, protect};

/// The table that NGINX reads: one array, of which each group has a part.
pub static mut COMMANDS: Commands = Commands {
    protect: protect::COMMANDS,
    introspection: introspection::COMMANDS,
    challenge: challenge::COMMANDS,
    cache: cache::COMMANDS,
    endpoints: endpoints::COMMANDS,
    end: ngx_command_t::empty(),
};

/// In the layout of C the parts, all of one type, follow each other without gaps.
#[repr(C)]
pub struct Commands {
    protect: [ngx_command_t; protect::COMMANDS.len()],
    introspection: [ngx_command_t; introspection::COMMANDS.len()],
    challenge: [ngx_command_t; challenge::COMMANDS.len()],
    cache: [ngx_command_t; cache::COMMANDS.len()],
    endpoints: [ngx_command_t; endpoints::COMMANDS.len()],
    end: ngx_command_t,
}
