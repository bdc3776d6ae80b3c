# shellcheck shell=bash disable=SC2034,SC2154 # some names are used, and others set, in other files
#
# Sourced by scripts/build and scripts/test: the versions of NGINX, and how to get them.

debian_nginx=/usr/sbin/nginx
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The lines of scripts/nginx-versions: version, origin, tests.
nginx_versions() {
    grep -v '^#' "$root/scripts/nginx-versions"
}

# Where a version comes from; nothing for a version that is not in the list.
origin_of() {
    nginx_versions | awk -v version="$1" '$1 == version { print $2 }'
}

# The version that comes from there.
version_of() {
    nginx_versions | awk -v origin="$1" '$2 == origin { print $1 }'
}

# Where scripts/build leaves NGINX of that origin, and the module for it.
dist_of() {
    case $1 in
        crate) printf '%s\n' "$root/target/dist" ;;
        *) printf '%s\n' "$root/target/dist-$1" ;;
    esac
}

version_that_runs() {
    "$1" -v 2>&1 | sed 's|.*nginx/\([0-9.]*\).*|\1|'
}

# Leaves NGINX and its source in target/nginx/SUITE/root, with the libraries that it needs. Nothing of it
# is installed: NGINX finds its libraries, and the loader for them, in that folder.
unpack_suite() {
    local suite=$1 folder=$target_dir/nginx/$1 wanted found
    wanted=$(version_of "$suite")
    if [ "$(cat "$folder/unpacked" 2>/dev/null)" = "$wanted" ]; then return; fi

    local tool
    for tool in apt-get dpkg patchelf; do
        command -v "$tool" >/dev/null || fail "$tool is missing, so NGINX $wanted cannot be had here"
    done
    say "Getting NGINX from Debian's $suite"
    rm -rf "$folder"
    mkdir -p "$folder"/{lists/partial,cache/archives/partial,packages,root}
    download_suite "$suite" "$folder"
    local package
    for package in "$folder"/packages/*.deb; do dpkg -x "$package" "$folder/root"; done
    rm -rf "$folder"/{lists,cache}

    local loader libraries
    loader=$(find "$folder/root" -name 'ld-linux*.so*' -print -quit)
    libraries=$(dirname "$(find "$folder/root" -name 'libpcre2-8.so.0' -print -quit)")
    patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$folder/root/usr/sbin/nginx"
    found=$(version_that_runs "$folder/root/usr/sbin/nginx")
    if [ "$found" != "$wanted" ]; then
        say "Debian's $suite has NGINX $found now, and not $wanted as in scripts/nginx-versions"
    fi
    printf '%s\n' "$wanted" >"$folder/unpacked"
}

# apt with lists of its own verifies what it downloads by Debian's keys, and leaves the system's alone.
download_suite() {
    local suite=$1 folder=$2 mirror libraries
    [ -f "$debian_keyring" ] || fail "$debian_keyring is missing: run scripts/setup"
    # $(...) is for apt.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        sed -n '/^Debian Debian /{s///p;q}')
    mirror=${PHANTOM_DEBIAN_MIRROR:-$mirror}
    [ -n "$mirror" ] || fail "apt knows no mirror of Debian: name one in PHANTOM_DEBIAN_MIRROR"
    printf 'deb [signed-by=%s] %s %s main\n' "$debian_keyring" "$mirror" "$suite" >"$folder/sources.list"

    local apt=(
        -q -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$folder/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$folder/cache"
        -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    )
    apt-get "${apt[@]}" update >&2
    libraries=$(libraries_of nginx)
    # shellcheck disable=SC2046,SC2086 # names of packages
    (cd "$folder/packages" && apt-get "${apt[@]}" download nginx nginx-common nginx-dev \
        $(printf '%s\n' $libraries $(libraries_of $libraries) | sort -u)) >&2
}

# The libraries that packages depend on.
libraries_of() {
    apt-cache "${apt[@]}" depends --important "$@" |
        sed -n 's/^ *|*Depends: \(lib[^ ]*\|zlib[^ ]*\)$/\1/p' | sort -u
}

# Debian's package nginx-dev has the headers, the configure script and, in conf_flags, the options with
# which Debian builds its own add-on modules, so that they fit the packaged binary.
configure_packaged() {
    local source=$1 tree=$2 stamp=$3
    if [ "$(cat "$tree/stamp" 2>/dev/null)" = "$stamp" ]; then return; fi

    say "Configuring the source of Debian's NGINX"
    rm -rf "$tree"
    mkdir -p "$tree"
    cp -RL "$source/." "$tree"
    (
        cd "$tree"
        # shellcheck source=/dev/null
        . ./conf_flags
        ./configure "${NGX_CONF_FLAGS[@]}" --with-compat >configure.log ||
            fail "configure failed: $(tail -n 5 configure.log)"
    ) || return
    printf '%s\n' "$stamp" >"$tree/stamp"
}

# Compiles NGINX in a copy of its source, with these options if that is not configured. Does nothing when
# all is as it was.
make_nginx() {
    local source=$1 tree=$2 stamp
    shift 2
    stamp="$* $(cd "$source" && find auto src -type f -print0 | sort -z | xargs -0 cat | cksum)"
    if [ "$(cat "$tree/stamp" 2>/dev/null)" = "$stamp" ]; then return; fi

    say "Compiling the NGINX in $source${*:+ with $*}"
    rm -rf "$tree"
    mkdir -p "$tree"
    cp -R "$source/." "$tree"
    (
        cd "$tree"
        if [ ! -f objs/Makefile ]; then
            local configure=./configure
            if [ ! -x "$configure" ]; then configure=auto/configure; fi
            "$configure" "$@" >configure.log 2>&1 || fail "configure failed: $(tail -n 5 configure.log)"
        fi
        make -j"$(nproc)" >make.log 2>&1 || fail "make failed: $(tail -n 5 make.log)"
    ) || return
    printf '%s\n' "$stamp" >"$tree/stamp"
}

# The source of NGINX that a crate comes with.
crate_source() {
    cargo metadata --locked --format-version 1 --features vendored |
        grep -o '"manifest_path":"[^"]*/nginx-src-[^"]*"' |
        sed 's|.*:"\(.*\)/Cargo.toml"|\1/nginx|'
}

# Builds the module for the NGINX of a configured source into that folder. All these builds share one
# folder of cargo's: what depends on NGINX is a small part of what there is to compile.
build_module() {
    local source=$1 build=$2 dest=$3 cargo_dir=$target_dir/nginx/cargo messages
    refuse_angie "$source"
    messages=$cargo_dir/messages.json
    mkdir -p "$cargo_dir"
    NGINX_SOURCE_DIR=$source NGINX_BUILD_DIR=$build \
        without_paths cargo build --locked --release --target-dir "$cargo_dir" \
        --message-format=json-render-diagnostics >"$messages" || return
    place_module "$cargo_dir/release/lib$module" "$dest"
    place_compiler "$messages" "$dest"
}

# The folder that the build script of a package has written to, by the messages of a build.
out_dir_of() {
    local package=$1 messages=$2
    sed -n "/\"reason\":\"build-script-executed\".*[#/]$package[@#]/s|.*\"out_dir\":\"\([^\"]*\)\".*|\1|p" "$messages"
}

# Leaves beside the module how C is compiled for its NGINX, for the modules that tests are made with.
place_compiler() {
    local messages=$1 dest=$2
    place "$(out_dir_of ngx_http_phantom_token_module "$messages")/compiler.txt" "$dest/compiler.txt" 644
}

# Runs a command of cargo's that compiles under other names what lies in folders of this machine. The names
# are the same everywhere, and so is what comes out.
without_paths() {
    local flags=() flag folder IFS=$'\037'
    # The folders of crates are there only once the crates are.
    cargo fetch --quiet --locked || return
    for flag in ${CARGO_ENCODED_RUSTFLAGS:-$(tr ' ' '\037' <<<"${RUSTFLAGS:-}")}; do
        if [ -n "$flag" ]; then flags+=("$flag"); fi
    done
    # The last one that fits counts.
    flags+=("--remap-path-prefix=$root=phantom-token" "--remap-path-prefix=$target_dir=target")
    for folder in "$(cargo_home)"/registry/src/*/; do
        flags+=("--remap-path-prefix=${folder%/}=crates")
    done
    flags+=("--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=rust")
    CARGO_ENCODED_RUSTFLAGS="${flags[*]}" "$@"
}

cargo_home() {
    printf '%s\n' "${CARGO_HOME:-$HOME/.cargo}"
}

place_module() {
    local built=$1 dest=$2 folder
    for folder in "$root" "$target_dir" "$(cargo_home)" "$(rustc --print sysroot)"; do
        if grep -aqP "(?<![\w.-])\Q$folder\E/" "$built"; then
            fail "$built has paths in it that begin with $folder: $(grep -aoP "(?<![\w.-])\Q$folder\E/[\w./-]*" "$built" | head -n 3 | tr '\n' ' ')"
        fi
    done
    place "$built" "$dest/$module" 644
}

# nginx-sys does not compile for Angie, with many lines of which none says so.
refuse_angie() {
    if [ -f "$1/src/core/angie.h" ]; then
        fail "$1 is Angie, for which nginx-sys cannot be built, and so neither can the module"
    fi
}

# By rename: a running NGINX has the old file mapped, and writing into it would crash that NGINX.
place() {
    local from=$1 to=$2 mode=$3
    mkdir -p "$(dirname "$to")"
    install -m "$mode" "$from" "$to.new"
    mv -f "$to.new" "$to"
}

check_load() {
    local nginx=$1 module_path=$2 folder
    folder=$(mktemp -d)
    printf 'load_module %s;\npid %s/nginx.pid;\nevents {}\n' "$module_path" "$folder" >"$folder/nginx.conf"
    if ! "$nginx" -t -q -p "$folder" -c "$folder/nginx.conf" -e stderr; then
        rm -rf "$folder"
        fail "$nginx does not load $module_path"
    fi
    rm -rf "$folder"
    say "$("$nginx" -v 2>&1) loads ${module_path#"$root"/}"
}
