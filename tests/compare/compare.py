#!/usr/bin/env python3
"""finwait compare against real kernels: two network namespaces joined by a wire, programs that do to
their sockets what programs do, and the verdict of each case. TAP on stdout.

    compare.py FINWAIT ATTACKED [NAME...]

Truth is what the programs did, what ss says, and /proc. Nothing sleeps where an event can be awaited.
"""
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

FINWAIT, ATTACKED = (os.path.abspath(path) for path in sys.argv[1:3])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ONLY = sys.argv[3:]
TESTS = []
TIMEOUT_S = 30
CLIENT, SERVER = "10.87.0.1", "10.87.0.2"
SILENT = "10.87.0.9"  # nobody
SOMEBODY = 54321
PREFIX = f"finwait-compare-{os.getpid()}"


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def run(*command, check=True, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, **more)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done


def wait_for(condition, what):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


# ------------------------------------------------------------------------------------- the network --

class Network:
    """Namespaces for the client and the server, and a wire between them."""

    def __enter__(self):
        self.peers, self.namespaces = [], []
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        for name in "client", "server":
            run("ip", "netns", "add", f"{PREFIX}-{name}")
            self.namespaces.append(f"{PREFIX}-{name}")
        client, server = self.namespaces
        run("ip", "link", "add", "wire", "netns", client, "type", "veth", "peer", "name", "wire",
            "netns", server)
        for namespace, v4, v6 in (client, CLIENT, "fd87::1"), (server, SERVER, "fd87::2"):
            for command in f"addr add {v4}/24 dev wire", f"addr add {v6}/64 dev wire nodad", \
                    "link set lo up", "link set wire up":
                run("ip", "-n", namespace, *command.split())
        run("ip", "-n", client, "neigh", "add", SILENT, "lladdr", "02:00:00:00:00:09", "dev", "wire")
        self.client, self.server = Peer(self, client), Peer(self, server)

    def __exit__(self, *_):
        for peer in self.peers:
            peer.stop()
        for namespace in self.namespaces:
            run("ip", "netns", "del", namespace, check=False)


REPL = """
import os, socket, struct, sys
print(os.getpid(), flush=True)
for line in sys.stdin:
    try:
        try:
            print(repr(eval(line)), flush=True)
        except SyntaxError:
            exec(line)
            print(None, flush=True)
    except Exception as error:
        print("!", type(error).__name__, error, flush=True)
"""


class Peer:
    """A Python in a namespace that does as it is told."""

    def __init__(self, network, namespace):
        self.namespace = namespace
        self.process = subprocess.Popen(["ip", "netns", "exec", namespace, "python3", "-c", REPL],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = int(self.process.stdout.readline())
        self.watchers = []
        network.peers.append(self)

    def begin(self, statement):
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()

    def do(self, statement):
        self.begin(statement)
        return self.end(statement)

    def end(self, statement):
        answer = self.process.stdout.readline()
        assert answer and not answer.startswith("!"), f"{statement}: {answer}"
        return eval(answer)  # pylint: disable=eval-used

    def stop(self):
        for process in self.process, *self.watchers:
            process.kill()
            process.communicate()

    def setting(self, name, value):
        run("ip", "netns", "exec", self.namespace, "sysctl", "-qw", f"net.ipv4.{name}={value}")

    def ss(self):
        """(local, peer) -> state, of all but listening sockets."""
        lines = run("ip", "netns", "exec", self.namespace, "ss", "-Htan").stdout.splitlines()
        found = {}
        for line in lines:
            state, _, _, local, peer = line.split()[:5]
            if state != "LISTEN":
                found[local.replace("[::ffff:", "").replace("]:", ":").replace("[", ""),
                      peer.replace("[::ffff:", "").replace("]:", ":").replace("[", "")] = state
        return found

    def take_nothing(self, name):
        """A BPF filter on the socket that drops what comes, after it was captured."""
        self.do("program = __import__('ctypes').create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))")
        self.do(f"{name}.setsockopt(socket.SOL_SOCKET, 26, struct.pack('HL', 1, "  # SO_ATTACH_FILTER
                "__import__('ctypes').addressof(program)))")

    def await_state(self, name, state):
        """Until the kernel says so of the socket in the peer's variable `name`."""
        number = {"ESTABLISHED": 1, "FIN_WAIT_1": 4, "FIN_WAIT_2": 5, "CLOSE_WAIT": 8}[state]
        wait_for(lambda: self.do(f"{name}.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]") ==
                 number, f"{name} in {state}")


class Finwait:
    """finwait compare in a namespace, once it captures."""

    def __init__(self, peer, *args, program=FINWAIT, interface="wire", prefix=()):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", peer.namespace, *prefix, program, "compare", "-v", "-i", interface,
             "--json", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        peer.watchers.append(self.process)
        self.first = self.process.stderr.readline()
        if program == FINWAIT:
            assert self.first.startswith("finwait: sandbox: "), \
                self.first + self.process.stderr.read()

    def await_row(self, condition):
        """Until a row is so; with --every."""
        while True:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            record = json.loads(line)
            if record["type"] == "compare" and condition(record):
                return record

    def finish(self, code=0):
        """Ctrl-C: the rows of the last comparison."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.stdout.read(), self.process.stderr.read()  # after what was read of it
        assert self.process.wait(TIMEOUT_S) == code, (self.process.returncode, err)
        self.records = [json.loads(line) for line in out.splitlines()]
        assert self.records[-1]["type"] == "comparison", self.records
        ends = [number for number, record in enumerate(self.records) if record["type"] == "comparison"]
        return self.records[ends[-2] + 1:-1] if len(ends) > 1 else self.records[:-1]

    def one(self):
        rows = self.finish()
        assert len(rows) == 1, rows
        return rows[0]


def expect(row, **values):
    got = {key: row[key] for key in values}
    assert got == values, f"{got}, not {values}:\n{row}"


def connect(network, port=8080, address=SERVER, listen="0.0.0.0", backlog=10):
    """One connection: `c` of the client, `s` of the server, which listens with `l`."""
    family = "socket.AF_INET6" if ":" in listen else "socket.AF_INET"
    network.server.do(f"l = socket.socket({family})")
    network.server.do("l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)")
    network.server.do(f"l.bind(('{listen}', {port}))")
    network.server.do(f"l.listen({backlog})")
    network.client.do(f"c = socket.create_connection(('{address}', {port}))")
    network.server.do("s = l.accept()[0]")


def holder(peer, variable):
    return {"process": "python3", "pid": peer.pid, "fd": peer.do(f"{variable}.fileno()"), "holders": 1,
            "process_why": None}


# ------------------------------------------------------------------------------------------- cases --

@test
def both_agree_and_the_process_is_named_at_either_end():
    with Network() as network:
        for peer, variable, end in (network.client, "c", "client"), (network.server, "s", "server"):
            finwait = Finwait(peer)
            connect(network, 8080 if end == "client" else 8081)
            expect(finwait.one(), verdict="agree", wire_state="ESTABLISHED", kernel_state="ESTABLISHED",
                   peer_state="ESTABLISHED", endpoint=end, conn=1, v4_mapped=False,
                   **holder(peer, variable))


@test
def close_wait_names_who_has_not_closed():
    with Network() as network:
        finwait = Finwait(network.server)
        connect(network)
        network.client.do("c.sendall(b'hello')")
        network.client.do("c.close()")
        network.server.await_state("s", "CLOSE_WAIT")
        row = finwait.one()
        expect(row, verdict="application", wire_state="CLOSE_WAIT", kernel_state="CLOSE_WAIT",
               peer_state="FIN_WAIT_2", recv_q=6, **holder(network.server, "s"))
        assert row["in_state_ns"] >= 0
        assert row["words"].startswith(f"python3 (pid {network.server.pid}) has not closed descriptor "
                                       f"{row['fd']} for "), row["words"]


@test
def a_socket_that_a_child_inherited_has_two_holders():
    with Network() as network:
        finwait = Finwait(network.server)
        connect(network)
        child = network.server.do("os.fork() or __import__('time').sleep(60) or os._exit(0)")
        try:
            network.client.do("c.close()")
            network.server.await_state("s", "CLOSE_WAIT")
            row = finwait.one()
            expect(row, verdict="application", pid=network.server.pid, holders=2)
            assert "1 more process has it open" in row["words"], row["words"]
            # "One instance of the socket is still open": the parent has closed, its child has not.
            finwait = Finwait(network.server)
            network.server.do("s.close()")
            row = finwait.one()
            expect(row, verdict="application", wire_state=None, conn=None, kernel_state="CLOSE_WAIT",
                   pid=child, holders=1)
            assert "no packet seen since finwait began" in row["words"], row["words"]
        finally:
            os.kill(child, signal.SIGKILL)


@test
def what_nobody_has_accepted_is_the_listeners():
    with Network() as network:
        finwait = Finwait(network.server)
        network.server.do("l = socket.create_server(('0.0.0.0', 8080), backlog=10)")
        network.client.do(f"c = socket.create_connection(('{SERVER}', 8080))")
        network.client.do("c.close()")
        row = finwait.one()
        expect(row, verdict="application", wire_state="CLOSE_WAIT", pid=None, process=None,
               process_why="no program has accepted it yet", inode=None)
        assert f"(pid {network.server.pid}, listens on descriptor" in row["words"], row["words"]
        assert "1 of at most 10 wait" in row["words"], row["words"]


@test
def a_full_accept_queue_is_the_listening_programs():
    with Network() as network:
        finwait = Finwait(network.server)
        network.server.do("l = socket.create_server(('0.0.0.0', 8080), backlog=0)")
        # Two attempts are answered while there is room; the second client does not take the answer
        # until the first one has filled the queue.
        network.client.do("c = socket.socket()")
        network.client.do("c.setblocking(False)")
        network.client.take_nothing("c")
        network.client.do(f"c.connect_ex(('{SERVER}', 8080))")
        wait_for(lambda: "SYN-RECV" in network.server.ss().values(), "the first attempt")
        network.client.do(f"d = socket.create_connection(('{SERVER}', 8080))")
        network.client.do("c.setsockopt(socket.SOL_SOCKET, 27, 0)")  # SO_DETACH_FILTER
        wait_for(lambda: list(network.client.ss().values()).count("ESTAB") == 2, "the second")
        rows = finwait.finish()
        assert [row["verdict"] for row in rows] == ["application", "agree"], rows
        expect(rows[0], kernel_state="SYN_RECEIVED", process=None)
        assert "queue is full" in rows[0]["cause"], rows[0]
        expect(rows[1], kernel_state="ESTABLISHED", process_why="no program has accepted it yet")


@test
def an_orphan_in_fin_wait_2_is_the_kernels_and_then_forgotten():
    with Network() as network:
        network.client.setting("tcp_fin_timeout", 3)
        finwait = Finwait(network.client, "--every", "0.1")
        connect(network)
        pid, fd = network.client.pid, network.client.do("c.fileno()")
        finwait.await_row(lambda row: row["pid"] == pid)
        network.client.do("c.close()")  # from now on it is the kernel's alone
        row = finwait.await_row(lambda row: row["wire_state"] == "FIN_WAIT_2")
        expect(row, verdict="agree", kernel_state="FIN_WAIT_2", sysctl="net.ipv4.tcp_fin_timeout",
               process="python3", pid=pid, fd=fd, holders=None, inode=None,
               process_why="every program has closed it")
        wait_for(lambda: network.client.ss() == {}, "the end of the orphan")
        row = finwait.one()
        expect(row, verdict="kernel", wire_state="FIN_WAIT_2", kernel_state=None,
               sysctl="net.ipv4.tcp_fin_timeout", pid=pid)
        assert "tcp_fin_timeout = 3 s" in row["words"], row["words"]


@test
def time_wait_runs_on_a_clock_that_no_setting_changes():
    with Network() as network:
        finwait = Finwait(network.client)
        connect(network)
        network.client.do("c.close()")
        network.server.await_state("s", "CLOSE_WAIT")
        network.server.do("s.close()")
        wait_for(lambda: "TIME-WAIT" in network.client.ss().values(), "TIME_WAIT")
        row = finwait.one()
        expect(row, verdict="agree", wire_state="TIME_WAIT", kernel_state="TIME_WAIT",
               timer="time-wait", sysctl="TCP_TIMEWAIT_LEN")
        assert 0 < row["timer_left_ns"] <= 60e9


@test
def a_kernel_that_keeps_no_time_wait_says_why():
    with Network() as network:
        network.client.setting("tcp_max_tw_buckets", 0)
        finwait = Finwait(network.client)
        connect(network)
        network.client.do("c.shutdown(socket.SHUT_WR)")  # an orphan would take a place before
        network.server.await_state("s", "CLOSE_WAIT")
        network.server.do("s.close()")
        wait_for(lambda: network.client.ss() == {}, "the end of the socket")
        expect(finwait.one(), verdict="kernel", wire_state="TIME_WAIT", kernel_state=None,
               sysctl="net.ipv4.tcp_max_tw_buckets")


@test
def what_the_capture_missed_leaves_the_kernel_ahead():
    with Network() as network:
        finwait = Finwait(network.server, "tcp[tcpflags] & (tcp-fin) == 0 and src host " + SERVER +
                          " or tcp[tcpflags] & (tcp-syn) != 0")
        connect(network)
        network.server.do("s.shutdown(socket.SHUT_WR)")
        network.server.await_state("s", "FIN_WAIT_2")
        expect(finwait.one(), verdict="missed", ahead="kernel", kernel_state="FIN_WAIT_2")


@test
def what_the_kernel_dropped_leaves_the_wire_ahead():
    with Network() as network:
        finwait = Finwait(network.server)
        connect(network)
        network.server.take_nothing("s")  # the ACK of the FIN is captured, then dropped
        network.server.do("s.shutdown(socket.SHUT_WR)")
        network.client.await_state("c", "CLOSE_WAIT")
        row = finwait.one()
        expect(row, verdict="missed", ahead="wire", wire_state="FIN_WAIT_2", kernel_state="FIN_WAIT_1")


@test
def a_fin_behind_data_waits_in_the_queue():
    with Network() as network:
        finwait = Finwait(network.client, "--every", "1")
        connect(network)
        network.client.do("c.setblocking(False)")
        network.client.do("exec('''while True:\\n try: c.send(bytes(65536))\\n except BlockingIOError: "
                          "break''')")
        network.client.do("c.shutdown(socket.SHUT_WR)")
        network.client.await_state("c", "FIN_WAIT_1")
        # The first probes of the closed window come too often for the two to be at rest.
        row = finwait.await_row(lambda record: record["kernel_state"] == "FIN_WAIT_1" and
                                record["verdict"] != "in flight")
        finwait.finish()
        expect(row, verdict="queued", wire_state="ESTABLISHED", kernel_state="FIN_WAIT_1")
        assert row["send_q"] > 1, row


@test
def a_connect_that_was_given_up_leaves_no_packet():
    with Network() as network:
        finwait = Finwait(network.client)
        network.client.do("c = socket.socket()")
        network.client.do("c.setblocking(False)")
        network.client.do(f"c.connect_ex(('{SILENT}', 8080))")
        wait_for(lambda: "SYN-SENT" in network.client.ss().values(), "SYN_SENT")
        network.client.do("c.close()")
        wait_for(lambda: network.client.ss() == {}, "the end of the socket")
        row = finwait.one()
        expect(row, verdict="application", wire_state="SYN_SENT", kernel_state=None)
        assert "gave up" in row["cause"], row


@test
def nobody_answers_and_the_kernel_gives_up():
    with Network() as network:
        network.client.setting("tcp_syn_retries", 1)
        finwait = Finwait(network.client)
        network.client.do("c = socket.socket()")
        network.client.do("c.setblocking(False)")
        network.client.do(f"c.connect_ex(('{SILENT}', 8080))")
        wait_for(lambda: "SYN-SENT" in network.client.ss().values(), "SYN_SENT")
        wait_for(lambda: network.client.ss() == {}, "the kernel to give up")
        expect(finwait.one(), verdict="kernel", wire_state="SYN_SENT", kernel_state=None,
               sysctl="net.ipv4.tcp_syn_retries")


@test
def sockets_without_any_packet_are_listed():
    with Network() as network:
        connect(network)
        finwait = Finwait(network.server)
        expect(finwait.one(), verdict="unseen", wire_state=None, kernel_state="ESTABLISHED", conn=None,
               endpoint="server", server_port=8080, **holder(network.server, "s"))
        # A filter, a selection and another interface leave them out.
        for args, interface, count in (["port", "9999"], "wire", 0), (["port", "8080"], "wire", 1), \
                (["--state", "close-wait"], "wire", 0), (["--state", "established"], "wire", 1), \
                (["-Y", "dport = :8080"], "wire", 1), ([], "lo", 0), ([], "any", 1):
            finwait = Finwait(network.server, *args, interface=interface)
            rows = finwait.finish()
            assert len(rows) == count, (args, interface, rows)


@test
def both_ends_on_this_host_are_two_sockets():
    with Network() as network:
        finwait = Finwait(network.server, interface="lo")
        other = Peer(network, network.server.namespace)
        network.server.do("l = socket.create_server(('127.0.0.1', 8080))")
        other.do("c = socket.create_connection(('127.0.0.1', 8080))")
        network.server.do("s = l.accept()[0]")
        other.do("c.close()")
        network.server.await_state("s", "CLOSE_WAIT")
        rows = finwait.finish()
        assert len(rows) == 2 and {row["conn"] for row in rows} == {1}, rows
        expect(rows[0], endpoint="server", verdict="application", kernel_state="CLOSE_WAIT",
               **holder(network.server, "s"))
        expect(rows[1], endpoint="client", verdict="agree", kernel_state="FIN_WAIT_2", holders=None)


@test
def ipv6_and_mapped_addresses_are_found():
    with Network() as network:
        finwait = Finwait(network.server)
        connect(network, 8080, address="fd87::2", listen="::")
        expect(finwait.one(), verdict="agree", server_addr="fd87::2", v4_mapped=False,
               **holder(network.server, "s"))
        network.client.do("c.close()")
        network.server.do("s.close()")
        finwait = Finwait(network.server, "ip")
        connect(network, 8081, address=SERVER, listen="::")
        expect(finwait.one(), verdict="agree", server_addr=SERVER, v4_mapped=True,
               **holder(network.server, "s"))


@test
def another_users_process_is_not_guessed_at():
    with Network() as network:
        finwait = Finwait(network.server, prefix=[
            "setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups",
            "--inh-caps=+net_raw", "--ambient-caps=+net_raw"])
        connect(network)
        expect(finwait.one(), verdict="agree", kernel_state="ESTABLISHED", uid=0, process=None, pid=None,
               fd=None, holders=None, process_why="another user's: it takes root to see whose")


@test
def a_person_is_told_why_there_is_no_process():
    with Network() as network:
        connect(network)
        done = run("ip", "netns", "exec", network.server.namespace, "setpriv", f"--reuid={SOMEBODY}",
                   f"--regid={SOMEBODY}", "--clear-groups", "--inh-caps=+net_raw",
                   "--ambient-caps=+net_raw", FINWAIT, "compare", "-i", "wire", "--for", "0.1")
        assert done.stdout.splitlines()[-2:] == [
            "1 endpoint of this host: 1 unseen.",
            "1 process is unknown: another user's: it takes root to see whose."], done.stdout


@test
def every_endpoint_is_as_ss_has_it():
    names = {"ESTAB": "ESTABLISHED", "FIN-WAIT-2": "FIN_WAIT_2", "CLOSE-WAIT": "CLOSE_WAIT",
             "TIME-WAIT": "TIME_WAIT"}
    with Network() as network:
        watchers = Finwait(network.client), Finwait(network.server)
        network.server.do("l = socket.create_server(('0.0.0.0', 8080), backlog=100)")
        network.client.do(f"cs = [socket.create_connection(('{SERVER}', 8080)) for _ in range(60)]")
        network.server.do("ss = [l.accept()[0] for _ in range(60)]")
        network.client.do("[c.close() for c in cs[:20]]")  # FIN_WAIT_2 and CLOSE_WAIT
        network.server.do("[s.close() for s in ss[40:]]")  # the other way round
        # An ACK still under way, overtaken by a FIN on another processor, would end TIME_WAIT
        # (RFC 1337: an old segment draws an ACK, that a RST).
        settled = network.client.ss, network.server.ss
        wait_for(lambda: all(set(states().values()) <= set(names) for states in settled), names)
        network.client.do("[c.close() for c in cs[50:]]")  # ten of them end
        wait_for(lambda: sorted(network.server.ss().values()).count("TIME-WAIT") == 10, "TIME_WAIT")
        for peer, watcher in zip((network.client, network.server), watchers):
            truth = peer.ss()
            rows = watcher.finish()
            assert {row["verdict"] for row in rows} <= {"agree", "application"}, rows
            found = {}
            for row in rows:
                ours, theirs = ("client", "server") if row["endpoint"] == "client" else \
                    ("server", "client")
                found[f"{row[ours + '_addr']}:{row[ours + '_port']}",
                      f"{row[theirs + '_addr']}:{row[theirs + '_port']}"] = row["wire_state"]
            assert found == {ends: names[state] for ends, state in truth.items()}


@test
def what_moves_is_never_called_a_difference():
    with Network() as network:
        finwait = Finwait(network.server, "--every", "0.1")
        network.server.do("l = socket.create_server(('0.0.0.0', 8080), backlog=100)")
        network.server.do("t = __import__('threading').Thread(target=lambda: [l.accept()[0].close() "
                          "for _ in range(400)], daemon=True)")
        network.server.do("t.start()")
        talk = ("exec('''for _ in range(100):\\n with socket.create_connection("
                f"(\"{SERVER}\", 8080)) as c: c.recv(1)''')")
        seen = []
        for number in 100, 200, 300, 400:
            network.client.begin(talk)
            # It was compared while they came and went.
            finwait.await_row(lambda row: seen.append(row) or row["conn"] == number)
            network.client.end(talk)
        finwait.finish()
        wrong = [row for row in seen + finwait.records
                 if row.get("verdict") in ("missed", "kernel", "queued")]
        assert not wrong, wrong[:3]


@test
def the_helper_keeps_two_capabilities_and_no_more():
    with Network() as network:
        if "sanitizer" in run(FINWAIT, "--version", "-v").stdout:
            raise Skip("this build has a sanitizer, which cannot work in the sandbox")
        finwait = Finwait(network.server, "--sandbox=strict")
        assert "seccomp" in finwait.first, finwait.first
        pid = finwait.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            (child,) = stream.read().split()
        for process, capabilities in (pid, 0), (child, 1 << 19 | 1 << 2):
            with open(f"/proc/{process}/status", encoding="ascii") as stream:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == capabilities, status
            assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
            assert status["Uid"].split() == ["65534"] * 4, status
        finwait.finish()
        wait_for(lambda: not os.path.exists(f"/proc/{child}"), "the end of the helper")


@test
def neither_process_gives_an_attacker_anything():
    with Network() as network:
        if "sanitizer" in run(FINWAIT, "--version", "-v").stdout:
            raise Skip("this build has a sanitizer, which cannot work in the sandbox")
        finwait = Finwait(network.server, program=ATTACKED)
        results, ended, line = {}, set(), finwait.first
        while ended != {"parser", "sockets"}:
            match = re.match(r"attack (\w+) (?:end|(.*): (\w+))$", line)
            if match and match.group(2):
                results[match.group(1), match.group(2)] = match.group(3)
            elif match:
                ended.add(match.group(1))
            line = finwait.process.stderr.readline()
            assert line, "it ended"
        for (who, what), result in results.items():
            # Reading is what the helper is for.
            if who == "sockets" and what in ("read a file", "read a folder"):
                continue
            assert result in ("EPERM", "EACCES"), f"{who}: {what}: {result}"


@test
def it_fits_a_screen():
    with Network() as network:
        connect(network)
        network.client.do("c.close()")
        network.server.await_state("s", "CLOSE_WAIT")
        for columns in 60, 80, 132:
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            done = subprocess.Popen(["ip", "netns", "exec", network.server.namespace, FINWAIT, "compare",
                                     "-i", "wire", "--for", "0.1"], stdout=slave,
                                    stderr=subprocess.PIPE, text=True,
                                    env={**os.environ, "TERM": "dumb", "LC_ALL": "C"})
            os.close(slave)
            text = b""
            while True:
                try:
                    part = os.read(master, 65536)
                except OSError:  # the other side has closed
                    break
                if not part:
                    break
                text += part
            os.close(master)
            _, err = done.communicate(timeout=TIMEOUT_S)
            assert done.returncode == 0 and not err, err
            lines = text.decode().splitlines()
            assert lines[0].split()[:3] == ["VERDICT", "WIRE", "KERNEL"] or columns == 132, lines
            assert "application" in lines[1] and "CLOSE_WAIT" in lines[1], lines
            assert f"pid {network.server.pid}" in " ".join(lines), lines
            assert max(len(line) for line in lines) <= columns, lines


def normalised(text):
    """Without what differs from run to run: numbers, and the widths of columns."""
    return [re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)? (ms|us|s)\b|\d+", "N", line)).strip()
            for line in text.splitlines()]


@test
def the_example_of_kb_md_says_what_it_shows():
    with open(os.path.join(ROOT, "docs", "kb.md"), encoding="utf-8") as stream:
        block = re.search(r"```\n# finwait (compare .*)\n((?:.*\n)*?)```", stream.read())
    with Network() as network:
        finwait = subprocess.Popen(
            ["ip", "netns", "exec", network.server.namespace, FINWAIT, *block.group(1).split(), "-v"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C"})
        assert "sandbox: " in finwait.stderr.readline()
        connect(network, 80)
        child = network.server.do("os.fork() or __import__('time').sleep(60) or os._exit(0)")
        network.server.do("s.close()")  # one instance is still open
        network.client.do("c.close()")
        out, err = finwait.communicate(timeout=TIMEOUT_S)
        os.kill(child, signal.SIGKILL)
        assert finwait.returncode == 0, err
        assert normalised(out) == normalised(block.group(2)), out
        assert f"pid {child}" in out, out


@test
def the_records_have_the_keys_of_events_md():
    with open(os.path.join(ROOT, "docs", "events.md"), encoding="utf-8") as stream:
        text = stream.read()

    def keys(section):
        part = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE).group(1)
        return re.findall(r"^\| `(\w+)` ", part, re.MULTILINE)
    with Network() as network:
        finwait = Finwait(network.server)
        connect(network)
        row = finwait.one()
        for record, section in (row, "compare"), (finwait.records[-1], "comparison"):
            assert list(record) == keys("Keys of every record") + keys(section), list(record)


def reason_not_to():
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    for tool in "ip", "ss", "sysctl", "setpriv":
        if not shutil.which(tool):
            return f"there is no {tool}"
    if "libmnl" not in run(FINWAIT, "--version", "-v").stdout:
        return "this finwait was built without libmnl"
    try:
        made = run("ip", "netns", "add", PREFIX, check=False).returncode == 0
    finally:
        run("ip", "netns", "del", PREFIX, check=False)
    return None if made else "no network namespace can be made"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was made is removed
    chosen = [function for function in TESTS if not ONLY or function.__name__ in ONLY]
    why = reason_not_to()
    if why:
        print(f"TAP version 13\n1..0 # SKIP {why}")
        return 0
    failed = 0
    print(f"TAP version 13\n1..{len(chosen)}")
    for number, function in enumerate(chosen, 1):
        name = function.__name__.replace("_", " ")
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
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
