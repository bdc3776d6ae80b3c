//! Passes on the version and the features of the NGINX that `nginx-sys` was built against, compiles
//! what the module has in C, and compares what Rust believes of NGINX's structures with C.

#![allow(clippy::arithmetic_side_effects, reason = "a build may panic")]

mod compiler;
mod dwarf;
mod layout;
mod proof;
mod version;

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use compiler::Compiler;

const INLINES: &str = "src/nginx/inlines.c";

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={INLINES}");
    pass_features();
    // Cargo fails for these lines, and prints nothing else then.
    if let Err(error) = pass_version().and_then(|()| compile()) {
        error.to_string().lines().for_each(|line| println!("cargo::error={line}"));
    }
}

fn pass_features() {
    let checked = variable("DEP_NGINX_FEATURES_CHECK").unwrap_or_else(|| "any()".into());
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({checked}))");

    let features = variable("DEP_NGINX_FEATURES").unwrap_or_default();
    for feature in features.split(',').map(str::trim).filter(|feature| !feature.is_empty()) {
        println!("cargo::rustc-cfg=ngx_feature=\"{feature}\"");
    }
}

fn pass_version() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-env=PHANTOM_TOKEN_COMMIT={}", version::commit()?);
    let nginx = version::nginx().ok_or("nginx-sys says no version")?;
    println!("cargo::rustc-env=PHANTOM_TOKEN_NGINX={nginx}");

    // Since 1.23.0 headers of the same name are linked.
    println!("cargo::rustc-check-cfg=cfg(ngx_linked_headers)");
    let version = variable("DEP_NGINX_VERSION_NUMBER").unwrap_or_default();
    if version.parse::<u64>().is_ok_and(|version| version >= 1_023_000) {
        println!("cargo::rustc-cfg=ngx_linked_headers");
    }
    Ok(())
}

fn compile() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(variable("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let build_dir = variable("DEP_NGINX_BUILD_DIR").ok_or("nginx-sys says no build folder")?;
    let include = variable("DEP_NGINX_INCLUDE").ok_or("nginx-sys says no include folders")?;
    if env::split_paths(&include).any(|folder| folder.join("angie.h").is_file()) {
        return Err("Angie is not supported: nginx-sys does not compile for it".into());
    }

    let compiler = Compiler::of_nginx(build_dir.as_ref(), &include)?;

    let object = out.join("inlines.o");
    compiler.object(INLINES.as_ref(), &object)?;
    // Tests have no NGINX to link it with.
    println!("cargo::rustc-link-arg-cdylib={}", object.display());

    let with_debug_information = out.join("inlines.debug");
    compiler.with_all_types(INLINES.as_ref(), &with_debug_information)?;
    let structures = dwarf::structures(&with_debug_information)?;
    let proven = proof::prove(&structures, &compiler, &out)?;
    fs::write(out.join("bit_fields.txt"), proven)?;
    fs::write(out.join("layout.rs"), layout::to_rust(&structures)?)?;
    fs::write(out.join("compiler.txt"), compiler.command_line())?;
    Ok(())
}

/// A variable of the environment, which cargo watches.
fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok()
}

/// Of the target.
fn is_big_endian() -> bool {
    env::var("CARGO_CFG_TARGET_ENDIAN").is_ok_and(|endian| endian == "big")
}
