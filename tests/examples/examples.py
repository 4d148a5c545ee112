#!/usr/bin/env python3
"""What examples/ shows does what it says. A TAP producer.

    examples.py FINWAIT

The lab needs root and network namespaces; what needs `finwait verify` waits for a finwait that has it.
"""
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
FINWAIT = str(pathlib.Path(sys.argv[1]).resolve())
NOBODY = 65534
TIMEOUT_S = 60
TESTS = []
# Of a connection, what a live run and its recording must agree in.
AGREED = ["client_port", "server_port", "client_state", "server_state", "client_path", "server_path",
          "open", "end", "cause", "closed_by", "client_packets", "server_packets", "client_bytes",
          "server_bytes"]


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
                          **more)


def need_verify():
    if run(FINWAIT, "verify", "--help").returncode != 0:
        raise Skip("this finwait has no verify")


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"


def environment(folder):
    return {**os.environ, "FINWAIT": FINWAIT, "TMPDIR": str(folder)}


def start_lab(folder):
    """In a session of its own, as a terminal would have it."""
    return subprocess.Popen([EXAMPLES / "lab.sh"], env=environment(folder), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def namespaces():
    return run("ip", "netns").stdout


def left_over(pid, folder):
    """What a lab with this process id has left behind."""
    wrong = [f"namespace {name}" for name in re.findall(rf"finwait-{pid}-\w+", namespaces())]
    wrong += [f"file {name}" for name in os.listdir(folder)]
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == pid and fields[0] != "Z":  # its session
            wrong.append(f"process {path}")
    return wrong


def connections(lines):
    records = [json.loads(line) for line in lines.splitlines()]
    return sorted((tuple(str(record[key]) for key in AGREED) for record in records
                   if record["type"] == "connection"))


@test
def the_lab_holds_and_the_live_run_says_what_its_recording_says():
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as kept:
        lab = subprocess.Popen([EXAMPLES / "lab.sh", "--keep", kept], env=environment(folder), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        said = lab.communicate(timeout=TIMEOUT_S)[0]
        wrong = left_over(lab.pid, folder)
        live = pathlib.Path(kept, "live.jsonl")
        if live.exists():
            recorded = run(FINWAIT, "--json", "-r", str(pathlib.Path(kept, "lab.pcap"))).stdout
            pairs = connections(live.read_text(encoding="utf-8")), connections(recorded)
            wrong += [f"live {len(pairs[0])} connections, recorded {len(pairs[1])}"] \
                if len(pairs[0]) != len(pairs[1]) or not pairs[0] else []
            wrong += [f"live {a}, recorded {b}" for a, b in zip(*pairs) if a != b]
    if lab.returncode not in (0, 77):
        wrong += [f"exit {lab.returncode}"] + said.splitlines()
    if lab.returncode == 77 and not wrong:
        raise Skip(last_line(said))
    return wrong


def interrupt(send):
    """A lab that is interrupted in the middle of its traffic leaves nothing."""
    with tempfile.TemporaryDirectory() as folder:
        lab = start_lab(folder)
        for line in lab.stdout:
            if "traffic" in line:
                break
        else:
            lab.wait(timeout=TIMEOUT_S)
            raise Skip(last_line(line))
        before = namespaces()
        time.sleep(0.3)  # any moment will do
        send(lab)
        lab.communicate(timeout=TIMEOUT_S)
        wrong = [] if f"finwait-{lab.pid}-client" in before else ["there was no namespace"]
        wrong += [] if lab.returncode > 128 else [f"exit {lab.returncode}"]
        return wrong + left_over(lab.pid, folder)


@test
def after_ctrl_c_nothing_of_the_lab_is_left():
    return interrupt(lambda lab: os.killpg(lab.pid, signal.SIGINT))


@test
def after_sigterm_nothing_of_the_lab_is_left():
    return interrupt(lambda lab: lab.send_signal(signal.SIGTERM))


@test
def without_root_the_lab_says_so_in_one_line():
    if os.getuid() != 0:
        done = run(EXAMPLES / "lab.sh", env=environment("/tmp"))
    else:
        try:
            done = run(EXAMPLES / "lab.sh", env=environment("/tmp"), user=NOBODY, group=NOBODY,
                       extra_groups=[])
        except PermissionError:
            raise Skip("another user cannot read the sources here")
    said = done.stdout + done.stderr
    return [] if done.returncode == 77 and re.fullmatch(r"lab: cannot run here: needs root.*\n", said) \
        else [f"exit {done.returncode}"] + said.splitlines()


@test
def every_story_is_as_expected():
    need_verify()
    done = run(FINWAIT, "verify", str(EXAMPLES / "stories.expect"), "-r",
               str(ROOT / "pcaps" / "stories.pcapng"))
    return [] if done.returncode == 0 else [f"exit {done.returncode}", done.stdout, done.stderr]


@test
def another_capture_is_not_as_expected():
    need_verify()
    done = run(FINWAIT, "verify", str(EXAMPLES / "stories.expect"), "-r",
               str(ROOT / "pcaps" / "ordinary.pcap"))
    return [] if done.returncode == 1 else [f"exit {done.returncode}", done.stdout, done.stderr]


@test
def every_story_has_an_expectation():
    with open(ROOT / "tests" / "stories" / "stories.tsv", encoding="utf-8") as stream:
        names = [line.split("\t")[1] for line in stream][1:]
    with open(EXAMPLES / "stories.expect", encoding="utf-8") as stream:
        known = set(re.findall(r"^name (\S+)$", stream.read(), re.MULTILINE))
    stories = {re.sub(r"-(old|new)$|(?<=scan)-\d+$", "", name) for name in names}
    return [f"{name}: no expectation" for name in sorted(stories - known)]


@test
def files_that_ci_uses_are_there():
    wrong = []
    for path in (EXAMPLES / "ci").iterdir():
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"(?:examples|pcaps)/[\w./-]+\w", text):
            if not (ROOT / name).exists():
                wrong.append(f"{path.name}: {name} is not there")
    return wrong


def ci_script(name):
    """What the job of that file runs to verify."""
    try:
        import yaml
    except ImportError as error:
        raise Skip("there is no PyYAML") from error
    job = yaml.safe_load((EXAMPLES / "ci" / name).read_text(encoding="utf-8"))
    if name.startswith("gitlab"):
        return "\n".join(job["captures"]["script"])
    steps = job["jobs"]["verify"]["steps"]
    return next(step["run"] for step in steps if step.get("name") == "Verify")


def run_ci(name, capture):
    """In a folder with stories.expect and a capture beside it; the status, and the JUnit files."""
    with tempfile.TemporaryDirectory() as folder:
        captures = pathlib.Path(folder, "captures")
        captures.mkdir()
        shutil.copy(EXAMPLES / "stories.expect", captures / "good.expect")
        shutil.copy(ROOT / "pcaps" / "stories.pcapng", captures / "good.pcap")
        shutil.copy(EXAMPLES / "stories.expect", captures / "other.expect")
        if capture:
            shutil.copy(ROOT / "pcaps" / capture, captures / "other.pcap")
        os.symlink(FINWAIT, pathlib.Path(folder, "finwait"))
        # As the runners do it: every command must succeed.
        done = run("bash", "-e", "-c", ci_script(name), cwd=folder,
                   env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})
        results = sorted(path.name for path in pathlib.Path(folder).glob("results/*.xml"))
        return done, results


@test
def the_dashboard_asks_for_metrics_that_are_written():
    dashboard = json.loads((EXAMPLES / "grafana" / "finwait.json").read_text(encoding="utf-8"))
    asked = set(re.findall(r"finwait_[a-z_]+", json.dumps(dashboard)))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "m.prom")
        run(FINWAIT, "-q", "-r", str(ROOT / "pcaps" / "stories.pcapng"), "--metrics", str(path))
        written = set(re.findall(r"^finwait_[a-z_]+", path.read_text(encoding="ascii"), re.MULTILINE))
    written.add("finwait_packets_dropped_total")  # of interfaces only
    return [f"{name} is not written" for name in sorted(asked - written)] + \
        ([] if len(asked) > 5 else ["it asks for nothing"])


@test
def the_service_is_what_systemd_takes():
    """finwait is looked for where the unit has it: here another program stands for it."""
    if not shutil.which("systemd-analyze"):
        raise Skip("there is no systemd-analyze (Debian: systemd)")
    text = (EXAMPLES / "systemd" / "finwait@.service").read_text(encoding="utf-8")
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder, "finwait@eth0.service")
        unit.write_text(text.replace("/usr/bin/finwait", "/bin/true").replace(
            "Documentation=man:finwait(1)\n", ""), encoding="utf-8")
        done = run("systemd-analyze", "verify", str(unit))
        wrong += (done.stdout + done.stderr).splitlines()
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit))
        if "Unknown" in done.stderr or "unrecognized" in done.stderr:
            print("# this systemd-analyze cannot judge a file: only verified")
        elif done.returncode != 0:
            wrong += done.stdout.splitlines()[-1:] + done.stderr.splitlines()
    options = re.search(r"^ExecStart=\S+ (.*)$", text, re.MULTILINE).group(1).replace("%I", "nosuch0")
    done = run(FINWAIT, *options.split())
    if done.returncode != 3 or "nosuch0" not in done.stderr:  # all else about it was understood
        wrong.append(f"finwait {options}: {done.returncode} {done.stderr}")
    return wrong


@test
def ci_passes_if_all_captures_are_as_expected_and_fails_if_one_is_not():
    need_verify()
    wrong = []
    for name in ("github.yml", "gitlab.yml"):
        for capture, expected in (("stories.pcapng", 0), ("ordinary.pcap", 1), (None, 1)):
            done, results = run_ci(name, capture)
            if done.returncode != expected or results != ["good.xml", "other.xml"]:
                wrong += [f"{name} with {capture}: exit {done.returncode}, {results}", done.stderr]
    return wrong


def main():
    print(f"TAP version 13\n1..{len(TESTS)}")
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        try:
            wrong = function()
        except Skip as reason:
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
            continue
        print(f"{'not ok' if wrong else 'ok'} {number} {name}")
        for line in "\n".join(map(str, wrong)).splitlines():
            print(f"# {line}", flush=True)


if __name__ == "__main__":
    main()
