#!/bin/bash
# Installs what `make run`, `make test` and `make bench` need and a fresh Debian does not have; does nothing when all is there.
# Usage: scripts/setup.sh run|test|bench
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:?usage: scripts/setup.sh run|test|bench}
venv=.venv
paho_version=2.1.0

has() { command -v "$1" >/dev/null 2>&1; }

has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || has initdb; }

has_mosquitto() { has mosquitto || [ -x /usr/sbin/mosquitto ]; }

has_venv() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

# Prints the Debian packages that are missing for the level.
missing() {
    has cc || echo gcc libc6-dev
    [ "$level" = run ] && return
    has curl || echo curl
    has mosquitto_pub || echo mosquitto-clients
    has openssl || echo openssl
    has node || echo nodejs
    has_venv || echo python3 python3-venv
    has_postgres || echo postgresql
    has git || echo git
    if [ "$level" = bench ] && ! has_mosquitto; then echo mosquitto; fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The packages of servers start them at once, on ports that are ours by default: Debian asks this policy first.
install_packages() {
    local policy=/usr/sbin/policy-rc.d
    echo "installing: $*"
    if ! [ -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if ! has cargo; then
    echo "cargo is missing: install the Rust toolchain named in rust-toolchain.toml" >&2
    exit 1
fi

packages=$(missing)
if [ -n "$packages" ]; then
    if ! has apt-get; then
        echo "install these by hand, there is no apt-get here:" $packages >&2
        exit 1
    fi
    # shellcheck disable=SC2086 # a list of words
    install_packages $packages
fi

if [ "$level" = test ] && ! "$venv/bin/python" -c 'import paho.mqtt' 2>/dev/null; then
    echo "installing: paho-mqtt $paho_version in $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "paho-mqtt==$paho_version"
fi
