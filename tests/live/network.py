"""Two hosts joined by a wire, as network namespaces with a veth pair, for tests and benchmarks. All
that is made here is gone when the `with` ends; traffic never leaves it."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PEERS = str(HERE / "peers.py")
CLIENT, SERVER = "10.88.0.1", "10.88.0.2"
CLIENT_IF, SERVER_IF = "wire0", "wire1"


def why_not():
    """Why no namespaces can be made here; None: they can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces and to capture"
    for program in "ip", "ss":
        if not shutil.which(program):
            return f"there is no {program} (Debian: iproute2)"
    name = f"finwait-live-{os.getpid()}-try"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"no network namespace can be made: {done.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None


# A test that takes too long is ended so: what it made goes, all the same.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


class Network:
    """`client` and `server` are names of namespaces."""
    made = 0

    def __init__(self):
        Network.made += 1
        stem = f"finwait-live-{os.getpid()}-{Network.made}"
        self.client, self.server = f"{stem}-client", f"{stem}-server"
        self.started = []

    def __enter__(self):
        for name in self.client, self.server:
            self.call("ip", "netns", "add", name)
            self.call("ip", "-n", name, "link", "set", "lo", "up")
        self.call("ip", "-n", self.client, "link", "add", CLIENT_IF, "type", "veth", "peer", "name",
                  SERVER_IF, "netns", self.server)
        for name, interface, address in ((self.client, CLIENT_IF, CLIENT),
                                         (self.server, SERVER_IF, SERVER)):
            # Segments as they would be on a wire: no offloading makes them longer.
            if shutil.which("ethtool"):
                self.call("ip", "netns", "exec", name, "ethtool", "-K", interface, "tso", "off",
                          "gso", "off", "gro", "off")
            self.call("ip", "-n", name, "addr", "add", f"{address}/24", "dev", interface)
            self.call("ip", "-n", name, "link", "set", interface, "up")
        return self

    def __exit__(self, *_):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in process.stdin, process.stdout, process.stderr:
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()
        for name in self.client, self.server:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    @staticmethod
    def call(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def run(self, name, *command, **more):
        return subprocess.run(["ip", "netns", "exec", name, *command], check=False, text=True,
                              capture_output=True, timeout=120, **more)

    def start(self, name, *command, **more):
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
        process = subprocess.Popen(["ip", "netns", "exec", name, *command], **more)
        self.started.append(process)
        return process

    def serve(self, *options):
        """peers.py's servers; returns when they listen."""
        process = self.start(self.server, sys.executable, PEERS, "serve", *options, stderr=None,
                             stdin=subprocess.PIPE)
        assert process.stdout.readline() == "listening\n"
        return process

    def load(self, *options):
        """peers.py's clients: what they did, as a dict. Their kernel waits for no segment any more."""
        done = self.run(self.client, sys.executable, PEERS, "load", *options)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        await_that(lambda: not self.run(self.client, "ss", "-Htan", "state", "fin-wait-1", "state",
                                        "closing", "state", "last-ack").stdout, "all are closed")
        return json.loads(done.stdout)


def await_that(condition, what, seconds=30):
    """Waits until condition() is true, which it looks at again and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {seconds} s")


def waits(process):
    """It is in poll(2): its filter is set, and it is in its loop."""
    with contextlib.suppress(OSError, IndexError):
        with open(f"/proc/{process.pid}/syscall", encoding="ascii") as stream:
            number = stream.read().split()[0]
        return sockets(process) and number in ("7", "73", "271")  # x86-64: poll, ppoll; others: ppoll
    return False


def sockets(process):
    """How many bound packet sockets it has."""
    with contextlib.suppress(OSError):
        folder = f"/proc/{process.pid}/fd"
        links = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
        inodes = {link[8:-1] for link in links if link.startswith("socket:")}
        with open(f"/proc/{process.pid}/net/packet", encoding="ascii") as stream:
            lines = [line.split() for line in stream.readlines()[1:]]
        return sum(1 for line in lines if line[-1] in inodes and line[5] == "1")
    return 0
