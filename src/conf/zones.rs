//! How zones are named, and what may be wrong with one.

/// The zone of locations that name none.
pub const DEFAULT_ZONE: &str = "phantom_token";

/// Why a zone cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    #[error("expected a zone as name:size, such as \"phantom_token:10m\", got \"{0}\"")]
    Syntax(String),
    #[error("zone \"{name}\" is too small, expected at least {minimum} bytes")]
    TooSmall { name: String, minimum: usize },
    #[error("zone \"{0}\" is declared twice")]
    Duplicate(String),
    #[error("expected a zone declared with \"phantom_token_cache_zone\", got \"{0}\"")]
    Unknown(String),
    #[error(
        "zone \"{0}\" cannot be added, its name may be in use by another module: declare one with \
         \"phantom_token_cache_zone\" and name it in \"phantom_token_cache\""
    )]
    NotAdded(String),
}

/// The name of a zone, as it is or behind `zone=`, as other directives of NGINX have it. What is left of
/// another way to write it, such as `keys_zone=name`, is no name.
pub fn zone_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix("zone=").unwrap_or(text);
    (!name.is_empty() && !name.contains(['=', ':'])).then_some(name)
}
