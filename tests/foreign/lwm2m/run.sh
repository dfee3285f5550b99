#!/bin/bash
# LwM2M clients that are not ours against the real program: libcoap's coap-client (plain, OpenSSL, GnuTLS), devices on the Leshan client
# library, on Mbed TLS, on pion/dtls with go-coap, and aiocoap. Run by tests/foreign/run.sh; arguments name the groups to run, such as `meter`. Prints "ok NAME" or "FAIL NAME why"; the exit status is 0 when nothing failed.
set -uo pipefail
trap "" PIPE
cd "$(dirname "$0")/../../.."
landfall=${CARGO_TARGET_DIR:-target}/debug/landfall
here=tests/foreign/lwm2m
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
group=lwm2m-
coap_log=$work/coap.log
# shellcheck source=tests/foreign/lwm2m/coap_client.sh
. $here/coap_client.sh

# until_seen FILE PATTERN [COUNT]: waits until lines of a file match.
until_seen() {
    touch "$1"
    for _ in $(seq 200); do
        [ "$(grep -cE -- "$2" "$1" 2>/dev/null || true)" -ge "${3:-1}" ] && return
        sleep 0.1
    done
    echo "no $2 in:" && tail -n 3 "$1"
    return 1
}

serve() {
    env LANDFALL_LISTEN_HTTPS=127.0.0.1:0 LANDFALL_LISTEN_HTTP=127.0.0.1:0 LANDFALL_LISTEN_BIND=off LANDFALL_LISTEN_MQTT=off \
        LANDFALL_LISTEN_MQTTS=off LANDFALL_LISTEN_MQTT_WS=off LANDFALL_LISTEN_COAP="127.0.0.1:${coap_port:-0}" \
        LANDFALL_LISTEN_COAPS="127.0.0.1:${coaps_port:-0}" LANDFALL_LWM2M_PUBLIC_URI="coaps://127.0.0.1:${coaps_port:-5684}" \
        LANDFALL_LWM2M_AWAKE_S=10 LANDFALL_PUSH_ALLOW_PRIVATE=true LANDFALL_NORTHBOUND_CALLS_PER_MINUTE=0 LANDFALL_LOG_LEVEL=warn \
        "$landfall" serve >/dev/null &
    server=$!
    started+=($server)
    served
}

# device KEY ENDPOINT [FIELD...]: registers a device northbound (1.4.1); prints its id.
register() { api -d '{"nodeId":"'"$1"'","verifyCode":"'"$1"'","timeout":0,"psk":"'"$2"'","isSecure":'"${4:-true}"',"productId":"'"$3"'"}' "$https/iocm/app/reg/v1.1.0/deviceCredentials" | json deviceId; }
status_is() { for _ in $(seq 100); do api "$https/iocm/app/dm/v1.4.0/devices/$1" | grep -q "\"status\":\"$2\"" && return; sleep 0.1; done; api "$https/iocm/app/dm/v1.4.0/devices/$1"; return 1; }
history_has() { for _ in $(seq 200); do api "$https/iocm/app/data/v1.2.0/deviceDataHistory?deviceId=$1&gatewayId=$1&pageSize=100" | grep -q -- "$2" && return; sleep 0.1; done; api "$https/iocm/app/data/v1.2.0/deviceDataHistory?deviceId=$1&gatewayId=$1&pageSize=100"; return 1; }
command() { api -d '{"deviceId":"'"$1"'","command":'"$2"',"callbackUrl":"'"$callback"'","expireTime":600}' "$https/iocm/app/cmd/v1.4.0/deviceCommands" | json commandId; }
command_state() { api "$https/iocm/app/cmd/v1.4.0/deviceCommands?deviceId=$1" | python3 -c 'import json,sys; print(*[c["status"] for c in json.load(sys.stdin)["data"] if c["commandId"] == sys.argv[1]])' "$2"; }
command_is() { for _ in $(seq 150); do [ "$(command_state "$1" "$2")" = "$3" ] && return; sleep 0.1; done; command_state "$1" "$2"; return 1; }
why_has() { for _ in $(seq 50); do "$landfall" device why ${1:+"$1"} --json 2>/dev/null | grep -q -- "$2" && return; sleep 0.1; done; "$landfall" device why ${1:+"$1"}; return 1; }
asked() { "$landfall" lwm2m "$@" --json; }
answers() { local wanted=$1; shift; asked "$@" | grep -E -- "$wanted" || { asked "$@"; return 1; }; }
# leshan NAME FD ARGUMENT...: starts a Leshan device; what it prints goes to $work/NAME, what is written to FD is its input.
leshan() {
    local name=$1 fd=$2
    shift 2
    mkfifo "$work/$name.in"
    $here/leshan/device --lifetime 300 "$@" <"$work/$name.in" >"$work/$name" 2>"$work/$name.err" &
    started+=($!)
    eval "exec $fd>$work/$name.in"
}

serve
coap_port=$(port coap)
coaps_port=$(port coaps)
python3 tests/foreign/receiver.py "$work/pushes" "$work/receiver.port" &
started+=($!)
until_seen "$work/receiver.port" .
callback=http://127.0.0.1:$(cat "$work/receiver.port")/callback
app=$("$landfall" app create foreign --json)
app_id=$(json appId <<<"$app")
secret=$(json secret <<<"$app")
sensor=$("$landfall" product import docs/examples/lwm2m-sensor.json --json | json productId)
"$landfall" product set "$sensor" --plain-coap true >/dev/null
meter=$("$landfall" product import docs/examples/nbiot-meter.json --json | json productId)
try codec "$landfall" codec upload "$meter" docs/examples/nbiot-meter.js --sample 0000000bb8000c5a
https=https://localhost:$(port https)
api() { curl -sS --fail-with-body --cacert "$LANDFALL_DATA/ca.pem" -H "app_key: $app_id" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$@"; }
token=$(curl -sS --cacert "$LANDFALL_DATA/ca.pem" -d "appId=$app_id" -d "secret=$secret" "$https/iocm/app/sec/v1.1.0/login" | json accessToken)
for kind in deviceDataChanged bindDevice deviceDesiredPropertiesModifyStatusChanged; do
    api -d '{"notifyType":"'$kind'","callbackUrl":"'"$callback"'"}' "$https/iocm/app/sub/v1.2.0/subscriptions" >/dev/null
done
psk=$(printf %s secretkey16bytes | od -An -tx1 | tr -d ' \n')

# libcoap's client, plain and over DTLS.
libcoap() {
    plain=$(register plain-1 "$psk" "$sensor" false)
    try coap-plain-register coap_register notls "coap://127.0.0.1:$coap_port" plain-1
    coap_register notls "coap://127.0.0.1:$coap_port" plain-1 >/dev/null
    try coap-plain-online status_is "$plain" ONLINE
    try coap-plain-update coap_update notls "coap://127.0.0.1:$coap_port"
    try coap-plain-deregister coap_deregister notls "coap://127.0.0.1:$coap_port"
    try coap-plain-offline status_is "$plain" OFFLINE
    try coap-unknown-endpoint coap_expect notls 4.03 -m post -t 40 -e '</1/0>' "coap://127.0.0.1:$coap_port/rd?ep=nobody&lt=60&lwm2m=1.0&b=U"
    try coap-unknown-version coap_expect notls 4.12 -m post -t 40 -e '</1/0>' "coap://127.0.0.1:$coap_port/rd?ep=plain-1&lwm2m=9.9"
    try coap-bad-format coap_expect notls 4.15 -m post -t 0 -e '</1/0>' "coap://127.0.0.1:$coap_port/rd?ep=plain-1&lwm2m=1.0"
    try coap-not-found coap_expect notls 4.04 -m get "coap://127.0.0.1:$coap_port/nothing"
    try coap-core coap_expect notls 2.05 -m get "coap://127.0.0.1:$coap_port/.well-known/core"
    secure=$(register secure-1 "$psk" "$sensor")
    try coap-secure-on-plain coap_expect notls 4.03 -m post -t 40 -e '</1/0>' "coap://127.0.0.1:$coap_port/rd?ep=secure-1&lt=60&lwm2m=1.0&b=U"
    try why-secure-on-plain why_has "$secure" isSecure
    for variant in openssl gnutls; do
        own=(-u secure-1 -k secretkey16bytes)
        try "coap-$variant-register" coap_register $variant "coaps://127.0.0.1:$coaps_port" secure-1 "${own[@]}"
        try "coap-$variant-online" status_is "$secure" ONLINE
        wrong_key() { ! coap_register $variant "coaps://127.0.0.1:$coaps_port" secure-1 -u secure-1 -k wrongkey16bytes_; }
        try "coap-$variant-wrong-key" wrong_key
        try "coap-$variant-foreign-endpoint" coap_expect $variant 4.03 -m post -t 40 -e '</1/0>' "${own[@]}" "coaps://127.0.0.1:$coaps_port/rd?ep=plain-1&lt=60&lwm2m=1.0&b=U"
    done
    try why-wrong-key why_has "$secure" dtls
}

# Leshan: a sensor of which resources are observed, read, written and executed.
sensor() {
    device=$(register urn-sensor-1 "$psk" "$sensor")
    leshan sensor 3 --server "coaps://127.0.0.1:$coaps_port" --endpoint urn-sensor-1 --identity urn-sensor-1 --psk "$psk" --cid 6
    try leshan-registered until_seen "$work/sensor" '"event":"registered"'
    try leshan-cid until_seen "$work/sensor" '"peer_cid":"[0-9a-f]{16}"'
    try leshan-bound until_seen "$work/pushes" bindDevice
    try leshan-online status_is "$device" ONLINE
    try leshan-observed until_seen "$work/sensor" '"event":"observed","path":"/3303/0/5700"'
    try leshan-read until_seen "$work/sensor" '"event":"read","path":"/1/0/1"'
    try leshan-asked-read answers '"/3/0/0":"' read urn-sensor-1 /3/0/0
    try leshan-asked-object answers '"/3/0/1":"' read urn-sensor-1 /3 --format tlv
    try leshan-asked-senml answers '"/1/0/1":' read urn-sensor-1 /1/0 --format senml+cbor
    try leshan-asked-composite answers '"/1/0/1":.*"/3/0/0":"' read urn-sensor-1 /3/0/0 /1/0/1
    try leshan-asked-attributes answers '"code":"2.04"' attributes urn-sensor-1 /3303/0/5700 pmin=0 pmax=60
    try leshan-asked-discover answers '"path":"/3/0/0"' discover urn-sensor-1 /3
    try leshan-asked-attributes-told answers '"pmax":"60"' discover urn-sensor-1 /3303/0/5700
    refused() { local said; said=$("$landfall" lwm2m "$@" 2>&1) && return 1; grep -E 'refuses with 4[.]0[45]' <<<"$said"; }
    try leshan-asked-refused refused write urn-sensor-1 /3/0/0 other
    try leshan-asked-missing refused read urn-sensor-1 /3/0/999
    echo 'set /3303/0/5700 23.25' >&3
    try leshan-notify history_has "$device" 23.25
    echo 'send /3303/0/5700' >&3
    try leshan-send until_seen "$work/sensor" '"event":"sent".*204'
    reboot=$(command "$device" '{"serviceId":"Device","method":"REBOOT","paras":{}}')
    try leshan-execute until_seen "$work/sensor" '"event":"execute","path":"/3/0/4"'
    try leshan-execute-successful command_is "$device" "$reboot" SUCCESSFUL
    try leshan-execute-callback until_seen "$work/pushes" "$reboot.*SUCCESSFUL"
    offset=$(command "$device" '{"serviceId":"Device","method":"SET_UTC_OFFSET","paras":{"utcOffset":"+02:00"}}')
    try leshan-write command_is "$device" "$offset" SUCCESSFUL
    try leshan-desired api -X PUT -d '{"serviceDesireds":[{"serviceId":"Connection","desired":{"lifetime":400}}]}' "$https/iocm/app/shadow/v1.5.0/devices/$device"
    try leshan-desired-written until_seen "$work/sensor" '"event":"write","path":"/1/0/1"'
    try leshan-desired-told until_seen "$work/pushes" 'deviceDesiredPropertiesModifyStatusChanged.*DELIVERED'

    # Killed and started again: the session goes on without a handshake.
    echo 'set /3303/0/5700 24.5' >&3
    history_has "$device" 24.5 >/dev/null
    sleep 6
    kill -9 "$server"
    wait "$server" 2>/dev/null
    rm -f "$LANDFALL_DATA/ports.json"
    serve
    https=https://localhost:$(port https)
    handshakes=$(grep -c '"event":"handshake"' "$work/sensor")
    echo 'set /3303/0/5700 25.75' >&3
    try leshan-after-kill history_has "$device" 25.75
    try leshan-no-handshake test "$(grep -c '"event":"handshake"' "$work/sensor")" = "$handshakes"
    reboot=$(command "$device" '{"serviceId":"Device","method":"REBOOT","paras":{}}')
    try leshan-command-after-kill command_is "$device" "$reboot" SUCCESSFUL
    echo deregister >&3
    try leshan-deregistered status_is "$device" OFFLINE
    echo quit >&3
}

# Leshan: an NB-IoT meter in queue mode behind a NAT that rebinds, with frames of its own (object 19).
meter() {
    imei=863703030668222
    device=$(register $imei "$psk" "$meter")
    mkfifo "$work/nat.in"
    python3 $here/nat.py "$coaps_port" <"$work/nat.in" >"$work/nat" &
    started+=($!)
    exec 4>"$work/nat.in"
    until_seen "$work/nat" listening
    nat_port=$(head -n 1 "$work/nat" | json port)
    leshan meter 5 --server "coaps://127.0.0.1:$nat_port" --endpoint "urn:imei:$imei" --identity $imei --psk "$psk" --cid 4 --queue --object19 single
    try meter-registered until_seen "$work/meter" '"event":"registered"'
    try meter-observed until_seen "$work/meter" '"event":"observed","path":"/19/0/0"'
    echo 'uplink 0000000bb8000c5a' >&5
    try meter-frame history_has "$device" '"volume":3'
    echo rebind >&4
    until_seen "$work/nat" rebind >/dev/null
    echo 'uplink 0000001388000c5a' >&5
    try meter-frame-after-rebind history_has "$device" '"volume":5'
    try meter-no-second-handshake test "$(grep -c '"event":"handshake","ok":true' "$work/meter")" = 1
    echo sleep >&5
    sleep 11
    first=$(command "$device" '{"serviceId":"Valve","method":"SET","paras":{"position":"OPEN"}}')
    second=$(command "$device" '{"serviceId":"Valve","method":"SET","paras":{"position":"CLOSED"}}')
    try meter-command-waits command_is "$device" "$first" PENDING
    echo wake >&5
    try meter-command-sent until_seen "$work/meter" '"event":"write","path":"/19/1/0"' 2
    try meter-command-delivered command_is "$device" "$second" DELIVERED
    in_order() { [ "$(grep -oE '"path":"/19/1/0".*' "$work/meter" | grep -oE '01[0-9a-f]{4}0[01]' | cut -c7-8 | tr '\n' ' ')" = '01 00 ' ]; }
    try meter-commands-in-order in_order
    mid=$(grep -oE '01[0-9a-f]{4}01' "$work/meter" | head -n 1 | cut -c3-6)
    echo "uplink 01${mid}00" >&5
    try meter-answer command_is "$device" "$first" SUCCESSFUL
    try meter-answer-callback until_seen "$work/pushes" "$first.*SUCCESSFUL"
    echo quit >&5
    echo quit >&4
}

# Leshan: bootstrap, then registration with what was told.
bootstrap() {
    register boot-1 "$psk" "$sensor" >/dev/null
    leshan boot 3 --server "coaps://127.0.0.1:$coaps_port" --endpoint boot-1 --identity boot-1 --psk "$psk" --bootstrap
    try bootstrap until_seen "$work/boot" '"event":"bootstrapped"'
    try bootstrap-registered until_seen "$work/boot" '"event":"registered"'
    echo quit >&3
}

# The other suites, and clients without extended master secret.
suites() {
    for suite in TLS_PSK_WITH_AES_128_CBC_SHA256 TLS_PSK_WITH_AES_128_CCM TLS_PSK_WITH_AES_128_GCM_SHA256; do
        leshan "$suite" 3 --server "coaps://127.0.0.1:$coaps_port" --endpoint secure-1 --identity secure-1 --psk "$psk" --suite $suite --no-ems
        try "leshan-$suite" until_seen "$work/$suite" '"event":"registered"'
        echo quit >&3
    done
}

# Mbed TLS: a ClientHello in fragments, a session that is closed and resumed, and records of 512 bytes at most.
mbedtls() {
    device=$(register mbedtls-1 "$psk" "$sensor")
    $here/mbedtls/target/device "$coaps_port" mbedtls-1 secretkey16bytes 84 >"$work/mbedtls" 2>&1 &
    started+=($!)
    try mbedtls-registered until_seen "$work/mbedtls" '^registered [0-9a-f]{16}$'
    try mbedtls-resumed until_seen "$work/mbedtls" '^resumed'
    try mbedtls-updated until_seen "$work/mbedtls" '^updated'
    try mbedtls-online status_is "$device" ONLINE
    try mbedtls-short-records answers '"code":"2.04"' write mbedtls-1 /3/0/15 "$(printf 'z%.0s' {1..1500})"
    try mbedtls-written-whole until_seen "$work/mbedtls" '^written 1500$'
}

# pion/dtls and go-coap: Connection ID, a registration in blocks, an observation, a Send.
pion() {
    device=$(register pion-1 "$psk" "$sensor")
    mkfifo "$work/pion.in"
    $here/pion/target/device "$coaps_port" pion-1 secretkey16bytes <"$work/pion.in" >"$work/pion" 2>&1 &
    started+=($!)
    exec 3>"$work/pion.in"
    try pion-registered until_seen "$work/pion" '^registered .*[0-9a-f]{16}$'
    try pion-online status_is "$device" ONLINE
    try pion-observed until_seen "$work/pion" '^observed /3303/0/5700$'
    echo 'set 23.5' >&3
    try pion-notify history_has "$device" 23.5
    echo 'send 24.5' >&3
    try pion-send until_seen "$work/pion" '^answered dp Changed$'
    try pion-sent history_has "$device" 24.5
    echo update >&3
    try pion-update until_seen "$work/pion" '^answered rd Changed$'
    echo deregister >&3
    try pion-offline status_is "$device" OFFLINE
    echo quit >&3
}

# aiocoap: block-wise registration over plain CoAP.
aiocoap() {
    device=$(register aio-1 "$psk" "$sensor" false)
    mkfifo "$work/aio.in"
    .venv/bin/python $here/aio_device.py "coap://127.0.0.1:$coap_port" aio-1 --links 200 <"$work/aio.in" >"$work/aio" 2>"$work/aio.err" &
    started+=($!)
    exec 3>"$work/aio.in"
    try aiocoap-registered until_seen "$work/aio" '"event": ?"registered"'
    try aiocoap-online status_is "$device" ONLINE
    echo deregister >&3
    try aiocoap-offline status_is "$device" OFFLINE
    echo quit >&3
}

for one in ${*:-libcoap sensor meter bootstrap suites mbedtls pion aiocoap}; do $one; done
exit $failed
