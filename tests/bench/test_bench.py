#!/usr/bin/env python3
"""The generator of captures keeps its word, and finwait says of each what its account says. A TAP
producer. Nothing is measured here.

    test_bench.py BUILD_ROOT
"""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import bench

BUILD = pathlib.Path(sys.argv[1])
FINWAIT = BUILD / "src" / "finwait"
GENERATE = BUILD / "tests" / "bench" / "generate"
TESTS = []
TIMEOUT_S = 120


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False, timeout=TIMEOUT_S)


def generate(folder, workload, name, *arguments):
    """A capture with about a thousandth of the workload's packets, and its account."""
    path = folder / name
    done = run(GENERATE, "--scale", "0.001", *arguments, workload, path)
    if "built without zstd" in done.stderr:
        raise Skip("built without zstd")
    assert done.returncode == 0, done.stderr
    return path, json.loads((folder / (name + ".json")).read_text())


def summary(path, *arguments):
    done = run(FINWAIT, "-q", "--json", *arguments, "-r", path)
    return json.loads(done.stdout.splitlines()[-1])


@test
def the_same_seed_gives_the_same_bytes(folder):
    for workload in ("web", "flood"):
        first, _ = generate(folder, workload, "first.pcap")
        again, _ = generate(folder, workload, "again.pcap")
        other, _ = generate(folder, workload, "other.pcap", "--seed", "2")
        assert first.read_bytes() == again.read_bytes(), workload
        assert first.read_bytes() != other.read_bytes(), workload


def follows_the_account(workload):
    """Summary, and the states and paths of every connection."""
    def check(folder):
        path, account = generate(folder, workload, workload + ".pcap")
        wrong = bench.compare(account, summary(path))
        assert not wrong, wrong

        said = run(FINWAIT, "-q", "-r", path).stdout
        wrong = bench.compare_sentence(account, said)
        assert not wrong, wrong

        keys = ("client_state", "server_state", "client_path", "server_path")
        want, there = collections.Counter(), collections.Counter()
        for row in account["ends"]:
            want[tuple(row[key] for key in keys)] += row["connections"]
        for line in run(FINWAIT, "table", "--json", "-r", path).stdout.splitlines():
            record = json.loads(line)
            if record["type"] == "connection":
                there[tuple(record[key] or "" for key in keys)] += 1
        assert want == there, f"{want - there} are missing, {there - want} are too many"

    check.__name__ = f"{workload}_ends_as_its_account_says"
    return check


for each in ("web", "many", "flood", "bulk", "web6"):
    test(follows_the_account(each))


@test
def what_the_timer_of_half_open_connections_ends_is_in_the_account(folder):
    # As long as at scale 1, with a fiftieth of the packets.
    path, account = generate(folder, "web", "slow.pcap", "--connections", "20000",
                             "--gap", "500000")
    assert any(row["client_state"] == "CLOSED" and row["client_path"] == "SYN_SENT"
               for row in account["ends"]), account["ends"]
    wrong = bench.compare(account, summary(path))
    assert not wrong, wrong


@test
def checksums_are_right(folder):
    path, account = generate(folder, "bulk", "checksums.pcap")
    wrong = bench.compare(account, summary(path, "--checksum"))
    assert not wrong, wrong


@test
def every_format_holds_the_same(folder):
    plain, _ = generate(folder, "web", "web.pcap")
    want = run(FINWAIT, "--json", "-r", plain).stdout
    for end in ("pcapng", "pcap.zst", "pcapng.zst"):
        path, _ = generate(folder, "web", f"web.{end}")
        there = run(FINWAIT, "--json", "-r", path).stdout
        assert want == there, f"{end}: other records than of pcap"


@test
def a_wrong_call_of_the_generator_is_told_in_one_line(folder):
    for arguments in (["web"], ["nothing", "x.pcap"], ["--scale", "0", "web", "x.pcap"],
                      ["--scale", "a", "web", "x.pcap"], ["--seed", "-1", "web", "x.pcap"],
                      ["--scale"], ["--nonsense", "web", "x.pcap"]):
        done = run(GENERATE, *arguments)
        assert done.returncode == 2, f"{arguments}: {done.returncode}"
        assert done.stderr.startswith("generate: ") and done.stderr.count("\n") == 1, done.stderr
    done = run(GENERATE, "web", folder / "x.text")
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr


@test
def the_benchmark_runs(folder):
    done = run(sys.executable, bench.__file__, "--build", BUILD, "--no-build", "--no-peers",
               "--data", folder / "data", "--scale", "0.001", "--runs", "1", "--json",
               folder / "history.json", "--markdown", "web", "flood", "connections", "growth",
               "max-mem")
    assert done.returncode == 0, done.stderr
    assert "| null libpcap loop |" in done.stdout, done.stdout
    history = json.loads((folder / "history.json").read_text())
    programs = history["captures"]["web"]["programs"]
    assert all(program["runs"][0]["end"] == "done" for program in programs), programs
    assert set(history["studies"]) == {"connections", "growth", "max-mem"}


def main():
    print(f"TAP version 13\n1..{len(TESTS)}")
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        with tempfile.TemporaryDirectory() as folder:
            try:
                function(pathlib.Path(folder))
            except Skip as reason:
                print(f"ok {number} {name} # SKIP {reason}", flush=True)
            except AssertionError as wrong:
                print(f"not ok {number} {name}\n# {str(wrong)[:2000]}", flush=True)
            else:
                print(f"ok {number} {name}", flush=True)


if __name__ == "__main__":
    main()
