#!/usr/bin/env python3
"""What finwait top costs with many connections: the figures of docs/live.md. No test.

    build-bench/tests/bench/generate --connections 200000 --repeats 1 many many.pcap
    sudo python3 tests/top/cost.py build-bench/src/finwait many.pcap [PACKETS_A_SECOND...]

The capture is read to its end, then sent over a veth pair in a namespace of its own; its second half goes on being sent at each rate.
Told is the processor's time over the time, of all threads, in percent of one core; beside it, that of `finwait -q` on the same packets.
"""
import os
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import time

FINWAIT, CAPTURE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
SPAN_S = 20
TICK = os.sysconf("SC_CLK_TCK")
NAME = f"finwait-cost-{os.getpid()}"


def tmux(folder, *words):
    return subprocess.run(["tmux", "-u", "-f", "/dev/null", "-S", f"{folder}/tmux", *words], capture_output=True,
                          text=True, check=True).stdout


def inside(*words):
    return ["ip", "netns", "exec", NAME, *words]


def used_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def arrived():
    """Packets at the end of the pair that is watched; 0: there is none."""
    done = subprocess.run(inside("cat", "/sys/class/net/vb/statistics/rx_packets"), capture_output=True, check=False)
    return int(done.stdout or 0)


def measure(what, pid):
    packets, started, before = arrived(), time.monotonic(), used_s(pid)
    time.sleep(SPAN_S)
    used, passed = used_s(pid) - before, time.monotonic() - started
    print(f"{what:15} {(arrived() - packets) / passed:8.0f} packets a second  {100 * used / passed:5.1f} % of a core",
          flush=True)


def start_top(folder, *words):
    tmux(folder, "new-session", "-d", "-x", "80", "-y", "24",
         "export LC_ALL=C.UTF-8 TERM=xterm-256color; exec " + " ".join(map(shlex.quote, words)))
    return int(tmux(folder, "list-panes", "-F", "#{pane_pid}"))


def until_seen(folder, words):
    while words not in tmux(folder, "capture-pane", "-p"):
        time.sleep(0.1)


def packets_of(path):
    with open(path, "rb") as stream:
        data = memoryview(stream.read())
    at, packets = 24, []
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        packets.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return packets


def send(packets, rate, seconds):
    """Over and over for so long, or once if that is 0."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind(("va", 0))
        started = time.monotonic()
        for sent in range(int(rate * seconds) or len(packets)):
            link.send(packets[sent % len(packets)])
            if sent % 32 == 0:
                time.sleep(max(0.0, started + sent / rate - time.monotonic()))


def start_sending(which, rate, seconds):
    return subprocess.Popen(inside(sys.executable, __file__, "--send", CAPTURE, which, str(rate), str(seconds)))


def measure_live(pid, what):
    rates = [int(word) for word in sys.argv[3:]] or [5000, 20000]
    start_sending("all", 40000, 0).wait()
    time.sleep(2)
    measure(what, pid)
    for rate in rates:
        sender = start_sending("rest", rate, SPAN_S + 6)
        time.sleep(3)
        measure(what, pid)
        sender.wait()


def main():
    if sys.argv[1] == "--send":
        packets = packets_of(CAPTURE)
        send(packets if sys.argv[3] == "all" else packets[len(packets) * 3 // 5:], float(sys.argv[4]),
             float(sys.argv[5]))
        return
    with tempfile.TemporaryDirectory() as folder:
        pid = start_top(folder, FINWAIT, "top", "-r", CAPTURE, "--speed", "max")
        until_seen(folder, "end of file")
        measure("top -r", pid)
        tmux(folder, "kill-server")
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        for line in "link add va type veth peer name vb", "link set va up", "link set vb up":
            subprocess.run(["ip", "-n", NAME, *line.split()], check=True)
        with tempfile.TemporaryDirectory() as folder:
            pid = start_top(folder, *inside(FINWAIT, "top", "-i", "vb"))
            until_seen(folder, "no connection yet")
            measure_live(pid, "top -i")
            print(tmux(folder, "capture-pane", "-p").splitlines()[0])
            tmux(folder, "kill-server")
        quiet = subprocess.Popen(inside(FINWAIT, "-q", "-i", "vb"), stdout=subprocess.DEVNULL)
        time.sleep(1)
        measure_live(quiet.pid, "finwait -q -i")
        quiet.terminate()
        quiet.wait()
    finally:
        subprocess.run(["ip", "netns", "del", NAME], check=True)


if __name__ == "__main__":
    main()
