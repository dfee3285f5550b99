#!/bin/sh
# Builds quickjs.wasm from the QuickJS-ng source inside the published package rquickjs-sys and shim.c, and checks the result.
# Needs: cargo, and Debian's clang lld wasi-libc libclang-rt-14-dev-wasm32. Usage: build.sh [--write] (without it, only compares).
set -eu

version=0.14.0
package_sha256=cee271d0eeba64f0915b846cb7ae02e16faf3dfdffdca91731101d9d30fe3423
wasm_sha256=28a2eff02514eb6d0c7c0e9d9574842af0e2d069a5014858427055d7c25353b6

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
: > "$work/src/lib.rs"
cat > "$work/Cargo.toml" <<MANIFEST
[package]
name = "quickjs-source"
version = "0.0.0"
edition = "2024"
[dependencies]
rquickjs-sys = "=$version"
[workspace]
MANIFEST
(cd "$work" && cargo vendor --quiet vendor > /dev/null)
grep -q "\"package\":\"$package_sha256\"" "$work/vendor/rquickjs-sys/.cargo-checksum.json" || {
    echo "rquickjs-sys $version is not the package this build was checked with" >&2
    exit 1
}

cp "$here/shim.c" "$work/vendor/rquickjs-sys/quickjs/shim.c"
cd "$work/vendor/rquickjs-sys/quickjs"
clang --target=wasm32-wasi -mexec-model=reactor -O2 -fno-ident -DNDEBUG -D_GNU_SOURCE -DEMSCRIPTEN=1 -DFE_DOWNWARD=0 -DFE_UPWARD=0 \
    -Wno-everything shim.c libregexp.c libunicode.c dtoa.c \
    -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=524288 -lm -o "$work/quickjs.wasm"

built=$(sha256sum "$work/quickjs.wasm" | cut -d' ' -f1)
echo "quickjs.wasm sha256 $built"
if [ "${1:-}" = --write ]; then
    cp "$work/quickjs.wasm" "$here/quickjs.wasm"
    sed -i "s/^wasm_sha256=.*/wasm_sha256=$built/" "$here/build.sh"
elif [ "$built" != "$wasm_sha256" ]; then
    echo "expected $wasm_sha256" >&2
    exit 1
fi
