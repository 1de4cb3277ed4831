#!/bin/sh
# Installs what this machine lacks. Does nothing, quickly, where everything is there.
#
#   setup.sh                         for a build: Rust 1.95 or newer, a C compiler and linker
#   setup.sh httpbin openid nginx    outside systems for the scenarios, each if named; they go to target/real-world,
#                                    in the versions that tests/real-world pins
#
# Exits with 1 where something could not be installed, with 3 where this machine cannot have an outside system.
set -eu

RUST_MINOR_MIN=95
NODE_MAJOR_MIN=20

cd "$(dirname "$0")/.."
services=target/real-world
pinned=tests/real-world

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# install WHY PACKAGE...: as root, from the packages of the system. Fails where that is not possible.
install() {
    why=$1
    shift
    if ! have apt-get; then
        say "$why: this machine lacks them, and has no apt-get to install: $*"
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        say "$why; run this once, then try again:  sudo apt-get install -y --no-install-recommends $*"
        return 1
    fi
    say "installing $*"
    apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

rust_is_new_enough() {
    have "${CARGO:-cargo}" || return 1
    minor=$(rustc --version 2>/dev/null | sed -E 's/^rustc 1\.([0-9]+)\..*/\1/')
    [ "${minor:-0}" -ge "$RUST_MINOR_MIN" ] 2>/dev/null
}

build() {
    missing=""
    rust_is_new_enough || missing="$missing cargo-web rustc-web"
    have cc || missing="$missing gcc libc6-dev"
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # The names are to be split.
    install "a build needs Rust 1.$RUST_MINOR_MIN and a C compiler (Rust also from rustup)" $missing || exit 1
    rust_is_new_enough || {
        say "the Rust on this machine is older than 1.$RUST_MINOR_MIN; install a newer one with rustup"
        exit 1
    }
}

httpbin() {
    cmp -s "$pinned/requirements.txt" "$services/python/installed" && return 0
    have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null ||
        install "httpbin needs Python 3 with venv" python3 python3-venv || exit 3
    say "installing httpbin"
    rm -rf "$services/python"
    python3 -m venv "$services/python"
    "$services/python/bin/pip" install -q --disable-pip-version-check --prefer-binary -r "$pinned/requirements.txt" >&2
    cp "$pinned/requirements.txt" "$services/python/installed"
}

node_is_new_enough() {
    have npm && have node || return 1
    major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+)\..*/\1/')
    [ "${major:-0}" -ge "$NODE_MAJOR_MIN" ] 2>/dev/null
}

openid() {
    node_is_new_enough || install "the OpenID provider needs Node.js $NODE_MAJOR_MIN with npm" nodejs npm || exit 3
    node_is_new_enough || {
        say "the Node.js on this machine is older than $NODE_MAJOR_MIN, which the OpenID provider needs"
        exit 3
    }
    mkdir -p "$services/node"
    if ! cmp -s "$pinned/package-lock.json" "$services/node/installed"; then
        say "installing the OpenID provider"
        cp "$pinned/package.json" "$pinned/package-lock.json" "$services/node/"
        npm ci --prefix "$services/node" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
        cp "$pinned/package-lock.json" "$services/node/installed"
    fi
    # Modules are looked for beside the script.
    for script in openid.mjs encrypting.mjs verifying.mjs; do
        cmp -s "$pinned/$script" "$services/node/$script" || {
            cp "$pinned/$script" "$services/node/$script.new"
            mv "$services/node/$script.new" "$services/node/$script"
        }
    done
}

nginx() {
    PATH="$PATH:/usr/sbin" have nginx && return 0
    install "mutual TLS is tried against nginx" nginx-light || exit 3
}

if [ $# -eq 0 ]; then
    build
    exit 0
fi
mkdir -p "$services"
# Tests of one run may ask at the same time.
if have flock; then
    exec 9>"$services/lock"
    flock 9
fi
for service in "$@"; do
    case "$service" in
        httpbin | openid | nginx) "$service" ;;
        *) say "there is no \`$service\`" && exit 1 ;;
    esac
done
