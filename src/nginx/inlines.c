/*
 * Functions of what NGINX has as macros and inline functions, for Rust to call: so they are those of
 * the very NGINX that the module is built for.
 *
 * The build script compiles this file with NGINX's own compiler and flags. From the debug information
 * it also reads where C has the members of NGINX's structures.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>


void
phantom_token_add_timer(ngx_event_t *ev, ngx_msec_t timer)
{
    ngx_add_timer(ev, timer);
}


void
phantom_token_del_timer(ngx_event_t *ev)
{
    ngx_del_timer(ev);
}


void
phantom_token_post_event(ngx_event_t *ev)
{
    ngx_post_event(ev, &ngx_posted_events);
}


void
phantom_token_delete_posted_event(ngx_event_t *ev)
{
    ngx_delete_posted_event(ev);
}
