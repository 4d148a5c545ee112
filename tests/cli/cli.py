#!/usr/bin/env python3
"""Runs the program as a user does and checks stdout, stderr and the exit status. TAP on stdout.

    cli.py FINWAIT PCAPS [NAME...]

Holds for every run: what ends with status 0 said something on stdout, or its reader had gone; a line
on stderr begins with the program's name or is a hint, indented by two spaces.
"""
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import captures as cap

FINWAIT, PCAPS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
ONLY = sys.argv[3:]
TESTS = []


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def environment(**changes):
    env = {key: value for key, value in os.environ.items()
           if key not in ("NO_COLOR", "TERM", "LANG", "LC_ALL", "LC_CTYPE")}
    env["LC_ALL"] = "C"
    env.update(changes)
    return env


class Run:
    """One run; its members are what came out."""

    def __init__(self, *args, stdin=b"", silent=False, env=None):
        done = subprocess.run([FINWAIT, *args], input=stdin, capture_output=True, timeout=60,
                              env=env or environment(), check=False)
        self.args, self.status = args, done.returncode
        self.raw = done.stdout
        self.out, self.err = done.stdout.decode(), done.stderr.decode()
        for line in self.err.splitlines():
            assert line.startswith(("finwait: ", "  ")), f"stderr: {line!r}"
        if self.status == 0 and not silent:
            assert self.out, f"{args}: status 0 in silence"

    def exits(self, status):
        assert self.status == status, \
            f"{self.args}: status {self.status}, not {status}\n{self.out}{self.err}"
        return self

    def says(self, *lines):
        """Exactly these lines on stderr."""
        got = self.err.splitlines()
        assert got == list(lines), f"{self.args}: stderr is\n{self.err}not\n" + "\n".join(lines)
        return self

    def complains(self, pattern):
        assert re.search(pattern, self.err), f"{self.args}: {pattern!r} not on stderr:\n{self.err}"
        return self

    def shows(self, pattern):
        assert re.search(pattern, self.out), f"{self.args}: {pattern!r} not on stdout:\n{self.out}"
        return self

    def shows_nothing(self):
        assert self.out == "", f"{self.args}: stdout is\n{self.out}"
        return self


def file(name, content):
    with open(name, "wb") as stream:
        stream.write(content)
    return name


def recorded(name):
    return os.path.join(PCAPS, name)


def leak():
    c, s = cap.CLIENT, cap.SERVER
    return cap.handshake() + [cap.tcp(c, s, 101, 501, cap.FIN | cap.ACK),
                              cap.tcp(s, c, 501, 102, cap.ACK)]


# ------------------------------------------------------------------------------------------ usage --

@test
def without_arguments_there_is_a_usage_hint():
    Run().exits(2).shows_nothing().says(
        "finwait: no input: neither -r nor -i says what to read",
        "  try: finwait -r FILE, or finwait -i INTERFACE; finwait --help tells more")


@test
def a_file_without_r_is_recognised():
    Run("trace.pcap").exits(2).says(
        "finwait: no input: to read the file trace.pcap, put -r before it",
        "  try: finwait -r trace.pcap")
    file("capture", cap.pcap(leak()))
    Run("-r", "capture", "capture").exits(2).complains('"capture" is a file: to read it, put -r')


@test
def an_unknown_option_suggests_the_nearest():
    Run("--jsn").exits(2).shows_nothing().says(
        "finwait: unknown option --jsn; did you mean --json?", "  finwait --help tells more")


@test
def what_it_repeats_steers_no_terminal_and_ends_no_line():
    Run("--a\nfinwait: b\x1b[2J").exits(2).says(
        "finwait: unknown option --a?finwait: b?[2J", "  finwait --help tells more")
    Run("-r", "no\x1b]0;such\x07\nfile").exits(3).complains(r"^finwait: no\?\]0;such\?\?file: ")


@test
def an_unknown_command_suggests_the_nearest():
    Run("tabel").exits(2).complains('there is no command "tabel"; did you mean table')
    file("t.pcap", cap.pcap(leak()))
    Run("tabel", "-r", "t.pcap").exits(2).complains("did you mean finwait table")


@test
def commands_of_later_versions_say_so():
    for command in "annotate", "report":
        Run(command, "-r", recorded("keep-alive.pcap")).exits(2).shows_nothing().complains(
            f"finwait: {command}: not in this version yet")


@test
def top_without_a_terminal_says_so():
    Run("top", "-r", recorded("keep-alive.pcap")).exits(2).shows_nothing().complains(
        "top: standard output is no terminal\n  finwait table shows the same as lines")


@test
def help_and_version_go_to_stdout():
    run = Run("--help").exits(0).says()
    assert len(run.out.splitlines()) <= 25
    Run("help").exits(0).says().shows("usage: ")
    Run("table", "--help").exits(0).says().shows("usage: finwait table")
    Run("help", "show").exits(0).says().shows("usage: finwait show ID")
    Run("help", "shwo").exits(2).shows_nothing().says(
        'finwait: there is no command "shwo"; did you mean show?')
    Run("help", "report").exits(2).says("finwait: report: not in this version yet")
    Run("help", "top").exits(0).says().shows("usage: finwait top")
    Run("--version").exits(0).says().shows(r"^finwait \d+\.\d+\.\d+\n$")
    Run("--version", "-v").exits(0).says().shows("libpcap .*zlib")


@test
def a_bad_filter_is_a_usage_error():
    Run("-r", recorded("keep-alive.pcap"), "prot", "80").exits(2).shows_nothing().complains(
        'bad filter "prot 80"')
    Run("-r", recorded("keep-alive.pcap"), "-F", "missing").exits(2).says(
        "finwait: -F missing: No such file or directory")
    file("filter", b"tcp port 80\n")
    Run("-r", recorded("keep-alive.pcap"), "-F", "filter").exits(0).says()
    file("binary", b"tcp\0port")
    Run("-r", recorded("keep-alive.pcap"), "-F", "binary").exits(2).complains("not a text file")


@test
def a_bad_selection_is_a_usage_error():
    pcap = recorded("keep-alive.pcap")
    Run("-r", pcap, "-Y", "stat close-wait").exits(2).says(
        'finwait: -Y: column 1: "stat": unknown word; did you mean state?')
    Run("-r", pcap, "--state", "clos-wait").exits(2).says(
        'finwait: --state: column 1: "clos-wait": unknown state; did you mean CLOSE-WAIT?')
    Run("show", "-r", pcap, "nonsense").exits(2).complains('show nonsense: column 1: "nonsense": not an')
    Run("show", "-r", pcap, "0").exits(2).says("finwait: show 0: connections are numbered from 1")


# -------------------------------------------------------------------------------- what is no input --

@test
def a_missing_file_is_unreadable():
    Run("-r", "trace.pcap").exits(3).shows_nothing().says("finwait: trace.pcap: no such file")
    file("trce.pcap", cap.pcap(leak()))
    Run("-r", "trace.pcap").exits(3).complains("did you mean trce.pcap")


@test
def a_directory_is_unreadable():
    os.mkdir("folder")
    Run("-r", "folder").exits(3).shows_nothing().complains("folder: a directory")


@test
def a_file_without_permission_is_unreadable():
    file("secret.pcap", cap.pcap(leak()))
    os.chmod("secret.pcap", 0)
    if os.access("secret.pcap", os.R_OK):
        raise Skip("root may read everything")
    Run("-r", "secret.pcap").exits(3).shows_nothing().complains("secret.pcap: .*permission")


@test
def an_empty_file_is_unreadable():
    file("empty.pcap", b"")
    Run("-r", "empty.pcap").exits(3).shows_nothing().complains("empty.pcap: empty")
    Run("-r", "-").exits(3).shows_nothing().complains("standard input: empty")


@test
def a_text_file_is_no_capture():
    file("notes.txt", b"# shopping list\n- bread\n")
    Run("-r", "notes.txt").exits(3).shows_nothing().complains(
        r'notes.txt: not a capture file \(starts with "# shop.*"\); known: pcap, pcapng, plain or gzip, '
        "zstd, lz4")


@test
def a_file_shorter_than_its_header_is_unreadable():
    file("short.pcap", cap.pcap_header()[:20])
    Run("-r", "short.pcap").exits(3).shows_nothing().complains("short.pcap: ")
    file("short.pcapng", cap.pcapng_section()[:20])
    Run("-r", "short.pcapng").exits(3).shows_nothing().complains("short.pcapng: ")


@test
def no_file_of_several_is_forgotten():
    file("good.pcap", cap.pcap(leak()))
    Run("-r", "good.pcap", "-r", "missing.pcap").exits(3).complains("missing.pcap: no such file")


@test
def an_unknown_interface_is_named():
    Run("-i", "nosuch0").exits(3).shows_nothing().complains(r'no interface "nosuch0"')


# ---------------------------------------------------------------------------------- damaged input --

@test
def a_capture_cut_short_keeps_what_came_before():
    whole = cap.pcap(leak())
    file("cut.pcap", whole[:-14])
    run = Run("-r", "cut.pcap").exits(4)
    run.complains(r"cut.pcap: cut short in packet 5 \(54 bytes promised, 40 there\); everything before "
                  "it was used")
    run.shows("FIN_WAIT_1 +ESTABLISHED")
    Run("-r", "cut.pcap", "--allow-partial").exits(0).complains("cut short")


@test
def every_length_of_a_capture_gives_a_verdict():
    for name, whole in ("p.pcap", cap.pcap(leak()[:2])), ("p.pcapng", pcapng_of(leak()[:2])):
        for length in range(0, len(whole), 3):
            file(name, whole[:length])
            run = Run("-q", "-r", name)
            assert run.status in (0, 3, 4), f"{name} cut at {length}: {run.status}"
            assert run.err or run.status == 0, f"{name} cut at {length}: silence"


def pcapng_of(packets):
    return cap.pcapng_section() + cap.pcapng_interface() + b"".join(
        cap.pcapng_packet(data) for data in packets)


@test
def a_block_longer_than_its_file_is_a_fault():
    whole = pcapng_of(leak())
    broken = bytearray(whole)
    at = len(whole) - len(cap.pcapng_packet(leak()[-1])) + 4
    broken[at:at + 4] = (1 << 20).to_bytes(4, "little")
    file("long.pcapng", bytes(broken))
    Run("-r", "long.pcapng").exits(4).complains("long.pcapng: ").shows("FIN_WAIT_1")


@test
def lengths_of_4_gib_are_a_fault():
    body = cap.pcap_header() + cap.pcap_packet(leak()[0]) \
        + cap.pcap_packet(leak()[1], captured=0xFFFFFFFF, sent=0xFFFFFFFF)
    file("huge.pcap", body)
    Run("-r", "huge.pcap").exits(4).complains("huge.pcap: ").shows("SYN_SENT")
    file("huge.pcapng", cap.pcapng_section() + cap.pcapng_interface()
         + b"\x06\0\0\0\xfc\xff\xff\xff" + b"\0" * 100)
    Run("-r", "huge.pcapng").exits(4).complains("huge.pcapng: ")


@test
def a_snaplen_of_0_is_no_reason_to_refuse():
    file("snap0.pcap", cap.pcap(leak(), snaplen=0))
    Run("-r", "snap0.pcap").exits(0).says().shows("CLOSE_WAIT")


@test
def times_out_of_range_do_not_stop_the_run():
    packets = leak()
    body = cap.pcap_header() + cap.pcap_packet(packets[0], 0, 0) \
        + cap.pcap_packet(packets[1], 0xFFFFFFFF, 4294967295) + cap.pcap_packet(packets[2], 1, 2)
    file("times.pcap", body)
    run = Run("-r", "times.pcap")
    assert run.status in (0, 4), run.status
    run.shows("SYN_SENT")
    Run("-r", "times.pcap", "-tttt").shows("SYN_SENT")
    Run("-r", "times.pcap", "--json").shows("SYN_SENT")


@test
def a_capture_without_packets_says_so():
    file("none.pcap", cap.pcap([]))
    Run("-r", "none.pcap").exits(4).says("finwait: none.pcap: no packet in it")
    Run("-r", "none.pcap", "--allow-partial").exits(0)


@test
def a_capture_without_tcp_says_so():
    file("udp.pcap", cap.pcap([cap.udp()] * 3))
    Run("-r", "udp.pcap").exits(4).says(
        "finwait: udp.pcap: no TCP in it; 3 packets: 3 of another protocol")
    for form in "--json", "--format=csv", "--format=tsv", "--format=zeek", "-q":
        Run("-r", "udp.pcap", form).exits(4).complains("no TCP in it")
    Run("table", "-r", "udp.pcap").exits(4).complains("no TCP in it")


@test
def a_filter_that_matches_nothing_says_so():
    file("leak.pcap", cap.pcap(leak()))
    Run("-r", "leak.pcap", "udp").exits(4).says(
        "finwait: leak.pcap: none of the 5 packets matches the filter")


@test
def a_filter_that_hides_one_direction_is_noticed():
    file("leak.pcap", cap.pcap(leak()))
    Run("-r", "leak.pcap", "src", "host", "10.0.0.1").exits(0).complains(
        "leak.pcap: 1 of 1 connections? .*seen in one direction only.*\n.*filter may hide")


@test
def link_types_that_are_not_decoded_are_named():
    file("usb.pcap", cap.pcap([b"\0" * 64] * 2, link_type=189))
    Run("-r", "usb.pcap").exits(4).says(
        "finwait: usb.pcap: link type 189 (USB) is not decoded: skipped 2 packets; "
        "there is no other in it")
    mixed = cap.pcapng_section() + cap.pcapng_interface() + cap.pcapng_interface(189)
    for packet in leak():
        mixed += cap.pcapng_packet(packet) + cap.pcapng_packet(b"\0" * 64, interface=1)
    file("mixed.pcapng", mixed)
    Run("-r", "mixed.pcapng").exits(4).shows("CLOSE_WAIT").says(
        "finwait: mixed.pcapng: interface 1 has link type 189 (USB): skipped 5 packets; "
        "5 Ethernet packets used")
    Run("-r", "mixed.pcapng", "--allow-partial").exits(0)


# --------------------------------------------------------------------------------------- good input --

@test
def a_faultless_run_writes_nothing_to_stderr():
    run = Run("-r", recorded("close-wait-leak.pcap")).exits(0).says()
    run.shows(r"#1  F\. +-> +FIN_WAIT_1 +ESTABLISHED")
    run.shows(r"1 connection: 1 half-closed \(#1")


@test
def standard_input_and_compressed_files_are_read():
    plain = cap.pcap(leak())
    expected = Run("-r", file("plain.pcap", plain)).exits(0).out.replace("plain.pcap", "-")
    assert Run("-r", "-", stdin=plain).exits(0).out == expected
    assert Run("-r", "-", stdin=gzip.compress(plain)).exits(0).out == expected
    assert Run("-r", file("x.pcap.gz", gzip.compress(plain))).exits(0).out.replace(
        "x.pcap.gz", "-") == expected
    for tool in "zstd", "lz4":
        if shutil.which(tool):
            packed = subprocess.run([tool, "-c"], input=plain, capture_output=True, check=True).stdout
            assert Run("-r", "-", stdin=packed).exits(0).out == expected


@test
def several_files_are_merged_by_time():
    packets = leak()
    body = [cap.pcap_packet(data, 1700000000 + i) for i, data in enumerate(packets)]
    file("a.pcap", cap.pcap_header() + body[0] + body[2] + body[4])
    file("b.pcap", cap.pcap_header() + body[1] + body[3])
    Run("-r", "b.pcap", "-r", "a.pcap").exits(0).says().shows("FIN_WAIT_2 +CLOSE_WAIT")


@test
def c_ends_the_input():
    Run("-r", recorded("close-wait-leak.pcap"), "-c", "2").exits(0).says().shows(
        "SYN_RECEIVED\n1 connection")


@test
def q_prints_the_summary_only():
    run = Run("-q", "-r", recorded("close-wait-leak.pcap")).exits(0).says()
    assert run.out.startswith("1 connection"), run.out


@test
def selections_choose_connections():
    pcap = recorded("close-wait-leak.pcap")
    Run("-r", pcap, "-Y", "state close-wait").exits(0).says().shows("CLOSE_WAIT")
    run = Run("-r", pcap, "-Y", "state time-wait").exits(0)
    assert "CLOSE_WAIT" not in run.out
    Run("-r", pcap, "--state", "close-wait,closing", "-Y", "dport = :80").exits(0).shows("CLOSE_WAIT")


@test
def json_is_one_object_a_line():
    run = Run("-r", recorded("close-wait-leak.pcap"), "--json").exits(0).says()
    records = [json.loads(line) for line in run.out.splitlines()]
    assert {record["type"] for record in records} >= {"transition", "connection", "summary"}
    assert records[-1]["type"] == "summary"
    common = {"v", "type", "ts", "t", "frame", "conn", "client_addr", "client_port", "server_addr",
              "server_port"}
    for record in records:
        assert common <= record.keys(), record
        assert all(not isinstance(value, (dict, list)) for value in record.values())
    only = Run("table", "-r", recorded("close-wait-leak.pcap"), "--json").exits(0)
    assert '"transition"' not in only.out


@test
def states_are_spelled_as_asked():
    pcap = recorded("client-closes-first.pcap")
    Run("-r", pcap, "--names=kb").exits(0).shows("TIMED_WAIT")
    Run("-r", pcap, "--names=ss").exits(0).shows("FIN-WAIT-1")
    Run("-r", pcap, "--names=netstat").exits(0).shows("FIN_WAIT1")


@test
def the_same_input_gives_the_same_bytes():
    pcap = recorded("crossed-fins.pcap")
    for form in (), ("--json",), ("-ttttt",):
        assert Run("-r", pcap, *form).raw == Run("-r", pcap, *form).raw


@test
def color_and_letters_follow_the_surroundings():
    pcap = recorded("close-wait-leak.pcap")
    assert "\x1b[" not in Run("-r", pcap).out
    assert "\x1b[" in Run("-r", pcap, "--color=always").out
    assert "\x1b[" in Run("-r", pcap, "--color=always", env=environment(NO_COLOR="1")).out
    assert Run("-r", pcap).raw.isascii()
    utf8 = Run("-r", pcap, env=environment(LC_ALL="C.UTF-8"))
    assert "\u2192" in utf8.out


def run_on_terminal(*args, **env):
    """stdout is a terminal: what it shows."""
    import pty
    try:
        main, other = pty.openpty()
    except OSError as error:
        raise Skip(f"no terminal can be made here: {error}") from error
    child = subprocess.Popen([FINWAIT, *args], stdin=subprocess.DEVNULL, stdout=other,
                             stderr=subprocess.DEVNULL, env=environment(**env))
    os.close(other)
    shown = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(main)
    assert child.wait(timeout=30) == 0
    return shown


@test
def a_terminal_gets_color_unless_it_is_dumb_or_told_not_to():
    pcap = recorded("close-wait-leak.pcap")
    assert b"\x1b[" in run_on_terminal("-r", pcap, TERM="xterm")
    assert b"\x1b[" not in run_on_terminal("-r", pcap, TERM="dumb")
    assert b"\x1b[" not in run_on_terminal("-r", pcap, TERM="xterm", NO_COLOR="1")
    assert b"\x1b[" in run_on_terminal("-r", pcap, TERM="xterm", NO_COLOR="")
    assert b"\x1b[" not in run_on_terminal("-r", pcap, "--color=never", TERM="xterm")


@test
def a_reader_that_has_gone_is_no_error():
    file("leak.pcap", cap.pcap(leak() * 2000))
    for form in (), ("--json",):
        reader, writer = os.pipe()
        os.close(reader)
        child = subprocess.Popen([FINWAIT, "-r", "leak.pcap", *form], stdout=writer,
                                 stderr=subprocess.PIPE, env=environment())
        os.close(writer)
        _, err = child.communicate(timeout=60)
        assert (child.returncode, err) == (0, b""), (child.returncode, err)


@test
def a_reader_that_has_gone_ends_a_run_whose_input_goes_on():
    for threads in "1", "2":
        child = subprocess.Popen([FINWAIT, "-l", "-r", "-", "--threads", threads],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=environment())
        child.stdin.write(cap.pcap(leak()))
        child.stdin.flush()
        while b"CLOSE_WAIT" not in child.stdout.readline():
            pass
        child.stdout.close()
        close = cap.tcp(cap.SERVER, cap.CLIENT, 501, 102, cap.FIN | cap.ACK)
        child.stdin.write(cap.pcap_packet(close))
        child.stdin.flush()
        err = child.stderr.read()
        assert (child.wait(timeout=30), err) == (0, b""), (child.returncode, err)
        child.stdin.close()


@test
def any_number_of_threads_says_the_same():
    pcap = recorded("close-wait-leak.pcap")
    for view in ["-tttt"], ["table"], ["--json"], ["show", "1"], ["--format", "csv"], ["-q"]:
        one = Run("--threads", "1", "-r", pcap, *view).exits(0)
        two = Run("--threads", "2", "-r", pcap, *view).exits(0)
        assert (one.out, one.err) == (two.out, two.err), (one.out, two.out)


@test
def a_full_disk_is_an_error():
    if not os.path.exists("/dev/full"):
        raise Skip("there is no /dev/full here")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([FINWAIT, "-r", recorded("close-wait-leak.pcap")], stdout=full,
                              stderr=subprocess.PIPE, env=environment(), check=False, timeout=60)
    assert done.returncode == 3, done.returncode
    assert b"cannot write the output: No space left on device" in done.stderr, done.stderr


@test
def an_interrupt_ends_with_the_summary():
    for number, threads in (signal.SIGINT, "1"), (signal.SIGINT, "2"), (signal.SIGTERM, "2"):
        child = subprocess.Popen([FINWAIT, "-l", "-r", "-", "--threads", threads],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=environment())
        child.stdin.write(cap.pcap(leak()))
        child.stdin.flush()
        while b"CLOSE_WAIT" not in child.stdout.readline():
            pass
        child.send_signal(number)
        out, err = child.stdout.read(), child.stderr.read()
        child.stdin.close()
        assert child.wait(timeout=30) == 0, (child.returncode, err)
        assert out.startswith(b"1 connection"), (out, err)


@test
def interfaces_are_listed():
    run = Run("interfaces", silent=True)
    if run.status == 3:
        raise Skip(f"no interface can be listed here: {run.err.strip()}")
    run.exits(0).says()
    assert Run("-D").out == run.out


@test
def every_state_is_explained():
    states = ("CLOSED LISTEN SYN_SENT SYN_RECEIVED ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 CLOSE_WAIT CLOSING "
              "LAST_ACK TIME_WAIT").split()
    for state in states:
        Run("explain", state).exits(0).says().shows(state)
    Run("explain", "timed_wait").exits(0).shows("TIME_WAIT")
    Run("explain").exits(0).says()
    Run("explain", "CLOSE_WIAT").exits(2).shows_nothing().complains("did you mean CLOSE.WAIT")


@test
def show_tells_of_one_connection():
    pcap = recorded("close-wait-leak.pcap")
    for which in "1", "#1", "10.9.0.2:80", "10.9.0.2:80-10.9.0.1:40001":
        Run("show", which, "-r", pcap).exits(0).says().shows("CLOSE_WAIT")
    Run("show", "1", "--ladder", "-r", pcap).exits(0).says()
    run = Run("show", "99", "-r", pcap, silent=True)
    assert run.out or run.err, "silence"


@test
def tables_have_a_heading():
    pcap = recorded("close-wait-leak.pcap")
    Run("table", "-r", pcap).exits(0).says().shows("CLOSE_WAIT")
    Run("-r", pcap, "--format", "csv").exits(0).says().shows("^ts,t,frame,conn,")
    Run("-r", pcap, "--format", "tsv").exits(0).says().shows("^ts\tt\tframe\tconn\t")
    Run("-r", pcap, "--format", "zeek").exits(0).says().shows("^#separator")


# ----------------------------------------------------------------------------------------- verify --

LEAK = "leak-beside-clean-close.pcap"


def expect(text, *more, name="lab.expect", capture=LEAK, **how):
    file(name, text.encode())
    return Run("verify", name, "-r", recorded(capture), *more, **how)


@test
def expectations_that_hold_end_with_0():
    run = expect("name web\nall : handshake complete\nnone : refused\n").exits(0).says()
    assert run.out == ("ok    lab.expect:2  web\nok    lab.expect:3  none : refused\n"
                       "2 expectations, all hold.\n"), run.out
    expect("all : handshake complete", "-q").exits(0).shows(r"\A1 expectation, and it holds.\n\Z")


@test
def an_expectation_that_fails_ends_with_1_and_shows_why():
    run = expect("all : closed").exits(1).says()
    run.shows("FAIL  lab.expect:1  all : closed").shows("got +half closed").shows("why +the server")
    run.shows(r"frame 9 .* < \. +FIN_WAIT_2 +CLOSE_WAIT").shows("1 expectation: 0 hold, 1 failed")


@test
def the_cause_is_told_not_the_symptom():
    run = expect("all : handshake complete", capture="refused.pcap").exits(1)
    run.shows("nothing listens on port 80")
    c, s = cap.CLIENT, cap.SERVER
    file("bad.pcap", cap.pcap([cap.tcp(c, s, 1000, 0, cap.SYN),
                               cap.tcp(s, c, 9, 4242, cap.SYN | cap.ACK)]))
    file("e", b"all : handshake complete")
    Run("verify", "e", "-r", "bad.pcap", "--format", "json").exits(1).shows(
        "the SYN.ACK acknowledges 4242, the client had sent 1000: an old connection, a middlebox "
        "or a SYN proxy")


@test
def expectations_that_cannot_be_read_end_with_2():
    expect("\nall dport = :80 : hanshake complete\nal : refused").exits(2).shows_nothing().says(
        'finwait: lab.expect:2:19: "hanshake": unknown check; did you mean handshake?',
        'finwait: lab.expect:3:1: "al": a line begins with all, any, none, one, exactly N, '
        "at-least N or name; did you mean all?")
    Run("verify", "absent", "-r", recorded(LEAK)).exits(2).shows_nothing().complains("absent: No such")
    Run("verify", ".", "-r", recorded(LEAK)).exits(2).shows_nothing().complains("directory")
    expect("").exits(2).says("finwait: lab.expect:1:1: no expectation in it")
    Run("verify", recorded(LEAK), "-r", recorded(LEAK)).exits(2).complains("not a text file")
    Run("verify", "-r", recorded(LEAK)).exits(2).complains("EXPECTATIONS is missing")
    Run("verify", "-", "-r", "-").exits(2).complains("standard input cannot be both")


@test
def no_test_passes_because_its_input_was_missing():
    text = "none : refused"
    expect(text, capture="absent.pcap").exits(3).shows_nothing()
    expect(text, "udp").exits(4).shows("FAIL  input .*\n.*no packet in it").shows("but the input")
    file("cut.pcap", open(recorded(LEAK), "rb").read()[:-7])
    run = Run("verify", "lab.expect", "-r", "cut.pcap").exits(4).complains("cut short")
    run.shows("damaged or cut short")
    Run("verify", "lab.expect", "-r", "cut.pcap", "--format", "tap").exits(4).shows("not ok 2 - the in")
    Run("verify", "lab.expect", "-r", "cut.pcap", "--format", "junit").exits(4).shows("<error ")
    Run("verify", "lab.expect", "-r", "cut.pcap", "--allow-partial").exits(0).shows("it holds.")
    file("fails", b"all : refused")
    Run("verify", "fails", "-r", "cut.pcap").exits(1)
    expect("all : refused", "--state", "listen").exits(1).shows("the input has none that -Y selects")


@test
def a_pipe_shows_the_same_frames_as_a_file():
    text = "all : closed; handshake within 1us\nnone : packets > S < S.\n"
    fromfile = expect(text).exits(1)
    with open(recorded(LEAK), "rb") as stream:
        frompipe = Run("verify", "lab.expect", "-r", "-", stdin=stream.read()).exits(1)
    assert fromfile.out == frompipe.out, frompipe.out


@test
def junit_is_valid_and_its_names_are_escaped():
    if not shutil.which("xmllint"):
        raise Skip("xmllint is not installed")
    schema = os.path.join(os.path.dirname(os.path.abspath(__file__)), "junit.xsd")
    text = ("name <a> & \"b\" 'c' \x01 \u00e9 \U0001f600\nall : refused\n"
            "all : handshake complete\nany dst 1.2.3.4 : path client SYN_SENT\n")
    for more in [], ["udp"], ["--golden", "golden"]:
        Run("verify", "--golden", "golden", "--update", "-r", recorded("ordinary.pcap")).exits(0)
        run = expect(text, "--format", "junit", *more, name="a<b>&c.expect").exits(1)
        file("result.xml", run.raw)
        done = subprocess.run(["xmllint", "--noout", "--schema", schema, "result.xml"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + run.out
    assert "&lt;a&gt; &amp; &quot;b&quot;" in run.out and "\u00e9" in run.out, run.out


@test
def records_of_verify_are_valid_json():
    run = expect("name a\"\\b\nall : closed\nnone : refused", "--json").exits(1)
    records = [json.loads(line) for line in run.out.splitlines()]
    assert records[0]["name"] == 'a"\\b' and records[0]["holds"] is False, records[0]
    assert [r["type"] for r in records].count("evidence") >= 4, records
    assert records[-1] == {"v": 1, "type": "verdict", "expectations": 2, "hold": 1, "failed": 1,
                           "partial": False}, records[-1]
    for record in records:
        assert not any(isinstance(value, (dict, list)) for value in record.values()), record


@test
def golden_files_are_written_and_compared():
    capture = recorded(LEAK)
    Run("verify", "--golden", "new.golden", "-r", capture).exits(3).says(
        "finwait: new.golden: No such file or directory", "  --update writes it")
    Run("verify", "--golden", "new.golden", "--update", "-r", capture).exits(0).says()
    Run("verify", "--golden", "new.golden", "-r", capture).exits(0).says().shows("as in the golden")
    with open("new.golden", encoding="utf-8") as stream:
        text = stream.read()
    kept = os.path.join(os.path.dirname(PCAPS), "tests", "golden", "leak.golden")
    with open(kept, encoding="utf-8") as stream:
        assert text == stream.read(), "not as on the machine where tests/golden was written"
    run = Run("verify", "--golden", "new.golden", "-r", recorded("ordinary.pcap")).exits(1)
    run.shows("client_path\n +expected  SYN_SENT>.*\n +got ").shows("expected, and not there")
    file("v2", b"finwait golden 2\n")
    Run("verify", "--golden", "v2", "-r", capture).exits(2).shows_nothing().complains("version 2")
    file("other", b"hello\n")
    Run("verify", "--golden", "other", "-r", capture).exits(2).complains("not a golden file")
    Run("verify", "--golden", ".", "-r", capture).exits(3).complains("directory")


@test
def a_golden_file_is_never_written_from_half_an_input():
    file("cut.pcap", open(recorded(LEAK), "rb").read()[:-7])
    file("g", b"as it was")
    Run("verify", "--golden", "g", "--update", "-r", "cut.pcap").exits(4).complains("g: not written")
    Run("verify", "--golden", "g", "--update", "-r", recorded(LEAK), "--state", "listen").exits(
        1).complains("no connection to keep")
    Run("verify", "--golden", "absent/g", "--update", "-r", recorded(LEAK)).exits(3).complains(
        "cannot be written")
    with open("g", "rb") as stream:
        assert stream.read() == b"as it was"


@test
def options_of_verify_belong_to_verify():
    Run("-r", recorded(LEAK), "--golden", "g").exits(2).complains("--golden belongs to finwait verify")
    Run("table", "-r", recorded(LEAK), "--format", "tap").exits(2).complains("belongs to finwait verify")
    expect("all : refused", "--update").exits(2).complains("it needs --golden FILE")
    expect("all : refused", "--format", "zeek").exits(2).complains("human, tap, junit or json")
    expect("all : refused", "--for", "3s").exits(2).complains("it needs -i")


@test
def a_test_that_failed_has_failed_although_nobody_reads_it():
    file("many", b"all : refused\n" * 3000)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([FINWAIT, "verify", "many", "-r", recorded(LEAK)], stdout=writer,
                          stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
    os.close(writer)
    assert done.returncode == 1 and done.stderr == b"", done


def main():
    chosen = [function for function in TESTS if not ONLY or function.__name__ in ONLY]
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
                print(f"not ok {number} {name}", flush=True)
                for line in (str(error) or repr(error)).splitlines():
                    print(f"# {line}")
            os.chdir("/")


if __name__ == "__main__":
    main()
