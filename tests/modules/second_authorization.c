/*
 * A module for tests that adds an Authorization header to each request which has a header X-Add, as a
 * module might that makes a token of a cookie. It does not look at what is there, and NGINX does not get
 * to know of the header otherwise than by the list.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


static ngx_int_t second_authorization_init(ngx_conf_t *cf);


static ngx_http_module_t  second_authorization_ctx = {
    NULL,                                  /* preconfiguration */
    second_authorization_init,             /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_second_authorization_module = {
    NGX_MODULE_V1,
    &second_authorization_ctx,             /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_module_t *ngx_modules[] = { &ngx_http_second_authorization_module, NULL };
char *ngx_module_names[] = { "ngx_http_second_authorization_module", NULL };
char *ngx_module_order[] = { NULL };


static ngx_int_t
second_authorization_handler(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    h = r->headers_in.headers.part.elts;

    for (i = 0; i < r->headers_in.headers.part.nelts; i++) {
        if (h[i].key.len == sizeof("X-Add") - 1
            && ngx_strncasecmp(h[i].key.data, (u_char *) "X-Add", h[i].key.len) == 0)
        {
            break;
        }
    }

    if (i == r->headers_in.headers.part.nelts) {
        return NGX_DECLINED;
    }

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));
    h->hash = 1;
    ngx_str_set(&h->key, "Authorization");
    ngx_str_set(&h->value, "Bearer added");
    h->lowcase_key = (u_char *) "authorization";

    return NGX_DECLINED;
}


static ngx_int_t
second_authorization_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = second_authorization_handler;

    return NGX_OK;
}
