#!/bin/bash
# Applications that take their notifications over MQTT: paho-mqtt (3.1.1 with QoS 1, 5 with QoS 2), mosquitto_sub with QoS 1, and a mosquitto that
# bridges with QoS 2 (mosquitto_sub ends with its connection and forgets which messages were half taken), each with a kept session, through a
# restart and three kills (-9) of the server while devices report. Each is told every report, in the order of its device.
# Run by tests/foreign/run.sh. Prints "ok NAME" or "FAIL NAME why"; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../../.."
landfall=${CARGO_TARGET_DIR:-target}/debug/landfall
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
group=channel-
count=200

# start HTTPS MQTTS: the server on these ports.
start() {
    rm -f "$LANDFALL_DATA/ports.json"
    env LANDFALL_LISTEN_HTTPS="127.0.0.1:$1" LANDFALL_LISTEN_HTTP=off LANDFALL_LISTEN_BIND=off LANDFALL_LISTEN_MQTT=off LANDFALL_LISTEN_MQTTS="127.0.0.1:$2" \
        LANDFALL_LISTEN_MQTT_WS=off LANDFALL_LISTEN_COAP=off LANDFALL_LISTEN_COAPS=off LANDFALL_LOG_LEVEL=error "$landfall" serve >/dev/null &
    server=$!
    started+=($server)
    served
}
start 0 0
https_port=$(port https)
mqtts_port=$(port mqtts)
ca=$LANDFALL_DATA/ca.pem
https=https://localhost:$https_port
product=$("$landfall" product import docs/examples/thermometer.json --json | json productId)
devices=()

# told NAME COMMAND...: an application with two devices, subscribed over MQTT, and its client, which is given its id, its secret and a file.
told() {
    local name=$1 app id secret token made
    shift
    app=$("$landfall" app create "$name" --json)
    id=$(json appId <<<"$app")
    secret=$(json secret <<<"$app")
    token=$(curl -sS --cacert "$ca" -d "appId=$id&secret=$secret" "$https/iocm/app/sec/v1.1.0/login" | json accessToken)
    local api=(curl -sS --fail-with-body --cacert "$ca" -H "app_key: $id" -H "Authorization: Bearer $token" -H 'Content-Type: application/json')
    subscribe() {
        local body='{"notifyType":"deviceDataChanged","callbackUrl":"https://unused.example:443/callback","channel":"MQTT"}'
        "${api[@]}" -d "$body" "$https/iocm/app/sub/v1.2.0/subscriptions" | grep -q "\"clientIds\":\[\"$id\"\]"
    }
    try "$name-subscribe" subscribe
    local own=()
    for n in 1 2; do
        made=$("${api[@]}" -d '{"deviceInfo":{"nodeId":"'"$name-$n"'"},"mqttConnect":true,"productId":"'"$product"'"}' "$https/iocm/app/reg/v2.0.0/deviceCredentials")
        own+=("$(json deviceId <<<"$made")")
        devices+=("$(json deviceId <<<"$made")" "$(json secret <<<"$made")")
    done
    echo "${own[*]}" >"$work/$name.devices"
    "$@" "$id" "$secret" "$work/$name" &
    started+=($!)
}
# Writes each notification as a line; mosquitto_sub ends with its connection.
listen() {
    trap 'kill $!; exit' TERM
    while :; do
        mosquitto_sub -h localhost -p "$mqtts_port" --cafile "$ca" -c -i "$1" -u "$1" -P "$2" -q 1 -t "/huawei/v1/applications/$1/notifications" >>"$3" 2>>"$3.log" &
        wait $!
        sleep 0.2
    done
}
# The same through a broker of its own.
bridge() {
    local at
    at=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$3.conf" <<END
listener $at 127.0.0.1
allow_anonymous true
user $(id -un)
max_queued_messages 0
connection landfall
address localhost:$mqtts_port
bridge_cafile $ca
bridge_protocol_version mqttv311
cleansession false
restart_timeout 1
notifications false
remote_clientid $1
remote_username $1
remote_password $2
topic notifications in 2 own/ /huawei/v1/applications/$1/
END
    trap 'kill $(jobs -p); exit' TERM
    PATH=$PATH:/usr/sbin mosquitto -c "$3.conf" >"$3.log" 2>&1 &
    for _ in $(seq 100); do mosquitto_pub -p "$at" -t own/ready -r -m ready 2>/dev/null && break; sleep 0.1; done
    mosquitto_sub -p "$at" -q 2 -t own/notifications -t own/ready >"$3" &
    wait
}
told paho-311 .venv/bin/python tests/foreign/channel/subscriber.py 3 1 "$mqtts_port" "$ca"
told paho-5 .venv/bin/python tests/foreign/channel/subscriber.py 5 2 "$mqtts_port" "$ca"
told mosquitto-sub listen
told mosquitto-bridge bridge
for _ in $(seq 300); do [ -s "$work/mosquitto-bridge" ] && break; sleep 0.1; done

.venv/bin/python tests/foreign/channel/reporter.py "$mqtts_port" "$ca" $count "${devices[@]}" >"$work/reported" &
reporter=$!
started+=($reporter)
# stop SIGNAL TENTHS: ends the server by a signal when so many tenths of all reports are in, and starts it again.
total=$((count * ${#devices[@]} / 2))
stop() {
    for _ in $(seq 600); do [ $(($(wc -l <"$work/reported") * 100)) -ge $((total * $2)) ] && break; sleep 0.1; done
    kill "-$1" $server
    wait $server 2>/dev/null
    start "$https_port" "$mqtts_port"
}
stop KILL 2
stop TERM 4
stop KILL 6
stop KILL 8
wait $reporter
try reports test $? = 0
complete() { python3 tests/foreign/channel/complete.py "$work/$1" $count $(cat "$work/$1.devices"); }
for client in paho-311 paho-5 mosquitto-sub mosquitto-bridge; do
    for _ in $(seq 300); do complete $client 2>/dev/null && break; sleep 0.1; done
    try $client complete $client
done
exit $failed
