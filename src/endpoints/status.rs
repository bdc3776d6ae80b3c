//! `phantom_token_status`: what the zones hold, and what has happened.

use nginx_sys::{NGX_HTTP_GET, NGX_HTTP_HEAD, ngx_int_t, ngx_uint_t};
use phantom_token_core::status::{Format, ZoneStatus, render};

use crate::conf::main::MainConf;
use crate::module::Module;
use crate::nginx::handlers::Handler;
use crate::nginx::request::Request;
use crate::nginx::{body, headers, rc, response};
use crate::version::BUILD;

/// The content handler of the location.
pub struct Status;

impl Handler for Status {
    fn handle(request: Request) -> ngx_int_t {
        if request.raw().method & (NGX_HTTP_GET | NGX_HTTP_HEAD) as ngx_uint_t == 0 {
            return rc::NOT_ALLOWED;
        }
        let discarded = body::discard(request);
        if discarded != rc::OK {
            return discarded;
        }
        let argument = request.argument("format");
        let argument = argument.as_deref().map(String::from_utf8_lossy);
        let format = Format::choose(argument.as_deref(), accept(&request));
        let zones: Vec<ZoneStatus<'_>> = Module::main_of(&request)
            .into_iter()
            .flat_map(MainConf::zones)
            .map(|(name, zone)| ZoneStatus::new(name, zone))
            .collect();
        let body = render(&BUILD, &zones, format);
        response::send(request, 200, format.content_type(), body.as_bytes())
    }
}

fn accept(request: &Request) -> Option<&[u8]> {
    headers::iter(&request.raw().headers_in.headers)
        .find(|header| headers::name(header).eq_ignore_ascii_case(b"accept"))
        .map(headers::value)
}
