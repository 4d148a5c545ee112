#!/usr/bin/env python3
"""What somebody who writes the input can make finwait spend: ./dev bench attacks

    attacks.py [--packets N] [--runs N] [--finwait PROGRAM] [NAME...]

Writes a capture for each attack and tells the processor's time for each packet (the least of the
runs, without what an empty capture costs), and for plans of addresses the ratio to random ones.
Bars: 1.2 for plans of addresses; 2 us a packet, 5 ns a byte unpacked, for all others.
"""
import argparse
import gzip
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SYN, ACK = 2, 16
SERVER = 0x0a090001
RAW, ETHERNET = 101, 1


def tcp(source, target, seq, ack, flags, options=b""):
    return struct.pack(">HHIIBBHHH", source, target, seq, ack, (5 + len(options) // 4) << 4, flags,
                       65535, 0, 0) + options


def ipv4(source, target, payload, protocol=6, fragment=0):
    return struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(payload), 0, fragment, 64, protocol, 0, source,
                       target) + payload


def ipv6(source, target, payload, following=6):
    return struct.pack(">IHBB", 6 << 28, len(payload), following, 64) + \
        struct.pack(">QQQQ", 0x20010db8 << 32, source, 0x20010db8 << 32, target) + payload


def opening(client, port, server=SERVER, service=80, options=b""):
    """Three packets: SYN, SYN+ACK, ACK."""
    yield ipv4(client, server, tcp(port, service, 7, 0, SYN, options))
    yield ipv4(server, client, tcp(service, port, 9, 8, SYN | ACK))
    yield ipv4(client, server, tcp(port, service, 8, 10, ACK))


# ------------------------------------------------------------------------------ plans of addresses --

def from_random(count):
    for _ in range(count // 3):
        yield from opening(random.getrandbits(32), random.randrange(1024, 65536))


def to_random(count):
    """Each to a server of its own, too."""
    for _ in range(count // 3):
        yield from opening(random.getrandbits(32), random.randrange(1024, 65536),
                           random.getrandbits(32), random.randrange(1, 1024))


def from_a_16(count):
    """One network of 65,536 addresses, one port after the other."""
    for number in range(count // 3):
        yield from opening(0xc0a80000 | number & 0xffff, 1024 + (number >> 16))


def from_a_24(count):
    for number in range(count // 3):
        yield from opening(0xc0a80100 | number & 0xff, 1024 + (number >> 8) % 64000)


def from_one(count):
    """One address (NAT), each port to some servers."""
    for number in range(count // 3):
        yield from opening(0xc0a80101, 1024 + number % 64000, SERVER + number // 64000)


def of_one_sum(count):
    """Address and port always add up to the same, and are the same when exclusive-ored: what an
    unkeyed hash that folds its input takes for one."""
    for number in range(count // 3):
        port = 1024 + number % 64000
        yield from opening(0x0a000000 | number // 64000 << 16 | 0xffff ^ port, port)


# Hashes of flows that have no key, or one that everybody knows, and are linear: what leaves the hash as
# it is can be computed. Each takes the 12 bytes of addresses and ports.

def crc32(tuple_bytes):
    return zlib.crc32(tuple_bytes)


def toeplitz(tuple_bytes):
    """What network cards spread flows by, with the key of its specification (Microsoft, RSS)."""
    number, key, value = int.from_bytes(tuple_bytes, "big"), int.from_bytes(RSS_KEY, "big"), 0
    for bit in range(96):
        if number >> (95 - bit) & 1:
            value ^= key >> (len(RSS_KEY) * 8 - 32 - bit) & 0xffffffff
    return value


RSS_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c"
                        "6a42b73bbeac01fa")


def changes_without_effect(hash_of):
    """A basis of the changes to 96 bits that leave the hash what it is (Gauss)."""
    zero, pivots, basis = hash_of(bytes(12)), {}, []
    for bit in range(96):
        change = 1 << bit
        effect = hash_of(change.to_bytes(12, "big")) ^ zero
        while effect and effect.bit_length() in pivots:
            other_effect, other_change = pivots[effect.bit_length()]
            effect, change = effect ^ other_effect, change ^ other_change
        if effect:
            pivots[effect.bit_length()] = effect, change
        else:
            basis.append(change)
    return basis


def of_one_hash(hash_of, count):
    basis = changes_without_effect(hash_of)
    seen, last = set(), 1 << 95 | 77 << 40 | 1024 << 16 | 80
    wanted = hash_of(last.to_bytes(12, "big"))
    while len(seen) < count // 3:
        last ^= random.choice(basis) ^ random.choice(basis)
        if last in seen:
            continue
        seen.add(last)
        tuple_bytes = last.to_bytes(12, "big")
        assert hash_of is not crc32 or crc32(tuple_bytes) == wanted
        client, server, port, service = struct.unpack(">IIHH", tuple_bytes)
        yield from opening(client, port, server, service)


# --------------------------------------------------------------------------------- other attacks --

def syn_again(count):
    """Another attempt on one tuple each time."""
    for number in range(count):
        yield ipv4(1, SERVER, tcp(1024, 80, number * 77777 & 0xffffffff, 0, SYN))


def fragments(count):
    for number in range(count // 2):
        whole = tcp(1024 + number % 64000, 80, 7, 0, SYN)
        yield ipv4(number, SERVER, whole + bytes(4), fragment=0x2000)
        yield ipv4(number, SERVER, bytes(64), fragment=3)


def extensions(count):
    """IPv6: as many extension headers as a packet of 1,500 bytes has room for."""
    chain = struct.pack(">BB6x", 60, 0) * 179 + struct.pack(">BB6x", 6, 0)
    for number in range(count):
        yield ipv6(number, 1, chain + tcp(1024, 80, 7, 0, SYN), 60)


def tunnels(count):
    for number in range(count):
        packet = ipv4(number, SERVER, tcp(1024, 80, 7, 0, SYN))
        for _ in range(64):
            packet = ipv4(1, 2, packet, 4)
        yield packet


def vlans(count):
    tags = struct.pack(">HH", 0x8100, 7) * 64
    for number in range(count):
        yield bytes(12) + tags + b"\x08\x00" + ipv4(number, SERVER, tcp(1024, 80, 7, 0, SYN))


def options_of_length_zero(count):
    for number in range(count // 3):
        yield from opening(number, 1024, options=b"\x02\x00" * 20)


def sack_blocks(count):
    options = b"\x05\x22" + bytes(32) + b"\x01" * 6
    for number in range(count):
        yield ipv4(number % 1000, SERVER, tcp(1024, 80, number, 0, ACK, options))


# ------------------------------------------------------------------------------------- captures --

def pcap(packets, link=RAW, step=lambda number: number):
    """`step`: microseconds of the number-th packet."""
    yield struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, link)
    for number, packet in enumerate(packets):
        time = 10**15 + step(number)
        yield struct.pack("<IIII", time // 10**6, time % 10**6, len(packet), len(packet)) + packet


def to_and_fro(number):
    """A day forth and back with each packet."""
    return number + 86400 * 10**6 * (number % 2)


def interfaces(count):
    """pcapng: so many interfaces, and a packet of the last."""
    yield struct.pack("<IIIHHqI", 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0, -1, 28)
    block = struct.pack("<IIHHII", 1, 20, RAW, 0, 0, 20)
    yield block * count
    packet = ipv4(1, SERVER, tcp(1024, 80, 7, 0, SYN))
    yield struct.pack("<IIIIIII", 6, 32 + len(packet), count - 1, 0, 0, len(packet), len(packet)) + \
        packet + struct.pack("<I", 32 + len(packet))


def bomb(count):
    """A megabyte that becomes a thousand: packets of no bytes, without end. `count` is of bytes."""
    yield gzip.compress(b"".join(pcap([])) + bytes(count), 9)


# name: what writes the capture, what is counted, the bar (ns, or the ratio to another row)
ATTACKS = {
    "random": (lambda n: pcap(from_random(n)), 1, None),
    "one /16": (lambda n: pcap(from_a_16(n)), 1, (1.2, "random")),
    "one /24": (lambda n: pcap(from_a_24(n)), 1, (1.2, "random")),
    "one address": (lambda n: pcap(from_one(n)), 1, (1.2, "random")),
    "one sum": (lambda n: pcap(of_one_sum(n)), 1, (1.2, "random")),
    "random servers": (lambda n: pcap(to_random(n)), 1, None),
    "one CRC-32": (lambda n: pcap(of_one_hash(crc32, n)), 1, (1.2, "random servers")),
    "one RSS hash": (lambda n: pcap(of_one_hash(toeplitz, n)), 1, (1.2, "random servers")),
    "SYN again": (lambda n: pcap(syn_again(n)), 1, 2000),
    "fragments": (lambda n: pcap(fragments(n)), 1, 2000),
    "extension headers": (lambda n: pcap(extensions(n)), 0.25, 2000),
    "tunnels": (lambda n: pcap(tunnels(n)), 0.25, 2000),
    "VLANs": (lambda n: pcap(vlans(n), ETHERNET), 1, 2000),
    "options of length 0": (lambda n: pcap(options_of_length_zero(n)), 1, 2000),
    "SACK blocks": (lambda n: pcap(sack_blocks(n)), 1, 2000),
    "time to and fro": (lambda n: pcap(from_random(n), step=to_and_fro), 1, 2000),
    "interfaces": (interfaces, 1, 2000),
    "bomb (bytes)": (bomb, 100, 5),
}


def seconds_of(finwait, paths, runs):
    """The least that each took of the processor, all in turn."""
    least = [float("inf")] * len(paths)
    for _ in range(runs):
        for index, path in enumerate(paths):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run([finwait, "-q", "--threads", "1", "-r", path], capture_output=True,
                                  check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode not in (0, 4):
                sys.exit(f"{path}: {done.stderr.decode()}")
            least[index] = min(least[index], after.ru_utime + after.ru_stime - before.ru_utime -
                               before.ru_stime)
    return least


# ---------------------------------------------------------------------------------------- memory --

def spoofed_syns(count):
    """A SYN each of 40 bytes, a microsecond after the other, as records of a pcap file."""
    packet = ipv4(0, SERVER, tcp(0, 80, 7, 0, SYN))
    before, between, after = packet[:12], packet[16:20], packet[22:]
    for number in range(count):
        time = 10**9 + number
        yield b"".join((struct.pack("<IIII", time // 10**6, time % 10**6, 40, 40), before,
                        struct.pack(">I", random.getrandbits(32)), between,
                        struct.pack(">H", 1024 + number % 60000), after))


def records(packets, micros):
    return b"".join(struct.pack("<IIII", micros // 10**6, micros % 10**6, len(packet), len(packet)) +
                    packet for packet in packets)


def closing(client, port):
    yield ipv4(client, SERVER, tcp(port, 443, 8, 10, 1 | ACK))
    yield ipv4(SERVER, client, tcp(443, port, 10, 9, 1 | ACK))
    yield ipv4(client, SERVER, tcp(port, 443, 9, 11, ACK))


def flood_under_a_limit(finwait, count, mebibytes):
    """Whether connections from before and amid a flood are still known after it, and its memory."""
    opened, amid = list(opening(1, 1024, service=443)), list(opening(2, 1024, service=443))
    with subprocess.Popen([finwait, "--json", "--allow-partial", "--max-mem", f"{mebibytes}M", "-Y",
                           "server_port = 443", "-r", "-"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        stream = process.stdin
        stream.writelines(pcap([]))
        stream.write(records(opened, 10**9 - 10))
        stream.writelines(spoofed_syns(count // 2))
        stream.write(records(amid, 10**9 + count // 2))
        stream.writelines(spoofed_syns(count - count // 2))
        stream.write(records([*closing(1, 1024), *closing(2, 1024)], 10**9 + count))
        stream.close()
        told = [json.loads(line) for line in process.stdout]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    whole = [record for record in told if record["type"] == "connection" and
             record["end"] == "fin" and record["open"] == "complete" and not record["midstream"]]
    summary = told[-1]
    peak_mb = usage.ru_maxrss * 1024 / 1e6
    print(f"{count:,} spoofed SYNs under --max-mem {mebibytes}M: {len(whole)} of 2 real connections "
          f"known after them, {summary['evicted']:,} evicted, peak {peak_mb:.0f} MB "
          f"resident; bar 2, 300 MB{'  OVER' if len(whole) < 2 or peak_mb > 300 else ''}")


def build():
    folder = os.path.join(ROOT, "build-bench")
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        subprocess.run(["meson", "setup", "--buildtype=release", folder, ROOT], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "src/finwait"], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(folder, "src", "finwait")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=600_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--finwait")
    parser.add_argument("--syns", type=int, default=10_000_000, help="of the flood under --max-mem 256M")
    parser.add_argument("names", nargs="*", choices=[[], *ATTACKS, "flood"], metavar="NAME")
    wishes = parser.parse_args()
    finwait = wishes.finwait or build()
    random.seed(1)
    print(f"{'attack':22}{'packets':>12}{'ns each':>9}{'ratio':>7}  bar")
    with tempfile.TemporaryDirectory() as folder:
        def written(name, content):
            path = os.path.join(folder, name.replace("/", ""))
            if not os.path.exists(path):
                with open(path, "wb") as stream:
                    stream.writelines(content)
            return path

        nothing = written("nothing", pcap([]))
        for name in [name for name in wishes.names or ATTACKS if name != "flood"]:
            write, share, bar = ATTACKS[name]
            count = int(wishes.packets * share)
            most, base = bar if isinstance(bar, tuple) else (bar, None)
            paths = [nothing, written(name, write(count))]
            if base:
                paths.append(written(base, ATTACKS[base][0](count)))
            start, each, *others = seconds_of(finwait, paths, wishes.runs)
            each = (each - start) / count * 1e9
            value = each / ((others[0] - start) / count * 1e9) if base else each
            print(f"{name:22}{count:>12,}{each:>9.1f}{f'{value:.2f}' if base else '':>7}  "
                  f"{'' if bar is None else f'{most} of {base}' if base else f'{most} ns'}"
                  f"{'  OVER' if bar and value > most else ''}", flush=True)
            if name not in ("random", "random servers"):
                os.remove(paths[1])
    if not wishes.names or "flood" in wishes.names:
        flood_under_a_limit(finwait, wishes.syns, 256)


if __name__ == "__main__":
    main()
