#!/bin/bash
# Clients that generators make of the documents that the running server serves: both generators take each document without a warning about
# what is missing, and the generated Python clients work over TLS.
# Run by tests/foreign/run.sh. Prints "ok NAME" or "FAIL NAME why"; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../../.."
landfall=${CARGO_TARGET_DIR:-target}/debug/landfall
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
group=openapi-
tools=$PWD/.cache/openapi/bin
python=$tools/python

env LANDFALL_LISTEN_HTTPS=127.0.0.1:0 LANDFALL_LISTEN_HTTP=127.0.0.1:0 LANDFALL_LISTEN_BIND=off LANDFALL_LISTEN_MQTT=off LANDFALL_LISTEN_MQTTS=off \
    LANDFALL_LISTEN_MQTT_WS=off LANDFALL_LISTEN_COAP=off LANDFALL_LISTEN_COAPS=off LANDFALL_LOG_LEVEL=warn \
    "$landfall" serve >/dev/null &
started+=($!)
served
https=https://localhost:$(port https)
ca=$LANDFALL_DATA/ca.pem
app=$("$landfall" app create generated --json)
app_id=$(json appId <<<"$app")
secret=$(json secret <<<"$app")
"$landfall" app originator set "$app_id" Cgenerated >/dev/null
product=$("$landfall" product import docs/examples/thermometer.json --json | json productId)

get() { curl -sS --fail-with-body --cacert "$ca" "$@"; }
index() { [ "$(get "$https/openapi" | grep -o "$https/openapi/[a-z0-9]*.yaml" | wc -l)" = 4 ]; }
try index index
# generated NAME: a Python package NAME_client, of which nothing is missing.
generated() {
    printf 'package_name_override: %s_client\nproject_name_override: %s\npost_hooks: []\n' "$1" "$1" >"$work/$1.config"
    "$tools/openapi-python-client" generate --path "$work/$1.yaml" --output-path "$work/$1" --config "$work/$1.config" --fail-on-warning
}
for name in oceanconnect onem2m; do
    try "$name-document" get -o "$work/$name.yaml" "$https/openapi/$name.yaml"
    try "$name-address" grep -qF -- "- url: $https" "$work/$name.yaml"
    for language in java typescript-fetch; do
        try "$name-$language" "$tools/openapi-generator-cli" generate -g "$language" -i "$work/$name.yaml" -o "$work/$name-$language"
    done
    try "$name-python" generated "$name"
done
export PYTHONPATH=$work/oceanconnect:$work/onem2m
try oceanconnect-client "$python" tests/foreign/openapi/oceanconnect.py "$https" "$ca" "$app_id" "$secret" "$product"
try onem2m-client "$python" tests/foreign/openapi/onem2m.py "$https" "$ca" "$app_id" "$secret" default Cgenerated
exit $failed
