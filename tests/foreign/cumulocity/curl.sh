#!/bin/bash
# Files of devices with curl: the example of the contract as it stands there, good and bad forms, a gigabyte, and 200,000 rows in bounded memory.
# Run by tests/foreign/run.sh. Prints "ok NAME" or "FAIL NAME why"; the exit status is 0 when nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../../.."
landfall=${CARGO_TARGET_DIR:-target}/debug/landfall
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
group=bulk-

env LANDFALL_LISTEN_HTTPS=127.0.0.1:0 LANDFALL_LISTEN_HTTP=127.0.0.1:0 LANDFALL_LISTEN_BIND=off LANDFALL_LISTEN_MQTT=off LANDFALL_LISTEN_MQTTS=127.0.0.1:0 \
    LANDFALL_LISTEN_MQTT_WS=off LANDFALL_LISTEN_COAP=off LANDFALL_LISTEN_COAPS=off LANDFALL_LOG_LEVEL=error "$landfall" serve >/dev/null &
server=$!
started+=($server)
served
base=https://localhost:$(port https)
ca=$LANDFALL_DATA/ca.pem
"$landfall" account set default --tenant bulk >/dev/null
printf %s secret-of-ann | "$landfall" user add bulk/ann --password-stdin >/dev/null
bulk=$base/devicecontrol/bulkNewDeviceRequests
call() { curl -sS --cacert "$ca" -u "bulk/ann:secret-of-ann" -H 'Accept: application/json' "$@"; }

# answered STATUS WORD COMMAND...: the status of the answer, and a word of its body.
answered() {
    local status=$1 word=$2 got
    shift 2
    got=$(call -o "$work/answer" -w '%{http_code}' "$@") || return 1
    [ "$got" = "$status" ] && grep -qF -- "$word" "$work/answer" && return
    echo "$got $(head -c 300 "$work/answer")"
    return 1
}
# counted ALL CREATED FAILED SUCCESSFUL: the numbers of the last answer.
counted() {
    python3 - "$work/answer" "$@" <<'END'
import json, sys
answer = json.load(open(sys.argv[1]))
numbers = [answer[name] for name in ("numberOfAll", "numberOfCreated", "numberOfFailed", "numberOfSuccessful")]
assert numbers == [int(n) for n in sys.argv[2:]], numbers
assert len(answer["failedCreationList"]) == numbers[2] and len(answer["credentialUpdatedList"]) == numbers[3] - numbers[1], answer
END
}

seed=crates/north/src/cumulocity/bulk/seed.csv
try seed answered 201 '"numberOfCreated":7' -F "file=@$seed;type=text/csv" "$bulk"
try seed-again answered 201 '"numberOfCreated":0' -F "file=@$seed" "$bulk"
try seed-again-counted counted 7 0 0 7
# As the contract prints it: another part type, and no dashes behind the last boundary.
{ printf -- '--myBoundary\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: plain/text\r\n\r\n'; cat "$seed"; printf -- '--myBoundary'; } >"$work/printed"
try as-printed answered 201 '"numberOfSuccessful":7' -H 'Content-Type: multipart/form-data; boundary=myBoundary' --data-binary "@$work/printed" "$bulk"
try device-signs-in curl -sSf --cacert "$ca" -u bulk/device_id_101:abcd1234 "$base/user/currentUser"

try no-file answered 422 devicecontrol/validationError -F other=x "$bulk"
try no-header answered 422 'no header line' -F 'file=;filename=a.csv' "$bulk"
try wrong-header answered 422 'the column CREDENTIALS is missing' -F 'file=ID;TYPE;filename=a.csv' "$bulk"
try no-form answered 415 undefined/unsupportedMediaType -H 'Content-Type: text/csv' --data-binary "@$seed" "$bulk"
try broken-form answered 400 undefined/validationError -H 'Content-Type: multipart/form-data; boundary=other' --data-binary "@$work/printed" "$bulk"
printf 'id,Credentials\r\nm1,one\r\nm 2,two\r\nm3\r\n\r\nm4,\r\n"m5","a,""b"\r\n' >"$work/mixed.csv"
try mixed answered 201 "row 3: has 1 values" -F "file=@$work/mixed.csv" "$bulk"
try mixed-counted counted 5 2 3 2
try masked sh -c "! grep -q two '$work/answer'"
truncate -s 1G "$work/gigabyte"
try gigabyte answered 413 undefined/payloadTooLarge --http1.1 -F "file=@$work/gigabyte" "$bulk"
bare() { [ "$(curl -sS --cacert "$ca" -u bulk/ann:secret-of-ann -H 'Accept:' -o "$work/answer" -w '%{http_code}' -F "file=@$seed" "$bulk")" = 201 ] && [ ! -s "$work/answer" ]; }
try no-accept-no-body bare

# 200,000 rows, a hundredth of them bad; memory stays within a bound that does not depend on them.
rows=${BULK_ROWS:-200000}
python3 - "$rows" >"$work/large.csv" <<'END'
import sys
print("ID;CREDENTIALS;TYPE;NAME;PATH;plant")
for n in range(int(sys.argv[1])):
    print(f"large-{n};" + ("" if n % 100 == 99 else f"secret-{n}") + f";c8y_Meter;Meter {n};Town/Street {n % 50};{n % 7}")
END
try large answered 201 "\"numberOfFailed\":$((rows / 100))," --max-time 900 -F "file=@$work/large.csv" "$bulk"
try large-counted counted "$rows" $((rows / 100 * 99)) $((rows / 100)) $((rows / 100 * 99))
# What grows with the devices is what the server keeps of them in memory, about 2 KiB each; nothing is kept of the file.
bounded() { local kib; kib=$(awk '/VmHWM/ { print $2 }' "/proc/$server/status"); echo "$kib KiB"; [ "$kib" -lt $((640 * 1024)) ]; }
try large-memory bounded
exit $failed
