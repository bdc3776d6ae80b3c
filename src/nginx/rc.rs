//! What handlers return, in the type that they return it in: the bindings have these names as `u32`
//! and `i32`.

use nginx_sys::ngx_int_t;

macro_rules! statuses {
    ($($name:ident = $ngx:ident;)+) => {
        $(pub const $name: ngx_int_t = nginx_sys::$ngx as ngx_int_t;)+
    };
}

statuses! {
    AGAIN = NGX_AGAIN;
    DECLINED = NGX_DECLINED;
    DONE = NGX_DONE;
    ERROR = NGX_ERROR;
    BAD_GATEWAY = NGX_HTTP_BAD_GATEWAY;
    BAD_REQUEST = NGX_HTTP_BAD_REQUEST;
    CLIENT_CLOSED_REQUEST = NGX_HTTP_CLIENT_CLOSED_REQUEST;
    CLOSE = NGX_HTTP_CLOSE;
    CREATED = NGX_HTTP_CREATED;
    FORBIDDEN = NGX_HTTP_FORBIDDEN;
    INTERNAL_SERVER_ERROR = NGX_HTTP_INTERNAL_SERVER_ERROR;
    NOT_ALLOWED = NGX_HTTP_NOT_ALLOWED;
    NO_CONTENT = NGX_HTTP_NO_CONTENT;
    REQUEST_TIME_OUT = NGX_HTTP_REQUEST_TIME_OUT;
    SPECIAL_RESPONSE = NGX_HTTP_SPECIAL_RESPONSE;
    OK = NGX_OK;
}
