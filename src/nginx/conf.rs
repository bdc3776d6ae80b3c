//! The configuration parser.

use core::ffi::{CStr, c_char, c_void};
use core::fmt;
use core::ptr::{self, NonNull};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use nginx_sys::{
    NGX_CONF_UNSET, NGX_LOG_EMERG, NGX_LOG_WARN, ngx_array_t, ngx_command_t, ngx_conf_full_name,
    ngx_conf_t, ngx_http_compile_complex_value, ngx_http_compile_complex_value_t,
    ngx_http_complex_value, ngx_http_complex_value_t, ngx_http_set_predicate_slot,
    ngx_http_test_predicates, ngx_module_t, ngx_parse_size, ngx_parse_time, ngx_pcalloc, ngx_str_t,
    ngx_uint_t,
};
use ngx::core::NGX_CONF_ERROR;
use ngx::core::Pool;
use ngx::{ngx_conf_log_error, ngx_log_error};

use super::lasting::Lasting;
use super::rc;
use super::request::{OutOfMemory, Request};

/// Where in the configuration something was said.
#[derive(Clone, Debug)]
pub struct Place {
    file: String,
    line: ngx_uint_t,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What the module asks of the configuration parser.
pub trait ConfExt {
    /// The arguments of the directive at hand, without its name.
    fn values(&self) -> impl Iterator<Item = &[u8]>;

    /// The file and the line of the directive at hand.
    fn place(&self) -> Place;

    /// Logs an `[emerg]` that ends with the place of the directive at hand.
    fn refuse(&mut self, directive: &str, error: &dyn fmt::Display) -> *mut c_char;

    /// Logs an `[emerg]` about an earlier place, which the error names.
    fn refuse_merged(&mut self, error: &dyn fmt::Display) -> *mut c_char;

    /// Logs a `[warn]` that ends with the place of the directive at hand.
    fn warn_here(&self, directive: &str, warning: &dyn fmt::Display);

    /// Logs a `[warn]`, which `nginx -t` shows, and a start.
    fn warn(&self, warning: &dyn fmt::Display);

    /// A path as the configuration means it: relative to the folder of the configuration.
    fn full_name(&mut self, path: &[u8]) -> Option<PathBuf>;
}

impl ConfExt for ngx_conf_t {
    fn values(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: while a directive is parsed, `args` is an array of strings.
        let args =
            unsafe { self.args.as_ref().map_or(&[][..], |args| args.as_slice::<ngx_str_t>()) };
        // SAFETY: arguments live in the pool of the configuration.
        args.iter().skip(1).map(|arg| unsafe { super::bytes(*arg) })
    }

    fn place(&self) -> Place {
        // SAFETY: `conf_file` is set while a directive is parsed.
        let Some(conf_file) = (unsafe { self.conf_file.as_ref() }) else {
            return Place { file: String::new(), line: 0 };
        };
        // SAFETY: the name of a file of the configuration lives in its pool.
        let file = unsafe { super::bytes(conf_file.file.name) };
        Place { file: String::from_utf8_lossy(file).into_owned(), line: conf_file.line }
    }

    fn refuse(&mut self, directive: &str, error: &dyn fmt::Display) -> *mut c_char {
        ngx_conf_log_error!(NGX_LOG_EMERG, self, "\"{}\" directive: {}", directive, error);
        NGX_CONF_ERROR
    }

    fn refuse_merged(&mut self, error: &dyn fmt::Display) -> *mut c_char {
        ngx_log_error!(NGX_LOG_EMERG, self.log, "{}", error);
        NGX_CONF_ERROR
    }

    fn warn_here(&self, directive: &str, warning: &dyn fmt::Display) {
        self.warn(&format_args!("\"{directive}\" {warning} in {}", self.place()));
    }

    fn warn(&self, warning: &dyn fmt::Display) {
        ngx_log_error!(NGX_LOG_WARN, self.log, "{}", warning);
    }

    fn full_name(&mut self, path: &[u8]) -> Option<PathBuf> {
        // SAFETY: the pool is the configuration's.
        let mut name = unsafe { ngx_str_t::from_bytes(self.pool, path) }?;
        // SAFETY: `name` is a string of its own, and the cycle is the one being configured.
        let status = unsafe { ngx_conf_full_name(self.cycle, &mut name, 1) };
        if status != rc::OK {
            return None;
        }
        // SAFETY: as above.
        Some(OsStr::from_bytes(unsafe { super::bytes(name) }).into())
    }
}

/// Values with variables, as of `proxy_cache_bypass`.
#[derive(Clone, Copy)]
pub struct Predicates(NonNull<ngx_array_t>);

impl Predicates {
    /// Compiles the arguments of the directive at hand; nothing if NGINX has logged what is wrong.
    pub fn compile(cf: &mut ngx_conf_t, cmd: &ngx_command_t) -> Option<Self> {
        let mut slot: *mut ngx_array_t = NGX_CONF_UNSET as *mut ngx_array_t;
        let mut cmd = ngx_command_t { offset: 0, post: ptr::null_mut(), ..*cmd };
        // SAFETY: the setter writes a pointer to an array at offset 0 of what it is given.
        let rc = unsafe { ngx_http_set_predicate_slot(cf, &mut cmd, (&raw mut slot).cast()) };
        if rc.is_null() { NonNull::new(slot).map(Self) } else { None }
    }

    /// Whether any of the values is neither empty nor "0" in a request.
    pub fn any(self, request: Request) -> bool {
        // SAFETY: the array lives as long as the configuration.
        let status = unsafe { ngx_http_test_predicates(request.as_ptr(), self.0.as_ptr()) };
        status != rc::OK
    }
}

/// A value with variables.
#[derive(Clone, Copy)]
pub struct ComplexValue(NonNull<ngx_http_complex_value_t>);

impl ComplexValue {
    /// Compiles a text; nothing if NGINX has logged what is wrong.
    pub fn compile(cf: &mut ngx_conf_t, text: &[u8]) -> Option<Self> {
        // SAFETY: the pool is the configuration's, and aligns for any type; zero is a value of both
        // structures. NGINX keeps pointers into the text, which is in the pool.
        unsafe {
            let size = size_of::<ngx_http_complex_value_t>();
            let place = NonNull::new(ngx_pcalloc(cf.pool, size))?.cast();
            let mut text = ngx_str_t::from_bytes(cf.pool, text)?;
            let mut compile: ngx_http_compile_complex_value_t = core::mem::zeroed();
            compile.cf = cf;
            compile.value = &mut text;
            compile.complex_value = place.as_ptr();
            (ngx_http_compile_complex_value(&mut compile) == rc::OK).then_some(Self(place))
        }
    }

    /// As it is written.
    pub fn text(&self) -> &[u8] {
        // SAFETY: the value and its text live as long as the configuration.
        unsafe { super::bytes(self.0.as_ref().value) }
    }

    /// The names of the variables in it, as they are written: `$name`, or `${name}`.
    pub fn variables(&self) -> impl Iterator<Item = &[u8]> {
        let behind_dollars = self.text().split(|&byte| byte == b'$').skip(1);
        behind_dollars.map(|text| {
            let name = text.strip_prefix(b"{").unwrap_or(text);
            let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let end = name.iter().position(|byte| !is_of_name(byte)).unwrap_or(name.len());
            name.get(..end).unwrap_or_default()
        })
    }

    /// What it is in a request, for as long as that lives.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn evaluate(self, request: Request) -> Result<Lasting<[u8]>, OutOfMemory> {
        let mut value = ngx_str_t::empty();
        // SAFETY: the value lives as long as the configuration, and the request is live, as long as which
        // what it evaluates to lives.
        unsafe {
            let status = ngx_http_complex_value(request.as_ptr(), self.0.as_ptr(), &mut value);
            if status == rc::OK { Ok(Lasting::of_string(value)) } else { Err(OutOfMemory) }
        }
    }
}

/// Moves a value into the pool of a configuration, where it is dropped with that.
pub fn allocate<T>(cf: &mut ngx_conf_t, value: T) -> Option<Lasting<T>> {
    // SAFETY: the pool is the configuration's.
    unsafe {
        Pool::from_ngx_pool(cf.pool).allocate(value).as_ref().map(|value| Lasting::new(value))
    }
}

/// A time in milliseconds, as `500ms` or `5s`.
pub fn milliseconds(value: &[u8]) -> Option<u64> {
    let mut value = super::string(value);
    // SAFETY: `ngx_parse_time()` only reads.
    let milliseconds = unsafe { ngx_parse_time(&mut value, 0) };
    u64::try_from(milliseconds).ok()
}

/// A time in seconds, as `30s`, `10m` or `1d`.
pub fn time(value: &[u8]) -> Option<u64> {
    let mut value = super::string(value);
    // SAFETY: `ngx_parse_time()` only reads.
    let seconds = unsafe { ngx_parse_time(&mut value, 1) };
    u64::try_from(seconds).ok()
}

/// A size in bytes, as `512`, `64k` or `10m`.
pub fn size(value: &[u8]) -> Option<usize> {
    let mut value = super::string(value);
    // SAFETY: `ngx_parse_size()` only reads.
    let size = unsafe { ngx_parse_size(&mut value) };
    usize::try_from(size).ok()
}

/// The name of a directive.
fn directive_name(name: &ngx_str_t) -> &str {
    // SAFETY: directives are named by literals.
    core::str::from_utf8(unsafe { super::bytes(*name) }).unwrap_or_default()
}

/// NGINX prints a string that a directive's setter returns after the directive's name.
pub fn complaint(text: &'static CStr) -> *mut c_char {
    text.as_ptr().cast_mut()
}

/// The function of a directive, which NGINX calls where that stands.
pub type Setter =
    unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char;

/// Where in its configuration a module's directive with that setter puts its value, in bytes.
pub fn offset(commands: *const ngx_command_t, directive: &str, setter: Setter) -> Option<usize> {
    let mut command = commands;
    // SAFETY: a table of directives ends with one without a name.
    while let Some(current) = unsafe { command.as_ref() }.filter(|one| one.name.len > 0) {
        if directive_name(&current.name) == directive {
            let set = current.set.filter(|set| ptr::fn_addr_eq(*set, setter));
            return set.map(|_| current.offset);
        }
        command = command.wrapping_add(1);
    }
    None
}

/// A module of the NGINX that is being configured, by its name.
pub fn module<'a>(cf: &ngx_conf_t, name: &CStr) -> Option<&'a ngx_module_t> {
    // SAFETY: the cycle that is being configured has a list of modules that ends with a null pointer.
    let mut modules = unsafe { cf.cycle.as_ref() }?.modules;
    loop {
        // SAFETY: as above; modules live longer than the configuration, and have names.
        let module = unsafe { modules.as_ref()?.as_ref() }?;
        // SAFETY: as above.
        if !module.name.is_null() && unsafe { CStr::from_ptr(module.name) } == name {
            return Some(module);
        }
        modules = modules.wrapping_add(1);
    }
}
