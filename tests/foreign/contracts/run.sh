#!/bin/bash
# schemathesis over the contract documents against the real program: requests made of the documents, with a fixed seed; each answer has a
# status, type, headers and body that its operation documents, and tells of no defect. Once with made-up ids, once with those of what there is.
# Run by tests/foreign/run.sh. Prints "ok NAME" or "FAIL NAME why"; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../../.."
landfall=${CARGO_TARGET_DIR:-target}/debug/landfall
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
group=contract-

env LANDFALL_LISTEN_HTTPS=127.0.0.1:0 LANDFALL_LISTEN_HTTP=127.0.0.1:0 LANDFALL_LISTEN_BIND=off LANDFALL_LISTEN_MQTT=off LANDFALL_LISTEN_MQTTS=127.0.0.1:0 \
    LANDFALL_LISTEN_MQTT_WS=off LANDFALL_LISTEN_COAP=off LANDFALL_LISTEN_COAPS=off LANDFALL_OCEANCONNECT_CALLS_PER_MINUTE=0 LANDFALL_LOG_LEVEL=warn \
    "$landfall" serve >/dev/null &
started+=($!)
served
https=https://localhost:$(port https)
ca=$LANDFALL_DATA/ca.pem
export LANDFALL_INDEX=$PWD/spec/index.tsv SCHEMATHESIS_HOOKS=$PWD/tests/foreign/contracts/hooks.py

# judge DOCUMENT URL ARGUMENT...: runs schemathesis; prints the failures and what reproduces them.
judge() {
    local document=$1 url=$2
    shift 2
    (cd "$work" && "$OLDPWD/.cache/schemathesis/bin/schemathesis" ${parameters:+--config-file "$parameters"} run "$OLDPWD/$document" --url "$url" --tls-verify "$ca" \
        -c status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,no_defect,code_of_the_operation \
        --phases examples,coverage,fuzzing --max-examples 20 --seed 1 --generation-database none --no-shrink --continue-on-failure --max-failures 20 \
        --suppress-health-check all --warnings off --no-color "$@") >"$work/judged" 2>&1 && return
    grep -A 4 -E '^- |Traceback|^Error' "$work/judged" | grep -v '^$'
    return 1
}

app=$("$landfall" app create contracts --json)
app_id=$(json appId <<<"$app")
"$landfall" app originator set contracts Ccontracts >/dev/null
product=$("$landfall" product import docs/examples/lwm2m-sensor.json --json | json productId)
token=$(curl -sS --cacert "$ca" -d "appId=$app_id" -d "secret=$(json secret <<<"$app")" "$https/iocm/app/sec/v1.1.0/login" | json accessToken)
oceanconnect() { judge spec/oceanconnect/huawei-northbound.openapi.yaml "$https" -H "app_key: $app_id" -H "Authorization: Bearer $token" --exclude-tag auth "$@"; }
api() { curl -sS --fail-with-body --cacert "$ca" -H "app_key: $app_id" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$@"; }
device=$(api -d '{"nodeId":"contract-1","productId":"'"$product"'","timeout":0}' "$https/iocm/app/reg/v1.1.0/deviceCredentials" | json deviceId)
subscription=$(api -d '{"notifyType":"deviceAdded","callbackUrl":"http://192.0.2.1:9/"}' "$https/iocm/app/sub/v1.2.0/subscriptions" | json subscriptionId)
command=$(api -d '{"deviceId":"'"$device"'","command":{"serviceId":"Device","method":"REBOOT","paras":{}}}' "$https/iocm/app/cmd/v1.4.0/deviceCommands" | json commandId)
group_id=$(api -d '{"name":"contract1","deviceIds":["'"$device"'"]}' "$https/iocm/app/devgroup/v1.3.0/devGroups" | json id)
task=$(api -d '{"appId":"'"$app_id"'","taskName":"contract-1","taskType":"DeviceCmd","timeout":10,"param":{"type":"Broadcast","command":{"serviceId":"Device","method":"REBOOT","paras":{}}}}' \
    "$https/iocm/app/batchtask/v1.1.0/tasks" | json taskID)
try ids test -n "$device" -a -n "$subscription" -a -n "$command" -a -n "$group_id" -a -n "$task"
parameters=
try oceanconnect oceanconnect
cat >"$work/known.toml" <<PARAMETERS
[parameters]
deviceId = "$device"
gatewayId = "$device"
subscriptionId = "$subscription"
deviceCommandId = "$command"
serviceId = "Device"
devGroupId = "$group_id"
taskId = "$task"
appId = "$app_id"
PARAMETERS
parameters=$work/known.toml
try oceanconnect-known oceanconnect --exclude-method DELETE

tenant=$("$landfall" account list --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["items"][0]["name"])')
base=$https/device-management-orchestrator/v3/$tenant
token=$("$landfall" app originator token contracts --json | json token)
onem2m() { judge spec/onem2m/onem2m-d2c.openapi.yaml "$base" -H "Authorization: Bearer $token" -H 'X-M2M-Origin: Ccontracts' "$@"; }
parameters=
try onem2m onem2m
printf '[parameters]\ndeviceName = "%s"\n' "$device" >"$work/known.toml"
parameters=$work/known.toml
try onem2m-known onem2m --exclude-method DELETE

parameters=
try admin judge spec/admin/openapi.yaml "$https/api/v1" -H "Authorization: Bearer $(cat "$LANDFALL_DATA/admin.token")"
exit $failed
