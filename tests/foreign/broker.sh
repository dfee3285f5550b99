#!/bin/bash
# Public suites against the example broker of libs/mqtt, which is nothing but the library and sockets: the tests of gmqtt (MQTT 5) and of paho.mqtt.golang
# (MQTT 3.1.1), as their registries have them, and Eclipse's interoperability tests where MQTT_INTEROPERABILITY names a folder with them.
# Prints "ok NAME" or "FAIL NAME why" for each test; a failure that is known is "known NAME: reason". The exit status is 0 when nothing else failed.
set -uo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
broker=$target/debug/examples/broker
[ -x "$broker" ] || cargo build -q -p landfall-mqtt --example broker
# shellcheck source=tests/foreign/try.sh
. tests/foreign/try.sh
root=$PWD
# An address of its own: the tests of paho.mqtt.golang know no other port than 1883.
address=127.$((RANDOM % 200 + 20)).$((RANDOM % 200 + 1)).1

# known NAME: why a test fails here; nothing where it must pass.
known() {
    case $1 in
    gmqtt-test_assigned_clientid) echo "the client sends an identifier of its own making, so none is assigned" ;;
    interoperability-client_test5-test_server_topic_alias) echo "the library sends no topic aliases: MQTT 5 leaves that to the server (3.3.2.3.4)" ;;
    esac
}

"$broker" "$address:1883" test/nosubscribe >"$work/broker.log" 2>&1 &
started+=($!)
for _ in $(seq 100); do grep -q listening "$work/broker.log" && break; sleep 0.1; done

# report SUITE AT_LEAST: turns "pass TEST" and "fail TEST why" on the input into what is printed.
report() {
    local suite=$1 least=$2 count=0 bad=0 verdict name why reason
    while read -r verdict name why; do
        count=$((count + 1))
        reason=$(known "$suite-$name")
        case $verdict${reason:+-known} in
        pass) echo "ok $suite-$name" ;;
        fail) echo "FAIL $suite-$name ${why:0:200}"; bad=1 ;;
        fail-known) echo "known $suite-$name: $reason" ;;
        pass-known) echo "FAIL $suite-$name passes, and is listed as a failure"; bad=1 ;;
        esac
    done
    [ $count -ge "$least" ] || { echo "FAIL $suite ran $count tests of at least $least"; bad=1; }
    return $bad
}

# In four parts at once, as most of their time is waiting. Its test over TLS wants a broker on the internet.
gmqtt() {
    local part tests
    cd .cache/gmqtt || return
    tests=$(sed -nE 's/^async def (test_\w+)\(.*/tests\/test_mqtt5.py::\1/p' tests/test_mqtt5.py | grep -v '::test_basic_ssl$')
    for part in 0 1 2 3; do
        # shellcheck disable=SC2046 # a list of names
        HOST=$address PORT=1883 USERNAME='' timeout 300 venv/bin/python -m pytest -q -rA -p no:cacheprovider $(awk "NR % 4 == $part" <<<"$tests") 2>&1 |
            sed -nE 's/^PASSED [^:]*::(\w+).*/pass \1/p; s/^(FAILED|ERROR) [^:]*::(\w+)( - )?/fail \2 /p' &
    done
    wait
}

# Test_cleanUpMids_2 wants the broker to be slower than the client's disconnection.
paho_golang() {
    local tests
    tests=$(sed -nE 's/^func (Test_\w+).*/\1/p' .cache/paho-golang/fvt_client_test.go | grep -v '^Test_cleanUpMids_2$' | paste -sd'|')
    cd "$work" && TEST_FVT_ADDR=$address timeout 300 "$root/.cache/paho-golang/suite" -test.v -test.run "^($tests)\$" 2>&1 |
        sed -nE 's/^--- PASS: (\w+).*/pass \1/p; s/^--- FAIL: (\w+)/fail \1/p; s/^panic: /fail panic /p'
}

# interoperability MODULE
interoperability() {
    cd "$MQTT_INTEROPERABILITY" && timeout 300 python3 - "$1" "$address" 2>/dev/null <<'PYTHON'
import importlib, sys, unittest

told, sys.stdout = sys.stdout, sys.stderr
suite = importlib.import_module(sys.argv[1])
suite.host, suite.port, suite.topic_prefix = sys.argv[2], 1883, "client_test5/"
suite.topics = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
suite.wildtopics = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")
suite.nosubscribe_topics = ("test/nosubscribe",)


class Result(unittest.TestResult):
    def addSuccess(self, test):
        print("pass", test._testMethodName, file=told, flush=True)

    def addFailure(self, test, error):
        print("fail", test._testMethodName, " ".join(str(error[1]).split()), file=told, flush=True)

    addError = addFailure


unittest.defaultTestLoader.loadTestsFromModule(suite).run(Result())
PYTHON
}

(gmqtt) >"$work/gmqtt" &
gmqtt=$!
(paho_golang) >"$work/paho-golang"
wait $gmqtt
report gmqtt 15 <"$work/gmqtt" || failed=1
report paho-golang 30 <"$work/paho-golang" || failed=1
if [ -n "${MQTT_INTEROPERABILITY:-}" ]; then
    for module in client_test client_test5; do
        (interoperability $module) >"$work/interoperability"
        report interoperability-$module 10 <"$work/interoperability" || failed=1
    done
fi
exit $failed
