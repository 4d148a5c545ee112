#!/usr/bin/env bash
# A lab in one script: two network namespaces joined by a wire, real servers in one, a client in the
# other, finwait on the client's end of the wire; then `finwait verify lab.expect` on what it saw.
#
#   sudo examples/lab.sh [--keep FOLDER]      --keep: capture, live output and verdict stay there
#   FINWAIT=build/src/finwait                 which finwait; LAB_NGINX=...: which nginx
#
# Exit status: that of verify (0: all holds, 1: something does not); 77: cannot run here, and why;
# 2: the lab itself failed. All that it makes is removed when it ends, on Ctrl-C too.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
finwait=${FINWAIT:-finwait}
nginx=${LAB_NGINX:-nginx}
keep=
lab=finwait-$$
client_ns=$lab-client
server_ns=$lab-server
server=10.87.0.2
silent=10.87.0.9 # nobody: not even an ICMP error
folder=
started=()

say() {
    printf 'lab: %s\n' "$*"
}

cannot() {
    say "cannot run here: $*"
    exit 77
}

die() {
    say "$*" >&2
    exit 2
}

# ------------------------------------------------------------------------------------- removal --

# shellcheck disable=SC2317 # called by a trap
clean_up() {
    local status=$? pid
    trap - EXIT
    trap '' INT TERM HUP
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    ip netns del "$client_ns" 2>/dev/null || true # the wire goes with it
    ip netns del "$server_ns" 2>/dev/null || true
    [ -z "$folder" ] || rm -rf "$folder"
    exit "$status"
}

# --------------------------------------------------------------------------------------- parts --

has() {
    command -v "$1" >/dev/null
}

check_needs() {
    [ "$(id -u)" = 0 ] || cannot "needs root, for network namespaces (try: sudo $0)"
    has ip || cannot "there is no ip (Debian: iproute2)"
    has ss || cannot "there is no ss (Debian: iproute2)"
    has python3 || cannot "there is no python3"
    has "$finwait" || cannot "there is no $finwait; FINWAIT=... names one"
    ip netns add "$client_ns" 2>/dev/null || cannot "no network namespace can be made"
}

# Runs a program in a namespace, in the background; it is ended with the lab.
start_in() {
    local ns=$1
    shift
    ip netns exec "$ns" "$@" &
    started+=($!)
}

# Foreground programs would keep bash from hearing signals; `wait` does not.
run_in() {
    start_in "$@"
    wait "${started[-1]}"
}

# Ends it as Ctrl-C would, and waits for its last words.
stop() {
    kill -TERM "$1"
    wait "$1" || true
}

# Until a command succeeds, for 10 seconds.
wait_until() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        "$@" && return
        sleep 0.1
    done
    return 1
}

# shellcheck disable=SC2317 # called by wait_until
listens() {
    [ -n "$(ip netns exec "$server_ns" ss -Hltn "sport = :$1")" ]
}

build_wire() {
    ip netns add "$server_ns"
    ip link add wire netns "$client_ns" type veth peer name wire netns "$server_ns"
    ip -n "$client_ns" addr add 10.87.0.1/24 dev wire
    ip -n "$server_ns" addr add $server/24 dev wire
    ip -n "$client_ns" link set lo up
    ip -n "$server_ns" link set lo up
    ip -n "$client_ns" link set wire up
    ip -n "$server_ns" link set wire up
    # SYNs to it leave, and nobody takes them.
    ip -n "$client_ns" neigh add $silent lladdr 02:00:00:00:00:09 dev wire
}

start_servers() {
    if has "$nginx"; then
        say "servers: nginx, and three of lab_peers.py"
        sed -e "s|FOLDER|$folder|g" -e "s|ADDRESS|$server|g" "$here/lab-nginx.conf" >"$folder/nginx.conf"
        start_in "$server_ns" "$nginx" -c "$folder/nginx.conf" -e "$folder/nginx.log"
    else
        say "servers: four of lab_peers.py (nginx is not installed: Python's HTTP server instead)"
        start_in "$server_ns" python3 "$here/lab_peers.py" web $server 80
    fi
    start_in "$server_ns" python3 "$here/lab_peers.py" leaky $server 8080
    start_in "$server_ns" python3 "$here/lab_peers.py" patient $server 8081
    start_in "$server_ns" python3 "$here/lab_peers.py" leaky $server 8082
    for port in 80 8080 8081 8082; do
        wait_until listens $port || die "nobody listens at port $port: $(cat "$folder"/nginx.log 2>/dev/null)"
    done
}

# Programs that capture: each has a line, under a heading.
# shellcheck disable=SC2317 # called by wait_until
both_capture() {
    [ "$(ip netns exec "$client_ns" cat /proc/net/packet | wc -l)" -ge 3 ]
}

# finwait follows the wire live; beside it the packets are kept, to be judged.
start_capture() {
    local recorder_command
    if "$finwait" --help | grep -q -e ' -w FILE'; then
        recorder_command=("$finwait" -q)
    elif has tcpdump; then
        recorder_command=(tcpdump -U -s 0)
        say "this finwait has no -w: tcpdump keeps the packets"
    else
        cannot "this finwait has no -w, and there is no tcpdump to keep the packets"
    fi
    start_in "$client_ns" "$finwait" -i wire -l --json tcp >"$folder/live.jsonl" 2>"$folder/live.errors"
    live=${started[-1]}
    start_in "$client_ns" "${recorder_command[@]}" -i wire -w "$folder/lab.pcap" tcp 2>"$folder/recorder.errors"
    recorder=${started[-1]}
    wait_until both_capture || die "no capture has begun: $(cat "$folder"/*.errors)"
}

stop_capture() {
    sleep 0.5 # delayed ACKs are out by then
    stop "$recorder"
    stop "$live"
}

verify() {
    local status=0
    if ! "$finwait" verify --help >/dev/null 2>&1; then
        "$finwait" table -r "$folder/lab.pcap" || true
        cannot "this finwait has no verify; the table above is what it saw"
    fi
    "$finwait" verify "$here/lab.expect" -r "$folder/lab.pcap" | tee "$folder/verdict.txt" || status=$?
    return $status
}

# ---------------------------------------------------------------------------------------- main --

while [ $# -gt 0 ]; do
    case $1 in
    --keep)
        [ $# -ge 2 ] || die "--keep: which folder?"
        keep=$2
        shift 2
        ;;
    *) die "usage: lab.sh [--keep FOLDER]" ;;
    esac
done

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

check_needs
folder=$(mktemp -d)
build_wire
start_servers
start_capture
say "traffic: 16 connections"
run_in "$client_ns" python3 "$here/lab_peers.py" traffic $server $silent || die "the traffic failed"
stop_capture
if [ -n "$keep" ]; then
    mkdir -p "$keep"
    cp "$folder"/lab.pcap "$folder"/live.jsonl "$folder"/*.errors "$keep"
fi
status=0
verify || status=$?
[ -z "$keep" ] || [ ! -e "$folder/verdict.txt" ] || cp "$folder/verdict.txt" "$keep"
exit $status
