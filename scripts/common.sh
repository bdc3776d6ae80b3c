# shellcheck shell=bash disable=SC2034 # what is unused here is used by the scripts that source this
#
# Sourced by the other scripts: whatever has to be the same in all of them.
#
# NGX_CONFIGURE_ARGS is one such thing. A build with another value configures and compiles NGINX
# anew, so nothing else in the project sets it.

started_in=$PWD
# $0 may be a relative path, and a link: both lead to the file only from where the script started.
script=$(readlink -f -- "$0")
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
cd "$root" || exit

export NGX_CONFIGURE_ARGS="--with-debug --with-http_auth_request_module --with-http_stub_status_module"

# rustup's installer leaves cargo here; a shell started before that does not have it in its PATH.
if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi

# The caller's relative path, from wherever the script is now.
absolute() {
    case $1 in
        "" | /*) printf '%s\n' "$1" ;;
        *) printf '%s/%s\n' "$started_in" "$1" ;;
    esac
}

target_dir=$(absolute "${CARGO_TARGET_DIR:-$root/target}")
export CARGO_TARGET_DIR=$target_dir
module=ngx_http_phantom_token_module.so

# The comment at the top of the script.
usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$script"
}

require_cargo() {
    command -v cargo >/dev/null || fail "Rust is missing: install it from https://rustup.rs"
}

require_nightly() {
    cargo +nightly --version >/dev/null 2>&1 ||
        fail "a nightly compiler is missing: run 'rustup toolchain install nightly --profile minimal'"
}

say() {
    printf '==> %s\n' "$*" >&2
}

fail() {
    printf '%s: %s\n' "${script##*/}" "$*" >&2
    exit 1
}
