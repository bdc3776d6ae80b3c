//! A directive of the module in the table that NGINX reads.

use core::ffi::{CStr, c_char, c_void};
use core::ptr;

use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_FLAG, NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE12,
    NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF,
    ngx_command_t, ngx_conf_t, ngx_uint_t,
};
use ngx::core::NGX_CONF_ERROR;

/// What a directive does where the parser comes to it.
pub trait Directive {
    /// Returns a null pointer, or what NGINX is to say of the directive.
    fn set(cf: &mut ngx_conf_t, cmd: &ngx_command_t) -> *mut c_char;
}

/// A block of the configuration in which a directive may stand.
#[derive(Clone, Copy)]
pub enum Level {
    Http,
    Server,
    Location,
}

/// How many arguments a directive takes.
#[derive(Clone, Copy)]
pub enum Arguments {
    None,
    /// `on` or `off`.
    Flag,
    One,
    OneOrTwo,
    OneOrMore,
}

/// A row of the table.
pub const fn command<D: Directive>(
    name: &'static CStr,
    mut levels: &[Level],
    arguments: Arguments,
) -> ngx_command_t {
    let mut type_ = match arguments {
        Arguments::None => NGX_CONF_NOARGS,
        Arguments::Flag => NGX_CONF_FLAG,
        Arguments::One => NGX_CONF_TAKE1,
        Arguments::OneOrTwo => NGX_CONF_TAKE12,
        Arguments::OneOrMore => NGX_CONF_1MORE,
    };
    while let [level, rest @ ..] = levels {
        type_ |= match level {
            Level::Http => NGX_HTTP_MAIN_CONF,
            Level::Server => NGX_HTTP_SRV_CONF,
            Level::Location => NGX_HTTP_LOC_CONF,
        };
        levels = rest;
    }
    ngx_command_t {
        name: super::string(name.to_bytes()),
        type_: type_ as ngx_uint_t,
        set: Some(set::<D>),
        conf: NGX_HTTP_LOC_CONF_OFFSET,
        offset: 0,
        post: ptr::null_mut(),
    }
}

/// The configuration that NGINX hands over is the one that the parser leads to as well.
unsafe extern "C" fn set<D: Directive>(
    cf: *mut ngx_conf_t,
    cmd: *mut ngx_command_t,
    _conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: NGINX calls with its parser, which nobody else uses meanwhile, and a command of the table.
    match unsafe { (cf.as_mut(), cmd.as_ref()) } {
        (Some(cf), Some(cmd)) => D::set(cf, cmd),
        _ => NGX_CONF_ERROR,
    }
}
