//! `phantom_token_purge`: drops one token, or all, from the caches of all workers.

use nginx_sys::{NGX_HTTP_POST, NGX_LOG_NOTICE, ngx_int_t, ngx_uint_t};
use ngx::ngx_log_error;
use phantom_token_core::purge::Purge;
use zeroize::Zeroizing;

use crate::conf::main::MainConf;
use crate::module::Module;
use crate::nginx::buffers::{Chain, Unreadable};
use crate::nginx::handlers::Handler;
use crate::nginx::request::Request;
use crate::nginx::{body, rc, response};
use crate::worker::Worker;

const JSON: &str = "application/json";
/// Longer than any token that fits into a header.
const LARGEST_FORM: usize = 256 << 10;

/// The content handler of the location.
pub struct PurgeEndpoint;

impl Handler for PurgeEndpoint {
    fn handle(request: Request) -> ngx_int_t {
        match request.raw().method == NGX_HTTP_POST as ngx_uint_t {
            true => body::read::<OnBody>(request),
            false => rc::NOT_ALLOWED,
        }
    }
}

/// Purges what the body says.
struct OnBody;

impl Handler for OnBody {
    fn handle(request: Request) -> ngx_int_t {
        let form = match form(request) {
            Ok(form) => form,
            Err(NoForm::TooLarge) => return refuse(request, 413, "the body is too large"),
            Err(NoForm::Unreadable) => return rc::INTERNAL_SERVER_ERROR,
        };
        match Purge::parse(&form) {
            Ok(purge) => {
                purge_zones(request, &purge);
                response::send(request, 200, JSON, br#"{"purged":true}"#)
            }
            Err(error) => refuse(request, 400, &error.to_string()),
        }
    }
}

fn refuse(request: Request, status: u16, message: &str) -> ngx_int_t {
    let body = format!(r#"{{"code":"invalid_request","message":"{message}"}}"#);
    response::send(request, status, JSON, body.as_bytes())
}

fn purge_zones(request: Request, purge: &Purge<'_>) {
    let zones = Module::main_of(&request).into_iter().flat_map(MainConf::zones);
    for (name, zone) in zones {
        match purge {
            Purge::All => zone.purge_all(),
            Purge::Token(token) => zone.purge_token(&Worker, token.as_bytes()),
        }
        let what = if matches!(purge, Purge::All) { "all tokens" } else { "a token" };
        ngx_log_error!(
            NGX_LOG_NOTICE,
            request.log(),
            "phantom_token: purged {} from zone \"{}\"",
            what,
            name
        );
    }
}

/// Why there is no body to read.
enum NoForm {
    TooLarge,
    Unreadable,
}

impl From<Unreadable> for NoForm {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

fn form(request: Request) -> Result<Zeroizing<Vec<u8>>, NoForm> {
    let mut form = Zeroizing::new(Vec::new());
    for buffer in request.take_body().into_iter().flat_map(Chain::buffers) {
        if form.len().saturating_add(buffer.len()) > LARGEST_FORM {
            return Err(NoForm::TooLarge);
        }
        buffer.append_to(&mut form)?;
    }
    Ok(form)
}
