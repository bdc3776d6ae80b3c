//! What the rewrite module does in a location.

use core::mem::offset_of;

use nginx_sys::{
    ngx_array_t, ngx_command_t, ngx_conf_set_flag_slot, ngx_conf_t, ngx_flag_t,
    ngx_http_core_loc_conf_t, ngx_http_core_main_conf_t, ngx_http_script_code_pt,
    ngx_http_script_set_var_code, ngx_http_script_value_code, ngx_http_script_value_code_t,
    ngx_http_script_var_code_t, ngx_http_variable_t, ngx_uint_t,
};
use ngx::http::{HttpModuleMainConf as _, NgxHttpCoreModule};

use super::{conf, variables};

/// `ngx_http_rewrite_loc_conf_t` of `ngx_http_rewrite_module.c`, which is private to it.
#[repr(C)]
struct LocationConf {
    /// Bytes: structures of different types that follow each other, each of which begins with a function.
    codes: *const ngx_array_t,
    stack_size: ngx_uint_t,
    log: ngx_flag_t,
    uninitialized_variable_warn: ngx_flag_t,
}

/// The names of the variables that `set` gives texts without variables in a location, if that is all that the
/// module does there. Then they have these values whenever a request has been there.
pub fn constants<'a>(cf: &'a ngx_conf_t, core: &ngx_http_core_loc_conf_t) -> Vec<&'a [u8]> {
    constants_of(cf, core).unwrap_or_default()
}

fn constants_of<'a>(cf: &'a ngx_conf_t, core: &ngx_http_core_loc_conf_t) -> Option<Vec<&'a [u8]>> {
    let module = conf::module(cf, c"ngx_http_rewrite_module")?;
    let is_known = has_flag(module.commands, "rewrite_log", offset_of!(LocationConf, log))
        && has_flag(
            module.commands,
            "uninitialized_variable_warn",
            offset_of!(LocationConf, uninitialized_variable_warn),
        );
    if !is_known {
        return None;
    }
    // SAFETY: a location has a place for the configuration of each HTTP module, and where the flags are the
    // rest is as well.
    let codes = unsafe {
        let conf = *core.loc_conf.add(module.ctx_index);
        conf.cast::<LocationConf>().as_ref()?.codes.as_ref()?
    };
    let names = names(cf)?;
    let (mut at, mut found) = (codes.elts.cast::<u8>().cast_const(), Vec::new());
    loop {
        // SAFETY: the codes are ended by a null, and each of the two that this goes on behind has its size.
        unsafe {
            if is(at, ngx_http_script_value_code) {
                at = at.add(size_of::<ngx_http_script_value_code_t>());
            } else if is(at, ngx_http_script_set_var_code) {
                let code = at.cast::<ngx_http_script_var_code_t>().read_unaligned();
                found.push(variables::name(names.get(code.index)?));
                at = at.add(size_of::<ngx_http_script_var_code_t>());
            } else {
                let is_end = at.cast::<usize>().read_unaligned() == 0;
                return is_end.then_some(found);
            }
        }
    }
}

/// # Safety
///
/// There is a code, or the null behind the last one.
unsafe fn is(
    at: *const u8,
    function: unsafe extern "C" fn(*mut nginx_sys::ngx_http_script_engine_t),
) -> bool {
    // SAFETY: the caller's promise.
    let code = unsafe { at.cast::<ngx_http_script_code_pt>().read_unaligned() };
    code.is_some_and(|code| core::ptr::fn_addr_eq(code, function))
}

fn has_flag(commands: *const ngx_command_t, name: &str, offset: usize) -> bool {
    conf::offset(commands, name, ngx_conf_set_flag_slot) == Some(offset)
}

fn names(cf: &ngx_conf_t) -> Option<&[ngx_http_variable_t]> {
    let core: &ngx_http_core_main_conf_t = NgxHttpCoreModule::main_conf(cf)?;
    // SAFETY: an array of variables, which lives as long as the configuration.
    Some(unsafe { core.variables.as_slice() })
}
