#!/bin/bash
# Builds every target of fuzz/ with AddressSanitizer and coverage feedback, writes its seeds, and searches with each for a while.
# Usage: scripts/fuzz.sh [SECONDS [TARGET...]]. The status is 1 when an input was found that breaks a target.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
shift || true
host=$(rustc -vV | sed -n 's/^host: //p')
build=${CARGO_TARGET_DIR:-target}/fuzz
sancov=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares)

# The sanitizer is not a stable feature: a nightly compiler has it, and the one of the product where it is told to.
if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    export RUSTUP_TOOLCHAIN=nightly
else
    export RUSTC_BOOTSTRAP=1
fi

# The versions of the product; cargo adds the fuzzer's own.
cp Cargo.lock fuzz/Cargo.lock
RUSTFLAGS="-Zsanitizer=address ${sancov[*]}" \
    cargo build --quiet --manifest-path fuzz/Cargo.toml --target-dir "$build" --target "$host" --release --bins
"$build/$host/release/seeds" fuzz/corpus

if [ $# = 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi
printf '%-20s %6s %10s %8s %7s %7s  %s\n' target inputs runs runs/s seeds edges crashes
broken=0 runs=0
for target in "$@"; do
    corpus=fuzz/corpus/$target artifacts=fuzz/artifacts/$target
    mkdir -p "$corpus" "$artifacts"
    log=$artifacts/log
    status=0
    "$build/$host/release/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=4096 -detect_leaks=0 \
        -print_final_stats=1 -artifact_prefix="$artifacts/" "$corpus" >"$log" 2>&1 || status=$?
    edges() { grep -oE 'cov: [0-9]+' "$log" | "$1" -n 1 | cut -d' ' -f2; }
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    executed=$(stat number_of_executed_units)
    crashes=0
    if [ "$status" != 0 ]; then
        crashes=1 broken=$((broken + 1))
    fi
    printf '%-20s %6s %10s %8s %7s %7s  %s\n' "$target" "$(find "$corpus" -type f | wc -l)" "${executed:-?}" \
        "$(stat average_exec_per_sec)" "$(edges head)" "$(edges tail)" "$crashes"
    [ "$status" = 0 ] || { grep -hE 'panicked|ERROR|Test unit written' -A1 "$log" | head -5; echo "  more in $log"; }
    runs=$((runs + ${executed:-0}))
done
echo "$# targets, $runs runs, $broken broken"
[ "$broken" = 0 ]
