#!/usr/bin/env bash
# `imgkeep serve` beside nginx: 1,000 images of 20 KB, of 200 KB, and 304s, over 64 and 512 connections. Server on one
# core, load on another, in turns. A table of medians: requests a second, requests in a second of the server's
# CPU time, the 99th percentile, and the most memory that the server had resident. Needs wrk, nginx, curl and two cores;
# works below a new folder in TMPDIR, on loopback.
#
#   benches/serve.sh [ROUNDS [SECONDS]]          5 rounds of 5 seconds by default; IMGKEEP_BUILT=1 builds nothing
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
seconds=${2:-5}

[[ -n ${IMGKEEP_BUILT:-} ]] || cargo build --release --locked --bin imgkeep --example generate_blobs
bin=$PWD/target/release
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

"$bin/examples/generate_blobs" small 1000 20000 >small.txt
"$bin/examples/generate_blobs" large 1000 200000 >large.txt
chmod -R a+rX small large

cat >ask.lua <<'LUA'
-- Asks for the paths of a list in a random order. A second argument is an entity tag: those of digests where it is
-- `digest`, else the same for all.
local requests, next = {}, 0
function init(arguments)
    for path in io.lines(arguments[1]) do
        local fields = {}
        if arguments[2] == "digest" then
            fields["If-None-Match"] = '"' .. path:match("(%x+)%.png$") .. '"'
        elseif arguments[2] then
            fields["If-None-Match"] = arguments[2]
        end
        requests[#requests + 1] = wrk.format("GET", path, fields)
    end
    math.randomseed(7)
    for i = #requests, 2, -1 do
        local j = math.random(i)
        requests[i], requests[j] = requests[j], requests[i]
    end
end
function request()
    next = next % #requests + 1
    return requests[next]
end
function done(summary, latency)
    local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
        + summary.errors.timeout
    io.write(string.format("result %d %d %.3f %d\n", summary.requests, summary.duration,
        latency:percentile(99) / 1000, failed))
end
LUA

cat >nginx.conf <<NGINX
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
worker_rlimit_nofile 8192;
events { worker_connections 2048; }
http {
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    open_file_cache max=4000 inactive=600s;
    open_file_cache_valid 600s;
    etag on;
    types { image/png png; }
    server { listen 127.0.0.1:7461 backlog=1024; root $work/small; }
    server { listen 127.0.0.1:7462 backlog=1024; root $work/large; }
}
NGINX

# Starts a server on core 0 and waits until it answers; its process is in `server`.
start() {
    local port=$1
    shift
    taskset -c 0 "$@" >"$work/server.log" 2>&1 &
    server=$!
    until curl --silent --output /dev/null "http://127.0.0.1:$port/"; do
        kill -0 "$server"
        sleep 0.05
    done
}

cpu() {
    # User and system time, in hundredths of a second.
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

# One measurement of the process $1, appended to $2: requests a second, requests a CPU second, 99th percentile in ms.
measure() {
    local process=$1 result=$2 connections=$3 url=$4 list=$5
    shift 5
    local before after
    before=$(cpu "$process")
    taskset -c 1 wrk -t1 -c"$connections" -d"$seconds" --script ask.lua "$url" -- "$list" "$@" >wrk.txt
    after=$(cpu "$process")
    awk -v cpu=$((after - before)) '/^result/ {
        if ($5 > 0) { print $5 " requests failed" > "/dev/stderr"; exit 1 }
        printf "%.0f %.0f %.3f\n", $2 / $3 * 1e6, $2 / cpu * 100, $4
    }' wrk.txt >>"$result"
}

resident() {
    awk '/^VmHWM/ { print $2 / 1024 }' "/proc/$1/status"
}

median() {
    sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

start 7461 nginx -p "$work" -c "$work/nginx.conf"
nginx=$(pgrep --parent "$server" nginx)
tag=$(curl --silent --head "http://127.0.0.1:7461$(head -1 small.txt)" | awk 'tolower($1) == "etag:" { print $2 }' | tr -d '\r')
start 7471 "$bin/imgkeep" serve --listen 127.0.0.1:7471 --set store.path=small
small=$server
start 7472 "$bin/imgkeep" serve --listen 127.0.0.1:7472 --set store.path=large
large=$server

for _ in $(seq "$rounds"); do
    for connections in 64 512; do
        measure "$nginx" "nginx.20KB.$connections" "$connections" http://127.0.0.1:7461 small.txt
        measure "$small" "imgkeep.20KB.$connections" "$connections" http://127.0.0.1:7471 small.txt
        measure "$nginx" "nginx.304.$connections" "$connections" http://127.0.0.1:7461 small.txt "$tag"
        measure "$small" "imgkeep.304.$connections" "$connections" http://127.0.0.1:7471 small.txt digest
        measure "$nginx" "nginx.200KB.$connections" "$connections" http://127.0.0.1:7462 large.txt
        measure "$large" "imgkeep.200KB.$connections" "$connections" http://127.0.0.1:7472 large.txt
    done
done

printf '%-6s %5s | %9s %9s %5s | %9s %9s %5s | %8s %8s\n' \
    what conn. nginx/s imgkeep/s ratio nginx/CPU imgkeep/CPU ratio 'p99 ms' 'p99 ms'
for what in 20KB 304 200KB; do
    for connections in 64 512; do
        for server in nginx imgkeep; do
            for column in 1 2 3; do
                cut -d' ' -f$column "$server.$what.$connections" | median
            done
        done | paste -s -d' ' | awk -v what=$what -v connections=$connections '{
            printf "%-6s %5d | %9d %9d %5.2f | %9d %9d %5.2f | %8.2f %8.2f\n",
                what, connections, $1, $4, $4 / $1, $2, $5, $5 / $2, $3, $6
        }'
    done
done
printf 'resident at the most: imgkeep %.1f MiB (20 KB), %.1f MiB (200 KB); nginx %.1f MiB\n' \
    "$(resident "$small")" "$(resident "$large")" "$(resident "$nginx")"
