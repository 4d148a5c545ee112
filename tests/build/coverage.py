#!/usr/bin/env python3
"""How many lines of src/ the tests run: ./dev coverage [TEST...]

Builds with gcc's --coverage in build-coverage, runs the tests (all, or those named) and the captures of
FINWAIT_CAPTURES, cut and mutated (tests/fuzz/corpora), and tells the lines that ran, file by file.
"""
import collections
import json
import os
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(ROOT, "build-coverage")
# What strangers' packets and files go through; the order is theirs.
PARTS = {
    "readers": ("pcap.c", "pcapng.c", "source_file.c", "source_input.c", "source_fault.c",
                "decompress.c", "merge.c", "filter.c"),
    "decode": ("decode.c", "decode_link.c", "decode_ip.c", "decode_tcp.c", "decode_tunnel.c", "bytes.h"),
    "tcp": ("tcp.c", "tcp_data.c", "tcp_describe.c", "tcp_open.c", "tcp_reset.c", "tcp_segment.c",
            "tcp_table.c", "tcp_step.h", "tcp.h"),
    "flow": ("flow.c", "flow_key.c", "flow_pack.c", "flow_pool.c", "flow_stub.c", "flow.h", "siphash.h"),
    "tracker": ("tracker.c",),
}


def quietly(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if check and done.returncode:
        sys.exit(f"{' '.join(command)} failed\n{done.stdout}{done.stderr}")
    return done


def objects():
    for folder, _, names in os.walk(os.path.join(BUILD, "src")):
        for name in names:
            if name.endswith(".gcda"):
                yield os.path.join(folder, name)


def run_all(tests):
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        quietly("meson", "setup", BUILD, "-Db_coverage=true", "-Doptimization=1")
    quietly("ninja", "-C", BUILD)
    for path in objects():
        os.unlink(path)
    if quietly("meson", "test", "-C", BUILD, "--no-rebuild", *tests, check=False).returncode:
        print("some tests failed: see build-coverage/meson-logs/testlog.txt", file=sys.stderr)
    if os.environ.get("FINWAIT_CAPTURES"):
        quietly(os.path.join(BUILD, "tests", "fuzz", "corpora"), os.path.join(ROOT, "pcaps"),
                "--mutations", "20")


def lines_that_ran():
    """{file: {line: ran}}; a line is counted once, whatever it was compiled into."""
    lines = collections.defaultdict(dict)
    for path in objects():
        done = subprocess.run(["gcov", "--json-format", "--stdout", path], capture_output=True,
                              text=True, check=True, cwd=BUILD)
        for report in done.stdout.splitlines():
            for row in json.loads(report)["files"]:
                name = os.path.normpath(os.path.join(BUILD, row["file"]))
                if os.path.dirname(name) == os.path.join(ROOT, "src"):
                    for line in row["lines"]:
                        number = line["line_number"]
                        known = lines[os.path.basename(name)]
                        known[number] = known.get(number, False) or line["count"] > 0
    return lines


def tell(title, files):
    all_lines = sum(len(rows) for rows in files)
    ran = sum(sum(rows.values()) for rows in files)
    if all_lines:
        print(f"{title:24}{ran:>7} of {all_lines:>6} lines  {100 * ran / all_lines:6.1f} %")


def main():
    run_all(sys.argv[1:])
    lines = lines_that_ran()
    for part, names in PARTS.items():
        tell(part, [lines[name] for name in names if name in lines])
        for name in names:
            tell("  " + name, [lines[name]] if name in lines else [])
    tell("all of src/", list(lines.values()))


if __name__ == "__main__":
    main()
