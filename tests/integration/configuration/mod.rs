//! Configurations: what `nginx -t` reports, what is inherited, and the samples.

mod cache_directives;
mod cache_zone;
mod directives;
mod endpoint;
mod inheritance;
mod readme;
mod rows;
mod sample_configurations;
mod secret_file;
mod verdict;
