#!/bin/bash
# The official Device-to-Cloud client (`d2c` of the PyPI package dtiot-d2c) against the real program, over TLS and with its own way to tokens:
# devices, messages, device groups, applications and their web hooks. A device on the Leshan client library that was provisioned so, and the
# gateway onem2m-mcp.
# Run by tests/foreign/run.sh. Prints "ok NAME" or "FAIL NAME why"; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../../.."
landfall=${CARGO_TARGET_DIR:-target}/debug/landfall
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
group=d2c-

# refuses TEXT COMMAND...: a command fails and says a text.
refuses() {
    local text=$1 out
    shift
    if out=$("$@" 2>&1); then echo "not refused: $out"; return 1; fi
    grep -qF -- "$text" <<<"$out" || { echo "no $text in: $out"; return 1; }
}
# lacks TEXT COMMAND...: a command works, and what it prints has not the text.
lacks() {
    local text=$1 out
    shift
    out=$("$@" 2>&1) || { echo "$out"; return 1; }
    if grep -qF -- "$text" <<<"$out"; then echo "$text in: $out"; return 1; fi
}

env LANDFALL_LISTEN_HTTPS=127.0.0.1:0 LANDFALL_LISTEN_HTTP=127.0.0.1:0 LANDFALL_LISTEN_BIND=off LANDFALL_LISTEN_MQTT=off LANDFALL_LISTEN_MQTTS=off \
    LANDFALL_LISTEN_MQTT_WS=off LANDFALL_LISTEN_COAP=off LANDFALL_LISTEN_COAPS=127.0.0.1:0 LANDFALL_PUSH_ALLOW_PRIVATE=true LANDFALL_LOG_LEVEL=warn LANDFALL_NORTHBOUND_D2C_CLIENT_ROOT=true \
    "$landfall" serve >/dev/null &
started+=($!)
served

app=$("$landfall" app create d2c --json)
app_id=$(json appId <<<"$app")
"$landfall" app originator set "$app_id" Cd2ccli >/dev/null
tenant=$("$landfall" account list --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["items"][0]["name"])')
https=https://localhost:$(port https)
base=$https/device-management-orchestrator/v3/$tenant
export REQUESTS_CA_BUNDLE=$LANDFALL_DATA/ca.pem D2CCLI_CONFIGDIR=$work/d2c
mkdir -p "$D2CCLI_CONFIGDIR/profiles"
echo '{"activeProfileFile":"landfall.profile","profilesDir":"'"$D2CCLI_CONFIGDIR"'/profiles"}' >"$D2CCLI_CONFIGDIR/config.json"
cat >"$D2CCLI_CONFIGDIR/profiles/landfall.profile" <<PROFILE
{"profileName": "landfall", "apiUrl": "$base", "getTokenUrl": "$https/auth/realms/$tenant/protocol/openid-connect/token",
 "clientId": "$app_id", "clientSecret": "$(json secret <<<"$app")", "noAuthUrl": ""}
PROFILE
d2c() { .venv/bin/d2c "$@"; }
# The client names its requests by the second, and a name that is taken is a conflict.
add() { sleep 1; d2c add-device -prf SCS-LwM2M "$@"; }
# has TEXT COMMAND...: what a command prints has a text.
has() {
    local text=$1 out
    shift
    out=$("$@" 2>&1) || { echo "$out"; return 1; }
    grep -qF -- "$text" <<<"$out" || { echo "no $text in: $out"; return 1; }
}
# soon COMMAND...: a command succeeds within 20 s.
soon() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; "$@"; }
token=$(curl -sS --fail-with-body --cacert "$REQUESTS_CA_BUNDLE" -u "$app_id:$(json secret <<<"$app")" -d grant_type=client_credentials "$https/auth/realms/$tenant/protocol/openid-connect/token" | json access_token)
lasting=$("$landfall" app originator token "$app_id" --json | json token)
# get PATH: a request without the client's help, over HTTP/2 with the token that does not end.
get() { curl -sS --fail-with-body --http2 --cacert "$REQUESTS_CA_BUNDLE" -H "Authorization: Bearer $lasting" -H 'X-M2M-Origin: Cd2ccli' -H "X-M2M-RI: $RANDOM$RANDOM" -H 'Accept: application/json' "$base/$1"; }
psk=bGFuZGZhbGwtcHNrLTEyMw==

try token test -n "$token"
try add-device has '"name": "meter1"' add -n meter1 -cid meter1-id -csec "$psk" -ma ACME -mo M-1 -dty Meter -up '{"AssetId":"A-17"}' -dp '{"floor":"3"}' -ic 89490200001
try add-device-twice refuses 'The existed node resourceName = meter1' add -n meter1 -cid other-id -csec "$psk"
try add-device-same-psk refuses 'conflicting credentials for AddEndPointRequest meter2' add -n meter2 -cid meter1-id -csec "$psk"
try provisioning-requests has device_provisioning_request_ d2c get-device-provisioning-requests
try provisioning-responses has '"geEMe": "Total to be provisioned: 1; Successfully processed: 1; Errors: 0"' d2c get-device-provisioning-responses
try provisioning-error has 'conflicting credentials for AddEndPointRequest meter2' get 'device-provisioning/response?rcn=4'
try logs has 'Internal server error: device-provisioning unable to create device objects.' get device-provisioning/logs/la
try get-device has '"manufacturer": "ACME"' d2c get-devices -n meter1
try get-device-properties has '"AssetId": "A-17"' d2c get-devices -n meter1
try get-devices has '"name": "meter1"' d2c get-devices
try get-device-absent refuses 'does not exist' d2c get-devices -n nobody
try update-device has '"description": "in the cellar"' d2c update-device -n meter1 -de "in the cellar" -lo geo:52.5,13.4 -dp '{"+room":"12"}'
try update-device-properties has '"room": 12' d2c get-devices -n meter1
try device-by-id has '"name": "meter1"' d2c get-devices -i "$(get meter1 | python3 -c 'import json,sys; print(json.load(sys.stdin)["m2m:nod"]["ri"])')"

mkfifo "$work/leshan.in"
tests/foreign/lwm2m/leshan/device --lifetime 300 --endpoint urn:gsma:imei:meter1 --server "coaps://127.0.0.1:$(port coaps)" --identity meter1-id --psk "$(base64 -d <<<"$psk" | od -An -tx1 | tr -d ' \n')" \
    <"$work/leshan.in" >"$work/leshan" 2>"$work/leshan.err" &
started+=($!)
exec 3>"$work/leshan.in"
try device-connects soon has d2c_lifecycle:urn:gsma:imei:meter1 get meter1
try device-info soon has '"ptl":["LWM2M"]' get meter1/device-info
try downlink has GET d2c inject-downlink-message -n meter1 -con 'GET /3/0'
try sent-message soon has 'GET /3/0' d2c get-device-messages -n meter1 -ms dlo
try received-message soon has A-17 d2c get-device-messages -n meter1 -ms uli
try received-latest has nodeResourceName d2c get-device-messages -n meter1 -ms uli -la
nonsense() { d2c inject-downlink-message -n meter1 -con NONSENSE; }
try downlink-nonsense nonsense
try downlink-refused soon has 'unable to process notification data' get device-communication/meter1/error-msg/la

python3 tests/foreign/receiver.py "$work/hooked" "$work/receiver.port" &
started+=($!)
soon test -s "$work/receiver.port"
# hooked TEXT: the web hook of the application was called with a text.
hooked() { soon grep -qsF -- "$1" "$work/hooked"; }
try add-application has '"name": "app1"' d2c add-application -n app1 -us "http://127.0.0.1:$(cat "$work/receiver.port")/hook" -de "an application"
try get-applications has '"name": "app1"' d2c get-applications
try add-group has '"name": "group1"' d2c add-device-group -n group1 -ds meter1 -as app1
try get-groups has group1 d2c get-device-groups
try group-has-device has meter1 d2c get-device-groups -n group1
uplink() { d2c inject-downlink-message -n meter1 -con 'GET /3/0/0' && hooked '"nodeResourceName":"meter1"'; }
try web-hook-message uplink
error() { nonsense; hooked 'unable to process notification data'; }
try web-hook-error error
changed() { d2c update-device -n meter1 -dp '{"+attic":"7"}' && hooked 'attic:7'; }
try web-hook-node changed
try add-device-to-be-grouped has '"name": "meter3"' add -n meter3 -cid meter3-id -csec "$psk"
try update-group has meter3 d2c update-device-group -n group1 -ds meter1,meter3

try delete-device d2c delete-device -n meter1
try device-is-gone refuses 'does not exist' d2c get-devices -n meter1
try messages-are-gone refuses 'resource not found' get device-communication/meter1/received-msg
try group-lost-device lacks meter1 d2c get-device-groups -n group1
try delete-group d2c delete-device-group -n group1
try delete-application d2c delete-application -n app1
# A public gateway of another maker, which takes no token but in the address.
at=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env ACME_MCP_CSE_URL="https://any:$lasting@localhost:$(port https)/device-management-orchestrator/v3" ACME_MCP_CSE_RN="$tenant" ACME_MCP_CSE_ADMIN=Cd2ccli ACME_MCP_PORT="$at" \
    .cache/onem2m-mcp/bin/python -m onem2m_mcp.gateway >"$work/gateway" 2>&1 &
started+=($!)
soon curl -s "http://127.0.0.1:$at/mcp" >/dev/null
.cache/onem2m-mcp/bin/python tests/foreign/onem2m/gateway.py "$at" || failed=1

try add-device-again has '"name": "meter1"' add -n meter1 -cid meter1-id -csec "$psk"
exit $failed
