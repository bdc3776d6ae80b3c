//! The tests of the reserve of memory, which needs nothing of NGINX.

#[path = "../src/nginx/memory.rs"]
#[allow(dead_code, missing_docs, reason = "the module uses the rest")]
mod memory;
