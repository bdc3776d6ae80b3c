//! Test servers and an NGINX launcher.
