# Sourced, not run: a private PostgreSQL on a free port of the loopback, in a folder of its own, gone when the caller exits.
# start_postgres sets LANDFALL_TEST_POSTGRES; stop_postgres is safe to call at any time.
# Absent: durability. It is a store to test against, so it never waits for the disk.

postgres_dir=

postgres_bin() {
    local newest
    newest=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -1)
    echo "${newest:-$(dirname "$(readlink -f "$(command -v initdb)")")}"
}

# PostgreSQL refuses to run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u "$(id -un postgres 2>/dev/null || echo nobody)" -- "$@")
    else
        "$@"
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_postgres() {
    local bin port attempt options
    bin=$(postgres_bin)
    postgres_dir=$(mktemp -d /tmp/landfall-postgres.XXXXXX)
    if [ "$(id -u)" = 0 ]; then chown "$(id -un postgres 2>/dev/null || echo nobody)" "$postgres_dir"; fi
    as_postgres "$bin/initdb" -D "$postgres_dir/data" -U landfall -A trust -E UTF8 --locale=C --no-sync || return 1
    for attempt in 1 2 3; do
        port=$(free_port)
        options="-p $port -k $postgres_dir -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off -c max_connections=200"
        if as_postgres "$bin/pg_ctl" -D "$postgres_dir/data" -w -t 60 -l "$postgres_dir/log" -o "$options" start; then
            export LANDFALL_TEST_POSTGRES="postgres://landfall@127.0.0.1:$port/postgres"
            return 0
        fi
        echo "PostgreSQL did not start on port $port (attempt $attempt)"
    done
    cat "$postgres_dir/log"
    return 1
}

stop_postgres() {
    [ -n "$postgres_dir" ] || return 0
    if [ -e "$postgres_dir/data/postmaster.pid" ]; then
        as_postgres "$(postgres_bin)/pg_ctl" -D "$postgres_dir/data" -w -t 30 -m immediate stop >/dev/null 2>&1
    fi
    rm -rf "$postgres_dir"
    postgres_dir=
    unset LANDFALL_TEST_POSTGRES
}
