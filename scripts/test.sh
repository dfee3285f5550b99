#!/bin/bash
# Everything that must hold, in steps; the last line is "N passed, N failed" and the exit status says whether N is 0.
# The output of each step is kept in target/test-logs/ and shown only when the step fails.
set -uo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/postgres.sh
. scripts/postgres.sh

logs=${CARGO_TARGET_DIR:-target}/test-logs
step_limit_s=3600
shown_lines=60
passed=0
failed=0
mkdir -p "$logs"
trap stop_postgres EXIT
trap 'exit 130' INT TERM
# Thousands of sockets in one process are part of the tests.
ulimit -n "$(ulimit -Hn)" 2>/dev/null
export PATH=$PATH:/usr/sbin

# step NAME COMMAND...: runs it with its output in a log; prints one line, and the end of the log on failure.
step() {
    local name=$1 began=$SECONDS status
    shift
    "$@" >"$logs/$name.log" 2>&1 </dev/null
    status=$?
    if [ $status = 0 ]; then
        printf 'ok    %-18s %4d s\n' "$name" $((SECONDS - began))
    else
        printf 'FAIL  %-18s %4d s, status %d, the end of %s:\n' "$name" $((SECONDS - began)) $status "$logs/$name.log"
        # A failure early in a long log would be lost in its end alone.
        grep -nE '^test .* FAILED$|panicked at |^error' "$logs/$name.log" | head -n 30
        tail -n $shown_lines "$logs/$name.log"
    fi
    return $status
}

# check NAME COMMAND...: a step that counts as one.
check() {
    if step "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# counted NAME PATTERN_PASSED PATTERN_FAILED COMMAND...: a step that counts what its log counts.
# Each pattern is an awk program that prints a number; a step that fails without counting a failure counts as one.
counted() {
    local name=$1 good=$2 bad=$3 status p f
    shift 3
    step "$name" "$@"
    status=$?
    p=$(awk "$good" "$logs/$name.log")
    f=$(awk "$bad" "$logs/$name.log")
    if [ $status != 0 ] && [ "$f" = 0 ]; then f=1; fi
    printf '      %-18s %4d passed, %d failed\n' "$name" "$p" "$f"
    passed=$((passed + p))
    failed=$((failed + f))
}

limited() { timeout -k 10 $step_limit_s "$@"; }

check format limited cargo fmt --all --check
check clippy limited cargo clippy --workspace --all-targets -- -D warnings
check tidy limited cargo run -q -p xtask -- tidy
check postgres start_postgres

cargo_passed='/^test result:/{for (i = 2; i <= NF; i++) if ($i ~ /^passed/) n += $(i - 1)} END{print n + 0}'
cargo_failed='/^test result:/{for (i = 2; i <= NF; i++) if ($i ~ /^failed/) n += $(i - 1)} END{print n + 0}'
counted tests "$cargo_passed" "$cargo_failed" limited cargo test --workspace --no-fail-fast

# Foreign clients print "ok NAME" or "FAIL NAME ..." for each thing they try.
if [ -x tests/foreign/run.sh ]; then
    counted foreign-clients '/^ok /{n++} END{print n + 0}' '/^FAIL /{n++} END{print n + 0}' limited tests/foreign/run.sh
fi

echo
echo "$passed passed, $failed failed"
[ $failed = 0 ]
