#!/bin/sh
# Installs what a build needs and this machine lacks: Rust 1.95 or newer, a C compiler and linker.
# Does nothing, quickly, where everything is there.
set -eu

RUST_MINOR_MIN=95

say() { printf 'setup: %s\n' "$*" >&2; }

rust_is_new_enough() {
    command -v "${CARGO:-cargo}" >/dev/null 2>&1 || return 1
    minor=$(rustc --version 2>/dev/null | sed -E 's/^rustc 1\.([0-9]+)\..*/\1/')
    [ "${minor:-0}" -ge "$RUST_MINOR_MIN" ] 2>/dev/null
}

missing=""
rust_is_new_enough || missing="$missing cargo-web rustc-web"
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    say "this machine lacks Rust 1.$RUST_MINOR_MIN or a C compiler; install Rust with rustup and a C compiler, then try again"
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    say "this machine lacks:$missing"
    say "run this once, then try again:  sudo apt-get install -y --no-install-recommends$missing"
    say "(or install Rust with rustup)"
    exit 1
fi
say "installing$missing"
apt-get update -q
# shellcheck disable=SC2086 # The names are to be split.
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
rust_is_new_enough || {
    say "the Rust on this machine is older than 1.$RUST_MINOR_MIN; install a newer one with rustup"
    exit 1
}
