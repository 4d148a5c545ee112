"""What the tests of this folder share: TAP on stdout, and finwait as a process."""
import contextlib
import json
import os
import re
import subprocess
import tempfile

AGREED = ["frame", "client_addr", "client_port", "server_addr", "server_port", "client_state",
          "server_state", "client_path", "server_path", "open", "end", "cause", "closed_by", "lossy",
          "client_packets", "server_packets", "client_bytes", "server_bytes", "first_ts", "last_ts",
          "handshake_ns"]


class Skip(Exception):
    pass


def environment():
    return {**{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}, "LC_ALL": "C"}


def records(text, kind):
    """Whole lines only: a process may be in the middle of one."""
    lines = text[:text.rfind("\n") + 1].splitlines()
    return [record for record in map(json.loads, lines) if record["type"] == kind]


def connections(text):
    """What a connection's record says that does not depend on when and how it was read."""
    return sorted(tuple(str(record[key]) for key in AGREED)
                  for record in records(text, "connection"))


def where_it_is(pid):
    """What a process that should have ended does instead: its signals, and where each thread is."""
    lines = []
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/status", encoding="ascii") as stream:
            lines += [line.strip() for line in stream
                      if line.startswith(("State", "SigPnd", "ShdPnd", "SigCgt", "Threads"))]
        for thread in os.listdir(f"/proc/{pid}/task"):
            for what in "comm", "wchan", "syscall":
                with open(f"/proc/{pid}/task/{thread}/{what}", encoding="ascii") as stream:
                    lines.append(f"{thread} {what}: {stream.read().strip()}")
    return "\n".join(lines)


def ends(process, status, timeout=60):
    """Its output, when it has ended with this status."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        where = where_it_is(process.pid)
        process.kill()
        out, err = process.communicate(timeout=timeout)
        raise AssertionError(f"it has not ended after {timeout} s\n{where}\n{out[-2000:]}{err}") \
            from None
    assert process.returncode == status, f"status {process.returncode}, not {status}\n{out}{err}"
    return out, err


def says(text, pattern):
    assert re.search(pattern, text), f"{pattern!r} not in:\n{text}"


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          env=environment(), **more)


def run_tests(tests, reason=None):
    """Each test has a folder of its own as the present one. `reason`: why none can run."""
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    for number, function in enumerate(tests, 1):
        name = function.__name__.replace("_", " ")
        if reason:
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
            continue
        with tempfile.TemporaryDirectory(prefix="finwait-live-") as folder:
            before = os.getcwd()
            os.chdir(folder)
            try:
                function()
                print(f"ok {number} {name}", flush=True)
            except Skip as skip:
                print(f"ok {number} {name} # SKIP {skip}", flush=True)
            except Exception as error:  # a broken test is a failed one
                words = "".join(f"# {line}\n" for line in
                                f"{type(error).__name__}: {error}".splitlines())
                print(f"not ok {number} {name}\n{words}", end="", flush=True)
            finally:
                os.chdir(before)
