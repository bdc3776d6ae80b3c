//! Tokens: how clients present them, and which kinds are accepted.

mod kinds;
mod opaque_token;
mod spelling;
