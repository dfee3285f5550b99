# What the scripts of foreign clients share; sourced by them. `group` goes before the names that are printed, `started` are the processes
# that end with the script, `work` is its folder.
group=
failed=0
started=()
work=$(mktemp -d)
export LANDFALL_DATA=$work/data

finish() {
    exec 3>&- 4>&- 5>&- 2>/dev/null
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap finish EXIT

# try NAME COMMAND...: prints "ok NAME", or "FAIL NAME" and the end of what the command said.
try() {
    local name=$group$1 out
    shift
    if out=$("$@" 2>&1); then
        echo "ok $name"
    else
        echo "FAIL $name $(tail -n 5 <<<"$out" | tr '\n' ' ')"
        failed=1
    fi
}

# json FIELD: a field of the JSON object on the input.
json() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
# port LISTENER: where the running server listens.
port() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]]["port"])' "$LANDFALL_DATA/ports.json" "$1"; }
# Waits until the server that was started serves.
served() { for _ in $(seq 600); do [ -e "$LANDFALL_DATA/ports.json" ] && return; sleep 0.1; done; }
