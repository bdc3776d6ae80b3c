//! Requests that are granted, and the redirects and subrequests inside NGINX that share a grant, or do not.

mod access_phase;
mod granted;
mod internal_redirect;
mod subrequest;
mod two_endpoints;
