#!/usr/bin/env python3
"""finwait top in a real terminal (tmux): keys are sent, screens read. TAP on stdout.

    top.py FINWAIT PCAPS [NAME...]

What is expected is waited for, never longer than PATIENCE_S. The last test needs root and a network namespace of its own.
"""
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LOAD = int(sys.argv[2]) if sys.argv[1] == "--load" else 0
FINWAIT, PCAPS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
ONLY = sys.argv[3:]
PATIENCE_S = 30
TESTS = []
FOLDER = None  # of a test: what it writes goes with it


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def recorded(name):
    return os.path.join(PCAPS, name)


LEAK = recorded("leak-beside-clean-close.pcap")
STORIES = recorded("stories.pcapng")


class Terminal:
    """A tmux server of its own, with one window in which a command of the shell runs."""

    count = 0

    def __init__(self, command, width=80, height=24, term="xterm-256color", locale="C.UTF-8", **env):
        Terminal.count += 1
        self.socket = os.path.join(FOLDER, f"tmux-{Terminal.count}")
        words = {"TERM": term, "LC_ALL": locale, "PS1": "prompt> ", **env}
        inside = " ".join(f"{key}={shlex.quote(value)}" for key, value in words.items())
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                  f"cd {shlex.quote(FOLDER)}; unset NO_COLOR; export {inside}; {command}")

    def tmux(self, *words):
        env = {key: value for key, value in os.environ.items() if key != "TMUX"}
        env["LC_ALL"] = "C.UTF-8"
        return subprocess.run(["tmux", "-u", "-S", self.socket, *words], capture_output=True, check=False,
                              env=env, timeout=PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.tmux("kill-server")

    def screen(self, *how):
        return self.tmux("capture-pane", "-p", *how).stdout.decode()

    def keys(self, *keys):
        for key in keys:
            self.tmux("send-keys", key)

    def types(self, text):
        self.tmux("send-keys", "-l", text)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def pid(self):
        """Of finwait, where the shell has become it."""
        return int(self.tmux("list-panes", "-F", "#{pane_pid}").stdout)

    def until(self, pattern, what=None):
        """Waits until the screen matches; returns it."""
        shown = ""

        def matches():
            nonlocal shown
            shown = self.screen()
            return re.search(pattern, shown, re.MULTILINE)
        if not wait_for(matches):
            raise AssertionError(f"{what or pattern!r} was not to be seen:\n{shown}")
        return shown

    def until_gone(self, pattern):
        if not wait_for(lambda: not re.search(pattern, self.screen(), re.MULTILINE)):
            raise AssertionError(f"{pattern!r} stays:\n{self.screen()}")


def wait_for(condition):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def command(*words):
    return " ".join(shlex.quote(word) for word in (FINWAIT, "top") + words)


def top(*words, **more):
    return Terminal("exec " + command(*words), **more)


def top_in_shell(*words, **more):
    """What comes after it can be read: its status, and how the terminal is left."""
    after = 'echo "status=$?"; stty -a | tr -d ";" | tr " " "\\n" | grep -xE -e "-?(icanon|echo)" | xargs; exec cat'
    return Terminal(f"{command(*words)}; {after}", **more)


def is_restored(terminal, status):
    text = terminal.until(r"^(icanon echo|echo icanon)$", "the terminal as it was")
    assert f"status={status}" in text, text
    assert "q quit" not in text, text
    assert terminal.tmux("display", "-p", "#{alternate_on}#{cursor_flag}").stdout == b"01\n"
    return text


# ------------------------------------------------------------------------------------ what is seen --

@test
def the_screen_of_the_document_is_what_is_shown():
    with open(os.path.join(os.path.dirname(PCAPS), "docs", "live.md"), encoding="utf-8") as stream:
        words, screen = re.search(r"```console\n\$ finwait top (.*)\n((.*\n)*?)```", stream.read()).group(1, 2)
    words = words.replace("pcaps/", PCAPS + "/").split()
    with top(*words) as terminal:
        text = terminal.until("end of file")
        lines = text.splitlines()
        assert [line for line in lines if line] == [line for line in screen.splitlines() if line], text
        assert len(lines) == 24, text


@test
def without_utf8_all_is_ascii():
    for where in "Enter", "l", "d", "e", "?":
        with top("-r", STORIES, "--speed", "max", locale="C") as terminal:
            text = terminal.until("end of file")
            terminal.keys(where)
            text += terminal.until("q back")
            assert text.isascii(), text


@test
def terminals_differ_in_colour_not_in_text():
    seen = {}
    for term, env in ("xterm-256color", {}), ("xterm", {}), ("xterm-256color", {"NO_COLOR": "1"}), ("vt100", {}):
        with top("-r", STORIES, "--speed", "max", term=term, **env) as terminal:
            terminal.until("end of file")
            colour = re.search(r"\033\[[0-9;]*3[0-8]", terminal.screen("-e"))
            assert bool(colour) == (term != "vt100" and not env), (term, env)
            seen[term, bool(env)] = terminal.screen()
    assert len(set(seen.values())) == 1, seen


@test
def twenty_by_five_is_enough_and_less_is_said():
    with top("-r", LEAK, "--speed", "max", width=20, height=5) as terminal:
        text = terminal.until("FIN_WAIT2 CLOSEWA")
        assert text.splitlines()[0].startswith("1 conn"), text
        terminal.resize(19, 5)
        terminal.until("terminal too small")
        terminal.resize(20, 4)
        terminal.until("terminal too small")
        terminal.resize(80, 24)
        terminal.until("^client .*1")


@test
def a_screen_is_filled_whatever_its_size_becomes_while_packets_come():
    sizes = (200, 50), (40, 10), (20, 5), (10, 3), (132, 43), (300, 100), (1, 1), (80, 24)
    with top("-r", STORIES, "--speed", "20", width=200, height=50) as terminal:
        for width, height in sizes * 3:
            terminal.resize(width, height)
            if width >= 20 and height >= 5:
                terminal.until(rf"\A.*conn(.*\n){{{height - 1}}}q quit", f"{width}x{height}")
                for line in terminal.screen().splitlines():
                    assert len(line) <= width, line
        terminal.keys("q")
        assert wait_for(lambda: terminal.tmux("list-panes").returncode != 0), "it does not end"


@test
def names_of_files_do_not_steer_the_terminal():
    shutil.copy(LEAK, os.path.join(FOLDER, "\033[31mred\033]2;title\a.pcap"))
    with top("-r", "./\033[31mred\033]2;title\a.pcap", "--speed", "max", width=120) as terminal:
        terminal.until(r"^finwait top  \?\[31mred\?\]2;title\?\.pcap ")
        assert "\033[31mred" not in terminal.screen("-e")


# ------------------------------------------------------------------------------------------- keys --

@test
def a_connection_tells_its_story():
    with top("-r", LEAK, "--speed", "max") as terminal:
        terminal.until("end of file")
        terminal.keys("Enter")
        text = terminal.until("outcome    half-closed")
        assert "#1  10.9.0.1:40001 → 10.9.0.2:80   timeline" in text, text
        assert "  0.307979      8  →  F. 101 ack 201            FIN_WAIT_1     ESTABLISHED" in text, text
        terminal.keys("l")
        assert "│◀─── . ack 102 ────────────────│ CLOSE_WAIT" in terminal.until("ladder$")
        terminal.keys("d")
        terminal.until("only just now")
        terminal.keys("e")
        terminal.until("has not called close")
        terminal.keys("Left")
        terminal.until(r"^FIN_WAIT_2 +\(ss: FIN-WAIT-2")
        terminal.keys("q")
        terminal.until("^q quit")
        terminal.keys("Down", "Enter", "End")
        terminal.until(r"^#2 .*timeline(.*\n)*outcome    closed")


@test
def the_timeline_is_what_show_prints():
    shown = subprocess.run([FINWAIT, "show", "1", "-r", LEAK], capture_output=True, check=True, text=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout.splitlines()
    with top("-r", LEAK, "--speed", "max", width=200, height=50) as terminal:
        terminal.until("end of file")
        terminal.keys("Enter")
        lines = terminal.until("^outcome").splitlines()
        assert lines[2:2 + len(shown) - 1] == shown[1:], lines


@test
def long_pages_scroll():
    with top("-r", LEAK, "--speed", "max", height=10) as terminal:
        terminal.until("end of file")
        terminal.keys("?")
        terminal.until(r"^the list(.*\n)*q back .* 1-7 of \d+$")
        terminal.keys("NPage")
        terminal.until(r"^q back .* 8-14 of")
        terminal.keys("End")
        text = terminal.until("how many ends are in which state")
        last = re.search(r"\d+-(\d+) of (\d+)", text)
        assert last[1] == last[2], text
        terminal.keys("Home", "Right")
        terminal.until(r"^n PgUp PgDn Home End")
        terminal.keys("?")
        terminal.until("^q quit")


@test
def a_filter_says_what_is_wrong_while_it_is_typed():
    with top("-r", STORIES, "--speed", "max") as terminal:
        terminal.until("end of file")
        terminal.keys("a")
        terminal.until("with TIME_WAIT")
        terminal.keys("/")
        terminal.types("stat")
        terminal.until(r'^column 1: "stat": unknown word; did you mean state\?$')
        terminal.types("e close-wait")
        text = terminal.until("filter state close-wait: [1-9]")
        rows = [line for line in text.splitlines() if line[3:].startswith(("FIN_", "CLOSE", "ESTAB", "TIME_"))]
        assert rows and all("CLOSE_WAIT" in row for row in rows), text
        terminal.keys("Enter")
        terminal.until("^q quit")
        terminal.keys("/", "C-u")
        terminal.types("dport = :1")
        terminal.until("no connection matches the filter")
        terminal.keys("Escape")
        terminal.until("filter state close-wait: [1-9]")
        terminal.keys("/", "C-u", "Enter")
        terminal.until_gone("filter state")


@test
def the_filter_of_the_command_line_is_there_at_first():
    with top("-r", STORIES, "--speed", "max", "--state", "close-wait,fin-wait-1") as terminal:
        terminal.until("filter state close-wait or state fin-wait-1: [1-9]")
        terminal.keys("/")
        terminal.until("^/state close-wait or state fin-wait-1$")


@test
def orders_are_named_and_reversed():
    with top("-r", STORIES, "--speed", "max") as terminal:
        terminal.until("^sort what is wrong first")
        for name in "time in state", "newest", "silence", "bytes", "state", "client address", "server address":
            terminal.keys("s")
            terminal.until(f"^sort {name}$")
        terminal.keys("r")
        terminal.until("^sort server address, reversed$")
        terminal.keys("S")
        terminal.until("^sort client address, reversed$")


@test
def history_has_what_is_no_longer_listed():
    with top("-r", STORIES, "--speed", "max") as terminal:
        terminal.until("end of file")
        terminal.keys("H")
        text = terminal.until("^history: what has ended")
        assert "ENDED" in text and re.search(r"^.! .*CLOSED", text, re.MULTILINE), text
        terminal.keys("Enter")
        terminal.until("timeline$")


@test
def a_file_is_played_stopped_and_stepped_through():
    with top("-r", LEAK, "--speed", "0.001") as terminal:
        terminal.until("1 connection .*×0.001")
        terminal.until("ESTABLISHED ESTABLISHED")  # the next packet is due in a minute
        terminal.keys("Space")
        terminal.until("PAUSED")
        terminal.keys(*"....")
        terminal.until("100 B up, 200 B down")
        terminal.keys(".")
        terminal.until("FIN_WAIT_1  ESTABLISHED")
        terminal.keys("+")
        terminal.until("speed: 0.002 s of the capture in a second")
        for _ in range(30):
            terminal.keys("+")
        terminal.until("as fast as it can be read")
        terminal.keys("Space")
        terminal.until("end of file")


@test
def packets_of_a_connection_are_saved():
    with top("-r", LEAK, "--speed", "max") as terminal:
        terminal.until("end of file")
        terminal.keys("w")
        terminal.until("all of its 9 packets saved to finwait-1.pcapng")
        terminal.keys("w")
        terminal.until("saved to finwait-1-2.pcapng")
    for name in "finwait-1.pcapng", "finwait-1-2.pcapng":
        again = subprocess.run([FINWAIT, "-q", "-r", os.path.join(FOLDER, name)], capture_output=True, text=True,
                               check=False)
        assert again.stdout.startswith("1 connection: 1 half-closed"), again


@test
def where_a_file_cannot_be_written_it_says_so():
    if os.geteuid() == 0:
        raise Skip("root may write everywhere")
    with Terminal("chmod 500 .; exec " + command("-r", LEAK, "--speed", "max")) as terminal:
        terminal.until("end of file")
        terminal.keys("w")
        terminal.until("finwait-1.pcapng cannot be written: Permission denied")
    os.chmod(FOLDER, 0o700)


@test
def standard_input_is_the_capture_and_keys_come_from_the_terminal():
    with Terminal(f"(cat {shlex.quote(LEAK)}; exec sleep 60) | {command('-r', '-', '--speed', 'max')}") as terminal:
        terminal.until("FIN_WAIT_2 .*CLOSE_WAIT")  # the pipe has not ended
        terminal.keys("Enter")
        terminal.until("timeline$")


# -------------------------------------------------------------------------------------- the end --

@test
def q_gives_the_terminal_back_and_sums_up():
    with top_in_shell("-r", LEAK, "--speed", "max") as terminal:
        terminal.until("end of file")
        terminal.keys("q")
        text = is_restored(terminal, 0)
        assert "2 connections: 1 closed, 1 half-closed (#1, for 529 ms)." in text, text
        assert "ended early" not in text, text


@test
def signals_give_the_terminal_back():
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        with top_in_shell("-r", LEAK, "--speed", "max") as terminal:
            terminal.until("end of file")
            os.kill(child_of(terminal.pid()), number)
            text = is_restored(terminal, 0)
            assert "2 connections: 1 closed" in text, text
    with top_in_shell("-r", LEAK, "--speed", "max") as terminal:
        terminal.until("end of file")
        os.kill(child_of(terminal.pid()), signal.SIGQUIT)
        is_restored(terminal, 128 + signal.SIGQUIT)


def child_of(pid):
    found = []

    def look():
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            found[:] = stream.read().split()
        return found
    assert wait_for(look), "the shell has no child"
    return int(found[0])


@test
def control_c_ends_it():
    with top_in_shell("-r", LEAK, "--speed", "0.001") as terminal:
        terminal.until("^q quit")
        terminal.keys("C-c")
        assert "ended early: interrupted" in is_restored(terminal, 0)


@test
def it_can_be_stopped_and_goes_on():
    with Terminal("exec bash --norc --noprofile -i", BASH_SILENCE_DEPRECATION_WARNING="1") as terminal:
        terminal.until("^prompt>")
        terminal.types(command("-r", LEAK, "--speed", "max"))
        terminal.keys("Enter")
        terminal.until("end of file")
        terminal.keys("C-z")
        terminal.until(r"Stopped(.*\n)+prompt>")
        terminal.types("echo still $((40 + 2))")
        terminal.keys("Enter")
        terminal.until("^still 42$")
        terminal.types("fg")
        terminal.keys("Enter")
        terminal.until(r"\Afinwait top .*end of file")
        terminal.keys("Enter")
        terminal.until("timeline$")
        terminal.keys("q", "q")
        terminal.until("2 connections: 1 closed")


@test
def without_its_terminal_it_ends():
    with top("-r", LEAK, "--speed", "max") as terminal:
        terminal.until("end of file")
        pid = terminal.pid()
        terminal.tmux("kill-server")
        assert wait_for(lambda: not os.path.exists(f"/proc/{pid}")), "it goes on without a terminal"
    # A shell that ignores SIGHUP for it: then only reading tells.
    with Terminal("trap '' HUP; exec " + command("-r", LEAK, "--speed", "max")) as terminal:
        terminal.until("end of file")
        pid = terminal.pid()
        terminal.tmux("kill-server")
        assert wait_for(lambda: not os.path.exists(f"/proc/{pid}")), "it goes on without a terminal"


@test
def terminals_that_cannot_do_it_are_told():
    for term, why in (("dumb", "cannot put text where it is wanted"), ("no-such-terminal", "is not known here")):
        with top_in_shell("-r", LEAK, term=term, width=120) as terminal:
            text = terminal.until("status=2")
            assert why in text and "finwait: top: " in text, text


@test
def what_is_wrong_with_a_file_is_seen_and_said_again():
    with open(LEAK, "rb") as stream:
        damaged = stream.read()[:-10]
    with open(os.path.join(FOLDER, "cut.pcap"), "wb") as stream:
        stream.write(damaged)
    with top_in_shell("-r", "cut.pcap", "--speed", "max", width=120) as terminal:
        terminal.until("cut.pcap: cut short in packet")
        terminal.keys("q")
        assert "finwait: cut.pcap: cut short in packet" in is_restored(terminal, 4)


# ------------------------------------------------------------------------------------------ live --

class Namespace:
    def __init__(self):
        self.name = f"finwait-top-{os.getpid()}"

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        return self

    def __exit__(self, *why):
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def load(self, connections):
        """This file again, within: until its standard input is closed."""
        return subprocess.Popen(["ip", "netns", "exec", self.name, sys.executable, __file__, "--load",
                                 str(connections)], stdin=subprocess.PIPE)


def leak_and_refuse(connections):
    """A server that does not close, clients that do, an attempt at a port where nobody listens."""
    held, kept = [], []
    with socket.create_server(("127.0.0.1", 8080)) as server:
        for _ in range(connections):
            client = socket.create_connection(("127.0.0.1", 8080))
            held.append(server.accept()[0])
            client.sendall(b"a question")
            client.close()
        for _ in range(connections):
            kept.append(socket.create_connection(("127.0.0.1", 8080)))
            held.append(server.accept()[0])
        try:
            socket.create_connection(("127.0.0.1", 81))
        except ConnectionRefusedError:
            pass
        sys.stdin.read()
        for one in held + kept:
            one.close()


def with_names(hosts, resolver, *words):
    """A command of the shell, in a network of its own, with these files of the resolver."""
    for name, text in ("hosts", hosts), ("resolv.conf", resolver):
        with open(os.path.join(FOLDER, name), "w", encoding="ascii") as stream:
            stream.write(text)
    mounts = " && ".join(f"mount --bind {name} /etc/{name}" for name in ("hosts", "resolv.conf"))
    inside = f"ip link set lo up && {mounts} && exec {command(*words)}"
    return f"exec unshare -n -m sh -c {shlex.quote(inside)}"


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@test
def names_are_shown_when_they_are_known():
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise Skip("needs root and util-linux, for name servers of its own")
    client = re.search(r"(\S+):\d+ +(\S+):80",
                       subprocess.run([FINWAIT, "table", "-r", LEAK], capture_output=True, text=True,
                                      check=True).stdout)
    hosts = f"{client.group(1)} laptop.example\n{client.group(2)} web.example\n"
    with Terminal(with_names(hosts, "", "-N", "-r", LEAK), width=120) as terminal:
        terminal.until(r"laptop\.example:\d+ +web\.example:http")
        terminal.keys("q")
    # Nobody answers (a test network, RFC 5737): the names are not waited for.
    silent = "nameserver 192.0.2.1\noptions timeout:30 attempts:5\n"
    route = with_names("", silent, "-N", "-r", LEAK).replace(
        "ip link set lo up", "ip link set lo up && ip link add out type veth peer name sink && "
        "ip addr add 192.0.2.2/24 dev out && ip link set out up && ip link set sink up && "
        "ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev out", 1)
    with Terminal(route, width=120) as terminal:
        terminal.until(re.escape(client.group(2)) + r":80")
        pid = terminal.pid()
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            asking = stream.read().split()
        assert asking, "nobody asks for names"
        terminal.keys("q")
        for process in [pid, *asking]:
            if not wait_for(lambda: not is_alive(process)):  # pylint: disable=cell-var-from-loop
                raise AssertionError("somebody waits for names to end")


@test
def an_interface_is_watched():
    if os.geteuid() != 0 or not shutil.which("ip"):
        raise Skip("needs root and iproute2, for a network namespace")
    with Namespace() as namespace:
        inside = f"exec ip netns exec {namespace.name} {command('-i', 'lo')}"
        with Terminal(inside, width=200, height=50) as terminal:
            terminal.until("no connection yet")
            load = namespace.load(5)
            try:
                text = terminal.until("^client .* 5 ")
                assert "dropped 0  live" in text, text
                terminal.until("refused")
                terminal.resize(40, 10)
                terminal.until(r"^>! CLOSED")
                terminal.resize(120, 40)
                terminal.until("5 stuck")
                terminal.until(r"\* FIN_WAIT_2 +CLOSE_WAIT .*127.0.0.1:8080 .*the server has not closed")
                terminal.keys("/")
                terminal.types("state close-wait")
                terminal.keys("Enter")
                terminal.until("filter state close-wait: 5$")
                terminal.keys("Space", "Enter")
                terminal.until("client closes first")
                terminal.keys("d")
                terminal.until("server does not close its side")
            finally:
                load.communicate()
            terminal.keys("q", "Space")
            terminal.until("filter state close-wait: 0")
            terminal.keys("q")


def main():
    global FOLDER
    if LOAD:
        leak_and_refuse(LOAD)
        return
    chosen = [one for one in TESTS if not ONLY or one.__name__ in ONLY]
    if not shutil.which("tmux"):
        print("1..0 # SKIP tmux is missing")
        return
    print(f"TAP version 13\n1..{len(chosen)}", flush=True)
    for number, one in enumerate(chosen, 1):
        name = one.__name__.replace("_", " ")
        with tempfile.TemporaryDirectory() as FOLDER:
            try:
                one()
                print(f"ok {number} {name}", flush=True)
            except Skip as why:
                print(f"ok {number} {name} # SKIP {why}", flush=True)
            except Exception as why:
                print(f"not ok {number} {name}", flush=True)
                for line in f"{type(why).__name__}: {why}".splitlines():
                    print(f"# {line}", flush=True)


if __name__ == "__main__":
    main()
