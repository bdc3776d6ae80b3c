//! The directives: what they are called, where they may stand, and what they set.

mod arguments;

use core::ffi::{CStr, c_char, c_void};
use core::{mem, ptr};
use std::rc::Rc;

use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_FLAG, NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE12,
    NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_MAIN_CONF_OFFSET,
    NGX_HTTP_SRV_CONF, ngx_command_t, ngx_conf_t, ngx_http_core_loc_conf_t, ngx_uint_t,
};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleMainConf as _, NgxHttpCoreModule};

use crate::Module;
use crate::conf::{Content, CredentialChoice, LocationConf, Settings};
use crate::nginx;
use crate::nginx::conf::{self, ComplexValue, ConfExt as _, Place, Predicates};
use crate::nginx::request::ContentHandler;
use crate::{purge, status};
use arguments::SettingError;

const ANYWHERE: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

/// The table that NGINX reads.
pub static mut COMMANDS: [ngx_command_t; 28] = [
    located(c"phantom_token", NGX_CONF_FLAG, |to, given| {
        once(&mut to.enable, (arguments::flag(given.first())?, given.place()))
    }),
    located(c"phantom_token_token_syntax", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.token_syntax, arguments::token_syntax(given.first())?)
    }),
    located(c"phantom_token_introspection_endpoint", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.endpoint, arguments::endpoint(given.first())?)
    }),
    located(c"phantom_token_realm", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.realm, (given.text("a realm in UTF-8")?, given.place()))
    }),
    located(c"phantom_token_scopes", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.scopes, (given.text("scopes in ASCII")?, given.place()))
    }),
    located(c"phantom_token_scope", NGX_CONF_TAKE1, |to, given| {
        let scope = given.text("a scope in ASCII")?;
        to.scope.get_or_insert_with(|| (Vec::new(), given.place())).0.push(scope);
        Ok(())
    }),
    located(c"phantom_token_client_credential", NGX_CONF_TAKE12, |to, given| {
        let credential = arguments::credential(given.cf)?;
        once(&mut to.credential, CredentialChoice::new(credential, given.place()))
    }),
    located(c"phantom_token_introspection_accept_header", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.accept, arguments::media_type(given.first())?)
    }),
    located(c"phantom_token_jwt_claim", NGX_CONF_1MORE, |to, given| {
        once(&mut to.jwt_members, arguments::names(&given.all())?)
    }),
    located(c"phantom_token_max_response_size", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.max_response_size, arguments::response_size(given.first())?)
    }),
    located(c"phantom_token_cache", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.cache, (arguments::cache(given.first())?, given.place()))
    }),
    located(c"phantom_token_cache_valid", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.valid, arguments::time_or_off(given.first())?)
    }),
    located(c"phantom_token_cache_max_valid", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.max_valid, arguments::time_or_off(given.first())?)
    }),
    located(c"phantom_token_cache_ignore_headers", NGX_CONF_TAKE12, |to, given| {
        once(&mut to.ignored_headers, arguments::ignored_headers(&given.all())?)
    }),
    located(c"phantom_token_cache_inactive_valid", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.inactive_valid, arguments::time_or_off(given.first())?)
    }),
    located(c"phantom_token_cache_lock", NGX_CONF_FLAG, |to, given| {
        once(&mut to.lock, arguments::flag(given.first())?)
    }),
    located(c"phantom_token_cache_lock_timeout", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.lock_timeout_ms, arguments::lock_timeout(given.first())?)
    }),
    located(c"phantom_token_cache_use_stale", NGX_CONF_1MORE, |to, given| {
        once(&mut to.use_stale, arguments::use_stale(&given.all())?)
    }),
    located(c"phantom_token_cache_background_update", NGX_CONF_TAKE12, |to, given| {
        once(&mut to.background_update, arguments::background_update(&given.all())?)
    }),
    with_variables(c"phantom_token_cache_bypass", NGX_CONF_1MORE, |to, given| {
        once(&mut to.bypass, given.predicates()?)
    }),
    with_variables(c"phantom_token_cache_vary", NGX_CONF_1MORE, |to, given| {
        once(&mut to.vary, given.complex_values()?)
    }),
    located(c"phantom_token_worker_cache", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.worker_cache, arguments::worker_cache(given.first())?)
    }),
    located(c"phantom_token_options", NGX_CONF_TAKE1, |to, given| {
        once(&mut to.options, arguments::options(given.first())?)
    }),
    located(c"phantom_token_challenge_error", NGX_CONF_FLAG, |to, given| {
        once(&mut to.challenge_error, arguments::flag(given.first())?)
    }),
    command(
        c"phantom_token_cache_zone",
        NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1,
        NGX_HTTP_MAIN_CONF_OFFSET,
        set_zone,
    ),
    content(STATUS, set_status),
    content(PURGE, set_purge),
    ngx_command_t::empty(),
];

const STATUS: &CStr = c"phantom_token_status";
const PURGE: &CStr = c"phantom_token_purge";

/// Sets what one directive is for.
type Setter = fn(&mut Settings, &mut Given<'_>) -> Result<(), SettingError>;

/// What NGINX calls for a directive.
type Handler =
    unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char;

/// A directive as it stands in the configuration.
struct Given<'a> {
    cf: &'a mut ngx_conf_t,
    cmd: &'a ngx_command_t,
}

impl Given<'_> {
    fn all(&self) -> Vec<&[u8]> {
        self.cf.values().collect()
    }

    fn first(&self) -> &[u8] {
        self.cf.values().next().unwrap_or_default()
    }

    fn text(&self, expected: &'static str) -> Result<String, SettingError> {
        arguments::text(self.first(), expected)
    }

    fn place(&self) -> Place {
        self.cf.place()
    }

    fn complex_values(&mut self) -> Result<Rc<[ComplexValue]>, SettingError> {
        let texts: Vec<_> = self.cf.values().map(<[u8]>::to_vec).collect();
        let values = texts.iter().map(|text| ComplexValue::compile(self.cf, text));
        values.map(|value| value.ok_or(SettingError::Logged)).collect()
    }

    fn predicates(&mut self) -> Result<Predicates, SettingError> {
        Predicates::compile(self.cf, self.cmd).ok_or(SettingError::Logged)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), SettingError> {
    if slot.is_some() {
        return Err(SettingError::Duplicate);
    }
    *slot = Some(value);
    Ok(())
}

const fn located(name: &'static CStr, arguments: u32, setter: Setter) -> ngx_command_t {
    ngx_command_t {
        post: setter as *mut c_void,
        ..command(name, ANYWHERE | arguments, NGX_HTTP_LOC_CONF_OFFSET, set_location)
    }
}

const fn with_variables(name: &'static CStr, arguments: u32, setter: Setter) -> ngx_command_t {
    ngx_command_t { set: Some(set_with_variables), ..located(name, arguments, setter) }
}

const fn content(name: &'static CStr, set: Handler) -> ngx_command_t {
    command(name, NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, NGX_HTTP_LOC_CONF_OFFSET, set)
}

const fn command(name: &'static CStr, type_: u32, conf: usize, set: Handler) -> ngx_command_t {
    ngx_command_t {
        name: nginx::string(name.to_bytes()),
        type_: type_ as ngx_uint_t,
        set: Some(set),
        conf,
        offset: 0,
        post: ptr::null_mut(),
    }
}

unsafe extern "C" fn set_location(
    cf: *mut ngx_conf_t,
    cmd: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: NGINX calls a setter with a parser and our command.
    if let (Some(cf), Some(cmd)) = unsafe { (cf.as_ref(), cmd.as_ref()) } {
        warn_of_dollar(cf, cmd);
    }
    // SAFETY: NGINX calls both setters with the same.
    unsafe { set_with_variables(cf, cmd, conf) }
}

/// An operator who writes a `$` probably means a variable. Without a warning the client id would be
/// the text `$id`.
fn warn_of_dollar(cf: &ngx_conf_t, cmd: &ngx_command_t) {
    if cf.values().any(|value| value.contains(&b'$')) {
        cf.warn_here(
            conf::directive_name(&cmd.name),
            &"takes no variables, a \"$\" is taken as it is",
        );
    }
}

unsafe extern "C" fn set_with_variables(
    cf: *mut ngx_conf_t,
    cmd: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: NGINX calls a setter with a parser, our command, and the location's configuration
    // that `create_loc_conf` made.
    let (Some(cf), Some(cmd), Some(conf)) =
        (unsafe { (cf.as_mut(), cmd.as_ref(), conf.cast::<LocationConf>().as_mut()) })
    else {
        return NGX_CONF_ERROR;
    };
    // SAFETY: only `located` makes commands that lead here, and it puts a setter there.
    let set = unsafe { mem::transmute::<*mut c_void, Setter>(cmd.post) };
    let name = conf::directive_name(&cmd.name);
    if name != "phantom_token" {
        conf.own.get_or_insert_with(|| (name.to_owned(), cf.place()));
    }
    match set(&mut conf.settings, &mut Given { cf, cmd }) {
        Ok(()) => NGX_CONF_OK,
        Err(SettingError::Logged) => NGX_CONF_ERROR,
        Err(SettingError::Duplicate) => conf::complaint(c"is duplicate"),
        Err(error) => cf.refuse(name, &error),
    }
}

unsafe extern "C" fn set_status(
    cf: *mut ngx_conf_t,
    _cmd: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: NGINX calls a setter so, as `set_content` has it.
    unsafe { set_content(cf, conf, STATUS, status::handler) }
}

unsafe extern "C" fn set_purge(
    cf: *mut ngx_conf_t,
    _cmd: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: NGINX calls a setter so, as `set_content` has it.
    unsafe { set_content(cf, conf, PURGE, purge::handler) }
}

/// # Safety
///
/// The parser is NGINX's, and `conf` is the configuration of the location that it is in.
unsafe fn set_content(
    cf: *mut ngx_conf_t,
    conf: *mut c_void,
    directive: &'static CStr,
    handler: ContentHandler,
) -> *mut c_char {
    // SAFETY: the caller's promise; `create_loc_conf` made the configuration.
    let (Some(cf), Some(conf)) = (unsafe { (cf.as_ref(), conf.cast::<LocationConf>().as_mut()) })
    else {
        return NGX_CONF_ERROR;
    };
    let Some(core): Option<&mut ngx_http_core_loc_conf_t> =
        NgxHttpCoreModule::location_conf_mut(cf)
    else {
        return NGX_CONF_ERROR;
    };
    match core.handler {
        None => core.handler = Some(handler),
        Some(other) if ptr::fn_addr_eq(other, handler) => return conf::complaint(c"is duplicate"),
        Some(_) => {
            return conf::complaint(c"stands beside another directive that answers requests");
        }
    }
    let directive = directive.to_str().unwrap_or_default();
    conf.content = Some(Content { directive, set: cf.place(), handler });
    NGX_CONF_OK
}

unsafe extern "C" fn set_zone(
    cf: *mut ngx_conf_t,
    cmd: *mut ngx_command_t,
    _conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: NGINX calls a setter with a parser and our command.
    let (Some(cf), Some(cmd)) = (unsafe { (cf.as_mut(), cmd.as_ref()) }) else {
        return NGX_CONF_ERROR;
    };
    let Some(main) = Module::main_conf_mut(cf) else {
        return NGX_CONF_ERROR;
    };
    warn_of_dollar(cf, cmd);
    let argument = cf.values().next().unwrap_or_default().to_vec();
    match main.declare_zone(cf, &argument) {
        Ok(()) => NGX_CONF_OK,
        Err(error) => cf.refuse(conf::directive_name(&cmd.name), &error),
    }
}
