#!/usr/bin/env bash
# Fuzzes each target for so many minutes and prints what came of it:
#
#   fuzz/run.sh [MINUTES [TARGET...]]
#
# FUZZ_JOBS targets run at a time (2), FUZZ_NICE nice (19), and with FUZZ_BUILT=1 as they were built last. What is
# found is in fuzz/work/TARGET, what broke a property in fuzz/artifacts/TARGET; fuzz/keep.sh keeps the former.
set -euo pipefail
cd "$(dirname "$0")"

minutes=${1:-1}
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
    mapfile -t targets < <(sed -n 's/^name = "\(.*\)"/\1/p' Cargo.toml | grep -v '^imgkeep-fuzz$')
fi
binaries=target/x86_64-unknown-linux-gnu/release

build() {
    local target
    for target in "$@"; do
        # Without unsafe code a sanitizer has nothing to find, and coverage is to be had without one.
        RUSTC_BOOTSTRAP=1 cargo fuzz build --fuzz-dir . --sanitizer none "$target"
    done
}

# Puts what is kept of a target where it works.
unpack() {
    local line number=0
    while read -r line; do
        base64 --decode <<<"$line" >"work/$1/kept-$((number += 1))"
    done < <(cat "corpus/$1.base64" 2>/dev/null || true)
}

# One target until its time is up. A broken property ends the fuzzer; it is begun again, a dozen times at most.
fuzz() {
    local target=$1 log=work/$1.log end=$((SECONDS + minutes * 60)) crashes=0
    mkdir -p "work/$target" "artifacts/$target"
    unpack "$target"
    : >"$log"
    while ((SECONDS < end && crashes < 12)); do
        # The bounds of time and memory are in src/bound.rs; these are for what does not come back at all.
        if nice -n "${FUZZ_NICE:-19}" "$binaries/$target" "work/$target" "seeds/$target" \
            -dict="dictionaries/$target.dict" -artifact_prefix="artifacts/$target/" \
            -max_total_time=$((end - SECONDS)) -max_len=4096 -timeout=600 -rss_limit_mb=1024 \
            -print_final_stats=1 >>"$log" 2>&1; then
            break
        fi
        crashes=$((crashes + 1))
    done
    echo $crashes >"work/$target.crashes"
}

sum() {
    sed -n "s/^stat::$2: *//p" "work/$1.log" | awk '{ sum += $1 } END { print sum + 0 }'
}

most() {
    sed -n "s/^stat::$2: *//p" "work/$1.log" | sort -n | tail -n 1
}

table() {
    local target executions
    printf '| target | executions | a second | corpus | peak RSS | broken |\n'
    printf '| --- | ---: | ---: | ---: | ---: | ---: |\n'
    for target in "${targets[@]}"; do
        executions=$(sum "$target" number_of_executed_units)
        printf '| %s | %d | %d | %d inputs, %s | %s MB | %s |\n' "$target" "$executions" \
            $((executions / (minutes * 60))) "$(find "work/$target" -type f | wc -l)" \
            "$(du -sh --apparent-size "work/$target" | cut -f 1)" "$(most "$target" peak_rss_mb)" \
            "$(cat "work/$target.crashes")"
    done
}

[[ -n ${FUZZ_BUILT:-} ]] || build "${targets[@]}"
for target in "${targets[@]}"; do
    while (($(jobs -rp | wc -l) >= ${FUZZ_JOBS:-2})); do
        wait -n
    done
    fuzz "$target" &
done
wait
table
