#!/usr/bin/env python3
"""The sandbox from the inside and from the outside. TAP on stdout.

    sandbox.py FINWAIT ATTACKED PCAPS [NAME...]

ATTACKED is finwait with an attacker in it (attack.c) who tries, once the sandbox is up, what must be
refused. What the kernel says of the process is read from /proc while it waits for input.
"""
import ctypes
import gzip
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

FINWAIT, ATTACKED, PCAPS = (os.path.abspath(path) for path in sys.argv[1:4])
ONLY = sys.argv[4:]
TESTS = []
NOBODY = 65534
PR_GET_SECCOMP, PR_SET_SECCOMP = 21, 22
SOMEBODY = 54321  # a user that nothing belongs to
TIMEOUT_S = 30
# Without a sandbox each of these ends otherwise; see the_attacker_gets_through_without_it.
REFUSALS = ("EPERM", "EACCES")


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def run(*command, **more):
    env = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
                          env=env, **more)


def offers():
    """What this build and this kernel have: the last line of --version -v."""
    return run(FINWAIT, "--version", "-v").stdout.splitlines()[-1]


def need_sandbox():
    if "sanitizer" in offers():
        raise Skip("this build has a sanitizer, which cannot work in the sandbox")
    if not re.search(r": seccomp, Landlock \d+, capabilities$", offers()):
        raise Skip(offers())


def recorded(name):
    return os.path.join(PCAPS, name)


class Attacked:
    """ATTACKED, waiting for the rest of its input, after its attacker has tried everything."""

    def __init__(self, *args, roles=("parser",), threads=1, **more):
        self.process = subprocess.Popen([ATTACKED, "--threads", str(threads), *args, "-r", "-"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **more)
        self.lines, self.results = [], {}
        ended = set()
        while ended != set(roles):
            line = self.process.stderr.readline()
            assert line, f"it ended: {self.lines}"
            self.lines.append(line)
            match = re.match(r"attack (\w+) (?:end|(.*): (\w+))$", line)
            if match and match.group(2):
                self.results[match.group(1), match.group(2)] = match.group(3)
            elif match:
                ended.add(match.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(TIMEOUT_S)
        for stream in self.process.stdin, self.process.stdout, self.process.stderr:
            stream.close()

    def of(self, role):
        return {what: result for (who, what), result in self.results.items() if who == role}

    def tasks(self):
        folder = f"/proc/{self.process.pid}/task"
        return [status(f"{folder}/{task}/status") for task in os.listdir(folder)]

    def children(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            return [status(f"/proc/{child}/status") for child in stream.read().split()]

    def begin(self):
        """Gives it the head of a capture: it has all its threads then."""
        with open(recorded("ordinary.pcap"), "rb") as stream:
            os.write(self.process.stdin.fileno(), stream.read(24))

    def finish(self):
        """Gives it a capture; its output."""
        with open(recorded("ordinary.pcap"), "rb") as stream:
            os.write(self.process.stdin.fileno(), stream.read())
        self.process.stdin.close()
        return self.process.stdout.read(), self.process.wait(TIMEOUT_S)


def status(path):
    with open(path, encoding="utf-8") as stream:
        return dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)


def check_status(found, uid):
    for key, expected in {"CapEff": "0" * 16, "CapPrm": "0" * 16, "CapInh": "0" * 16,
                          "CapAmb": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2",
                          "Uid": "\t".join([str(uid)] * 4)}.items():
        assert found[key] == expected, f"{found['Name']}: {key} is {found[key]}, not {expected}"


def as_user(uid):
    def become():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    return become


# ---------------------------------------------------------------------------------- from the inside --

@test
def the_attacker_gets_through_without_it():
    """So that the tests below can fail."""
    need_root()
    with Attacked("--sandbox=off") as attacked:
        results = attacked.of("parser")
        for what in "read a file", "look at a file", "make an Internet socket", "make a local socket", \
                "make a netlink socket", "make a pair of sockets", "start a process", \
                "signal another process", "make memory that can be executed", "become root":
            assert results[what] == "done", f"{what}: {results[what]}"
        assert results["run a program"] == "ENOENT", results["run a program"]
        assert results["trace a process"] == "ESRCH", results["trace a process"]
        for what, result in results.items():
            assert result not in REFUSALS or what in ("type into the terminal",), f"{what}: {result}"
    os.path.exists("/tmp/finwait-attack") and os.remove("/tmp/finwait-attack")


@test
def everything_is_refused_to_the_parser():
    need_sandbox()
    with Attacked("--sandbox=strict") as attacked:
        results = attacked.of("parser")
        assert len(results) == 25, f"{len(results)} results"
        for what, result in results.items():
            assert result in REFUSALS, f"{what}: {result}"
        out, code = attacked.finish()
        assert code == 0 and "1 connection: 1 closed." in out, (code, out)


@test
def the_kernel_confirms_it_for_each_thread():
    need_sandbox()
    with Attacked("--sandbox=strict", threads=2) as attacked:
        attacked.begin()
        wait_for(lambda: len(attacked.tasks()) == 2, "a second thread")
        for task in attacked.tasks():
            check_status(task, NOBODY if os.geteuid() == 0 else os.geteuid())


@test
def an_ordinary_user_stays_who_it_is():
    need_root()
    need_sandbox()
    with Attacked("--sandbox=strict", preexec_fn=as_user(SOMEBODY)) as attacked:
        assert set(attacked.of("parser").values()) <= set(REFUSALS), attacked.of("parser")
        for task in attacked.tasks():
            check_status(task, SOMEBODY)


@test
def root_becomes_the_user_it_names():
    need_root()
    need_sandbox()
    name = next((entry.pw_name for entry in pwd.getpwall() if entry.pw_uid not in (0, NOBODY)), None)
    if not name:
        raise Skip("there is no user but root and nobody")
    for option in ["-Z", name], ["--user", name], [f"--relinquish-privileges={name}"]:
        with Attacked(*option) as attacked:
            check_status(attacked.tasks()[0], pwd.getpwnam(name).pw_uid)
            assert attacked.tasks()[0]["Groups"].strip() == ""


@test
def who_asks_for_names_is_another_process_with_less():
    need_root()
    need_sandbox()
    with Attacked("-N", roles=("names", "parser")) as attacked:
        assert set(attacked.of("parser").values()) <= set(REFUSALS), attacked.of("parser")
        results = attacked.of("names")
        for what in "make a file", "remove a file", "rename a file", "run a program", \
                "trace a process", "read another process", "start a process", "become root", \
                "signal another process", "make a file in memory", "use io_uring":
            if what != "start a process":  # the resolver may need it; a program cannot be run
                assert results[what] in REFUSALS, f"{what}: {results[what]}"
        assert results["read a file"] == "done" and results["make an Internet socket"] == "done"
        (child,) = attacked.children()
        check_status(child, NOBODY)
        out, code = attacked.finish()
        assert code == 0 and "1 connection: 1 closed." in out, (code, out)


# --------------------------------------------------------------------------------- from the outside --

def same_with_and_without(*args, cwd=None, code=0):
    inside, outside = (run(FINWAIT, f"--sandbox={mode}", *args, cwd=cwd) for mode in ("strict", "off"))
    assert (inside.stdout, inside.stderr, inside.returncode) == \
        (outside.stdout, outside.stderr, outside.returncode), \
        f"{args}:\n{inside.stdout}{inside.stderr}{inside.returncode}\nnot\n" \
        f"{outside.stdout}{outside.stderr}{outside.returncode}"
    assert inside.returncode == code, f"{args}: {inside.returncode} {inside.stderr}"
    return inside


@test
def every_command_says_the_same_inside():
    need_sandbox()
    leak = recorded("leak-beside-clean-close.pcap")
    for command in [], ["table"], ["show", "1", "--ladder"], ["diagnose"], ["--json"], ["-q"], ["-N"], \
            ["--threads", "2"], ["--format", "zeek"]:
        same_with_and_without(*command, "-r", leak)
    same_with_and_without("-r", leak, "-r", recorded("ordinary.pcap"))
    same_with_and_without("-r", "missing.pcap", code=3)


@test
def packed_files_are_unpacked_inside():
    need_sandbox()
    with open(recorded("ordinary.pcap"), "rb") as stream:
        data = stream.read()
    with gzip.open("packed.gz", "wb") as stream:
        stream.write(data)
    same_with_and_without("-r", "packed.gz")
    if shutil.which("zstd"):
        run("zstd", "-q", "-f", recorded("ordinary.pcap"), "-o", "packed.zst")
        same_with_and_without("-r", "packed.zst")


@test
def a_filter_with_names_is_compiled_before():
    need_sandbox()
    for words in "tcp port http", "host localhost or port 80", "ip6 or port 80", "host ::1 or tcp":
        inside = same_with_and_without("-r", recorded("ordinary.pcap"), *words.split())
        assert "1 connection" in inside.stdout, inside.stdout


@test
def verify_reads_a_second_time():
    need_sandbox()
    with open("lab.expect", "w", encoding="ascii") as stream:
        stream.write("none state close-wait : for > 0s\n")
    inside = same_with_and_without("verify", "lab.expect", "-r", recorded("leak-beside-clean-close.pcap"),
                                   code=1)
    assert "frame" in inside.stdout, inside.stdout


@test
def a_golden_file_is_still_replaced():
    need_sandbox()
    if os.geteuid() == 0:
        os.chmod(".", 0o755)
        os.makedirs("of-somebody")
        os.chown("of-somebody", SOMEBODY, SOMEBODY)
    for folder in ".", "of-somebody":
        if not os.path.isdir(folder):
            continue
        golden = os.path.join(folder, "leak.golden")
        for _ in range(2):
            done = run(FINWAIT, "--sandbox=strict", "verify", "--golden", golden, "--update", "-r",
                       recorded("ordinary.pcap"))
            assert done.returncode == 0, done.stderr
        assert run(FINWAIT, "verify", "--golden", golden, "-r",
                   recorded("ordinary.pcap")).returncode == 0
        assert os.stat(golden).st_uid == os.stat(folder).st_uid


@test
def a_folder_that_the_user_cannot_write_is_told_at_once():
    need_root()
    need_sandbox()
    os.makedirs("closed", mode=0o755)
    done = run(FINWAIT, "--user", "nobody", "verify", "--golden", "closed/x", "--update", "-r",
               recorded("ordinary.pcap"))
    assert done.returncode == 3 and done.stderr.splitlines() == [
        f"finwait: closed/x: cannot be written by user {NOBODY}: Permission denied",
        "  --user NAME: run as one that may write in closed"], done.stderr


@test
def wrong_users_are_told():
    done = run(FINWAIT, "--user", "no-such-user", "--sandbox=auto", "-r", recorded("ordinary.pcap"))
    if "sanitizer" not in offers():
        assert done.returncode == 3, done.stderr
        assert done.stderr == "finwait: --user no-such-user: there is no such user\n", done.stderr
    if os.geteuid() == 0 and "sanitizer" not in offers():
        done = run(FINWAIT, "--user", "root", "-r", recorded("ordinary.pcap"),
                   preexec_fn=as_user(SOMEBODY))
        assert done.returncode == 3 and "only root can become another user" in done.stderr, done.stderr


@test
def version_says_what_there_is():
    lines = run(FINWAIT, "--version", "-v").stdout.splitlines()
    assert re.match(r"finwait \d", lines[0]) and re.match(r"libraries: libpcap \d", lines[1]), lines
    assert re.match(r"sandbox: (seccomp|no seccomp .*), (Landlock \d+|no Landlock), ", lines[-1]), lines


# --------------------------------------------------------------------------- kernels that have less --

class Argument(ctypes.Structure):
    """struct scmp_arg_cmp: an argument of the call is `value`."""
    _fields_ = [("index", ctypes.c_uint), ("operation", ctypes.c_int), ("value", ctypes.c_uint64),
                ("other", ctypes.c_uint64)]


def without(*calls):
    """For preexec_fn: the kernel does not know these system calls; ("prctl", 21): with this argument."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        raise Skip("there is no libseccomp to take system calls away with") from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                               ctypes.c_uint, ctypes.c_void_p]
    library.seccomp_load.argtypes = [ctypes.c_void_p]

    def take_away():
        context = library.seccomp_init(0x7fff0000)  # SCMP_ACT_ALLOW
        for call, *arguments in calls:
            number = library.seccomp_syscall_resolve_name(call.encode())
            conditions = (Argument * 1)(*(Argument(0, 4, value, 0) for value in arguments))
            library.seccomp_rule_add_array(context, 0x00050000 | 38, number,  # ERRNO(ENOSYS)
                                           len(arguments), conditions)
        if library.seccomp_load(context) != 0:
            os._exit(99)
    return take_away


@test
def without_landlock_strict_refuses_and_auto_does_the_rest():
    need_sandbox()
    less = without(["landlock_create_ruleset"])
    done = run(FINWAIT, "--sandbox=strict", "-r", recorded("ordinary.pcap"), preexec_fn=less)
    assert done.returncode == 3 and done.stdout == "", done
    assert done.stderr.splitlines()[0] == \
        "finwait: --sandbox=strict: this kernel has no Landlock, or has it turned off", done.stderr
    done = run(FINWAIT, "-v", "-r", recorded("ordinary.pcap"), preexec_fn=less)
    assert done.returncode == 0 and "no Landlock, seccomp" in done.stderr, done.stderr
    assert "no Landlock" in run(FINWAIT, "--version", "-v", preexec_fn=less).stdout
    with Attacked(preexec_fn=less) as attacked:
        assert set(attacked.of("parser").values()) <= set(REFUSALS), attacked.of("parser")


@test
def without_seccomp_strict_refuses_and_auto_does_the_rest():
    need_sandbox()
    less = without(["seccomp"], ["prctl", PR_GET_SECCOMP], ["prctl", PR_SET_SECCOMP])
    done = run(FINWAIT, "--sandbox=strict", "-r", recorded("ordinary.pcap"), preexec_fn=less)
    assert done.returncode == 3 and done.stdout == "", done
    assert done.stderr.splitlines()[0] == "finwait: --sandbox=strict: this kernel has no seccomp", \
        done.stderr
    with Attacked(preexec_fn=less) as attacked:
        results = attacked.of("parser")
        for what in "read a file", "make a file", "read a folder", "become root":
            assert results[what] in REFUSALS, f"{what}: {results[what]}"


# ------------------------------------------------------------------------------------ live capture --

def wait_for(condition, what):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


def rest_of(process):
    """What it says after what was read of it already, until it ends."""
    out, err = process.stdout.read(), process.stderr.read()
    process.wait(TIMEOUT_S)
    return out, err


class Namespace:
    """A network of its own with a pair of interfaces, `one` and `two`."""

    def __enter__(self):
        need_root()
        self.name = f"finwait-sandbox-{os.getpid()}"
        if not shutil.which("ip"):
            raise Skip("there is no ip (Debian: iproute2)")
        if run("ip", "netns", "add", self.name).returncode != 0:
            raise Skip("no network namespace can be made")
        for command in "link set lo up", "link add one type veth peer name two", \
                "link set one up", "link set two up":
            run("ip", "-n", self.name, *command.split())
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", self.name)

    def start(self, *args, program=FINWAIT, **more):
        """finwait on an interface, once it has said (with -v) that it is in its sandbox."""
        process = subprocess.Popen(["ip", "netns", "exec", self.name, program, "-v", *args],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
        line = process.stderr.readline()
        assert line.startswith(("finwait: sandbox: ", "attack ")), line + process.stderr.read()
        return process, line

    def talk(self):
        """One connection over lo, from this process."""
        def connect():
            with open(f"/run/netns/{self.name}", "rb") as stream:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.setns(stream.fileno(), 0x40000000) == 0
            with socket.create_server(("127.0.0.1", 0)) as server:
                with socket.create_connection(server.getsockname()) as client:
                    served, _ = server.accept()
                    client.sendall(b"hello")
                    served.recv(5)
                    client.close()
                    served.close()
        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()


@test
def a_live_capture_works_inside():
    need_sandbox()
    with Namespace() as namespace:
        process, line = namespace.start("--sandbox=strict", "-i", "lo", "--for", "20s")
        assert "seccomp" in line, line
        check_status(status(f"/proc/{process.pid}/status"), NOBODY)
        namespace.talk()
        found = ""
        while "TIME_WAIT" not in found:
            assert select.select([process.stdout], [], [], TIMEOUT_S)[0], f"no packet: {found}"
            found += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = rest_of(process)
        assert process.returncode == 0, (process.returncode, err)
        assert "1 connection: 1 closed." in out, out


@test
def an_interface_that_goes_away_ends_it_inside():
    need_sandbox()
    with Namespace() as namespace:
        process, _ = namespace.start("--sandbox=strict", "-i", "one")
        run("ip", "-n", namespace.name, "link", "del", "one")
        _, err = rest_of(process)
        assert process.returncode == 4, (process.returncode, err)
        assert "one: " in err, err


@test
def the_attacker_of_a_live_capture_is_refused_too():
    need_sandbox()
    with Namespace() as namespace:
        process, line = namespace.start("-i", "lo", "--for", "20s", program=ATTACKED)
        results = {}
        while line != "attack parser end\n":
            match = re.match(r"attack parser (.*): (\w+)$", line)
            if match:
                results[match.group(1)] = match.group(2)
            line = process.stderr.readline()
            assert line
        process.terminate()
        rest_of(process)
        assert len(results) == 25 and set(results.values()) <= set(REFUSALS), results


@test
def cap_net_raw_alone_is_enough():
    need_sandbox()
    with Namespace() as namespace:
        if not shutil.which("setcap"):
            raise Skip("there is no setcap (Debian: libcap2-bin)")
        program = os.path.join(os.getcwd(), "finwait-of-its-own")
        shutil.copy(FINWAIT, program)
        os.chmod(os.getcwd(), 0o755)
        done = run(program, "-i", "lo", preexec_fn=as_user(SOMEBODY))
        assert done.returncode == 3 and done.stderr.splitlines()[0] == \
            "finwait: lo: no permission to capture", done.stderr
        # The hint is the command: once it was run, it works.
        hint = re.match(r"  try: sudo (setcap \S+ \S+)", done.stderr.splitlines()[1]).group(1)
        assert hint.endswith(program), hint
        if run(*hint.split()).returncode != 0:
            raise Skip("this file system keeps no capabilities")
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace.name, "setpriv", f"--reuid={SOMEBODY}",
             f"--regid={SOMEBODY}", "--clear-groups", program, "-v", "--sandbox=strict", "-i", "lo",
             "--for", "20s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = process.stderr.readline()
        assert f"user {SOMEBODY}, no capabilities" in line, line + process.stderr.read()
        check_status(status(f"/proc/{process.pid}/status"), SOMEBODY)
        namespace.talk()
        assert "SYN_SENT" in process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = rest_of(process)
        assert process.returncode == 0, err


# ------------------------------------------------------------------------------------ what is shipped --

@test
def the_attacker_is_in_no_program_but_the_one_of_the_tests():
    def has_attacker(path):
        with open(path, "rb") as stream:
            return b"trace a process" in stream.read()
    assert has_attacker(ATTACKED)
    assert not has_attacker(FINWAIT)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was made is removed
    chosen = [function for function in TESTS if not ONLY or function.__name__ in ONLY]
    failed = 0
    print(f"TAP version 13\n1..{len(chosen)}")
    for number, function in enumerate(chosen, 1):
        name = function.__name__.replace("_", " ")
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                function()
                print(f"ok {number} {name}", flush=True)
            except Skip as reason:
                print(f"ok {number} {name} # SKIP {reason}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"not ok {number} {name}", flush=True)
                for line in f"{type(error).__name__}: {error}".splitlines():
                    print(f"# {line}", flush=True)
            os.chdir("/")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
