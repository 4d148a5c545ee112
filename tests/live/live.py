#!/usr/bin/env python3
"""finwait captures on a wire between two network namespaces, with real kernels at both ends. TAP.

    live.py FINWAIT FLOOD PCAPS [NAME...]

Needs root; without it all is skipped, and says so. Traffic stays on wires that a test made.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import prometheus
from network import (CLIENT, CLIENT_IF, PEERS, SERVER, SERVER_IF, Network, await_that, sockets,
                     waits, why_not)
from tap import (Skip, connections, ends, environment, records, run, run_tests, says)

FINWAIT, FLOOD = (os.path.abspath(path) for path in sys.argv[1:3])
ONLY = sys.argv[4:]
NOBODY = "65534"
TESTS = []
# ss's words for states
SS = {"SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECEIVED", "ESTAB": "ESTABLISHED",
      "FIN-WAIT-1": "FIN_WAIT_1", "FIN-WAIT-2": "FIN_WAIT_2", "CLOSE-WAIT": "CLOSE_WAIT",
      "CLOSING": "CLOSING", "LAST-ACK": "LAST_ACK", "TIME-WAIT": "TIME_WAIT"}


def test(function):
    if not ONLY or function.__name__ in ONLY:
        TESTS.append(function)
    return function


def start(net, *options, name=None, **more):
    """finwait, capturing; options may name another interface than the client's end of the wire."""
    if "-i" not in options:
        options = ("-i", CLIENT_IF, *options)
    process = net.start(name or net.client, FINWAIT, *options, env=environment(), **more)
    wanted = options.count("-i")
    await_that(lambda: process.poll() is not None or
               (sockets(process) >= wanted and waits(process)), "capturing", 10)
    assert process.poll() is None, process.communicate()
    return process


def stop(process, status=0, by=signal.SIGINT):
    process.send_signal(by)
    return ends(process, status)


def summary(text):
    return records(text, "summary")[-1]


# What nohup(1) set for us would be inherited, and finwait leaves an ignored SIGHUP ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


# ------------------------------------------------------------------------------------ true states --

def ask_ss(net, name):
    """{(local address:port, its peer's): state}, listeners left out."""
    lines = net.run(name, "ss", "-Htan").stdout.splitlines()
    return {(words[3], words[4]): SS[words[0]] for words in map(str.split, lines)
            if words[0] != "LISTEN"}


def disagreements(net, shown):
    """Where the states of connection records differ from what the kernels have. What a kernel has no
    socket for is closed, or was never there."""
    sides = {"client": ask_ss(net, net.client), "server": ask_ss(net, net.server)}
    wrong, seen = [], {side: set() for side in sides}
    for record in shown:
        ports = {side: f"{record[side + '_addr']}:{record[side + '_port']}" for side in sides}
        for side, other in (("client", "server"), ("server", "client")):
            pair = ports[side], ports[other]
            seen[side].add(pair)
            truth = sides[side].get(pair)
            told = record[f"{side}_state"]
            if told != truth and not (truth is None and told in ("CLOSED", "UNKNOWN", "LISTEN")):
                wrong.append(f"{pair[0]} > {pair[1]}: {side} {told}, ss says {truth}")
    for side, truth in sides.items():
        wrong += [f"{side} {pair}: {truth[pair]} in ss, not seen" for pair in set(truth) - seen[side]]
    return wrong


def latest_table(path):
    """The connections of the last whole table."""
    lines = pathlib.Path(path).read_text(encoding="ascii").splitlines()
    ends_at = [i for i, line in enumerate(lines) if '"type":"summary"' in line]
    if not ends_at:
        return []
    begins = ends_at[-2] + 1 if len(ends_at) > 1 else 0
    return records("".join(f"{line}\n" for line in lines[begins:ends_at[-1]]), "connection")


def start_nginx(net):
    """A real web server, in this folder; None: it is not there."""
    if not shutil.which("nginx"):
        print("# nginx is not here (Debian: nginx-light): tested without it")
        return None
    os.mkdir("www")
    pathlib.Path("www/index.html").write_text("hello\n", encoding="ascii")
    os.chmod(".", 0o755)
    pathlib.Path("nginx.conf").write_text(
        "daemon off; master_process off; error_log stderr; pid nginx.pid;\n"
        "events { worker_connections 512; }\n"
        f"http {{ access_log off; server {{ listen {SERVER}:80; root www; }} }}\n", encoding="ascii")
    process = net.start(net.server, "nginx", "-p", os.getcwd(), "-c", "nginx.conf",
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await_that(lambda: ":80 " in net.run(net.server, "ss", "-Htln").stdout, "nginx")
    return process


WEB = f"""
import socket, sys
kept = []
for i in range(20):
    s = socket.create_connection(("{SERVER}", 80))
    close = i % 2 == 0
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n" + b"Connection: close\\r\\n" * close + b"\\r\\n")
    while b"hello\\n" not in s.recv(4096): pass
    if close:
        s.recv(1)
        s.close()
    else:
        kept.append(s)
print("ready", flush=True)
sys.stdin.read()
"""


@test
def no_state_is_wrong_once_the_link_is_quiet():
    with Network() as net:
        net.serve()
        nginx = start_nginx(net)
        with open("table", "w", encoding="ascii") as table:
            watch = start(net, "table", "--every", "0.3", "--json", "--timers=linux", "tcp",
                          stdout=table)
        load = net.start(net.client, sys.executable, PEERS, "load", "--hold", "client=40", "server=40",
                         "leak=20", "reset=20", "refused=10", "open=30", stdin=subprocess.PIPE)
        done = json.loads(load.stdout.readline())
        count = sum(done.values())
        if nginx:
            web = net.start(net.client, sys.executable, "-c", WEB, stdin=subprocess.PIPE)
            assert web.stdout.readline() == "ready\n", web.stderr.read()
            count += 20
        await_that(lambda: len(latest_table("table")) == count, f"{count} connections in the table")
        # Quiet: what both kernels and the table say stays the same.
        wrong = await_that(lambda: [disagreements(net, latest_table("table")) or "none"], "a look")[0]
        with contextlib.suppress(AssertionError):
            await_that(lambda: not disagreements(net, latest_table("table")), "agreement", 5)
        wrong = disagreements(net, latest_table("table"))
        assert not wrong, "\n".join(wrong)
        states = {(record["client_state"], record["server_state"]) for record in latest_table("table")}
        for pair in (("ESTABLISHED", "ESTABLISHED"), ("FIN_WAIT_2", "CLOSE_WAIT"),
                     ("TIME_WAIT", "CLOSED"), ("CLOSED", "TIME_WAIT")):
            assert pair in states, f"{pair} was not among the states: the test tests too little"
        stop(watch)


@test
def a_connection_that_is_not_answered_is_in_syn_sent():
    with Network() as net:
        net.call("ip", "-n", net.client, "neigh", "add", "10.88.0.9", "lladdr", "02:00:00:00:00:09",
                 "dev", CLIENT_IF)
        with open("table", "w", encoding="ascii") as table:
            watch = start(net, "table", "--every", "0.2", "--json", stdout=table)
        net.start(net.client, sys.executable, "-c",
                  "import socket; socket.create_connection(('10.88.0.9', 80))")
        await_that(lambda: latest_table("table"), "the attempt")
        record = latest_table("table")[0]
        assert (record["client_state"], record["server_state"]) == ("SYN_SENT", "UNKNOWN"), record
        assert list(ask_ss(net, net.client).values()) == ["SYN_SENT"]
        stop(watch)


# ---------------------------------------------------------------------------------------- capture --

def add_second_wire(net):
    """Answers of the server come back on it, not on the first."""
    net.call("ip", "-n", net.client, "link", "add", "back0", "type", "veth", "peer", "name", "back1",
             "netns", net.server)
    for name, interface, address in ((net.client, "back0", "10.88.1.1"),
                                     (net.server, "back1", "10.88.1.2")):
        net.call("ip", "-n", name, "addr", "add", f"{address}/24", "dev", interface)
        net.call("ip", "-n", name, "link", "set", interface, "up")
        for where in "all", interface, CLIENT_IF if name == net.client else SERVER_IF:
            net.call("ip", "netns", "exec", name, "sysctl", "-qw",
                     f"net.ipv4.conf.{where}.rp_filter=0")
    net.call("ip", "-n", net.server, "route", "add", f"{CLIENT}/32", "via", "10.88.1.1", "dev", "back1")


@test
def packets_of_several_interfaces_are_in_order():
    with Network() as net:
        add_second_wire(net)
        net.serve()
        watch = start(net, "-i", CLIENT_IF, "-i", "back0", "--json", "-w", "kept.pcapng", "tcp")
        done = net.load("client=100", "server=100")
        out, err = stop(watch)
        assert not err, err
        wrong = [record for record in records(out, "connection")
                 if record["one_sided"] or record["midstream"] or record["dir_by"] != "syn"
                 or record["open"] != "complete" or record["end"] != "fin"]
        assert not wrong, wrong[0]
        assert summary(out)["connections"] == sum(done.values()), summary(out)
        frames = run("tcpdump", "-tt", "--nano", "-nr", "kept.pcapng").stdout.splitlines() \
            if shutil.which("tcpdump") else []
        # The kernel stamps packets of one interface that two processors send a little out of order.
        stamps = [(time, source.rpartition(".")[0]) for time, _, source, *_ in map(str.split, frames)]
        late = [pair for pair in zip(stamps, stamps[1:])
                if pair[1][0] < pair[0][0] and pair[1][1] != pair[0][1]]
        assert not late, f"not in order of time: {late[0]}"
        assert connections(run(FINWAIT, "-r", "kept.pcapng", "--json").stdout) == connections(out)


BUSY = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
one = socket.create_connection(server.getsockname())
other = server.accept()[0]
print("ready", flush=True)
while True:
    one.send(b"x")
    other.recv(1)
    time.sleep(0.0003)
"""


@test
def a_busy_interface_does_not_overtake_idle_ones():
    with Network() as net:
        add_second_wire(net)
        net.serve()
        busy = net.start(net.client, sys.executable, "-c", BUSY)
        assert busy.stdout.readline() == "ready\n", busy.stderr.read()
        with open("records", "w+", encoding="ascii") as out:
            watch = start(net, "-i", CLIENT_IF, "-i", "back0", "-i", "lo", "--json", "tcp", stdout=out)
            done = net.load("client=40", "--rate=7")  # silent for longer than what counts as idle
            stop(watch)
            out.seek(0)
            shown = [record for record in records(out.read(), "connection")
                     if record["client_addr"] == CLIENT]
        assert len(shown) == done["client"]
        wrong = [record for record in shown if record["dir_by"] != "syn" or record["midstream"] or
                 record["open"] != "complete" or record["end"] != "fin"]
        assert not wrong, wrong[0]


@test
def any_is_all_interfaces():
    with Network() as net:
        net.serve()
        watch = start(net, "-i", "any", "--json", "tcp")
        done = net.load("client=5", "refused=1")
        out, _ = stop(watch)
        assert summary(out)["connections"] == sum(done.values())


@test
def directions_add_up():
    with Network() as net:
        net.serve()
        watches = [start(net, "--json", f"--direction={way}", "tcp") for way in ("in", "out", "inout")]
        watches.append(start(net, "--json", "-Q", "out", "tcp"))
        net.load("client=20")
        packets = [summary(stop(watch)[0])["packets"] for watch in watches]
        assert packets[0] and packets[1] and packets[0] + packets[1] == packets[2], packets
        assert packets[3] == packets[1], packets


@test
def what_was_kept_gives_the_same_connections():
    with Network() as net:
        net.serve()
        watch = start(net, "--json", "-w", "kept.pcapng")
        net.load("client=10", "server=10", "leak=3", "reset=3", "refused=2", "open=2")
        out, _ = stop(watch)
        again = run(FINWAIT, "-r", "kept.pcapng", "--json")
        assert again.returncode == 0, again.stderr
        assert connections(again.stdout) == connections(out)
        assert summary(again.stdout)["packets"] == summary(out)["packets"]
        if shutil.which("tcpdump"):
            frames = run("tcpdump", "-nr", "kept.pcapng").stdout.splitlines()
            assert len(frames) == summary(out)["packets"]


@test
def a_full_disk_ends_it_and_what_was_written_is_whole():
    with Network() as net:
        net.serve()
        os.mkdir("small")
        net.call("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", "small")
        try:
            watch = start(net, "--json", "-s", "0", "-w", "small/kept.pcapng")
            net.load("client=300")
            out, err = ends(watch, 4)
            says(err, r"^finwait: small/kept.pcapng: cannot be written \(No space left on device\); "
                      r"the \d+ packets before it are whole in it\n$")
            kept = int(re.search(r"the (\d+) packets", err).group(1))
            again = run(FINWAIT, "-r", "small/kept.pcapng", "--json")
            assert again.returncode == 0, again.stderr
            assert summary(again.stdout)["packets"] == kept <= summary(out)["packets"]
            assert kept > 100
        finally:
            net.call("umount", "small")


@test
def an_interrupt_lets_what_was_captured_pass():
    for by in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        with Network() as net:
            net.serve()
            watch = start(net, "--json", "tcp")
            watch.send_signal(signal.SIGSTOP)
            done = net.load("client=200")
            watch.send_signal(by)
            watch.send_signal(signal.SIGCONT)
            out, err = ends(watch, 0)
            told = summary(out)
            assert (told["closed"], told["why_ended"]) == (done["client"], "interrupted"), told
            assert not err, err


@test
def a_second_interrupt_ends_at_once():
    with Network() as net:
        net.serve()
        watch = start(net, "--json", "tcp")  # nobody reads its output: it waits for room in the pipe
        size = fcntl.fcntl(watch.stdout, 1032)  # F_GETPIPE_SZ
        net.load("client=400")
        held = bytearray(4)
        await_that(lambda: fcntl.ioctl(watch.stdout, 0x541B, held) == 0  # FIONREAD
                   and struct.unpack("i", held)[0] > size - 8192, "a full pipe")
        watch.send_signal(signal.SIGINT)
        await_that(lambda: int(signal_mask(watch, "SigCgt"), 16) & 1 << (signal.SIGINT - 1) == 0,
                   "the first signal is taken")
        watch.send_signal(signal.SIGTERM)
        watch.wait(timeout=30)
        assert watch.returncode == -signal.SIGTERM, watch.returncode


def signal_mask(process, name):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as stream:
        return next(line.split()[1] for line in stream if line.startswith(name))


@test
def a_reader_that_goes_away_ends_it():
    with Network() as net:
        net.serve()
        watch = start(net, "-l", "tcp")
        net.load("client=1")
        watch.stdout.readline()
        watch.stdout.close()
        net.load("client=5")
        watch.stdout = None
        assert ends(watch, 0)[1] == ""


@test
def an_interface_that_goes_away_is_an_end():
    with Network() as net:
        net.serve()
        watch = start(net, "--json", "tcp")
        done = net.load("client=10")
        net.call("ip", "-n", net.client, "link", "del", CLIENT_IF)
        out, err = ends(watch, 4)
        assert err == f"finwait: {CLIENT_IF}: the interface is gone; everything before it was used\n"
        assert summary(out)["closed"] == done["client"]


@test
def of_two_interfaces_the_other_goes_on():
    with Network() as net:
        add_second_wire(net)
        net.call("ip", "-n", net.server, "route", "del", f"{CLIENT}/32")
        net.serve()
        watch = start(net, "-i", "back0", "-i", CLIENT_IF, "--json", "tcp")
        net.call("ip", "-n", net.client, "link", "del", "back0")
        line = watch.stderr.readline()
        says(line, "^finwait: back0: the interface is gone")
        done = net.load("client=10")
        out, _ = stop(watch, 4)
        assert summary(out)["closed"] == done["client"], summary(out)


@test
def an_interface_that_is_down_is_waited_for():
    with Network() as net:
        net.serve()
        watch = start(net, "--json", "tcp")
        net.load("client=3")
        net.call("ip", "-n", net.client, "link", "set", CLIENT_IF, "down")
        line = watch.stderr.readline()
        says(line, f"^finwait: {CLIENT_IF}: the interface is down; waiting until it is up again")
        net.call("ip", "-n", net.client, "link", "set", CLIENT_IF, "up")
        net.load("client=4")
        out, err = stop(watch)
        assert summary(out)["closed"] == 7, summary(out)
        says(err, "the interface is up again")


# ------------------------------------------------------------------------------------------ drops --

def flood(net, watches, count):
    """SYNs to port 7 while the watches cannot take any: more than their buffers hold."""
    for watch in watches:
        watch.send_signal(signal.SIGSTOP)
    done = net.run(net.client, FLOOD, CLIENT_IF, str(count), "0", "10.99.0.1", "7")
    for watch in watches:
        watch.send_signal(signal.SIGCONT)
    return json.loads(done.stdout)["sent"]


@test
def what_was_sent_was_seen_or_is_told_as_dropped():
    with Network() as net:
        watch = start(net, "-q", "--json", "-B", "1024", "tcp", "dst", "port", "7")
        sent = flood(net, [watch], 40000)
        out, err = stop(watch, 4)
        told = summary(out)
        assert told["dropped_kernel"] > 0
        assert told["packets"] + told["dropped_kernel"] == sent, (told, sent)
        says(err, rf"^finwait: {CLIENT_IF}: {told['dropped_kernel']} packets dropped by the kernel, "
                  "0 by the interface")


@test
def connections_that_lived_through_a_drop_are_marked():
    with Network() as net:
        net.serve()
        with open("out", "w", encoding="ascii") as output:  # a pipe that nobody reads would stop it
            watch = start(net, "--json", "-B", "1024", "-w", "kept.pcapng", "--metrics", "m.prom",
                          "tcp", stdout=output)
        before = net.load("client=3")
        hold = net.start(net.client, sys.executable, PEERS, "load", "--hold", "open=3",
                         stdin=subprocess.PIPE)
        hold.stdout.readline()
        # The last packet of the last of them has been taken.
        await_that(lambda: run(FINWAIT, "-r", "kept.pcapng", "-q", "--state", "established",
                               "--allow-partial").stdout.startswith("3 of 6 "), "six connections")
        flood(net, [watch], 40000)
        await_that(lambda: prometheus_value("m.prom", "finwait_packets_dropped_total",
                                            interface=CLIENT_IF, by="kernel") > 0, "drops", 40)
        after = net.load("server=3")
        _, err = stop(watch, 4)
        says(err, "packets dropped by the kernel")
        told = {}
        for record in records(pathlib.Path("out").read_text(encoding="ascii"), "connection"):
            if record["server_port"] != 7:
                told.setdefault((record["closed_by"], record["lossy"]), []).append(record)
        assert {key: len(of) for key, of in told.items()} == \
            {("client", False): before["client"], ("none", True): 3,
             ("server", False): after["server"]}, told


def prometheus_value(path, name, **labels):
    with contextlib.suppress(OSError):
        with open(path, encoding="ascii") as stream:
            return prometheus.total(prometheus.parse(stream.read()), name, **labels)
    return 0


@test
def metrics_say_what_the_kernels_say():
    with Network() as net:
        net.serve()
        watch = start(net, "-q", "--metrics", "m.prom", "--timers=linux", "tcp")
        load = net.start(net.client, sys.executable, PEERS, "load", "--hold", "client=10", "server=10",
                         "leak=7", "reset=4", "refused=3", "open=5", stdin=subprocess.PIPE)
        done = json.loads(load.stdout.readline())
        await_that(lambda: prometheus_value("m.prom", "finwait_connections_seen_total") ==
                   sum(done.values()), "a file with all connections", 40)
        values = prometheus.parse(pathlib.Path("m.prom").read_text(encoding="ascii"))
        for side, name in ("client", net.client), ("server", net.server):
            truth = list(ask_ss(net, name).values())
            for state in ("ESTABLISHED", "FIN_WAIT_2", "CLOSE_WAIT", "TIME_WAIT"):
                told = prometheus.total(values, "finwait_connections", endpoint=side, state=state)
                assert told == truth.count(state), f"{side} {state}: {told}, ss {truth.count(state)}"
        handshakes = {outcome: prometheus.total(values, "finwait_handshakes_total", outcome=outcome)
                      for outcome in ("complete", "refused", "no_answer")}
        assert handshakes == {"complete": 36, "refused": 3, "no_answer": 0}, handshakes
        assert prometheus.total(values, "finwait_packets_dropped_total", interface=CLIENT_IF) == 0
        if shutil.which("promtool"):
            with open("m.prom", encoding="ascii") as stream:
                checked = run("promtool", "check", "metrics", stdin=stream)
            assert checked.returncode == 0 and not checked.stderr, checked.stderr
        else:
            print("# promtool is not here (Debian: prometheus): only read by our own reader")
        stop(watch)
        assert sorted(os.listdir(".")) == ["m.prom"]


# -------------------------------------------------------------------------------------- following --

@test
def a_file_that_tcpdump_writes_is_followed():
    if not shutil.which("tcpdump"):
        raise Skip("there is no tcpdump")
    with Network() as net:
        net.serve()
        watch = net.start(net.client, FINWAIT, "--follow", "-r", "live.pcap", "--json",
                          env=environment())
        says(watch.stderr.readline(), r"^finwait: live.pcap: no such file yet; waiting for it")
        dump = net.start(net.client, "tcpdump", "-U", "-i", CLIENT_IF, "-w", "live.pcap", "tcp")
        await_that(lambda: sockets(dump), "tcpdump")
        done = net.load("client=20")
        ended = 0
        while ended < done["client"]:  # while tcpdump runs
            ended += '"to":"TIME_WAIT"' in watch.stdout.readline()
        assert dump.poll() is None
        out, _ = stop(watch)
        assert summary(out)["closed"] == done["client"]


# -------------------------------------------------------------------------------------- bad input --

@test
def a_user_without_permission_is_told_the_way_to_it():
    with Network() as net:
        done = net.run(net.client, "setpriv", f"--reuid={NOBODY}", "--clear-groups", readable_finwait(),
                       "-i", CLIENT_IF)
        assert done.returncode == 3, done
        says(done.stderr, rf"^finwait: {CLIENT_IF}: no permission to capture\n"
                          r"  try: sudo setcap cap_net_raw\+ep /\S+/finwait     or: dumpcap ")


def readable_finwait():
    """Where anybody may run it."""
    os.chmod(".", 0o755)
    shutil.copy(FINWAIT, "finwait")
    return os.path.abspath("finwait")


@test
def cap_net_raw_alone_suffices():
    with Network() as net:
        net.serve()
        os.mkdir("out")
        os.chmod("out", 0o777)
        watch = net.start(net.client, "setpriv", f"--reuid={NOBODY}", "--clear-groups",
                          "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw",
                          "--bounding-set=-all,+net_raw", readable_finwait(), "-i", CLIENT_IF, "--json",
                          "-w", "out/kept.pcapng", "--metrics", "out/m.prom", "tcp", env=environment())
        await_that(lambda: watch.poll() is not None or sockets(watch), "capturing", 10)
        done = net.load("client=5")
        out, err = stop(watch)
        assert summary(out)["closed"] == done["client"] and not err, err


@test
def what_cannot_be_captured_is_told():
    with Network() as net:
        def refused(status, pattern, *options):
            done = net.run(net.client, FINWAIT, *options)
            assert (done.returncode, done.stdout) == (status, ""), (options, done)
            says(done.stderr, pattern)
            assert len(done.stderr.splitlines()) <= 2, done.stderr

        refused(3, r'^finwait: no interface "wire9"; did you mean wire0\?', "-i", "wire9")
        refused(3, r'^finwait: no interface "wire9"', "-i", CLIENT_IF, "-i", "wire9")
        refused(2, r'^finwait: bad filter "tcp prt 80": syntax error\n',
                "-i", CLIENT_IF, "tcp", "prt", "80")
        refused(3, r'has no link type "PPP"\n  it has: EN10MB', "-i", CLIENT_IF, "-y", "PPP")
        refused(3, r"^finwait: -w none/kept: No such file or directory", "-i", CLIENT_IF, "-w", "none/kept")
        refused(3, r"^finwait: --metrics none/m.prom: No such file", "-i", CLIENT_IF, "--metrics",
                "none/m.prom")
        refused(3, r"^finwait: --metrics /dev/null: not an ordinary file", "-i", CLIENT_IF, "--metrics",
                "/dev/null")


@test
def a_link_type_that_is_not_decoded_is_refused():
    """A TUN device that calls itself a CAN bus."""
    with Network() as net:
        make = ("import fcntl, struct, sys\n"
                "tun = open('/dev/net/tun', 'r+b', buffering=0)\n"
                "fcntl.ioctl(tun, 0x400454CA, struct.pack('16sH22x', b'can7', 0x1001))\n"
                "fcntl.ioctl(tun, 0x400454CD, 280)\n"
                "print('made', flush=True); sys.stdin.read()\n")
        tun = net.start(net.client, sys.executable, "-c", make, stdin=subprocess.PIPE)
        if tun.stdout.readline() != "made\n":
            raise Skip(f"no TUN device: {tun.stderr.read().strip().splitlines()[-1]}")
        net.call("ip", "-n", net.client, "link", "set", "can7", "up")
        done = net.run(net.client, FINWAIT, "-i", "can7")
        assert done.returncode == 3, done
        says(done.stderr, r"^finwait: can7: link type \d+ \(.*\) is not decoded: there is no TCP")


@test
def only_a_person_is_told_that_it_listens():
    with Network() as net:
        master, slave = os.openpty()
        watch = start(net, "--json", "tcp", stderr=slave)
        os.close(slave)
        says(os.read(master, 4096).decode(),
             rf"^finwait: listening on {CLIENT_IF}, link type Ethernet, snaplen 192 bytes\r\n")
        stop(watch, 4)
        os.close(master)


run_tests(TESTS, why_not())
