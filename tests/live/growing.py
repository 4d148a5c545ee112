#!/usr/bin/env python3
"""Captures that grow, are replaced, kept (-w) and counted (--metrics): files and pipes only. TAP.

    growing.py FINWAIT PCAPS [NAME...]
"""
import glob
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys

import prometheus
from network import await_that
from tap import Skip, connections, ends, environment, records, run, run_tests, says

FINWAIT, PCAPS = (os.path.abspath(path) for path in sys.argv[1:3])
ONLY = sys.argv[3:]
TESTS = []


def test(function):
    if not ONLY or function.__name__ in ONLY:
        TESTS.append(function)
    return function


def recorded(name):
    return os.path.join(PCAPS, name)


def pcap_parts(name):
    """The file header of a pcap and its packets, header included."""
    content = pathlib.Path(recorded(name)).read_bytes()
    at, packets = 24, []
    while at < len(content):
        size = 16 + struct.unpack_from("<I", content, at + 8)[0]
        packets.append(content[at:at + size])
        at += size
    return content[:24], packets


STORY = "leak-beside-clean-close.pcap"  # 12 transitions of two connections


def follow(*options, **more):
    return subprocess.Popen([FINWAIT, "--follow", "--json", *options], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment(), **more)


def append(path, *pieces):
    with open(path, "ab") as stream:
        stream.write(b"".join(pieces))


def replace(path, *pieces):
    """A new file of this name, whole from the start."""
    append("." + path, *pieces)
    os.rename("." + path, path)


def await_packets(process, frame):
    """Reads lines until one of them is about this frame, or later ones."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if json.loads(line)["frame"] >= frame:
            return "".join(lines)
    raise AssertionError(f"ended before frame {frame}: {process.stderr.read()}")


def last_frame_of(packets, path=STORY):
    """The frame of the last transition in the first so many packets."""
    header, all_packets = pcap_parts(path)
    pathlib.Path("part.pcap").write_bytes(header + b"".join(all_packets[:packets]))
    out = run(FINWAIT, "-r", "part.pcap", "--json").stdout
    os.unlink("part.pcap")
    return max(record["frame"] for record in records(out, "transition"))


def story():
    """What the whole of it comes to."""
    return connections(run(FINWAIT, "-r", recorded(STORY), "--json").stdout)


def finish(process, said):
    process.send_signal(signal.SIGINT)
    out, err = ends(process, 0)
    assert connections(said + out) == story()
    return err


# ------------------------------------------------------------------------------------------ follow --

@test
def a_file_that_grows_is_followed():
    header, packets = pcap_parts(STORY)
    append("t.pcap", header[:10])  # not even its header is there
    watch = follow("-r", "t.pcap")
    append("t.pcap", header[10:], *packets[:5])
    said = await_packets(watch, last_frame_of(5))
    half = packets[5][:20]
    append("t.pcap", half)  # a packet is cut by the writer's buffer
    append("t.pcap", packets[5][20:], *packets[6:])
    said += await_packets(watch, last_frame_of(len(packets)))
    assert finish(watch, said) == ""


@test
def a_file_that_is_not_there_yet_is_waited_for():
    header, packets = pcap_parts(STORY)
    watch = follow("-r", "t.pcap")
    says(watch.stderr.readline(), r"^finwait: t.pcap: no such file yet; waiting for it$")
    append("t.pcap", header, *packets)
    finish(watch, await_packets(watch, last_frame_of(len(packets))))


@test
def a_file_that_is_rotated_away_is_followed_by_the_new_one():
    header, packets = pcap_parts(STORY)
    append("t.pcap", header, *packets[:5])
    watch = follow("-r", "t.pcap")
    said = await_packets(watch, last_frame_of(5))
    append("t.pcap", *packets[5:9])  # the last that the old one gets
    os.rename("t.pcap", "t.pcap.1")
    replace("t.pcap", header, *packets[9:])
    said += await_packets(watch, last_frame_of(len(packets)))
    assert finish(watch, said) == ""


@test
def a_file_that_is_cut_is_read_from_its_start():
    header, packets = pcap_parts(STORY)
    append("t.pcap", header, *packets[:9])
    watch = follow("-r", "t.pcap")
    said = await_packets(watch, last_frame_of(9))
    with open("t.pcap", "wb") as stream:  # as tcpdump -W 1 does: the same file, anew
        stream.write(header + packets[9])
    for packet in packets[10:]:
        append("t.pcap", packet)
    said += await_packets(watch, last_frame_of(len(packets)))
    assert finish(watch, said) == ""


@test
def a_file_that_was_cut_and_has_grown_meanwhile_is_read_from_its_start():
    header, packets = pcap_parts(STORY)
    append("t.pcap", header, *packets[:2])
    watch = follow("-r", "t.pcap")
    said = await_packets(watch, last_frame_of(2))
    os.kill(watch.pid, signal.SIGSTOP)
    with open("t.pcap", "wb") as stream:
        stream.write(header + b"".join(packets[2:]))
    os.kill(watch.pid, signal.SIGCONT)
    said += await_packets(watch, last_frame_of(len(packets)))
    assert finish(watch, said) == ""


@test
def files_that_match_a_pattern_are_read_one_after_the_other():
    header, packets = pcap_parts(STORY)
    append("t.pcap", header, *packets[:3])
    append("t.pcap1", header, *packets[3:6])  # as tcpdump -C names them
    watch = follow("-r", "t.pcap*")
    said = await_packets(watch, last_frame_of(6))
    for i in range(6, len(packets)):
        append(f"t.pcap{i}", header)
        append(f"t.pcap{i}", packets[i])
    said += await_packets(watch, last_frame_of(len(packets)))
    assert finish(watch, said) == ""


@test
def a_ring_of_files_is_followed_around():
    """As tcpdump -C -W 2: a file is used again, which is no reason to read the old ones again."""
    header, packets = pcap_parts(STORY)
    append("r.pcap0", header, *packets[:4])
    watch = follow("-r", "r.pcap?")
    said = await_packets(watch, last_frame_of(4))
    append("r.pcap1", header, *packets[4:8])
    said += await_packets(watch, last_frame_of(8))
    with open("r.pcap0", "wb") as stream:
        stream.write(header + b"".join(packets[8:]))
    said += await_packets(watch, last_frame_of(len(packets)))
    os.utime("r.pcap1")  # touched, and still what it was
    assert finish(watch, said) == ""


@test
def a_pause_in_a_pipe_does_not_stop_the_clock():
    _, packets = pcap_parts(STORY)
    watch = follow("-r", "-", "--msl", "0.1", stdin=subprocess.PIPE)
    os.write(watch.stdin.fileno(), pathlib.Path(recorded(STORY)).read_bytes())
    for line in watch.stdout:  # and the pipe stays open
        if '"proof":"timer"' in line:
            break
    else:
        raise AssertionError("no timer")
    assert watch.poll() is None and len(packets) > 9
    watch.stdin.close()
    watch.stdin = None
    ends(watch, 0)


@test
def what_is_no_capture_is_not_followed():
    pathlib.Path("notes.txt").write_text("shopping list\n", encoding="ascii")
    done = run(FINWAIT, "--follow", "-r", "notes.txt")
    assert done.returncode == 3, done
    says(done.stderr, r'^finwait: notes.txt: not a capture file \(starts with "shopping list"\)')


# ------------------------------------------------------------------------------------------- write --

@test
def what_is_kept_of_files_is_what_was_read():
    names = ["crossed-fins.pcap", STORY, "stories.pcapng"]
    for options in [], ["tcp", "port", "80"]:
        kept = run(FINWAIT, *(word for name in names for word in ("-r", recorded(name))), "--json",
                   "-w", "kept.pcapng", *options)
        again = run(FINWAIT, "-r", "kept.pcapng", "--json")
        assert again.returncode == 0, again.stderr
        if not options:
            assert connections(again.stdout) == connections(kept.stdout)
        assert records(again.stdout, "summary")[0]["packets"] == \
            records(kept.stdout, "summary")[0]["packets"] > 0


@test
def the_file_that_is_read_is_not_written():
    shutil.copy(recorded(STORY), "t.pcap")
    before = pathlib.Path("t.pcap").read_bytes()
    os.link("t.pcap", "other-name")
    done = run(FINWAIT, "-r", "t.pcap", "-w", "other-name")
    assert done.returncode == 2 and "is being read" in done.stderr, done
    assert pathlib.Path("t.pcap").read_bytes() == before


@test
def a_device_that_is_full_is_told_and_all_is_shown():
    done = run(FINWAIT, "-r", recorded(STORY), "--json", "-w", "/dev/full")
    assert done.returncode == 4, done
    says(done.stderr, r"^finwait: /dev/full: cannot be written \(No space left on device\); the 0 packets")
    assert connections(done.stdout) == story()


@test
def a_file_that_cannot_be_opened_for_writing_is_told():
    done = run(FINWAIT, "-r", recorded(STORY), "-w", "none/kept.pcapng")
    assert (done.returncode, done.stdout) == (3, ""), done
    says(done.stderr, "^finwait: -w none/kept.pcapng: No such file or directory")


# ----------------------------------------------------------------------------------------- metrics --

@test
def metrics_agree_with_the_records_in_every_recording():
    paths = sorted(glob.glob(os.path.join(PCAPS, "*.pcap*")))
    assert len(paths) > 100
    for path in paths:
        out = run(FINWAIT, "-r", path, "--json", "--metrics", "m.prom").stdout
        values = prometheus.parse(pathlib.Path("m.prom").read_text(encoding="ascii"))
        told = records(out, "connection")
        summary = records(out, "summary")[0]
        for key, name in (("connections", "finwait_connections_seen_total"),
                          ("packets", "finwait_packets_total"), ("segments", "finwait_segments_total")):
            assert prometheus.total(values, name) == summary[key], f"{path}: {name}"
        # The end of the input settles what was in doubt, after the last counts.
        moves = len(records(out, "transition"))
        assert moves - 2 <= prometheus.total(values, "finwait_transitions_total") <= moves, path
        for end in "client", "server":
            live = prometheus.total(values, "finwait_connections", endpoint=end)
            gone = prometheus.total(values, "finwait_connections_ended_total")
            assert live + gone == len(told), f"{path}: {end}: {live} + {gone}, not {len(told)}"
        complete = sum(record["open"] == "complete" for record in told)
        assert prometheus.total(values, "finwait_handshakes_total", outcome="complete") == complete, path
        if not gone:
            last = {}
            for record in records(out, "transition"):
                last[record["conn"], record["endpoint"]] = record["to"]
            for (sample, labels), value in values.items():
                if sample == "finwait_connections" and dict(labels)["state"] != "UNKNOWN":
                    at_end = [1 for (_, end), state in last.items()
                              if end == dict(labels)["endpoint"] and state == dict(labels)["state"]]
                    settled = moves - prometheus.total(values, "finwait_transitions_total")
                    assert abs(value - len(at_end)) <= settled, f"{path}: {labels}: {value}, not {len(at_end)}"


@test
def metrics_pass_promtool():
    if not shutil.which("promtool"):
        raise Skip("there is no promtool (Debian: prometheus); our own reader is as strict")
    run(FINWAIT, "-r", recorded("stories.pcapng"), "-q", "--metrics", "m.prom")
    with open("m.prom", encoding="ascii") as stream:
        checked = run("promtool", "check", "metrics", stdin=stream)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr


@test
def metrics_are_replaced_as_a_whole():
    os.symlink("elsewhere", "m.prom")
    run(FINWAIT, "-r", recorded(STORY), "-q", "--metrics", "m.prom")
    assert not os.path.islink("m.prom") and not os.path.exists("elsewhere")
    assert sorted(os.listdir(".")) == ["m.prom"]
    assert os.stat("m.prom").st_mode & 0o777 == 0o644


@test
def metrics_say_when_handshakes_failed():
    run(FINWAIT, "-r", recorded("stories.pcapng"), "-q", "--metrics", "m.prom")
    values = prometheus.parse(pathlib.Path("m.prom").read_text(encoding="ascii"))
    told = records(run(FINWAIT, "-r", recorded("stories.pcapng"), "--json").stdout, "connection")
    refused = sum(record["open"] == "refused" for record in told)
    assert refused and prometheus.total(values, "finwait_handshakes_total", outcome="refused") == refused


run_tests(TESTS)
