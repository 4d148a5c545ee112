#!/usr/bin/env python3
"""Measures finwait beside a null libpcap loop and the peers that are installed.

What is measured: the workloads of workload.c (web, many, flood, bulk, web6), web as pcapng and as
zstd, and three studies: `connections` (cost against their number), `growth` (the longest pause, and
memory of each kind of connection), `max-mem` (what is resident under --max-mem). Without names: the
workloads; `all`: the studies too.

The programs take turns, with the page cache warm; what is told is the median. Each answer of
finwait's is compared with the account that the generator wrote. The exit status is 1 if one
differs; how long something took is told, and never a failure.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LONG_S = 10  # what takes longer is run once
MB = 1e6

# Name: workload of generate, end of the file's name.
CAPTURES = {
    "web": ("web", ".pcap"),
    "many": ("many", ".pcap"),
    "flood": ("flood", ".pcap"),
    "bulk": ("bulk", ".pcap"),
    "web6": ("web6", ".pcap"),
    "web-pcapng": ("web", ".pcapng"),
    "web-zst": ("web", ".pcap.zst"),
}

# Peers: a package of Debian's, and how each is had to follow every connection of a capture without
# writing more than it must. {capture} and {scratch} (a folder on tmpfs) are filled in; what they
# print goes to /dev/null. Third: what standard error must say, of one whose exit status does not
# tell that it broke off.
PEERS = {
    "argus": ("argus-server", "argus -X -r {capture} -w /dev/null"),
    "softflowd": ("softflowd", "softflowd -d -6 -m 100000000 -p {scratch}/softflowd.pid"
                               " -c {scratch}/softflowd.ctl -r {capture}"),
    "tcpflow": ("tcpflow", "tcpflow -q -C -b 0 -o {scratch} -r {capture}"),
    "nfpcapd": ("nfdump", "nfpcapd -r {capture} -w {scratch}", "Processed: {packets},"),
    "ndpiReader": ("libndpi-bin", "ndpiReader -i {capture}"),
    "tcptrace": ("tcptrace", "tcptrace -n {capture}"),
    "tshark": ("tshark", "tshark -n -q -z conv,tcp -r {capture}"),
}

# finwait as it is measured everywhere.
KEYS = {"q1": "-q --threads 1", "q": "-q", "json": "--json",
        "q1 uncapped": "-q --threads 1 uncapped"}

# What is aimed at, as ratios of wall time to the null libpcap loop's.
BARS = {
    "web": {"q1": 1.6, "q": 1.3, "json": 2.4},
    "many": {"q1": 3.0, "q": 2.5, "json": 4.0},
    "flood": {"q1": 3.3, "q": 3.0, "json": 4.0, "q1 uncapped": 6.0},
    "bulk": {"q1": 1.0, "q": 0.9, "json": 1.0},
    "web6": {"q1": 1.7, "q": 1.4, "json": 3.2},
    "web-zst": {"q": 1.0},  # to zstd -dc | finwait
}
PEAK_BARS_MB = {"web": 220, "flood": 260}
PEER_BAR = 15  # times as fast as the fastest peer...
PEER_BAR_CAPTURES = ("web", "many", "flood", "web6")  # ...on these
CONNECTIONS_BAR = 3.5  # cost per packet with most connections to that with fewest
PAUSE_BAR_MS = 20
CONNECTION_BARS_BYTES = {"half-open": 160, "open": 224, "ended": 160}
OVER_MAX_MEM_BAR_MB = 44

OUTCOMES = {"closed": "closed", "never opened": "never_opened", "reset": "reset",
            "half-closed": "half_closed", "open": "open"}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def die(text):
    say(text)
    sys.exit(2)


# ---------------------------------------------------------------------------------------- tables --

def print_table(title, head, rows, markdown):
    """Columns but the first stand at the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    if markdown:
        print(f"\n### {title}\n")
        print("| " + " | ".join(head) + " |")
        print("|---" + "|--:" * (len(head) - 1) + "|")
        for row in rows:
            print("| " + " | ".join(row) + " |")
    else:
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        print(f"\n{title}")
        for row in [head, *rows]:
            print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                   for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
    sys.stdout.flush()


def figure(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def divide(value, by):
    return value / by if value and by else None


def met(measured, bar):
    return "-" if measured is None else "yes" if measured <= bar else "no"


# ------------------------------------------------------------------------------------------ runs --

class Run:
    """One run of one program: its times, its peak of resident memory, how it ended."""

    def __init__(self, wall_s, user_s, system_s, peak_bytes, end):
        self.wall_s, self.user_s, self.system_s = wall_s, user_s, system_s
        self.peak_bytes = peak_bytes
        self.end = end  # "done", "dies", "late"


def warm(path):
    """Reads a file, so that the page cache has it."""
    block = bytearray(1 << 20)
    with open(path, "rb", buffering=0) as stream:
        while stream.readinto(block):
            pass


class Program:
    """What is run on a capture, and what came of it."""

    def __init__(self, key, title, command, path, account, check=None, memory_bytes=0,
                 proof=None):
        self.key, self.title, self.command = key, title, command
        self.path, self.account = path, account  # of the capture
        self.reference = None  # the program that it is compared with
        self.check = check  # of the output: a list of what is wrong
        self.memory_bytes = memory_bytes  # limit of its address space; 0: none
        self.proof = proof  # that it came to its end, on standard error
        self.runs = []
        self.wrong = []

    def wants_another(self, count):
        if len(self.runs) >= count or self.wrong:
            return False
        return not self.runs or (self.runs[-1].end == "done" and self.runs[0].wall_s <= LONG_S)

    def measure(self, measure, scratch, limit_s):
        """Runs it to its end, or to the limits. `measure` is the program of that name."""
        folder, report, output, errors = (scratch / name for name in
                                          ("files", "report", "output", "errors"))
        folder.mkdir()
        command = [part.replace("{scratch}", str(folder)) for part in self.command]
        with open(output if self.check else os.devnull, "wb") as stdout, \
                open(errors if self.proof else os.devnull, "wb") as stderr:
            subprocess.run([measure, report, str(limit_s), str(self.memory_bytes), *command],
                           stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                           env={**os.environ, "LC_ALL": "C"}, check=True)
        self.runs.append(Run(**json.loads(report.read_text())))
        if self.done and self.proof and self.proof not in errors.read_text(errors="replace"):
            self.runs[-1].end = "dies"
        if self.done and self.check:
            self.wrong = self.check(output)
        output.unlink(missing_ok=True)
        shutil.rmtree(folder)

    def median(self, name):
        return statistics.median(getattr(run, name) for run in self.runs) if self.runs else None

    @property
    def done(self):
        return bool(self.runs) and self.runs[-1].end == "done"

    @property
    def wall_s(self):
        return self.median("wall_s") if self.done else None

    @property
    def peak_bytes(self):
        return max(run.peak_bytes for run in self.runs) if self.runs else None

    @property
    def ratio(self):
        """Of medians of wall time."""
        return divide(self.wall_s, self.reference and self.reference.wall_s)

    @property
    def best_ratio(self):
        """Of the shortest times: others on this machine disturb these least."""
        if not self.done or not self.reference or not self.reference.done:
            return None
        return divide(*(min(run.wall_s for run in program.runs)
                        for program in (self, self.reference)))

    @property
    def ns_text(self):
        """Nanoseconds per packet, or what became of it."""
        packets = self.account["packets"]
        if not self.runs:
            return "-"
        if self.runs[-1].end == "late":
            return f"> {figure(self.runs[-1].wall_s * 1e9 / packets)}"
        if self.runs[-1].end == "dies":
            return f"dies at {self.peak_bytes / 1e9:.1f} GB"
        return figure(self.wall_s * 1e9 / packets)

    def record(self):
        return {"key": self.key, "title": self.title, "command": self.command,
                "wrong": self.wrong, "runs": [vars(run) for run in self.runs]}


# --------------------------------------------------------------------------------------- answers --

# Counters that are 0 in what the generator writes.
SILENT = ("icmp_errors not_tcp fragments truncated malformed unknown_link unknown_tunnel"
          " first_fragments filtered dropped_kernel dropped_interface one_sided lone_rsts"
          " icmp_unmatched time_backwards duplicates bad_checksums out_of_window paws_failures"
          " without_ack bad_acks bad_synacks rsts_ignored rsts_challenged rsts_forged"
          " syns_in_window odd_flags retransmissions out_of_order keep_alives zero_windows"
          " zero_window_probes window_updates duplicate_acks challenge_acks gaps icmp_matched"
          " strays").split()


def compare(account, summary, evicted=0):
    """What a summary record has that differs from the account of the capture."""
    want = {key: account[key] for key in ("packets", "connections", "transitions", "listeners",
                                          "duration_ns", *OUTCOMES.values())}
    want["segments"] = account["packets"]
    want["evicted"] = evicted
    want.update({key: 0 for key in SILENT})
    return [f"{key} is {summary.get(key)}, not {value}" for key, value in want.items()
            if summary.get(key) != value]


def compare_sentence(account, text):
    """The same for the sentence that -q ends with: "12 connections: 7 closed, 5 open."."""
    sentence = re.search(r"^(\d+) connections?: (.*)\.$", text, re.MULTILINE)
    if not sentence:
        return ["there is no summary"]
    counts = {key: 0 for key in OUTCOMES.values()}
    for count, words in re.findall(r"(\d+) (closed|never opened|reset|half-closed|open)\b",
                                   re.sub(r"\([^)]*\)", "", sentence[2])):
        counts[OUTCOMES[words]] = int(count)
    counts["connections"] = int(sentence[1])
    return [f"{key} is {count}, not {account[key]}" for key, count in counts.items()
            if count != account[key]]


def count_lines(path):
    lines = 0
    with open(path, "rb", buffering=0) as stream:
        while block := stream.read(1 << 20):
            lines += block.count(b"\n")
    return lines


def last_line(path):
    with open(path, "rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 65536))
        return stream.read().splitlines()[-1]


def check_json(account, evicted):
    """Of records: the summary, and that there is a line for each transition, connection..."""
    lines = account["transitions"] + account["connections"] + account["listeners"] + 1

    def check(output):
        wrong = compare(account, json.loads(last_line(output)), evicted)
        there = count_lines(output)
        return wrong + ([f"{there} lines, not {lines}"] if there != lines else [])

    return check


def evicted_of(account, limits):
    """How many connections are forgotten under --max-conns, where none closes."""
    return max(0, account["connections"] - int(limits[1])) if limits else 0


def check_quiet(account):
    return lambda output: compare_sentence(account, output.read_text())


# --------------------------------------------------------------------------------- what is there --

class Bench:
    def __init__(self, options):
        self.options = options
        self.build = options.build
        self.data = options.data
        self.scratch = None
        self.captures = {}  # by name: account, programs
        self.studies = {}
        self.bars = []  # rows: what, measured, bar, met
        self.wrong = []

    def tool(self, name):
        return str(self.build / ("src" if name == "finwait" else "tests/bench") / name)

    def prepare(self):
        if not self.options.no_build:
            self.build_release()
        help_text = subprocess.run([self.tool("finwait"), "--help"], capture_output=True, text=True,
                                   check=False).stdout
        self.has_threads = "--threads" in help_text
        if not self.has_threads:
            say("finwait has no --threads: what it does is told as of one thread; what asks for"
                " other numbers is left out")
        self.peers = {name: row for name, row in PEERS.items() if self.options.peers
                      and shutil.which(row[1].split()[0])}
        absent = [f"{name} ({row[0]})" for name, row in PEERS.items() if name not in self.peers]
        if self.options.peers and absent:
            say(f"peers that are not installed (package): {', '.join(absent)}")
        self.data.mkdir(parents=True, exist_ok=True)
        if os.getloadavg()[0] > 0.5:
            say(f"this machine is busy (load {os.getloadavg()[0]:.1f}): times will be too long")

    def build_release(self):
        """The release build, as it is without any other option."""
        if not (self.build / "build.ninja").exists():
            self.quietly("meson", "setup", self.build, ROOT, "--buildtype=release")
        self.quietly("ninja", "-C", self.build, "src/finwait",
                     *(f"tests/bench/{name}" for name in 
                       ("generate", "null_loop", "feed", "measure")))

    @staticmethod
    def quietly(*command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            print(done.stdout, done.stderr, file=sys.stderr)
            die(f"{command[0]} failed")

    def capture(self, workload, end, *sizes):
        """Path and account of a capture; it is generated if it is missing, or older than its
        generator."""
        if not sizes:
            sizes = ("--scale", f"{self.options.scale:g}")
        arguments = ["--seed", str(self.options.seed), *sizes]
        name = "-".join([workload, *(part.lstrip("-") for part in arguments)])
        path, account = self.data / (name + end), self.data / (name + end + ".json")
        generator = pathlib.Path(self.tool("generate"))
        if not account.exists() or account.stat().st_mtime < generator.stat().st_mtime:
            account.unlink(missing_ok=True)
            say(f"generating {path}")
            if subprocess.run([generator, *arguments, workload, path], check=False).returncode:
                die(f"cannot generate {path}")
        return path, json.loads(account.read_text())

    # -------------------------------------------------------------------------------- programs --

    def null_loop(self, account, path, label=""):
        return Program("null", "null libpcap loop" + label, [self.tool("null_loop"), str(path)],
                       path, account)

    def finwait(self, key, title, account, path, *arguments, evicted=0):
        check = check_json(account, evicted) if "--json" in arguments else check_quiet(account)
        if evicted:
            arguments += ("--allow-partial",)
        command = [self.tool("finwait"), *arguments, "-r", str(path)]
        return Program(key, f"finwait {title}", command, path, account, check)

    def finwait_quiet(self, account, path, *arguments, evicted=0, label=""):
        """finwait -q, once for each number of threads that was asked for."""
        programs = []
        for threads in self.options.threads:
            key = "q" if threads == "default" else f"q{threads}"
            title = "-q" if threads == "default" else f"-q --threads {threads}"
            option = () if threads == "default" else ("--threads", threads)
            if not self.has_threads and threads != "1":
                continue
            if not self.has_threads:
                option = ()
            programs.append(self.finwait(key + label, title + label, account, path, "-q", *option,
                                         *arguments, evicted=evicted))
        return programs

    def peer_programs(self, account, path):
        memory_bytes = int(self.options.memory_limit * 1e9)
        programs = []
        for name, (_, command, *proof) in self.peers.items():
            arguments = [part.replace("{capture}", str(path)) for part in shlex.split(command)]
            proof = proof[0].replace("{packets}", str(account["packets"])) if proof else None
            programs.append(Program(name, name, arguments, path, account,
                                    memory_bytes=memory_bytes, proof=proof))
        return programs

    def zstd_programs(self, account, path):
        pipe = f"zstd -dc {shlex.quote(str(path))} | {shlex.quote(self.tool('finwait'))} -q -r -"
        return [Program("null", "zstd -dc | finwait -q -r -", ["sh", "-c", pipe], path, account,
                        check_quiet(account)),
                self.finwait("q", "-q", account, path, "-q")]

    def json_programs(self, name, account, path, *limits):
        """--json into a file on tmpfs. If that would take too much of the memory, then of a smaller
        capture, beside a null loop of its own."""
        most_bytes = self.options.output_limit * 1e9
        bytes_there = 430 * account["transitions"] + 1150 * account["connections"]
        null, label = [], ""
        if bytes_there > most_bytes:
            scale = f"{self.options.scale * most_bytes / bytes_there:.1g}"
            path, account = self.capture(*CAPTURES[name], "--scale", scale)
            label = f", scale {scale}"
            null = [self.null_loop(account, path, label)]
        json_program = self.finwait("json", "--json" + label, account, path, "--json", *limits,
                                    evicted=evicted_of(account, limits))
        for program in null + [json_program]:
            program.reference = null[0] if null else None
        return null + [json_program]

    def programs(self, name, account, path):
        """The first is what the others are compared with."""
        if name == "web-zst":
            return self.zstd_programs(account, path)
        cap = max(1000, account["connections"] // 10)
        limits = ("--max-conns", str(cap)) if name == "flood" else ()
        found = [self.null_loop(account, path)]
        found += self.finwait_quiet(account, path, *limits, evicted=evicted_of(account, limits))
        found += self.json_programs(name, account, path, *limits)
        if name == "flood":
            found += self.finwait_quiet(account, path, label=" uncapped")
        if name != "web-pcapng":
            found += self.peer_programs(account, path)
        return found

    def take_turns(self, programs):
        for program in programs:
            program.reference = program.reference or programs[0]
        for number in range(self.options.runs):
            for program in programs:
                if not program.wants_another(self.options.runs):
                    continue
                say(f"run {number + 1}: {program.title}")
                self.measure_program(program)
        for program in programs:
            self.wrong += [f"{program.title}: {words}" for words in program.wrong]
            if program.title.startswith("finwait") and not program.done:
                self.wrong.append(f"{program.title}: {program.runs[-1].end}")

    def measure_program(self, program):
        if program.path:
            warm(program.path)
        program.measure(self.tool("measure"), self.scratch, self.options.time_limit)

    # ------------------------------------------------------------------------------- workloads --

    def measure_capture(self, name):
        path, account = self.capture(*CAPTURES[name])
        programs = self.programs(name, account, path)
        say(f"{name}: {figure(account['packets'])} packets,"
            f" {figure(account['connections'])} connections")
        self.take_turns(programs)
        self.captures[name] = (account, programs)
        self.print_capture(name, account, programs)
        self.judge_capture(name, programs)

    def print_capture(self, name, account, programs):
        rows = []
        for program in programs:
            busy = (program.median("user_s") or 0) + (program.median("system_s") or 0)
            times = [figure(program.wall_s, 3), figure(busy, 3)] if program.done else ["-", "-"]
            rows.append([program.title, program.ns_text, figure(program.ratio, 2),
                         figure(program.best_ratio, 2), *times,
                         figure(program.peak_bytes / MB, 1),
                         figure(program.peak_bytes / program.account["connections"]),
                         str(len(program.runs)), "differs" if program.wrong else ""])
        print_table(f"{name}: {figure(account['packets'])} packets,"
                    f" {figure(account['connections'])} connections",
                    ["program", "ns/packet", "to null", "best to best", "wall s", "processor s",
                     "peak MB", "bytes/connection", "runs", "answer"], rows, self.options.markdown)

    def judge(self, what, measured, bar, unit="", digits=2):
        self.bars.append([what, figure(measured, digits) + unit, f"{bar}{unit}",
                          met(measured, bar)])

    def judge_capture(self, name, programs):
        by_key = {program.key: program for program in reversed(programs)}
        for key, bar in BARS.get(name, {}).items():
            self.judge(f"{name}: finwait {KEYS[key]}", by_key[key].ratio if key in by_key else None,
                       bar)
        if name in PEAK_BARS_MB:
            for program in programs:
                if program.key in ("q1", "q"):
                    self.judge(f"{name}: finwait {KEYS[program.key]}, peak",
                               program.peak_bytes / MB, PEAK_BARS_MB[name], " MB", 0)
        if name in PEER_BAR_CAPTURES and self.peers:
            self.judge_peers(name, by_key)

    def judge_peers(self, name, by_key):
        there = [by_key[peer] for peer in self.peers if by_key[peer].wall_s]
        ours = by_key.get("q") or by_key.get("q1")
        if not there or not ours or not ours.wall_s:
            return
        fastest = min(there, key=lambda peer: peer.wall_s)
        times = fastest.wall_s / ours.wall_s
        self.bars.append([f"{name}: faster than {fastest.title}", f"{figure(times, 1)} times",
                          f"{PEER_BAR} times", "yes" if times >= PEER_BAR else "no"])

    # --------------------------------------------------------------------------------- studies --

    def study_connections(self):
        """Cost per packet, and memory, against the number of connections at once."""
        packets = 10_000_000 * self.options.scale
        rows, costs, records = [], {}, []
        for number in (10_000, 100_000, 1_000_000, 10_000_000):
            connections = max(1, round(number * self.options.scale))
            repeats = max(1, round((packets / connections - 3) / 2))
            path, account = self.capture("many", ".pcap", "--connections", str(connections),
                                         "--repeats", str(repeats))
            programs = [self.null_loop(account, path), *self.finwait_quiet(account, path)]
            self.take_turns(programs)
            for program in programs:
                if program.wall_s:
                    costs.setdefault(program.key, []).append(program.wall_s / account["packets"])
                rows.append([f"{figure(connections)} connections: {program.title}",
                             figure(account["packets"]), program.ns_text,
                             figure(program.ratio, 2),
                             figure(program.peak_bytes / MB, 1),
                             figure(program.peak_bytes / connections)])
            records.append({"account": account, "programs": [p.record() for p in programs]})
        print_table("cost against the number of connections at once",
                    ["", "packets", "ns/packet", "to null", "peak MB", "bytes/connection"], rows,
                    self.options.markdown)
        for key, cost in costs.items():
            if key in KEYS and len(cost) == 4:
                self.judge(f"cost per packet, 1000 times as many connections: finwait {KEYS[key]}",
                           cost[-1] / cost[0], CONNECTIONS_BAR)
        return records

    def study_growth(self):
        """What a connection takes in memory, and the longest pause while the table grows."""
        rows, records = [], []
        for kind, bar in CONNECTION_BARS_BYTES.items():
            connections = round(10_000_000 * self.options.scale)
            results = []

            def keep(output, results=results):
                results.append(json.loads(output.read_text()))
                return []

            program = Program("feed", kind, [self.tool("feed"), kind, str(connections)], None,
                              {"packets": connections}, keep)
            self.take_turns([program])
            records += [{**result, **vars(run)} for result, run in zip(results, program.runs)]
            if not results:
                rows.append([kind, program.ns_text, "-", "-", "-", "-"])
                continue
            pause, busy = (statistics.median(result[name][0] for result in results) / 1e6
                           for name in ("slowest_wall_ns", "slowest_cpu_ns"))
            size = results[0]["memory_peak_bytes"] / connections
            cost = statistics.median(result["feed_ns"] / result["segments"] for result in results)
            rows.append([kind, figure(cost), figure(pause, 1), figure(busy, 1), figure(size),
                         figure(program.peak_bytes / connections)])
            self.judge(f"longest pause while growing, {kind}", pause, PAUSE_BAR_MS, " ms", 1)
            self.judge(f"memory of a connection, {kind}", size, bar, " bytes", 0)
        print_table(f"growth to {figure(round(10_000_000 * self.options.scale))} connections",
                    ["connections", "ns/segment", "longest batch ms", "of it processor ms",
                     "tracker bytes/connection", "resident bytes/connection"], rows,
                    self.options.markdown)
        return records

    def study_max_mem(self):
        """What is resident under --max-mem."""
        rows, records = [], []
        for name in ("many", "flood"):
            path, account = self.capture(*CAPTURES[name])
            for limit in (16, 64, 256):
                command = [self.tool("finwait"), "-q", "--allow-partial", "--max-mem", f"{limit}M",
                           "-r", str(path)]
                program = Program("max-mem", f"finwait {name}", command, path, account)
                self.measure_program(program)
                over = (program.peak_bytes - limit * 2**20) / MB
                rows.append([f"{name}, --max-mem {limit}M", program.ns_text,
                             figure(program.peak_bytes / MB, 1), figure(over, 1)])
                self.judge(f"{name}: resident over --max-mem {limit}M", over, OVER_MAX_MEM_BAR_MB,
                           " MB", 1)
                records.append(program.record())
        print_table("memory under --max-mem", ["", "ns/packet", "peak MB", "over it MB"], rows,
                    self.options.markdown)
        return records

    # ----------------------------------------------------------------------------------- whole --

    def print_overview(self):
        """All workloads beside each other, as for docs/performance.md."""
        names = list(self.captures)
        titles = list(dict.fromkeys(program.title for _, programs in self.captures.values()
                                    for program in programs))
        times, peaks = [], []
        for title in titles:
            cells, peak = [], []
            for _, programs in self.captures.values():
                program = next((p for p in programs if p.title == title), None)
                text = program.ns_text if program else "-"
                if program and program.ratio and program.reference is not program:
                    text += f" ({figure(program.ratio, 2)})"
                cells.append(text)
                peak.append(figure(program.peak_bytes / MB) if program else "-")
            times.append([title, *cells])
            peaks.append([title, *peak])
        print_table("ns/packet (ratio to the first)", ["", *names], times, self.options.markdown)
        print_table("peak memory, MB", ["", *names], peaks, self.options.markdown)

    def measure(self):
        studies = {"connections": self.study_connections, "growth": self.study_growth,
                   "max-mem": self.study_max_mem}
        tmpfs = "/dev/shm" if os.path.isdir("/dev/shm") else None
        with tempfile.TemporaryDirectory(prefix="finwait-bench-", dir=tmpfs) as scratch:
            self.scratch = pathlib.Path(scratch)
            for what in self.options.what:
                if what in studies:
                    say(f"study: {what}")
                    self.studies[what] = studies[what]()
                else:
                    self.measure_capture(what)
        if len(self.captures) > 1:
            self.print_overview()
        if self.bars:
            title = "aims" if self.options.scale == 1 else \
                f"aims (they are of scale 1; this is {self.options.scale:g})"
            print_table(title, ["", "measured", "at most (peers: at least)", "met"], self.bars,
                        self.options.markdown)

    def record(self):
        """Everything, for history."""
        return {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine(),
            "finwait": {"version": first_line(self.tool("finwait"), "--version", "-v"),
                        "commit": first_line("git", "-C", str(ROOT), "describe", "--always",
                                             "--dirty")},
            "peers": {name: package_version(row[0]) for name, row in self.peers.items()},
            "options": {key: str(value) if isinstance(value, pathlib.Path) else value
                        for key, value in vars(self.options).items()},
            "captures": {name: {"account": account,
                                "programs": [program.record() for program in programs]}
                         for name, (account, programs) in self.captures.items()},
            "studies": self.studies,
            "aims": [dict(zip(("what", "measured", "aim", "met"), row)) for row in self.bars],
            "wrong": self.wrong,
        }


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip().split("\n")[0] or None


def package_version(package):
    return first_line("dpkg-query", "-W", "-f", "${Version}", package)


def machine():
    model = None
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            model = re.search(r"^model name\s*: (.*)$", stream.read(), re.MULTILINE)
    except OSError:
        pass
    return {"processor": model[1] if model else platform.processor(), "cores": os.cpu_count(),
            "architecture": platform.machine(), "kernel": platform.release(),
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "load": os.getloadavg()}


def parse(arguments):
    studies = ["connections", "growth", "max-mem"]
    memory_gb = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 0.6 / 1e9, 1)
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="NAME",
                        help=f"{', '.join(CAPTURES)}; {', '.join(studies)}; all")
    parser.add_argument("--scale", type=float, default=1, metavar="S",
                        help="size of the workloads; the aims are of 1 (default)")
    parser.add_argument("--runs", type=int, default=5, metavar="N",
                        help=f"of each program (default: 5); one if it takes over {LONG_S} s")
    parser.add_argument("--threads", default="1,default", metavar="LIST",
                        help="numbers of threads of finwait -q (default: 1,default)")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True,
                        help="measure other programs too (default)")
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures to it")
    parser.add_argument("--data", type=pathlib.Path, metavar="DIR",
                        default=pathlib.Path(tempfile.gettempdir()) / "finwait-bench",
                        help="where captures are kept, 10 GB at scale 1 (default: %(default)s)")
    parser.add_argument("--build", type=pathlib.Path, metavar="DIR", default=ROOT / "build-bench",
                        help="the release build (default: build-bench)")
    parser.add_argument("--no-build", action="store_true", help="measure --build as it is")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the captures")
    parser.add_argument("--time-limit", type=int, default=180, metavar="S",
                        help="longest run (default: 180)")
    parser.add_argument("--memory-limit", type=float, default=memory_gb, metavar="GB",
                        help="address space of a peer (default: %(default)s)")
    parser.add_argument("--output-limit", type=float, default=round(memory_gb / 2, 1), metavar="GB",
                        help="of --json on tmpfs; a smaller capture is taken if it would be more"
                             " (default: %(default)s)")
    options = parser.parse_args(arguments)
    known = [*CAPTURES, *studies]
    options.what = known if "all" in options.what else options.what or list(CAPTURES)
    for name in options.what:
        if name not in known:
            parser.error(f"{name} is none of {', '.join(known)}, all")
    options.threads = options.threads.split(",")
    for threads in options.threads:
        if threads != "default" and not threads.isdecimal():
            parser.error(f"--threads {threads}: numbers, or `default`, are expected")
    return options


def main():
    bench = Bench(parse(sys.argv[1:]))
    bench.prepare()
    bench.measure()
    if bench.options.json:
        bench.options.json.write_text(json.dumps(bench.record(), indent=1) + "\n")
    for words in bench.wrong:
        say(f"differs from the account: {words}")
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
