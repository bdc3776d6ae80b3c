//! How a row becomes a directive of NGINX and a setting of the module.

use core::ffi::{CStr, c_char};
use core::ptr;
use std::rc::Rc;

use nginx_sys::{ngx_command_t, ngx_conf_t, ngx_http_core_loc_conf_t};
use ngx::core::{NGX_CONF_ERROR, NGX_CONF_OK};
use ngx::http::{HttpModuleLocationConf as _, HttpModuleMainConf as _, NgxHttpCoreModule};

use super::arguments::{self, SettingError};
use super::location::{Content, LocationConf};
use super::settings::Settings;
use super::values::Placed;
use crate::module::Module;
use crate::nginx::conf::{self, ComplexValue, ConfExt as _, Place, Predicates};
use crate::nginx::request::ContentHandler;

/// Makes directives of rows: their commands for NGINX, their settings, and how these are inherited. A
/// file has all of its rows in one call, and nothing else, so that `tests/reference.rs` can read it with
/// a macro of its own, and compare the documentation with the rows.
///
/// A row has one line that says what the directive is for, its name, and
///
/// - `syntax`: the arguments, as the documentation of NGINX writes them,
/// - `arguments`: how many there may be,
/// - `contexts`: where the directive may stand,
/// - `default`: what holds without it, as it would be written; left out where there is nothing to write,
/// - `variables: true` if the arguments may have variables,
/// - `repeatable: true` if it may be given more than once at a level,
/// - `since`: the first version that has it,
/// - `sets`: the setting, its type, and the value of the default,
/// - `inherits`: how a level takes the setting over from the one above, if not as it is,
/// - `to`: the value of the setting, which is set once at a level,
/// - or `adds`, which changes the settings of its group by itself,
/// - or `does`, which changes no settings.
///
/// `group` is the group's field in `conf::Settings`. A file without it has rows that set nothing.
macro_rules! directives {
    (
        $(use $($segment:ident)::+;)*

        group: $group:ident,

        $(
            #[doc = $meaning:literal]
            $name:ident {
                syntax: $syntax:literal,
                arguments: $arguments:ident,
                contexts: [$($context:ident),+],
                $(default: $default:literal,)?
                $(variables: $variables:tt,)?
                $(repeatable: $repeatable:tt,)?
                since: $since:literal,
                $(
                    sets: $field:ident: $type:ty $(= $value:expr)?,
                    $(inherits: $inherits:expr,)?
                    $(to: $to:expr,)?
                )?
                $(adds: $adds:expr,)?
                $(does: $does:expr,)?
            }
        )+
    ) => {
        $(use $($segment)::+;)*

        /// What the directives of this group say at one level.
        #[derive(Clone, Default)]
        pub struct Settings {
            $($(
                #[doc = $meaning]
                #[doc = concat!("\n\n`", stringify!($name), " ", $syntax, "`")]
                pub $field: Option<$type>,
            )?)+
        }

        impl Settings {
            /// Takes over from the level above what is not set here.
            pub fn inherit(&mut self, above: &Self) {
                $($(directives!(@inherit self, above, $field $(, $inherits)?);)?)+
            }

            /// The settings, and the defaults of those that neither this level nor one above has.
            pub fn with_defaults(&self) -> WithDefaults {
                WithDefaults {
                    $($($(
                        $field: $crate::conf::directive::or_default(&self.$field, || $value),
                    )?)?)+
                }
            }
        }

        /// The settings of this group that have a default.
        pub struct WithDefaults {
            $($($(
                #[doc = $meaning]
                #[doc = concat!("\n\nDefault: `", stringify!($value), "`")]
                pub $field: $type,
            )?)?)+
        }

        pub const COMMANDS: [nginx_sys::ngx_command_t; [$(stringify!($name)),+].len()] = [$(
            directives!(@command $name, $arguments, [$($context),+], |given, conf| {
                directives!(@dollar given $(, $variables)?);
                $($(given.set_once(conf, |settings| &mut settings.$group.$field, $to))?)?
                $(given.add(conf, |settings| &mut settings.$group, $adds))?
                $(given.call(conf, $does))?
            }),
        )+];
    };
    (
        $(
            #[doc = $meaning:literal]
            $name:ident {
                syntax: $syntax:literal,
                arguments: $arguments:ident,
                contexts: [$($context:ident),+],
                since: $since:literal,
                does: $does:expr,
            }
        )+
    ) => {
        pub const COMMANDS: [nginx_sys::ngx_command_t; [$(stringify!($name)),+].len()] = [$(
            directives!(@command $name, $arguments, [$($context),+], |given, conf| {
                given.warn_of_dollar();
                given.call(conf, $does)
            }),
        )+];
    };

    (@inherit $here:ident, $above:ident, $field:ident) => {
        if $here.$field.is_none() {
            $here.$field.clone_from(&$above.$field);
        }
    };
    (@inherit $here:ident, $above:ident, $field:ident, $inherits:expr) => {
        if $here.$field.is_none() {
            $here.$field = $inherits($above);
        }
    };

    (@dollar $given:ident) => { $given.warn_of_dollar() };
    (@dollar $given:ident, true) => {};

    (@command $name:ident, $arguments:ident, [$($context:ident),+], $set:expr) => {{
        enum Row {}
        impl $crate::nginx::command::Directive for Row {
            fn set(
                cf: &mut nginx_sys::ngx_conf_t,
                cmd: &nginx_sys::ngx_command_t,
            ) -> *mut core::ffi::c_char {
                $crate::conf::directive::apply(stringify!($name), cf, cmd, $set)
            }
        }
        $crate::nginx::command::command::<Row>(
            $crate::conf::directive::terminated(concat!(stringify!($name), "\0")),
            &[$($crate::nginx::command::Level::$context),+],
            $crate::nginx::command::Arguments::$arguments,
        )
    }};
}

/// A directive as it stands in the configuration.
pub struct Given<'a> {
    name: &'static str,
    pub cf: &'a mut ngx_conf_t,
    cmd: &'a ngx_command_t,
}

/// Does what a directive is for.
pub fn apply(
    name: &'static str,
    cf: &mut ngx_conf_t,
    cmd: &ngx_command_t,
    set: fn(&mut Given<'_>, &mut LocationConf) -> Result<(), SettingError>,
) -> *mut c_char {
    let Some(conf) = Module::location_conf_mut(cf) else {
        return NGX_CONF_ERROR;
    };
    match set(&mut Given { name, cf, cmd }, conf) {
        Ok(()) => NGX_CONF_OK,
        Err(SettingError::Logged) => NGX_CONF_ERROR,
        Err(SettingError::Duplicate) => conf::complaint(c"is duplicate"),
        Err(SettingError::OtherContent) => {
            conf::complaint(c"stands beside another directive that answers requests")
        }
        Err(error) => cf.refuse(name, &error),
    }
}

/// A setting, or what it is where no level has it.
pub fn or_default<T: Clone>(setting: &Option<T>, default: impl FnOnce() -> T) -> T {
    setting.as_ref().map_or_else(default, T::clone)
}

/// A name that ends with a zero byte.
pub const fn terminated(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        // The identifier of a row has no zero byte.
        Err(_) => c"",
    }
}

impl Given<'_> {
    /// All arguments.
    pub fn all(&self) -> Vec<&[u8]> {
        self.cf.values().collect()
    }

    /// The first argument.
    pub fn first(&self) -> &[u8] {
        self.cf.values().next().unwrap_or_default()
    }

    /// The first argument as text.
    pub fn text(&self, expected: &'static str) -> Result<String, SettingError> {
        arguments::text(self.first(), expected)
    }

    /// The arguments as values with variables.
    pub fn complex_values(&mut self) -> Result<Rc<[ComplexValue]>, SettingError> {
        let texts: Vec<_> = self.cf.values().map(<[u8]>::to_vec).collect();
        let values = texts.iter().map(|text| ComplexValue::compile(self.cf, text));
        values.map(|value| value.ok_or(SettingError::Logged)).collect()
    }

    /// The arguments as conditions with variables.
    pub fn predicates(&mut self) -> Result<Predicates, SettingError> {
        Predicates::compile(self.cf, self.cmd).ok_or(SettingError::Logged)
    }

    /// Where the directive stands.
    pub fn place(&self) -> Place {
        self.cf.place()
    }

    /// A value with the place where it is set.
    pub fn placed<T>(&self, value: T) -> Placed<T> {
        Placed { value, place: Some(self.place()) }
    }

    /// An operator who writes a `$` probably means a variable. Without a warning the client id would be
    /// the text `$id`.
    pub fn warn_of_dollar(&self) {
        if self.cf.values().any(|value| value.contains(&b'$')) {
            self.cf.warn_here(self.name, &"takes no variables, a \"$\" is taken as it is");
        }
    }

    /// Gives a setting its value, which no directive of the same level has done before.
    pub fn set_once<T>(
        &mut self,
        conf: &mut LocationConf,
        setting: fn(&mut Settings) -> &mut Option<T>,
        to: fn(&mut Self) -> Result<T, SettingError>,
    ) -> Result<(), SettingError> {
        self.note_own(conf);
        let value = to(self)?;
        arguments::once(setting(&mut conf.settings), value)
    }

    /// Changes the settings of a group.
    pub fn add<T>(
        &mut self,
        conf: &mut LocationConf,
        group: fn(&mut Settings) -> &mut T,
        adds: fn(&mut Self, &mut T) -> Result<(), SettingError>,
    ) -> Result<(), SettingError> {
        self.note_own(conf);
        adds(self, group(&mut conf.settings))
    }

    /// Does what changes no settings.
    pub fn call(
        &mut self,
        conf: &mut LocationConf,
        does: fn(&mut Self, &mut LocationConf) -> Result<(), SettingError>,
    ) -> Result<(), SettingError> {
        does(self, conf)
    }

    /// Has the module answer the requests of the location.
    pub fn answer_by(
        &self,
        handler: ContentHandler,
        conf: &mut LocationConf,
    ) -> Result<(), SettingError> {
        let core: Option<&mut ngx_http_core_loc_conf_t> =
            NgxHttpCoreModule::location_conf_mut(self.cf);
        // NGINX has it wherever the directive may stand.
        let core = core.ok_or(SettingError::Logged)?;
        match core.handler {
            None => core.handler = Some(handler),
            Some(other) if ptr::fn_addr_eq(other, handler) => return Err(SettingError::Duplicate),
            Some(_) => return Err(SettingError::OtherContent),
        }
        conf.content = Some(Content { directive: self.name, set: self.place(), handler });
        Ok(())
    }

    /// Declares a zone.
    pub fn declare_zone(&mut self) -> Result<(), SettingError> {
        let argument = self.first().to_vec();
        // As in `answer_by`.
        let main = Module::main_conf_mut(self.cf).ok_or(SettingError::Logged)?;
        Ok(main.declare_zone(self.cf, &argument)?)
    }

    fn note_own(&self, conf: &mut LocationConf) {
        if self.name != "phantom_token" {
            conf.own.get_or_insert_with(|| (self.name.to_owned(), self.place()));
        }
    }
}
