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
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
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


def summary_of(output):
    return json.loads(output.strip().splitlines()[-1])


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("VmRSS:"))


def capture(net, finwait, *options, at=None):
    process = net.start(net.client, finwait, "-i", network.CLIENT_IF, "--json", *options, at or "tcp")
    network.await_that(lambda: network.listens(process), "capturing")
    return process


# ------------------------------------------------------------------------------------------- churn --

def churn(folder, duration_s):
    """Of each 100 connections 60 are closed by the client, 30 by the server, 5 reset, 5 refused."""
    per_minute = 10_000
    rounds = max(1, round(duration_s * per_minute / 60 / 100))
    counts = {"client": 60 * rounds, "server": 30 * rounds, "reset": 5 * rounds, "refused": 5 * rounds}
    samples = []
    with network.Network() as net:
        net.serve()
        process = capture(net, str(folder / "src/finwait"), "-q", "--metrics", "/tmp/churn.prom")
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
    steady = [kb for at, kb in samples if at > min(300, elapsed / 2)]
    tell(f"churn: {elapsed:.0f} s, {sum(done.values()) / elapsed * 60:,.0f} connections a minute; "
         + "; ".join([check("connections", told["connections"], sum(done.values())),
                      check("closed", told["closed"], done["client"] + done["server"]),
                      check("reset", told["reset"], done["reset"]),
                      check("never opened", told["never_opened"], done["refused"]),
                      check("half-closed or open", told["half_closed"] + told["open"], 0)]))
    tell(f"       dropped {told['dropped_kernel'] + told['dropped_interface']}; resident "
         f"{steady[0] / 1024:.1f} MiB at {min(300, elapsed / 2):.0f} s, "
         f"{steady[-1] / 1024:.1f} MiB at the end, between {min(steady) / 1024:.1f} and "
         f"{max(steady) / 1024:.1f} MiB; processor {cpu:.1f} s")
    if os.path.exists("/tmp/churn.prom"):
        os.unlink("/tmp/churn.prom")


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
    known = {"churn": lambda folder: churn(folder, options.duration)}
    folder = options.build or build()
    for name in options.what or known:
        known[name](folder)
    for line in WRONG:
        say(f"WRONG: {line}")
    return 1 if WRONG else 0


if __name__ == "__main__":
    sys.exit(main())
