//! Introspections that `limit_req` delays in their location: each goes on in time, whatever request
//! it is made for.

use std::fs;

use phantom_token_devkit::{Gateway, Http2Connection, Installation};

const DELAYING: &str = "limit_req_zone all zone=delaying:1m rate=5r/s;";

/// `/part/...` is protected, and its introspections are delayed; the other locations are open.
fn gateway(locations: &str) -> Gateway {
    let gateway = Gateway::with_http(&format!(
        "{DELAYING}
         server {{
             listen 127.0.0.1:{{port}};
             listen 127.0.0.1:{{port2}} http2;
             {locations}
             location /part {{
                 phantom_token on;
                 phantom_token_introspection_endpoint /introspection;
                 phantom_token_cache off;
                 proxy_pass http://{{api}};
             }}
             location = /introspection {{
                 internal;
                 limit_req zone=delaying burst=100;
                 proxy_pass http://{{as}};
             }}
         }}"
    ));
    gateway.activate("opaque");
    gateway
}

fn write_page(gateway: &Gateway, name: &str, content: &str) {
    fs::write(gateway.prefix().join("html").join(name), content).unwrap();
}

/// Several at once, so that all but the first are delayed.
fn assert_all_answered(gateway: &Gateway, target: &str) {
    let mut connections: Vec<_> = (0..4).map(|_| gateway.connect()).collect();
    for connection in &mut connections {
        connection.write(&gateway.get(target).bearer("opaque").to_bytes());
    }
    let statuses: Vec<_> =
        connections.iter_mut().map(|connection| connection.read("GET").status).collect();
    assert_eq!(statuses, [200; 4]);
}

fn assert_ends(mut gateway: Gateway) {
    gateway.quit();
    assert!(gateway.nginx.wait_for_exit().success());
    assert!(!gateway.error_log().contains("open socket"), "{}", gateway.error_log());
}

const PAGE: &str = "<!--#include virtual=\"/open\" --><!--#include virtual=\"/part/one\" -->\
    <!--#include virtual=\"/part/two\" -->";
const SSI: &str = "location /page { ssi on; root html; }
     location /open { proxy_pass http://{api}; }";

#[test]
fn one_of_a_part_of_a_page_behind_others_goes_on() {
    let gateway = gateway(SSI);
    fs::create_dir(gateway.prefix().join("html/page")).unwrap();
    write_page(&gateway, "page/index.html", PAGE);

    assert_all_answered(&gateway, "/page/index.html");

    assert_eq!(gateway.api.count(), 12);
    assert_ends(gateway);
}

#[test]
fn one_of_a_part_within_a_part_goes_on() {
    let gateway = gateway(SSI);
    fs::create_dir(gateway.prefix().join("html/page")).unwrap();
    let outer = "<!--#include virtual=\"/open\" --><!--#include virtual=\"/page/inner.html\" -->";
    write_page(&gateway, "page/outer.html", outer);
    write_page(&gateway, "page/inner.html", PAGE);

    assert_all_answered(&gateway, "/page/outer.html");

    assert_eq!(gateway.api.count(), 16);
    assert_ends(gateway);
}

#[test]
fn one_of_a_part_that_is_added_to_a_page_goes_on() {
    // Debian's builds have it.
    if !Installation::get().is_built("--with-http_addition_module") {
        eprintln!("this NGINX adds nothing to pages");
        return;
    }
    let gateway = gateway(
        "location /page {
             add_before_body /open;
             add_after_body /part;
             addition_types *;
             proxy_pass http://{api};
         }
         location /open { proxy_pass http://{api}; }",
    );

    assert_all_answered(&gateway, "/page");

    assert_eq!(gateway.api.count(), 12);
    assert_ends(gateway);
}

#[test]
fn one_of_a_part_goes_on_over_http2() {
    let gateway = gateway(SSI);
    fs::create_dir(gateway.prefix().join("html/page")).unwrap();
    write_page(&gateway, "page/index.html", PAGE);

    let connection = Http2Connection::open(gateway.nth_address(1), 65_535);
    let headers = [("authorization", "Bearer opaque")];
    let streams: Vec<_> =
        (0..4).map(|_| connection.send("GET", "/page/index.html", &headers, "")).collect();
    let statuses: Vec<_> = streams.into_iter().map(|stream| stream.finish().0).collect();

    assert_eq!(statuses, [200; 4]);
    drop(connection);
    assert_eq!(gateway.api.count(), 12);
    assert_ends(gateway);
}

#[test]
fn one_whose_client_hangs_up_leaves_nothing_behind() {
    let gateway = gateway(SSI);
    fs::create_dir(gateway.prefix().join("html/page")).unwrap();
    write_page(&gateway, "page/index.html", PAGE);

    let mut connections: Vec<_> = (0..5).map(|_| gateway.connect()).collect();
    for connection in &mut connections {
        connection.write(&gateway.get("/page/index.html").bearer("opaque").to_bytes());
    }
    gateway.wait_for_log("delaying request");
    drop(connections);

    assert_ends(gateway);
}
