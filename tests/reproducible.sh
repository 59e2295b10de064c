#!/usr/bin/env bash
# Builds what is committed twice, in two folders and with two target folders, and compares the programs.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for place in one/checkout another/place/of/it; do
    git clone --quiet . "$scratch/$place"
    (cd "$scratch/$place" && cargo build --release --locked --quiet --target-dir "$scratch/$place/target")
done
sha256sum "$scratch"/*/target/release/imgkeep "$scratch"/*/*/*/target/release/imgkeep 2>/dev/null | sed "s|$scratch/||"
cmp "$scratch/one/checkout/target/release/imgkeep" "$scratch/another/place/of/it/target/release/imgkeep"
echo 'the same bytes'
