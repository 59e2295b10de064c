#!/usr/bin/env bash
# Breaks the program as each patch of this folder says, and wants every test that the patch names to fail.
#
#   tests/broken/run.sh              all patches
#   tests/broken/run.sh NAME...      these
#   tests/broken/run.sh --check      only whether all of them still apply
#
# A patch begins with what it breaks, and the commands that must fail, a line each.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

patches=()
check=false
for name in "$@"; do
    if [[ $name == --check ]]; then check=true; else patches+=("$root/tests/broken/$name.patch"); fi
done
((${#patches[@]})) || patches=("$root"/tests/broken/*.patch)

top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
scratch=$top/imgkeep
said=$top/said
mkdir "$scratch"
# What is committed and what is not, as it lies here.
git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents --target-directory="$scratch" --preserve
cd "$scratch"
git init --quiet
[[ ! -e $root/../shared ]] || ln -s "$(realpath "$root/../shared")" "$top/shared"

lines() {
    sed -n "s/^$1: //p" "$2"
}

passed_over=()
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    breaks=$(lines Breaks "$patch")
    mapfile -t commands < <(lines 'Must fail' "$patch")
    other=$(lines 'Must fail' "$patch" | grep --invert-match 'cargo test' || true)
    if [[ -z $breaks || -z ${commands[*]} || -n $other ]] || ! git apply --check "$patch"; then
        echo "$name: names no break or no test, or applies no more"
        passed_over+=("$name")
        continue
    fi
    $check && continue
    git apply "$patch"
    export CARGO_TARGET_DIR=$root/target/broken
    for command in "${commands[@]}"; do
        # One that is not even built is not seen by a test.
        if ! bash -c "${command/cargo test/cargo test --quiet --no-run}" >"$said" 2>&1; then
            echo "$name: is not built"
            tail -n 20 "$said"
            passed_over+=("$name")
        elif bash -c "$command" >"$said" 2>&1; then
            echo "$name: $breaks, and nothing fails: $command"
            passed_over+=("$name")
        else
            echo "$name: $breaks: seen by $command"
            { grep --max-count=3 --text --extended-regexp 'panicked|^error|FAILED' "$said" || true; } | sed 's/^/    /'
        fi
    done
    git apply --reverse "$patch"
done
echo "${#patches[@]} broken builds, ${#passed_over[@]} times not seen"
((${#passed_over[@]} == 0))
