//! Passes on the version and the features of the NGINX that `nginx-sys` was built against.

fn main() {
    let checked = std::env::var("DEP_NGINX_FEATURES_CHECK").unwrap_or_else(|_| "any()".into());
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({checked}))");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_FEATURES_CHECK");

    println!("cargo::rerun-if-env-changed=DEP_NGINX_FEATURES");
    let features = std::env::var("DEP_NGINX_FEATURES").unwrap_or_default();
    for feature in features.split(',').map(str::trim).filter(|feature| !feature.is_empty()) {
        println!("cargo::rustc-cfg=ngx_feature=\"{feature}\"");
    }

    // Since 1.23.0 headers of the same name are linked.
    println!("cargo::rustc-check-cfg=cfg(ngx_linked_headers)");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_VERSION_NUMBER");
    let version = std::env::var("DEP_NGINX_VERSION_NUMBER").unwrap_or_default();
    if version.parse::<u64>().is_ok_and(|version| version >= 1_023_000) {
        println!("cargo::rustc-cfg=ngx_linked_headers");
    }
}
