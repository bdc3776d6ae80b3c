//! What the arguments of the directives mean.

use core::num::NonZeroUsize;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nginx_sys::ngx_conf_t;
use phantom_token_core::introspection::{ClientCredential, decides};
use phantom_token_core::stale::UseStale;
use phantom_token_core::token::bearer::TokenSyntax;
use zeroize::Zeroizing;

use super::values::{CacheChoice, IgnoredHeaders, OnOptions};
use super::zones::{ZoneError, zone_name};
use crate::nginx::conf::{self, ConfExt as _};

/// What is wrong with a directive's arguments.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    #[error("is duplicate")]
    Duplicate,
    #[error("NGINX has logged what is wrong")]
    Logged,
    #[error("stands beside another directive that answers requests")]
    OtherContent,
    #[error(transparent)]
    Zone(#[from] ZoneError),
    #[error("expected {expected}, got \"{got}\"")]
    Unexpected { expected: &'static str, got: String },
    #[error("expected {0}")]
    Missing(&'static str),
    #[error("cannot read \"{}\" ({})", path.display(), reason(error))]
    File { path: PathBuf, error: io::Error },
    #[error("\"{}\" is empty", path.display())]
    EmptyFile { path: PathBuf },
    #[error("\"{}\" is not one line of text with a secret in it", path.display())]
    NotASecret { path: PathBuf },
}

/// As NGINX writes it: the number of the error first.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.split_once(" (os error")) {
        (Some(number), Some((text, _))) => format!("{number}: {text}"),
        _ => text,
    }
}

/// Sets what may be set once at a level.
pub fn once<T>(setting: &mut Option<T>, value: T) -> Result<(), SettingError> {
    if setting.is_some() {
        return Err(SettingError::Duplicate);
    }
    *setting = Some(value);
    Ok(())
}

pub fn flag(value: &[u8]) -> Result<bool, SettingError> {
    if value.eq_ignore_ascii_case(b"on") {
        return Ok(true);
    }
    if value.eq_ignore_ascii_case(b"off") {
        return Ok(false);
    }
    Err(unexpected("\"on\" or \"off\"", value))
}

pub fn text(value: &[u8], expected: &'static str) -> Result<String, SettingError> {
    String::from_utf8(value.to_vec()).map_err(|_| unexpected(expected, value))
}

pub fn token_syntax(value: &[u8]) -> Result<TokenSyntax, SettingError> {
    match value {
        b"b64token" => Ok(TokenSyntax::B64token),
        b"visible" => Ok(TokenSyntax::Visible),
        _ => Err(unexpected("\"b64token\" or \"visible\"", value)),
    }
}

/// The name of a location. C-module files leave the slash out; what follows a `?` or a `#` would
/// be lost on the way.
pub fn endpoint(value: &[u8]) -> Result<Rc<[u8]>, SettingError> {
    const EXPECTED: &str = "the path or the word behind \"location\", without blanks, \"=\", \"~\", \"@\", \"?\", \"#\" or \"$\"";
    let strange = |byte: &u8| byte.is_ascii_control() || b" ?#$".contains(byte);
    let is_modified = |first: &u8| b"=~^@".contains(first);
    if value.windows(3).any(|part| part == b"://") {
        return Err(unexpected("the name of a location, not a URL", value));
    }
    if value.is_empty() || value.first().is_some_and(is_modified) || value.iter().any(strange) {
        return Err(unexpected(EXPECTED, value));
    }
    Ok(value.into())
}

/// A credential; none for `off`, which ends an inherited one.
pub fn credential(cf: &mut ngx_conf_t) -> Result<Option<Rc<ClientCredential>>, SettingError> {
    let (id, secret) = match cf.values().collect::<Vec<_>>()[..] {
        [b"off"] => return Ok(None),
        [id, secret] => (id, secret),
        // It may be the secret, so it is not printed.
        _ => return Err(SettingError::Missing("a client id and a secret, or \"off\"")),
    };
    if id.is_empty() {
        return Err(unexpected("a client id that is not empty", id));
    }
    if secret.is_empty() {
        return Err(SettingError::Missing(SECRET_EXPECTED));
    }
    let Some(path) = secret.strip_prefix(b"file:") else {
        return Ok(Some(Rc::new(ClientCredential::new(id, secret))));
    };
    let (id, path) = (id.to_vec(), path.to_vec());
    let path = cf.full_name(&path).ok_or_else(|| unexpected("a path behind \"file:\"", &path))?;
    let secret = secret_in(path)?;
    Ok(Some(Rc::new(ClientCredential::new(&id, &secret))))
}

fn secret_in(path: PathBuf) -> Result<Zeroizing<Vec<u8>>, SettingError> {
    let mut secret = match read_some(&path) {
        Ok(content) => content,
        Err(error) => return Err(SettingError::File { path, error }),
    };
    let length = secret.trim_ascii_end().len();
    secret.truncate(length);
    if secret.is_empty() {
        return Err(SettingError::EmptyFile { path });
    }
    if secret.len() > LONGEST_SECRET
        || secret.iter().any(u8::is_ascii_control)
        || secret.starts_with(BYTE_ORDER_MARK)
    {
        return Err(SettingError::NotASecret { path });
    }
    Ok(secret)
}

/// No more than what shows that a file is too long. A pipe would have to be waited for.
fn read_some(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(MOST_READ));
    File::open(path)?.take(MOST_READ as u64).read_to_end(&mut content)?;
    Ok(content)
}

pub fn media_type(value: &[u8]) -> Result<Rc<str>, SettingError> {
    const EXPECTED: &str = "a media type such as \"application/jwt\"";
    let header = http::HeaderValue::from_bytes(value).map_err(|_| unexpected(EXPECTED, value))?;
    let text = header.to_str().map_err(|_| unexpected(EXPECTED, value))?;
    if !text.contains('/') {
        return Err(unexpected(EXPECTED, value));
    }
    Ok(text.into())
}

pub fn names(values: &[&[u8]]) -> Result<Rc<[String]>, SettingError> {
    const EXPECTED: &str = "the name of a member of the introspection answer, other than \
        \"active\", \"token_type\", \"token_use\", \"nbf\" and \"exp\"";
    let name = |value: &&[u8]| match text(value, EXPECTED)? {
        name if name.is_empty() || decides(&name) => Err(unexpected(EXPECTED, value)),
        name => Ok(name),
    };
    values.iter().map(name).collect()
}

pub fn response_size(value: &[u8]) -> Result<usize, SettingError> {
    const EXPECTED: &str = "a size from 1 to 16m, such as \"64k\"";
    let size = conf::size(value).filter(|size| (1..=16 << 20).contains(size));
    size.ok_or_else(|| unexpected(EXPECTED, value))
}

pub fn cache(value: &[u8]) -> Result<CacheChoice, SettingError> {
    const EXPECTED: &str = "the name of a zone, or \"off\"";
    if value == b"off" {
        return Ok(CacheChoice::Off);
    }
    let text = text(value, EXPECTED)?;
    let name = zone_name(&text).ok_or_else(|| unexpected(EXPECTED, value))?;
    Ok(CacheChoice::Zone(name.to_owned()))
}

pub fn time_or_off(value: &[u8]) -> Result<Option<Duration>, SettingError> {
    if value == b"off" {
        return Ok(None);
    }
    let seconds =
        conf::time(value).ok_or_else(|| unexpected("a time such as \"30s\", or \"off\"", value))?;
    Ok(Some(Duration::from_secs(seconds)))
}

pub fn ignored_headers(values: &[&[u8]]) -> Result<IgnoredHeaders, SettingError> {
    let mut ignored = IgnoredHeaders::default();
    for value in values {
        match value.to_ascii_lowercase().as_slice() {
            b"cache-control" => ignored.cache_control = true,
            b"expires" => ignored.expires = true,
            _ => return Err(unexpected("\"Cache-Control\" or \"Expires\"", value)),
        }
    }
    Ok(ignored)
}

pub fn lock_timeout(value: &[u8]) -> Result<u64, SettingError> {
    let timeout = conf::milliseconds(value).filter(|timeout| (1..=3_600_000).contains(timeout));
    timeout.ok_or_else(|| unexpected("a time from 1ms to 1h, such as \"5s\"", value))
}

pub fn use_stale(values: &[&[u8]]) -> Result<UseStale, SettingError> {
    const EXPECTED: &str = "\"error\", \"timeout\", \"updating\", \"http_429\", \"http_500\", \
        \"http_502\", \"http_503\", \"http_504\", or \"off\" alone";
    let mut use_stale = UseStale::default();
    if let [only] = values
        && *only == b"off"
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

pub fn background_update(values: &[&[u8]]) -> Result<Option<u64>, SettingError> {
    const EXPECTED: &str = "\"on\", \"on before=time\" with a time such as \"10s\", or \"off\"";
    let (switch, rest) = values.split_first().ok_or_else(|| unexpected(EXPECTED, b""))?;
    let switch = flag(switch).map_err(|_| unexpected(EXPECTED, switch))?;
    match (switch, rest) {
        (false, []) => Ok(None),
        (true, []) => Ok(Some(RENEW_BEFORE)),
        (true, [before]) => {
            let seconds = before.strip_prefix(b"before=").and_then(conf::time);
            seconds.map(Some).ok_or_else(|| unexpected(EXPECTED, before))
        }
        (_, [other, ..]) => Err(unexpected(EXPECTED, other)),
    }
}

pub fn worker_cache(value: &[u8]) -> Result<Option<NonZeroUsize>, SettingError> {
    const EXPECTED: &str = "a number of entries from 1 to 1048576, or \"off\"";
    if value == b"off" {
        return Ok(None);
    }
    let entries =
        core::str::from_utf8(value).ok().and_then(|text| text.parse::<NonZeroUsize>().ok());
    let entries = entries.filter(|entries| entries.get() <= 1 << 20);
    entries.map(Some).ok_or_else(|| unexpected(EXPECTED, value))
}

pub fn options(value: &[u8]) -> Result<OnOptions, SettingError> {
    match value {
        b"reply" => Ok(OnOptions::Reply),
        b"pass" => Ok(OnOptions::Pass),
        b"check" => Ok(OnOptions::Check),
        _ => Err(unexpected("\"reply\", \"pass\" or \"check\"", value)),
    }
}

fn unexpected(expected: &'static str, got: &[u8]) -> SettingError {
    SettingError::Unexpected { expected, got: String::from_utf8_lossy(got).into_owned() }
}

/// RFC 6749 section 2.3.1 has a secret that is left out if it is empty, but not by HTTP Basic.
const SECRET_EXPECTED: &str = "a secret that is not empty (where the authorization server wants none, \
    leave the directive out, and set \"proxy_set_header Authorization\" in the introspection location \
    if it wants the client id)";

/// In bytes; longer ones do not fit into a header.
const LONGEST_SECRET: usize = 4096;
const MOST_READ: usize = 2 * LONGEST_SECRET;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Seconds before the end of freshness, if `phantom_token_cache_background_update` does not say.
const RENEW_BEFORE: u64 = 5;
