#!/bin/bash
# A shell script as operators have it: one curl a step, nodes in a oneM2M group, one command for all of them by the group's fan-out point.
# Usage: fleet.sh API_URL TOKEN CA ORIGINATOR
set -euo pipefail
api=$1 token=$2 ca=$3 originator=$4
run=$(date +%s%N)
names="fleet-$run-1 fleet-$run-2 fleet-$run-3"

# m2m METHOD PATH [TYPE BODY]: prints the body of the answer; fails with it where it is none of 2xx.
m2m() {
    local method=$1 path=$2
    shift 2
    curl -sS --fail-with-body --cacert "$ca" -X "$method" -H "Authorization: Bearer $token" -H "X-M2M-Origin: $originator" -H "X-M2M-RI: $RANDOM$RANDOM" \
        -H 'Accept: application/json' ${2:+-H "Content-Type: application/json${1:+; ty=$1}" -d "$2"} "$api$path"
}
# field EXPRESSION: a value out of the JSON on the input, in Python's words.
field() { python3 -c 'import json,sys; answer = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

nodes=
for name in $names; do
    nodes+="${nodes:+,}{\"nodeID\":\"urn:x-dtiot:dev:sn:$name\",\"nodeResourceName\":\"$name\",\"profile\":\"SCS-LwM2M\",\"labels\":[\"d2c:1.0\"],\"nodeCredentials\":[\"psk-id:$name\",\"psk:$(printf %s "$name" | base64)\"]}"
done
asked=$(m2m POST /device-provisioning/request 28 '{"dtiot:noPRt":{"cnd":"com.telekom.iot.orchestrator.nodeProvisioningRequest","rn":"'"fleet-$run"'","operation":1,"requestList":['"$nodes"']}}')
id=$(field 'answer["dtiot:noPRt"]["ri"]' <<<"$asked")
for _ in $(seq 100); do m2m GET "/device-provisioning/response/responseToRequest-$id" >/dev/null 2>&1 && break; sleep 0.1; done
[ "$(m2m GET "/device-provisioning/response/responseToRequest-$id" | field 'answer["dtiot:prRRe"]["resSs"]')" = 1 ]

members=
for name in $names; do members+="${members:+,}\"$(m2m GET "/$name" | field 'answer["m2m:nod"]["ri"]')\""; done
m2m POST '' 9 '{"m2m:grp":{"rn":"'"group-$run"'","mt":14,"mnm":10,"mid":['"$members"']}}' >/dev/null
answers=$(m2m GET "/group-$run/fopt")
[ "$(field 'sorted(part["pc"]["m2m:nod"]["rn"] for part in answer["m2m:agr"]["m2m:rsp"])' <<<"$answers")" = "$(printf "['%s', '%s', '%s']" $names)" ]
answers=$(m2m PUT "/group-$run/fopt" '' '{"m2m:nod":{"lbl":["d2c:1.0","profile:SCS-LwM2M","fleet:'"$run"'"]}}')
[ "$(field '{part["rsc"] for part in answer["m2m:agr"]["m2m:rsp"]}' <<<"$answers")" = '{2004}' ]
[ "$(m2m GET "?fu=1&ty=14&lbl=fleet:$run" | field 'len(answer["m2m:uril"])')" = 3 ]

m2m DELETE "/group-$run" >/dev/null
for name in $names; do m2m DELETE "/$name" >/dev/null; done
