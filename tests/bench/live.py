#!/usr/bin/env python3
"""Measures finwait while it captures, on a wire of its own between two network namespaces.

    ./dev bench live [rate] [latency] [flood] [churn] [--duration SECONDS]

rate     the rate at which `tcpdump -w /dev/null` with the same buffer loses nothing, and finwait at
         that rate and beyond: sent = seen + reported drops
latency  from the packet's time to its line on stdout, in batches and line by line
flood    SYNs of spoofed sources beside 1 000 real connections under --max-conns 100000
churn    10 000 real connections a minute, for --duration: memory, and counts beside the generator's

Without names: all; churn for 60 s. Needs root. The exit status is 1 if a count is wrong; how long
something took, or what was lost, is told and never a failure.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "live"))
sys.dont_write_bytecode = True

import network  # noqa: E402

WRONG = []


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def tell(text):
    print(text, flush=True)


def check(what, got, wanted):
    if got != wanted:
        WRONG.append(f"{what}: {got}, not {wanted}")
    return f"{what} {got}" + ("" if got == wanted else f" (NOT {wanted})")


def build():
    folder = ROOT / "build-bench"
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", "--buildtype=release", str(folder), str(ROOT)], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(folder), "src/finwait", "tests/live/flood"], check=True,
                   stdout=subprocess.DEVNULL)
    return folder


def thirds(values):
    third = max(1, len(values) // 3)
    return values[:third], values[third:-third] or values, values[-third:]


def summary_of(output):
    return json.loads(output.strip().splitlines()[-1])


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("VmRSS:"))


def capture(net, finwait, *options, **more):
    process = net.start(net.client, finwait, "-i", network.CLIENT_IF, "--json", *options, **more)
    network.await_that(lambda: network.waits(process), "capturing")
    return process


def flood(net, folder, count, rate, port=7):
    done = net.run(net.client, str(folder / "tests/live/flood"), network.CLIENT_IF, str(count),
                   str(rate), "10.99.0.1", str(port))
    return json.loads(done.stdout)


# -------------------------------------------------------------------------------------------- rate --

FILTER = ["tcp", "dst", "port", "7"]


def seen_by_tcpdump(net, folder, rate, count):
    process = net.start(net.client, "tcpdump", "-i", network.CLIENT_IF, "-s", "192", "-B", "65536", "-w",
                        "/dev/null", *FILTER)
    network.await_that(lambda: network.waits(process), "capturing")
    sent = flood(net, folder, count, rate)
    time.sleep(0.3)
    process.terminate()
    said = process.communicate()[1]
    seen, dropped = (int(re.search(rf"(\d+) packets? {what}", said).group(1))
                     for what in ("captured", "dropped by kernel"))
    return sent, seen, dropped


def seen_by_finwait(net, folder, rate, count, *options):
    process = capture(net, str(folder / "src/finwait"), "-q", *options, *FILTER)
    sent = flood(net, folder, count, rate)
    time.sleep(0.3)
    process.terminate()
    told = summary_of(process.communicate()[0])
    return sent, told["packets"], told["dropped_kernel"]


def rate(folder):
    """SYNs, each a connection of its own: what finwait has most work with."""
    if not shutil.which("tcpdump"):
        say("rate: there is no tcpdump")
        return
    tell("rate: SYNs of other sources each, 60 bytes; buffer 64 MiB, the smallest in the last row")
    tell("  wanted/s      sent/s      sent  tcpdump dropped  finwait dropped  sent = seen + dropped")
    with network.Network() as net:
        for wanted, options in ((50_000, []), (100_000, []), (200_000, []), (400_000, []), (0, []),
                                (0, ["-B", "1024"])):
            count = 3 * wanted or 1_500_000
            other = seen_by_tcpdump(net, folder, wanted, count)
            sent, seen, dropped = seen_by_finwait(net, folder, wanted, count, *options)
            if seen + dropped != sent["sent"]:
                WRONG.append(f"rate {wanted}: sent {sent['sent']}, seen {seen}, dropped {dropped}")
            tell(f"  {wanted or 'most':>8}  {sent['sent'] / sent['seconds']:>10,.0f}  {sent['sent']:>8}"
                 f"  {other[2]:>15}  {dropped:>15}  {'yes' if seen + dropped == sent['sent'] else 'NO'}")


# ----------------------------------------------------------------------------------------- latency --

def latency(folder):
    for words, options in (("in batches", []), ("line by line (-l)", ["-l"])):
        with network.Network() as net:
            net.serve()
            process = capture(net, str(folder / "src/finwait"), *options, "tcp")
            load = net.start(net.client, sys.executable, network.PEERS, "load", "--rate=200",
                             "client=1000", "server=1000")
            late, ended = [], 0
            while ended < 2000:
                line = process.stdout.readline()
                now = time.time_ns()
                record = json.loads(line)
                if record["type"] == "transition" and record["proof"] == "segment":
                    whole, nanoseconds = record["ts"].rstrip("Z").split(".")
                    at = int(datetime.datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9
                    late.append((now - at - int(nanoseconds)) / 1e6)
                    ended += record["to"] == "TIME_WAIT"
            load.wait()
            process.terminate()
            process.communicate()
        late.sort()
        tell(f"latency: {words}, 200 connections a second, {len(late)} transitions: median "
             f"{statistics.median(late):.2f} ms, p99 {late[len(late) * 99 // 100]:.2f} ms, most "
             f"{late[-1]:.2f} ms")


# ------------------------------------------------------------------------------------------- flood --

def syn_flood(folder):
    real, spoofed, limit = 1000, 3_000_000, 100_000
    with network.Network() as net, tempfile.TemporaryFile("w+") as output:
        net.serve()
        process = capture(net, str(folder / "src/finwait"), "--max-conns", str(limit), "-Y",
                          "dport = :8080", "tcp", stdout=output)
        hold = net.start(net.client, sys.executable, network.PEERS, "load", "--hold", f"open={real}",
                         stdin=subprocess.PIPE)
        hold.stdout.readline()
        sent = flood(net, folder, spoofed, 100_000)
        time.sleep(0.5)
        process.terminate()
        process.wait()
        output.seek(0)
        records = [json.loads(line) for line in output]
    told = records[-1]
    ends = [record["end"] for record in records if record["type"] == "connection"]
    tell(f"flood: {sent['sent']:,} SYNs at {sent['sent'] / sent['seconds']:,.0f} a second under "
         f"--max-conns {limit}: dropped {told['dropped_kernel']}, evicted half-open "
         f"{told['evicted_half_open']:,}, idle {told['evicted_idle']}; of {real} established connections "
         + check("evicted", ends.count("evicted"), 0) + ", " + check("still open", ends.count("open"), real))


# ------------------------------------------------------------------------------------------- churn --

def churn(folder, duration_s):
    """Of each 100 connections 60 are closed by the client, 30 by the server, 5 reset, 5 refused."""
    per_minute = 10_000
    rounds = max(1, round(duration_s * per_minute / 60 / 100))
    counts = {"client": 60 * rounds, "server": 30 * rounds, "reset": 5 * rounds, "refused": 5 * rounds}
    samples = []
    with network.Network() as net:
        net.serve()
        process = capture(net, str(folder / "src/finwait"), "-q", "--timers=linux", "tcp")
        load = net.start(net.client, sys.executable, network.PEERS, "load",
                         f"--rate={per_minute / 60}", *(f"{k}={v}" for k, v in counts.items()))
        started = time.monotonic()
        while load.poll() is None:
            time.sleep(5)
            samples.append((time.monotonic() - started, resident_kb(process.pid)))
        elapsed = time.monotonic() - started
        done = json.loads(load.stdout.read())
        time.sleep(0.5)
        cpu = os.times()
        process.terminate()
        output = process.communicate()[0]
        cpu = os.times().children_user + os.times().children_system - cpu.children_user - \
            cpu.children_system
    told = summary_of(output)
    # TIME_WAIT lasts a minute, and what is closed is remembered for another.
    steady_from = min(150, elapsed / 2)
    steady = [kb for at, kb in samples if at > steady_from]
    tell(f"churn: {elapsed:.0f} s, {sum(done.values()) / elapsed * 60:,.0f} connections a minute; "
         + "; ".join([check("connections", told["connections"], sum(done.values())),
                      check("closed", told["closed"], done["client"] + done["server"]),
                      check("reset", told["reset"], done["reset"]),
                      check("never opened", told["never_opened"], done["refused"]),
                      check("half-closed or open", told["half_closed"] + told["open"], 0)]))
    tell(f"       dropped {told['dropped_kernel'] + told['dropped_interface']}; resident "
         f"{steady[0] / 1024:.1f} MiB at {steady_from:.0f} s, "
         f"{steady[-1] / 1024:.1f} MiB at the end, between {min(steady) / 1024:.1f} and "
         f"{max(steady) / 1024:.1f} MiB, medians of its thirds "
         + ", ".join(f"{statistics.median(third) / 1024:.1f}" for third in thirds(steady))
         + f"; processor {cpu:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*")
    parser.add_argument("--duration", type=float, default=60, help="of churn, seconds")
    parser.add_argument("--build", type=pathlib.Path, help="a build to use as it is")
    options = parser.parse_args()
    reason = network.why_not()
    if reason:
        say(f"live: {reason}")
        return 77
    known = {"rate": rate, "latency": latency, "flood": syn_flood,
             "churn": lambda folder: churn(folder, options.duration)}
    folder = options.build or build()
    for name in options.what or known:
        known[name](folder)
    for line in WRONG:
        say(f"WRONG: {line}")
    return 1 if WRONG else 0


if __name__ == "__main__":
    sys.exit(main())
