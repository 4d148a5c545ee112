#!/usr/bin/env python3
"""Captures for findings that no recording between two kernels can have in a reasonable size: crowds,
minutes of silence, wrong checksums. Raw IPv4, classic pcap, packed with gzip where it is long.

    build.py [DIRECTORY]      writes them there; without it, beside this file

The same bytes every time (inside the gzip). tests/golden/findings.tsv says what finwait finds.
"""
import gzip
import pathlib
import struct
import sys

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
START = 1700000000_000000


def address(text):
    return bytes(int(part) for part in text.split("."))


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(source, target, seq, ack, flags, size=0, wrong=False):
    """(address, port) twice. A wrong checksum is what a card would still have to fill in."""
    data = b"x" * size
    fields = (source[1], target[1], seq, ack, 5 << 4, flags, 64240)
    tcp = struct.pack("!HHIIBBHHH", *fields, 0, 0) + data
    pseudo = address(source[0]) + address(target[0]) + struct.pack("!HH", 6, len(tcp))
    total = 0x1234 if wrong else checksum(pseudo + tcp)
    tcp = struct.pack("!HHIIBBHHH", *fields, total, 0) + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) \
        + address(source[0]) + address(target[0])
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + tcp


class Capture:
    def __init__(self):
        self.packets = []

    def put(self, ms, data):
        self.packets.append((START + int(ms * 1000), data))

    def bytes(self):
        out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        for when, data in sorted(self.packets, key=lambda entry: entry[0]):
            out += struct.pack("<IIII", when // 1000000, when % 1000000, len(data), len(data)) + data
        return out


class Connection:
    """Both ends' numbers, from 1000 and 5000."""

    def __init__(self, capture, client, server, wrong=()):
        self.capture, self.ends, self.next, self.wrong = capture, [client, server], [1000, 5000], wrong

    def send(self, ms, side, flags, size=0, ack=True):
        acknowledged = self.next[1 - side] if ack else 0
        self.capture.put(ms, packet(self.ends[side], self.ends[1 - side], self.next[side],
                                    acknowledged, flags | (ACK if ack else 0), size,
                                    side in self.wrong))
        self.next[side] = self.next[side] + size + bool(flags & SYN) + bool(flags & FIN)

    def open(self, ms):
        self.send(ms, 0, SYN, ack=False)
        self.send(ms + 0.2, 1, SYN)
        self.send(ms + 0.4, 0, 0)
        return self

    def request(self, ms, up=100, down=200):
        self.send(ms, 0, PSH, up)
        self.send(ms + 1, 1, PSH, down)
        self.send(ms + 1.2, 0, 0)
        return self

    def close(self, ms, first=0, pause=1):
        self.send(ms, first, FIN)
        self.send(ms + 0.2, 1 - first, 0)
        self.send(ms + pause, 1 - first, FIN)
        self.send(ms + pause + 0.2, first, 0)
        return self


def leaks():
    """A server that leaks three, a client that leaks one, a half close in use, a close just now."""
    capture = Capture()
    server = ("10.0.0.2", 8080)
    for i in range(3):
        leak = Connection(capture, ("192.168.1.10", 50002 + i), server).open(i * 900)
        leak.request(i * 900 + 20)
        leak.send(i * 900 + 1100, 0, FIN)
        leak.send(i * 900 + 1120, 1, 0)
    leak = Connection(capture, ("192.168.1.11", 40000), ("10.0.0.3", 5432)).open(3000)
    leak.send(9000, 1, FIN)
    leak.send(9001, 0, 0)
    half = Connection(capture, ("192.168.1.12", 40000), ("10.0.0.4", 80)).open(4000)
    half.request(4010)
    half.send(4100, 0, FIN)
    for ms in range(5000, 120000, 2000):
        half.send(ms, 1, PSH, 1000)
        half.send(ms + 1, 0, 0)
    late = Connection(capture, ("192.168.1.13", 40000), ("10.0.0.5", 80)).open(119000)
    late.send(119500, 0, FIN)
    late.send(119501, 1, 0)
    Connection(capture, ("192.168.1.13", 40001), ("10.0.0.5", 80)).open(118000).close(118100)
    return capture


def clean():
    """Two hundred connections of several clients that close as they should, either end first."""
    capture = Capture()
    for i in range(200):
        client = (f"192.168.1.{10 + i % 20}", 50000 + i)
        connection = Connection(capture, client, ("10.0.0.2", 443)).open(i * 150)
        connection.request(i * 150 + 10, 300, 2000).close(i * 150 + 400, i % 2, 20)
    return capture


def flood():
    """Two hundred forged sources at one port; the server answers a half of them, and its clients."""
    capture = Capture()
    server = ("10.0.0.2", 80)
    for i in range(200):
        source = (f"203.0.{i % 7}.{1 + i}", 1024 + i)
        attempt = Connection(capture, source, server)
        attempt.send(i * 10, 0, SYN, ack=False)
        if i % 2:
            attempt.send(i * 10 + 0.3, 1, SYN)
    for i in range(5):
        Connection(capture, ("192.168.1.10", 50000 + i), server).open(i * 300).close(i * 300 + 50)
    return capture


def scan():
    """One source tries forty ports: most are refused, some drop, two are open (and it resets)."""
    capture = Capture()
    for i in range(40):
        server = ("10.0.0.2", 20 + i)
        attempt = Connection(capture, ("198.51.100.7", 44444), server)
        attempt.send(i * 30, 0, SYN, ack=False)
        if i in (2, 33):
            attempt.send(i * 30 + 0.3, 1, SYN)
            attempt.send(i * 30 + 0.6, 0, RST, ack=False)
        elif i % 10:
            attempt.next[1] = 0
            attempt.send(i * 30 + 0.3, 1, RST)
    return capture


def time_wait():
    """A client that opens and closes six hundred connections within 1.2 s."""
    capture = Capture()
    for i in range(600):
        Connection(capture, ("192.168.1.10", 33000 + i), ("10.0.0.2", 6379)).open(i * 2) \
            .close(i * 2 + 1, pause=0.3)
    return capture


def unfinished():
    """The SYN+ACK is sent four times, and never acknowledged."""
    capture = Capture()
    attempt = Connection(capture, ("192.168.1.10", 50000), ("10.0.0.2", 80))
    attempt.send(0, 0, SYN, ack=False)
    for ms in (0.3, 1000, 3000, 7000):
        attempt.next[1] = 5000
        attempt.send(ms, 1, SYN)
    return capture


def offload():
    """Captured on the client: its card fills in the checksums later."""
    capture = Capture()
    for i in range(3):
        connection = Connection(capture, ("192.168.1.10", 50000 + i), ("10.0.0.2", 80), wrong=(0,))
        connection.open(i * 100).request(i * 100 + 5).close(i * 100 + 20)
    return capture


CAPTURES = {"leaks.pcap": leaks, "clean.pcap.gz": clean, "syn-flood.pcap": flood, "scan.pcap": scan,
            "time-wait.pcap.gz": time_wait, "unfinished.pcap": unfinished, "offload.pcap": offload}


def build(name):
    return CAPTURES[name]().bytes()


def main():
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    for name in CAPTURES:
        data = build(name)
        if name.endswith(".gz"):
            data = gzip.compress(data, 9, mtime=0)
        (directory / name).write_bytes(data)


if __name__ == "__main__":
    main()
