#!/usr/bin/env bash
# Keeps the smallest inputs that reach all that was reached, a line of base64 each: `fuzz/keep.sh [TARGET...]`.
# A hundred kilobytes a target at the most; the shortest first, so that what is left out is what is long.
set -euo pipefail
cd "$(dirname "$0")"

most=100000
targets=("$@")
if ((${#targets[@]} == 0)); then
    mapfile -t targets < <(cd work && find . -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort)
fi
mkdir -p corpus
for target in "${targets[@]}"; do
    smallest=$(mktemp -d)
    "target/x86_64-unknown-linux-gnu/release/$target" -merge=1 -max_len=1024 -timeout=60 "$smallest" "work/$target" \
        >/dev/null 2>&1
    find "$smallest" -type f -printf '%s %f\n' | sort -n | while read -r _ name; do
        base64 --wrap=0 "$smallest/$name"
        echo
    done | awk -v most=$most '{ sum += length($0) + 1 } sum <= most' >"corpus/$target.base64"
    printf '%s: %d of %d inputs, %d bytes\n' "$target" "$(wc -l <"corpus/$target.base64")" \
        "$(find "$smallest" -type f | wc -l)" "$(wc -c <"corpus/$target.base64")"
    rm -r "$smallest"
done
