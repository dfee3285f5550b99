#!/bin/bash
# Programs made for Cumulocity, unchanged but for address and trust: c8y-api (PyPI), @c8y/client (npm), an agent with paho-mqtt, and the stock agent
# c8ydm (PyPI), which bootstraps and starts over MQTT by itself. That one knows no other HTTPS port than 443: without the right to it, all of this
# runs in a network of its own. Before them files of devices with curl (curl.sh).
# Run by tests/foreign/run.sh. Prints "ok NAME" or "FAIL NAME why"; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../../.."
if ! python3 -c 'import socket; socket.socket().bind(("127.0.0.1", 443))' 2>/dev/null && [ -z "${OWN_NETWORK:-}" ]; then
    exec unshare --map-root-user --net env OWN_NETWORK=1 "$0"
fi
if [ -n "${OWN_NETWORK:-}" ]; then
    # IFF_UP of the loopback interface (netdevice(7)).
    python3 -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))'
fi
landfall=${CARGO_TARGET_DIR:-target}/debug/landfall
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
group=cumulocity-
clients=$PWD/.cache/cumulocity

env LANDFALL_LISTEN_HTTPS=127.0.0.1:443 LANDFALL_LISTEN_HTTP=off LANDFALL_LISTEN_BIND=off LANDFALL_LISTEN_MQTT=off LANDFALL_LISTEN_MQTTS=127.0.0.1:0 \
    LANDFALL_LISTEN_MQTT_WS=off LANDFALL_LISTEN_COAP=off LANDFALL_LISTEN_COAPS=off LANDFALL_LOG_LEVEL=error "$landfall" serve >/dev/null &
started+=($!)
served
ca=$LANDFALL_DATA/ca.pem
export REQUESTS_CA_BUNDLE=$ca NODE_EXTRA_CA_CERTS=$ca
base=https://localhost
admin=password-of-ann
# added WHO [OPTION...]: makes a user and prints its password.
added() { "$landfall" user add "$@" --json | json password; }
"$landfall" account set default --tenant t4711 >/dev/null
printf %s "$admin" | "$landfall" user add t4711/admin --password-stdin >/dev/null
bootstrap=$(added management/devicebootstrap --role bootstrap)

# trusting PYTHON: makes it trust the server. Of what these programs send, some asks the file of certifi alone.
trusting() {
    local file
    file=$("$1" -m certifi)
    [ -e "$file.original" ] || cp "$file" "$file.original"
    cat "$file.original" "$ca" >"$file"
}
trusting "$clients/api/bin/python"
trusting "$clients/agent/bin/python"

try c8y-api "$clients/api/bin/python" tests/foreign/cumulocity/api.py "$base" t4711 admin "$admin" "$bootstrap"
try npm-client node tests/foreign/cumulocity/registration.mjs "$clients" "$base" t4711 admin "$admin" "$bootstrap"
try paho-agent .venv/bin/python tests/foreign/cumulocity/paho_agent.py "$(port mqtts)" 443 "$ca" t4711 "$admin" "$bootstrap"

agent() {
    local home=$work/agent-home
    mkdir -p "$home/.cumulocity"
    cat >"$home/.cumulocity/agent.ini" <<END
[secret]
c8y.bootstrap.tenant = management
c8y.bootstrap.user = devicebootstrap
c8y.bootstrap.password = $bootstrap
[mqtt]
url = localhost
port = $(port mqtts)
tls = true
cert_auth = false
ping.interval.seconds = 60
[agent]
name = foreign
type = c8y_dm_example_device
device.id = c8ydm-4711
main.loop.interval.seconds = 5
requiredinterval = 10
loglevel = INFO
END
    # It asks a service of the Internet where it is, which is of no use here.
    HOME=$home https_proxy=http://127.0.0.1:9 no_proxy=localhost "$clients/agent/bin/c8ydm.start" >"$work/agent.log" 2>&1 &
    started+=($!)
    "$clients/api/bin/python" tests/foreign/cumulocity/agent.py "$base" t4711 admin "$admin" c8ydm-4711 || { tail -n 20 "$work/agent.log"; return 1; }
}
try stock-agent agent
exit $failed
