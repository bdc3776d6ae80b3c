//! Requests that are refused: the answer, error pages, and the token that the API never gets.

mod error_page;
mod refused;
mod second_authorization;
mod withheld_token;
