//! The directives: what they are called, where they may stand, and what their arguments mean.

use core::ffi::{CStr, c_char, c_void};
use core::num::NonZeroUsize;
use core::ptr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_FLAG, NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE2,
    NGX_CONF_TAKE12, NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF,
    NGX_HTTP_MAIN_CONF_OFFSET, NGX_HTTP_SRV_CONF, ngx_command_t, ngx_conf_t,
    ngx_http_core_loc_conf_t, ngx_http_request_t, ngx_int_t, ngx_uint_t,
};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleMainConf as _, NgxHttpCoreModule};
use phantom_token_core::introspection::ClientCredential;
use phantom_token_core::stale::UseStale;

use crate::Module;
use crate::conf::{CacheChoice, LocationConf, OnOptions, Settings};
use crate::nginx;
use crate::nginx::conf::{self, ConfExt as _, Predicates};
use crate::{purge, status};

/// In bytes; longer ones do not fit into a header.
const LONGEST_SECRET: usize = 4096;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Seconds before the end of freshness, if `phantom_token_cache_background_update` does not say.
const RENEW_BEFORE: u64 = 5;

const ANYWHERE: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

/// The table that NGINX reads.
pub static mut COMMANDS: [ngx_command_t; 26] = [
    located(c"phantom_token", NGX_CONF_FLAG),
    located(c"phantom_token_introspection_endpoint", NGX_CONF_TAKE1),
    located(c"phantom_token_realm", NGX_CONF_TAKE1),
    located(c"phantom_token_scopes", NGX_CONF_TAKE1),
    located(c"phantom_token_scope", NGX_CONF_TAKE1),
    located(c"phantom_token_client_credential", NGX_CONF_TAKE2),
    located(c"phantom_token_introspection_accept_header", NGX_CONF_TAKE1),
    located(c"phantom_token_jwt_claim", NGX_CONF_1MORE),
    located(c"phantom_token_max_response_size", NGX_CONF_TAKE1),
    command(
        c"phantom_token_cache_zone",
        NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1,
        NGX_HTTP_MAIN_CONF_OFFSET,
        set_zone,
    ),
    located(c"phantom_token_cache", NGX_CONF_TAKE1),
    located(c"phantom_token_cache_valid", NGX_CONF_TAKE1),
    located(c"phantom_token_cache_max_valid", NGX_CONF_TAKE1),
    located(c"phantom_token_cache_ignore_headers", NGX_CONF_TAKE12),
    located(c"phantom_token_options", NGX_CONF_TAKE1),
    located(c"phantom_token_challenge_error", NGX_CONF_FLAG),
    located(c"phantom_token_cache_inactive_valid", NGX_CONF_TAKE1),
    located(c"phantom_token_cache_lock", NGX_CONF_FLAG),
    located(c"phantom_token_cache_lock_timeout", NGX_CONF_TAKE1),
    located(c"phantom_token_cache_use_stale", NGX_CONF_1MORE),
    located(c"phantom_token_cache_background_update", NGX_CONF_TAKE12),
    located(c"phantom_token_cache_bypass", NGX_CONF_1MORE),
    located(c"phantom_token_worker_cache", NGX_CONF_TAKE1),
    content(c"phantom_token_status", set_status),
    content(c"phantom_token_purge", set_purge),
    ngx_command_t::empty(),
];

/// What is wrong with a directive's arguments.
#[derive(Debug, thiserror::Error)]
enum SettingError {
    #[error("is duplicate")]
    Duplicate,
    #[error("NGINX has logged what is wrong")]
    Logged,
    #[error("expected {expected}, got \"{got}\"")]
    Unexpected { expected: &'static str, got: String },
    #[error("cannot read \"{}\": {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("\"{}\" is empty", path.display())]
    EmptyFile { path: PathBuf },
    #[error("\"{}\" is not one line of text with a secret in it", path.display())]
    NotASecret { path: PathBuf },
}

type Setting = Result<(), SettingError>;

const fn located(name: &'static CStr, arguments: u32) -> ngx_command_t {
    command(name, ANYWHERE | arguments, NGX_HTTP_LOC_CONF_OFFSET, set_location)
}

const fn content(
    name: &'static CStr,
    set: unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char,
) -> ngx_command_t {
    command(name, NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, 0, set)
}

const fn command(
    name: &'static CStr,
    type_: u32,
    conf: usize,
    set: unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char,
) -> ngx_command_t {
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
    // SAFETY: NGINX calls a setter with a parser, our command, and the location's configuration
    // that `create_loc_conf` made.
    let (Some(cf), Some(cmd), Some(conf)) =
        (unsafe { (cf.as_mut(), cmd.as_ref(), conf.cast::<LocationConf>().as_mut()) })
    else {
        return NGX_CONF_ERROR;
    };
    let directive = conf::directive_name(&cmd.name);
    let result = match directive {
        "phantom_token_cache_bypass" => bypass(&mut conf.settings, cf, cmd),
        _ => apply(&mut conf.settings, directive, cf),
    };
    match result {
        Ok(()) => NGX_CONF_OK,
        Err(SettingError::Logged) => NGX_CONF_ERROR,
        Err(SettingError::Duplicate) => conf::complaint(c"is duplicate"),
        Err(error) => cf.refuse(directive, &error),
    }
}

unsafe extern "C" fn set_status(
    cf: *mut ngx_conf_t,
    _cmd: *mut ngx_command_t,
    _conf: *mut c_void,
) -> *mut c_char {
    set_content_handler(cf, status::handler)
}

unsafe extern "C" fn set_purge(
    cf: *mut ngx_conf_t,
    _cmd: *mut ngx_command_t,
    _conf: *mut c_void,
) -> *mut c_char {
    set_content_handler(cf, purge::handler)
}

fn set_content_handler(
    cf: *mut ngx_conf_t,
    handler: unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t,
) -> *mut c_char {
    // SAFETY: NGINX calls a setter with a parser.
    let core: Option<&mut ngx_http_core_loc_conf_t> =
        unsafe { cf.as_ref() }.and_then(NgxHttpCoreModule::location_conf_mut);
    let Some(core) = core else {
        return NGX_CONF_ERROR;
    };
    core.handler = Some(handler);
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
    let argument = cf.values().next().unwrap_or_default().to_vec();
    match main.declare_zone(cf, &argument) {
        Ok(()) => NGX_CONF_OK,
        Err(error) => cf.refuse(conf::directive_name(&cmd.name), &error),
    }
}

fn apply(settings: &mut Settings, directive: &str, cf: &mut ngx_conf_t) -> Setting {
    let place = cf.place();
    let arguments: Vec<Vec<u8>> = cf.values().map(<[u8]>::to_vec).collect();
    let first = arguments.first().map_or(&[][..], Vec::as_slice);
    match directive {
        "phantom_token" => once(&mut settings.enable, (flag(first)?, place)),
        "phantom_token_introspection_endpoint" => once(&mut settings.endpoint, endpoint(first)?),
        "phantom_token_realm" => {
            once(&mut settings.realm, (text(first, "a realm in UTF-8")?, place))
        }
        "phantom_token_scopes" => {
            once(&mut settings.scopes, (text(first, "scopes in ASCII")?, place))
        }
        "phantom_token_scope" => {
            let scope = text(first, "a scope in ASCII")?;
            settings.scope.get_or_insert_with(|| (Vec::new(), place)).0.push(scope);
            Ok(())
        }
        "phantom_token_client_credential" => {
            once(&mut settings.credential, credential(&arguments, cf)?)
        }
        "phantom_token_introspection_accept_header" => {
            once(&mut settings.accept, media_type(first)?)
        }
        "phantom_token_jwt_claim" => once(&mut settings.jwt_members, names(&arguments)?),
        "phantom_token_max_response_size" => {
            once(&mut settings.max_response_size, response_size(first)?)
        }
        "phantom_token_cache" => once(&mut settings.cache, (cache(first)?, place)),
        "phantom_token_cache_valid" => once(&mut settings.valid, time_or_off(first)?),
        "phantom_token_cache_max_valid" => once(&mut settings.max_valid, time_or_off(first)?),
        "phantom_token_cache_ignore_headers" => ignore_headers(settings, &arguments),
        "phantom_token_options" => once(&mut settings.options, options(first)?),
        "phantom_token_challenge_error" => once(&mut settings.challenge_error, flag(first)?),
        "phantom_token_cache_inactive_valid" => {
            once(&mut settings.inactive_valid, time_or_off(first)?)
        }
        "phantom_token_cache_lock" => once(&mut settings.lock, flag(first)?),
        "phantom_token_cache_lock_timeout" => {
            once(&mut settings.lock_timeout_ms, lock_timeout(first)?)
        }
        "phantom_token_cache_use_stale" => once(&mut settings.use_stale, use_stale(&arguments)?),
        "phantom_token_cache_background_update" => {
            once(&mut settings.background_update, background_update(&arguments)?)
        }
        "phantom_token_worker_cache" => once(&mut settings.worker_cache, worker_cache(first)?),
        _ => Err(unexpected("a directive of this module", directive.as_bytes())),
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Setting {
    if slot.is_some() {
        return Err(SettingError::Duplicate);
    }
    *slot = Some(value);
    Ok(())
}

fn unexpected(expected: &'static str, got: &[u8]) -> SettingError {
    SettingError::Unexpected { expected, got: String::from_utf8_lossy(got).into_owned() }
}

fn flag(value: &[u8]) -> Result<bool, SettingError> {
    if value.eq_ignore_ascii_case(b"on") {
        return Ok(true);
    }
    if value.eq_ignore_ascii_case(b"off") {
        return Ok(false);
    }
    Err(unexpected("\"on\" or \"off\"", value))
}

fn text(value: &[u8], expected: &'static str) -> Result<String, SettingError> {
    String::from_utf8(value.to_vec()).map_err(|_| unexpected(expected, value))
}

/// The name of a location. C-module files leave the slash out; what follows a `?` or a `#` would
/// be lost on the way.
fn endpoint(value: &[u8]) -> Result<Rc<[u8]>, SettingError> {
    const EXPECTED: &str = "the name of a location, without arguments";
    let strange = |byte: &u8| byte.is_ascii_control() || b" ?#$".contains(byte);
    if value.windows(3).any(|part| part == b"://") {
        return Err(unexpected("the name of a location, not a URL", value));
    }
    if value.is_empty() || value.starts_with(b"@") || value.iter().any(strange) {
        return Err(unexpected(EXPECTED, value));
    }
    Ok(value.into())
}

fn credential(
    arguments: &[Vec<u8>],
    cf: &mut ngx_conf_t,
) -> Result<Rc<ClientCredential>, SettingError> {
    let [id, secret] = arguments else {
        return Err(unexpected("a client id and a secret", b""));
    };
    if id.is_empty() {
        return Err(unexpected("a client id that is not empty", id));
    }
    let Some(path) = secret.strip_prefix(b"file:") else {
        return Ok(Rc::new(ClientCredential::new(id, secret)));
    };
    let path = cf.full_name(path).ok_or_else(|| unexpected("a path behind \"file:\"", secret))?;
    let content = match std::fs::read(&path) {
        Ok(content) => zeroize::Zeroizing::new(content),
        Err(error) => return Err(SettingError::File { path, error }),
    };
    let secret = content.trim_ascii_end();
    if secret.is_empty() {
        return Err(SettingError::EmptyFile { path });
    }
    if secret.len() > LONGEST_SECRET
        || secret.iter().any(u8::is_ascii_control)
        || secret.starts_with(BYTE_ORDER_MARK)
    {
        return Err(SettingError::NotASecret { path });
    }
    Ok(Rc::new(ClientCredential::new(id, secret)))
}

fn media_type(value: &[u8]) -> Result<Rc<str>, SettingError> {
    const EXPECTED: &str = "a media type such as \"application/jwt\"";
    let header = http::HeaderValue::from_bytes(value).map_err(|_| unexpected(EXPECTED, value))?;
    let text = header.to_str().map_err(|_| unexpected(EXPECTED, value))?;
    if !text.contains('/') {
        return Err(unexpected(EXPECTED, value));
    }
    Ok(text.into())
}

fn names(values: &[Vec<u8>]) -> Result<Rc<[String]>, SettingError> {
    const EXPECTED: &str =
        "the name of a member of the introspection answer, other than \"active\"";
    let name = |value: &Vec<u8>| match text(value, EXPECTED)?.as_str() {
        "" | "active" => Err(unexpected(EXPECTED, value)),
        name => Ok(name.to_owned()),
    };
    values.iter().map(name).collect()
}

fn response_size(value: &[u8]) -> Result<usize, SettingError> {
    const EXPECTED: &str = "a size from 1 to 16m, such as \"64k\"";
    let size = conf::size(value).filter(|size| (1..=16 << 20).contains(size));
    size.ok_or_else(|| unexpected(EXPECTED, value))
}

fn cache(value: &[u8]) -> Result<CacheChoice, SettingError> {
    match value {
        b"off" => Ok(CacheChoice::Off),
        b"" => Err(unexpected("the name of a zone, or \"off\"", value)),
        name => Ok(CacheChoice::Zone(text(name, "the name of a zone in UTF-8")?)),
    }
}

fn time_or_off(value: &[u8]) -> Result<Option<Duration>, SettingError> {
    if value == b"off" {
        return Ok(None);
    }
    let seconds =
        conf::time(value).ok_or_else(|| unexpected("a time such as \"30s\", or \"off\"", value))?;
    Ok(Some(Duration::from_secs(seconds)))
}

fn ignore_headers(settings: &mut Settings, values: &[Vec<u8>]) -> Setting {
    let mut ignored = crate::conf::IgnoredHeaders::default();
    for value in values {
        match value.to_ascii_lowercase().as_slice() {
            b"cache-control" => ignored.cache_control = true,
            b"expires" => ignored.expires = true,
            _ => return Err(unexpected("\"Cache-Control\" or \"Expires\"", value)),
        }
    }
    once(&mut settings.ignored_headers, ignored)
}

fn bypass(settings: &mut Settings, cf: &mut ngx_conf_t, cmd: &ngx_command_t) -> Setting {
    if settings.bypass.is_some() {
        return Err(SettingError::Duplicate);
    }
    settings.bypass = Some(Predicates::compile(cf, cmd).ok_or(SettingError::Logged)?);
    Ok(())
}

fn lock_timeout(value: &[u8]) -> Result<u64, SettingError> {
    let timeout = conf::milliseconds(value).filter(|timeout| (1..=3_600_000).contains(timeout));
    timeout.ok_or_else(|| unexpected("a time from 1ms to 1h, such as \"5s\"", value))
}

fn use_stale(values: &[Vec<u8>]) -> Result<UseStale, SettingError> {
    const EXPECTED: &str = "\"error\", \"timeout\", \"updating\", \"http_429\", \"http_500\", \
        \"http_502\", \"http_503\", \"http_504\", or \"off\" alone";
    let mut use_stale = UseStale::default();
    if let [only] = values
        && only == b"off"
    {
        return Ok(use_stale);
    }
    for value in values {
        if !use_stale.add(value) {
            return Err(unexpected(EXPECTED, value));
        }
    }
    Ok(use_stale)
}

fn background_update(values: &[Vec<u8>]) -> Result<Option<u64>, SettingError> {
    const EXPECTED: &str = "\"on\", \"on before=time\" with a time such as \"10s\", or \"off\"";
    let (switch, rest) = values.split_first().ok_or_else(|| unexpected(EXPECTED, b""))?;
    match (flag(switch)?, rest) {
        (false, []) => Ok(None),
        (true, []) => Ok(Some(RENEW_BEFORE)),
        (true, [before]) => {
            let seconds = before.strip_prefix(b"before=").and_then(conf::time);
            seconds.map(Some).ok_or_else(|| unexpected(EXPECTED, before))
        }
        (_, [other, ..]) => Err(unexpected(EXPECTED, other)),
    }
}

fn worker_cache(value: &[u8]) -> Result<Option<NonZeroUsize>, SettingError> {
    const EXPECTED: &str = "a number of entries from 1 to 1048576, or \"off\"";
    if value == b"off" {
        return Ok(None);
    }
    let entries =
        core::str::from_utf8(value).ok().and_then(|text| text.parse::<NonZeroUsize>().ok());
    let entries = entries.filter(|entries| entries.get() <= 1 << 20);
    entries.map(Some).ok_or_else(|| unexpected(EXPECTED, value))
}

fn options(value: &[u8]) -> Result<OnOptions, SettingError> {
    match value {
        b"reply" => Ok(OnOptions::Reply),
        b"pass" => Ok(OnOptions::Pass),
        b"check" => Ok(OnOptions::Check),
        _ => Err(unexpected("\"reply\", \"pass\" or \"check\"", value)),
    }
}
