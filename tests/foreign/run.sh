#!/bin/bash
# Clients that are not ours against the real program: curl, mosquitto_pub/mosquitto_sub over TLS, a mosquitto bridge, the vendor's device SDK,
# paho-mqtt (3.1.1 and 5, TCP, TLS, WebSocket; as an AgentLite gateway);
# then those of LwM2M (lwm2m/run.sh) and of Device-to-Cloud (onem2m/run.sh), small programs written the way public ones are (programs/run.sh),
# applications that are told over MQTT (channel/run.sh), files of devices (cumulocity/curl.sh) and programs made for Cumulocity (cumulocity/run.sh),
# requests made of the contract documents (contracts/run.sh), generated clients (openapi/run.sh), and public suites against the MQTT library alone (broker.sh).
# Prints "ok NAME" or "FAIL NAME why" for each thing tried; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
landfall=$target/debug/landfall
[ -x "$landfall" ] || cargo build -q -p landfall-server
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh

env LANDFALL_LISTEN_HTTPS=127.0.0.1:0 LANDFALL_LISTEN_HTTP=127.0.0.1:0 LANDFALL_LISTEN_BIND=127.0.0.1:0 LANDFALL_LISTEN_MQTT=127.0.0.1:0 \
    LANDFALL_LISTEN_MQTTS=127.0.0.1:0 LANDFALL_LISTEN_MQTT_WS=127.0.0.1:0 LANDFALL_LISTEN_COAP=off LANDFALL_LISTEN_COAPS=off LANDFALL_PUSH_ALLOW_PRIVATE=true LANDFALL_LOG_LEVEL=warn \
    "$landfall" serve >/dev/null &
started+=($!)
served

python3 tests/foreign/receiver.py "$work/pushes" "$work/receiver.port" &
started+=($!)
for _ in $(seq 100); do [ -s "$work/receiver.port" ] && break; sleep 0.1; done

app=$("$landfall" app create foreign --json)
app_id=$(json appId <<<"$app")
secret=$(json secret <<<"$app")
product=$("$landfall" product import docs/examples/thermometer.json --json | json productId)
https=https://localhost:$(port https)
ca=$LANDFALL_DATA/ca.pem
api() { curl -sS --fail-with-body --cacert "$ca" -H "app_key: $app_id" -H "Authorization: Bearer ${token:-}" -H 'Content-Type: application/json' "$@"; }

login() { curl -sS --fail-with-body --cacert "$ca" -d "appId=$app_id" -d "secret=$secret" "$https/iocm/app/sec/v1.1.0/login"; }
try curl-login login
token=$(login | json accessToken)
device=$(api -d '{"deviceInfo":{"nodeId":"foreign-1"},"mqttConnect":true,"productId":"'"$product"'"}' "$https/iocm/app/reg/v2.0.0/deviceCredentials")
try curl-register test -n "$device"
id=$(json deviceId <<<"$device")
key=$(json secret <<<"$device")
callback=http://127.0.0.1:$(cat "$work/receiver.port")/callback
for kind in deviceDataChanged commandRsp; do
    try curl-subscribe-$kind api -d '{"notifyType":"'$kind'","callbackUrl":"'"$callback"'"}' "$https/iocm/app/sub/v1.2.0/subscriptions"
done

# An answer that is given before the body was read arrives, twenty times of twenty.
head -c 6000000 /dev/zero >"$work/large"
early() {
    local expected=$1 got
    shift
    for _ in $(seq 20); do
        got=$(curl -sS -o /dev/null -w '%{http_code}' --cacert "$ca" --data-binary "@$work/large" "$@") || return 1
        [ "$got" = "$expected" ] || { echo "$got"; return 1; }
    done
}
for version in 1.1 2; do
    try curl-early-401-http$version early 401 --http$version "$https/api/v1/apps"
    try curl-early-404-http$version early 404 --http$version "$https/none"
    try curl-early-413-http$version early 413 --http$version -H "Authorization: Bearer $(cat "$LANDFALL_DATA/admin.token")" "$https/api/v1/apps"
done
hostless() { curl -sS -o /dev/null -w '%{http_code}' --cacert "$ca" --http1.1 -H 'Host:' "$https/health" | grep -q 400; }
try curl-hostless hostless
resumed() {
    openssl s_client -connect "localhost:$(port mqtts)" -CAfile "$ca" "-$1" -sess_out "$work/session" </dev/null >/dev/null 2>&1
    openssl s_client -connect "localhost:$(port https)" -CAfile "$ca" "-$1" -sess_in "$work/session" </dev/null 2>/dev/null | grep -q '^Reused'
}
try openssl-ticket-tls1_2 resumed tls1_2

stamp=$(date -u +%Y%m%d%H)
password=$(printf %s "$key" | openssl dgst -sha256 -hmac "$stamp" -r | cut -d' ' -f1)
mosquitto=(-h localhost -p "$(port mqtts)" --cafile "$ca" -u "$id" -P "$password" -i "${id}_0_1_$stamp" -q 1)
report='{"msgType":"deviceReq","data":[{"serviceId":"Thermometer","serviceData":{"temperature":21.5}}]}'
for version in 311 5; do
    try mosquitto_pub-$version mosquitto_pub -V mqttv$version "${mosquitto[@]}" -t "/huawei/v1/devices/$id/data/json" -m "$report"
done
refused() { ! mosquitto_pub -h localhost -p "$(port mqtts)" --cafile "$ca" -u "$id" -P wrong -i "${id}_0_1_$stamp" -t t -m m; }
try mosquitto_pub-refused refused
history() { api "$https/iocm/app/data/v1.2.0/deviceDataHistory?deviceId=$id&gatewayId=$id&pageSize=10" | grep -q '"totalCount":2'; }
try curl-history history
pushed() { for _ in $(seq 100); do [ "$(grep -c "\"$1\"" "$work/pushes" 2>/dev/null)" -ge "$2" ] && return; sleep 0.1; done; cat "$work/pushes"; return 1; }
try push-deviceDataChanged pushed deviceDataChanged 2

# mosquitto_sub takes one command; its answer goes back with mosquitto_pub.
command_to_device() {
    mosquitto_sub -V mqttv5 "${mosquitto[@]}" -t "/huawei/v1/devices/$id/command/json" -C 1 -W 20 >"$work/command" &
    local subscriber=$! call='{"header":{"mode":"ACK","from":"/users/1","method":"SET"},"body":{"value":4}}'
    for _ in $(seq 100); do
        api -d "$call" "$https/iocm/app/signaltrans/v1.1.0/devices/$id/services/Switch/sendCommand" | grep -q '"sent"' && break
        sleep 0.1
    done
    wait $subscriber && grep -q '"cmd":"SET"' "$work/command"
}
try mosquitto_sub-command command_to_device
mid=$(json mid <"$work/command" 2>/dev/null)
answer='{"msgType":"deviceRsp","mid":'${mid:-0}',"errcode":0,"body":{"result":"ok"}}'
try mosquitto_pub-answer mosquitto_pub -V mqttv311 "${mosquitto[@]}" -t "/huawei/v1/devices/$id/data/json" -m "$answer"
try push-commandRsp pushed commandRsp 1

# call_until WORD: calls the device until the answer has the word; nobody may have subscribed yet.
call_until() {
    local call='{"header":{"mode":"ACK","from":"/users/1","method":"SET"},"body":{"value":4}}'
    for _ in $(seq 200); do
        api -d "$call" "$https/iocm/app/signaltrans/v1.1.0/devices/$id/services/Switch/sendCommand" 2>/dev/null | grep -q "\"$1\"" && return
        sleep 0.1
    done
    return 1
}

# The vendor's own device SDK over TLS.
vendor() {
    tests/foreign/vendor/device "ssl://localhost:$(port mqtts)" "$id" "$key" "$ca" >"$work/vendor" 2>&1 &
    local device=$!
    call_until sent
    wait $device || { tail -n 5 "$work/vendor"; return 1; }
    ! "$landfall" device why "$id" --json | grep -q 'oc/devices'
}
try vendor-sdk vendor
try push-vendor-sdk pushed commandRsp 2

# A mosquitto of its own bridges a device over TLS, with the bridge bit in its level.
bridge() {
    local at broker subscriber
    at=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$work/mosquitto.conf" <<END
listener $at 127.0.0.1
allow_anonymous true
user $(id -un)
connection landfall
address localhost:$(port mqtts)
bridge_cafile $ca
bridge_protocol_version mqttv311
remote_clientid ${id}_0_1_$stamp
remote_username $id
remote_password $password
topic data/json out 1 own/ /huawei/v1/devices/$id/
topic command/json in 1 own/ /huawei/v1/devices/$id/
END
    PATH=$PATH:/usr/sbin mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto" 2>&1 &
    broker=$!
    started+=($broker)
    for _ in $(seq 100); do mosquitto_pub -p "$at" -t ready -n 2>/dev/null && break; sleep 0.1; done
    mosquitto_sub -p "$at" -q 1 -t own/command/json -C 1 -W 20 >"$work/bridged" &
    subscriber=$!
    mosquitto_pub -p "$at" -q 1 -t own/data/json -m "${report/21.5/-7.25}"
    call_until sent && wait $subscriber && grep -q '"cmd":"SET"' "$work/bridged" || { tail -n 5 "$work/mosquitto"; return 1; }
    for _ in $(seq 100); do api "$https/iocm/app/data/v1.2.0/deviceDataHistory?deviceId=$id&gatewayId=$id&pageSize=10" | grep -q -- -7.25 && break; sleep 0.1; done
    kill $broker
    api "$https/iocm/app/data/v1.2.0/deviceDataHistory?deviceId=$id&gatewayId=$id&pageSize=10" | grep -q -- -7.25
}
try mosquitto-bridge bridge

# A device registered by verification code binds over HTTPS, then adds, reports and removes a device behind it.
bind=https://localhost:$(port bind)/iota/device/v1
api -d '{"nodeId":"bound-1","verifyCode":"bound-1","timeout":0,"productId":"'"$product"'"}' "$https/iocm/app/reg/v1.1.0/deviceCredentials" >/dev/null
device_api() { curl -sS --fail-with-body --cacert "$ca" -H 'Content-Type: application/json' "$@"; }
bind_device() { device_api -d '{"verifyCode":"'"$1"'","deviceInfo":{"nodeId":"bound-1"}}' "$bind/bind"; }
wrong_code() { ! bind_device wrong; }
try curl-bind-refused wrong_code
bound=$(bind_device bound-1)
try curl-bind test "$(json result <<<"$bound")" = 0
gateway=$(json deviceId <<<"$bound")
proof=$(printf %s "$(json deviceSecret <<<"$bound")" | openssl dgst -sha256 -hmac "$stamp" -r | cut -d' ' -f1)
hub() { device_api -u "${gateway}_0_1_$stamp:$proof" "$@"; }
child=$(hub -d '{"nodeId":"behind-1"}' "$bind/devices/$gateway/children")
try curl-hub-add test "$(json result <<<"$child")" = 0
child=$(json deviceId <<<"$child")
try curl-hub-status hub -X PUT -d '{"status":"ONLINE","statusDetail":"NONE"}' "$bind/devices/$child/status"
online() { api "$https/iocm/app/dm/v1.4.0/devices/$child" | grep -q '"status":"ONLINE"'; }
try curl-hub-status-seen online
try curl-hub-remove hub -X DELETE "$bind/devices/$child"
stranger() { ! device_api -u "${gateway}_0_1_$stamp:0000" -X DELETE "$bind/devices/$gateway"; }
try curl-hub-refused stranger

# A gateway in Python, from its binding to its unbinding.
try agentlite-gateway .venv/bin/python tests/foreign/agentlite_gateway.py "$(port https)" "$(port bind)" "$app_id" "$token" "$ca"

# MQTT 3.1, as modems speak it.
try mosquitto_pub-31 mosquitto_pub -V mqttv31 "${mosquitto[@]}" -t "/huawei/v1/devices/$id/data/json" -m "$report"

for version in 3 5; do
    for transport in tcp tls websockets; do
        case $transport in tcp) at=$(port mqtt) ;; tls) at=$(port mqtts) ;; *) at=$(port mqtt_ws) ;; esac
        try "paho-$version-$transport" .venv/bin/python tests/foreign/paho_device.py $version $transport "$at" "$id" "$key" "$ca"
    done
done
tests/foreign/lwm2m/run.sh || failed=1
tests/foreign/onem2m/run.sh || failed=1
tests/foreign/programs/run.sh || failed=1
tests/foreign/channel/run.sh || failed=1
tests/foreign/cumulocity/curl.sh || failed=1
tests/foreign/cumulocity/run.sh || failed=1
tests/foreign/contracts/run.sh || failed=1
tests/foreign/openapi/run.sh || failed=1
tests/foreign/broker.sh || failed=1
exit $failed
