#!/usr/bin/env bash
# What each directive of a unit is worth: the exposure that `systemd-analyze security` finds without it. Prints the
# rows of the table in systemd/README.md:
#
#   systemd/measure.sh systemd/imgkeep@.service
set -euo pipefail
unit=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# As printed: a number from 0 (shut in) to 10.
exposure() {
    systemd-analyze security --offline=true --no-pager "$1" | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p'
}

whole=$(exposure "$unit")
printf '%s: %s\n' "$unit" "$whole"
sed -n '/^\[Service\]/,/^\[Install\]/p' "$unit" | sed -n 's/^\([A-Z][A-Za-z]*\)=.*/\1/p' | grep --invert-match ExecStart | sort -u |
    while read -r directive; do
        without=$scratch/$(basename "$unit")
        grep --invert-match "^$directive=" "$unit" >"$without"
        printf '%s\t%s\n' "$directive" "$(exposure "$without")"
    done | awk -v whole="$whole" '$2 != whole' | sort --key 2,2nr --key 1,1
