#!/bin/bash
# Fault loops against a release build, with a private PostgreSQL; the exit status says whether nothing was lost.
# Usage: scripts/chaos.sh MINUTES
set -uo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/postgres.sh
. scripts/postgres.sh

trap stop_postgres EXIT
trap 'exit 130' INT TERM
start_postgres >/dev/null || exit 1
cargo run --release -p landfall-bench -- --chaos "${1:?usage: scripts/chaos.sh MINUTES}"
