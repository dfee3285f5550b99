#!/bin/bash
# Small programs written the way public ones are, three for each dialect: old paths, odd manners, several workers; web hooks, containers, groups.
# Run by tests/foreign/run.sh. Prints "ok NAME" or "FAIL NAME why"; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../../.."
landfall=${CARGO_TARGET_DIR:-target}/debug/landfall
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
group=program-
programs=tests/foreign/programs

env LANDFALL_LISTEN_HTTPS=127.0.0.1:0 LANDFALL_LISTEN_HTTP=127.0.0.1:0 LANDFALL_LISTEN_BIND=off LANDFALL_LISTEN_MQTT=off LANDFALL_LISTEN_MQTTS=127.0.0.1:0 \
    LANDFALL_LISTEN_MQTT_WS=off LANDFALL_LISTEN_COAP=off LANDFALL_LISTEN_COAPS=off LANDFALL_PUSH_ALLOW_PRIVATE=true LANDFALL_LOG_LEVEL=warn \
    "$landfall" serve >/dev/null &
started+=($!)
served
touch "$work/pushes"
python3 tests/foreign/receiver.py "$work/pushes" "$work/receiver.port" &
started+=($!)
for _ in $(seq 100); do [ -s "$work/receiver.port" ] && break; sleep 0.1; done
callback=http://127.0.0.1:$(cat "$work/receiver.port")/callback
https=https://localhost:$(port https)
export CA=$LANDFALL_DATA/ca.pem
MQTTS=$(port mqtts)
export MQTTS

# application NAME: makes one, and prints its id and secret.
application() { "$landfall" app create "$1" --json | python3 -c 'import json,sys; app = json.load(sys.stdin); print(app["appId"], app["secret"])'; }
"$landfall" product import docs/examples/thermometer.json >/dev/null
sed 's/"deviceType": "Thermometer"/"deviceType": "Sensor"/; s/"model": "T1"/"model": "S1"/; s/"protocolType": "MQTT"/"protocolType": "LWM2M"/' docs/examples/thermometer.json >"$work/sensor.json"
"$landfall" product import "$work/sensor.json" >/dev/null
read -r id secret < <(application legacy)
try legacy python3 $programs/oceanconnect/legacy.py "$https" "$CA" "$id" "$secret" "$callback" "$work/pushes" $programs/report.sh
read -r id secret < <(application odd)
try odd node $programs/oceanconnect/odd.mjs "$https/" "$CA" "$id" "$secret" "$callback" "$work/pushes" $programs/report.sh
read -r id secret < <(application workers)
try workers java $programs/oceanconnect/Workers.java "$https" "$CA" "$id" "$secret" "$callback" "$work/pushes" $programs/report.sh

tenant=$("$landfall" account list --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["items"][0]["name"])')
api=$https/device-management-orchestrator/v3/$tenant
read -r id secret < <(application hooks)
"$landfall" app originator set hooks Chooks >/dev/null
try hooks python3 $programs/onem2m/hooks.py "$api" "$https/auth/realms/$tenant/protocol/openid-connect/token" "$CA" "$id" "$secret" Chooks "$callback" "$work/pushes"
token=$("$landfall" app originator token hooks --json | json token)
try containers node $programs/onem2m/containers.mjs "$api" "$token" "$CA" "$callback" "$work/pushes"
try fleet $programs/onem2m/fleet.sh "$api" "$token" "$CA" Chooks
exit $failed
