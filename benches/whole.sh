#!/usr/bin/env bash
# Whole runs, measured beside the tools that set the mark: ripgrep for scanning, git status for a run with nothing to
# do, curl for downloading. Needs hyperfine, ripgrep, git, curl and GNU time; works below a new folder in TMPDIR.
#
#   benches/whole.sh [POSTS]          100000 posts by default
set -euo pipefail
cd "$(dirname "$0")/.."
posts=${1:-100000}

cargo build --release --locked --bins --examples
bin=$PWD/target/release
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"

# Starts a server that plays every host; its address is in `address`.
origin() {
    rm -f address.txt
    "$bin/examples/image_origin" --listen 127.0.0.1:0 "$@" >address.txt &
    until [[ -s address.txt ]]; do sleep 0.05; done
    address=$(<address.txt)
}

# Documents younger than two seconds are waited for.
age() {
    find "$1" -type f -exec touch -d '1 hour ago' {} +
}

peak() {
    command time -f '%M KiB at the most, %e s' "$@" >/dev/null
}

echo "== $posts posts of 4 KB, 10 references each: scan beside ripgrep"
"$bin/examples/generate_posts" posts "$posts" --images 2000 --hosts 20
age posts
hyperfine -N --warmup 1 --runs 5 "rg --count-matches https?:// posts" "$bin/imgkeep scan posts --format json"
peak "$bin/imgkeep" scan posts --format json

echo "== archive them, then once more with nothing to do, beside git status"
git init --quiet repository
cp -a posts repository/
git -C repository add posts
git -C repository -c user.name=bench -c user.email=bench@localhost commit --quiet --message posts
origin --size 1000
peak "$bin/imgkeep" archive posts --quiet --set "fetch.connect_to={\"*\"=\"$address\"}"
echo "catalog: $(($(stat -c %s cache/catalog.db) / (posts * 10))) bytes a reference"
hyperfine -N --warmup 1 --runs 10 "git -C repository status" "$bin/imgkeep archive posts"

echo '== 2,000 images of 20 KB on 20 hosts, 30 ms away, kept durably and 1,000 posts rewritten, beside curl'
"$bin/examples/generate_posts" blog 1000 --images 2000 --hosts 20 --list images.txt
age blog
origin --size 20000 --latency-ms 30
awk '{ print "url = \"" $0 "\"\noutput = \"/dev/null\"" }' images.txt >curl.cfg
hyperfine --warmup 1 --runs 5 --prepare 'rm -rf cache blog2; cp -a blog blog2; sync' \
    "curl --silent --parallel --parallel-max 32 --connect-to ::$address --config curl.cfg" \
    "$bin/imgkeep archive blog2 --quiet --set 'fetch.connect_to={\"*\"=\"$address\"}'"

echo '== 1,000 images of 2 MB without latency, beside curl and sync'
"$bin/examples/generate_posts" large 500 --images 1000 --hosts 20 --list images.txt
age large
origin --size 2000000
awk '{ print "url = \"" $0 "\"\noutput = \"out/" NR "\"" }' images.txt >curl.cfg
hyperfine --runs 3 --prepare 'rm -rf cache out large2; mkdir out; cp -a large large2; sync' \
    "curl --silent --parallel --parallel-max 32 --connect-to ::$address --config curl.cfg && sync" \
    "$bin/imgkeep archive large2 --quiet --set 'fetch.connect_to={\"*\"=\"$address\"}'"
