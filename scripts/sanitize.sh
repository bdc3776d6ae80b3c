# shellcheck shell=bash disable=SC2154 # root, target_dir and module are set in common.sh
#
# Sourced by scripts/test: tests with other tools looking on.

parts=(models threads address memcheck)

sanitize() {
    local part
    if [ $# -eq 0 ]; then set -- "${parts[@]}"; fi
    for part in "$@"; do
        if [[ " ${parts[*]} " != *" $part "* ]]; then fail "unknown part '$part', try --help"; fi
    done
    for part in "$@"; do "sanitize_$part"; done
}

sanitize_models() {
    step "models of the processes that share a zone" \
        counted test_core shuttle "--cfg shuttle" \
        cargo test --locked -p phantom-token-core --test models
}

# The standard library is not instrumented, so what orders threads inside of it goes unseen. The
# threads of these tests meet in the zone only, and at their start and end, which are seen.
sanitize_threads() {
    require_nightly
    export TSAN_OPTIONS="suppressions=$root/tests/sanitize/races.supp"
    step "threads that share a zone, under ThreadSanitizer" \
        counted test_core tsan "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
        cargo +nightly test --locked -p phantom-token-core --target "$(host)" --test cache \
        -- threads crowd
}

sanitize_address() {
    require_nightly
    scripts/setup --sanitize
    step "core under AddressSanitizer" \
        counted test_core asan-core "-Zsanitizer=address" \
        cargo +nightly test --locked -p phantom-token-core --target "$(host)" --lib --test cache
    step "build with AddressSanitizer" scripts/build --sanitize
    step "integration tests under AddressSanitizer and LeakSanitizer" \
        counted integration "$root/target/dist-asan/nginx" "$root/target/dist-asan/$module"
}

# A part of the tests, which does everything once that the module does: valgrind makes NGINX some
# thirty times slower.
sanitize_memcheck() {
    local tests
    scripts/setup --sanitize
    mapfile -t tests < <(grep -v '^#' tests/sanitize/memcheck.tests)
    step "build" scripts/build
    export PHANTOM_VALGRIND_NGINX=$root/target/dist/nginx PHANTOM_PATIENCE=6
    step "integration tests under valgrind" \
        counted integration "$root/tests/sanitize/nginx-under-valgrind" "$root/target/dist/$module" \
        "${tests[@]}"
}

# Tests of core, compiled with these flags into a folder of their own. Without optimisation they would
# take several times as long.
test_core() {
    local name=$1 flags=$2
    shift 2
    CARGO_TARGET_DIR=$target_dir/$name RUSTFLAGS="$flags -Cforce-frame-pointers=yes" \
        CARGO_PROFILE_DEV_OPT_LEVEL=1 "$@"
}

host() {
    rustc +nightly -vV | sed -n 's/^host: //p'
}
