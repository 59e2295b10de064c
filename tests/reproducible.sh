#!/usr/bin/env bash
# Builds what is committed twice, in two folders and with two target folders, and compares the programs.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
programs=()
for place in one/checkout another/place/of/it; do
    git clone --quiet . "$scratch/$place"
    (cd "$scratch/$place" && cargo build --release --locked --quiet --target-dir "$scratch/$place/target")
    programs+=("$scratch/$place/target/release/imgkeep")
done
sha256sum "${programs[@]}" | sed "s|$scratch/||"
cmp "${programs[@]}"
echo 'the same bytes'
