"""Captures as bytes, good and bad, for tests of the program."""
import struct

SYN, ACK, FIN, RST = 2, 16, 1, 4
CLIENT, SERVER = ("10.0.0.1", 50001), ("10.0.0.2", 80)


def ipv4(source, target, protocol, payload):
    def address(text):
        return bytes(int(part) for part in text.split("."))
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) \
        + address(source) + address(target) + payload


def tcp(source, target, seq, ack, flags, payload=b""):
    header = struct.pack("!HHIIBBHHH", source[1], target[1], seq, ack, 5 << 4, flags, 65535, 0, 0)
    return ethernet(ipv4(source[0], target[0], 6, header + payload))


def udp():
    return ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, struct.pack("!HHHH", 5000, 5001, 12, 0) + b"data"))


def ethernet(payload, ethertype=0x0800):
    return b"\x02\0\0\0\0\2" + b"\x02\0\0\0\0\1" + struct.pack("!H", ethertype) + payload


def handshake(client=CLIENT, server=SERVER):
    return [tcp(client, server, 100, 0, SYN), tcp(server, client, 500, 101, SYN | ACK),
            tcp(client, server, 101, 501, ACK)]


def pcap_header(link_type=1, snaplen=65535, magic=0xA1B2C3D4):
    return struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snaplen, link_type)


def pcap_packet(data, seconds=1700000000, micros=0, captured=None, sent=None):
    return struct.pack("<IIII", seconds, micros, len(data) if captured is None else captured,
                       len(data) if sent is None else sent) + data


def pcap(packets, **header):
    return pcap_header(**header) + b"".join(
        pcap_packet(data, 1700000000 + i) for i, data in enumerate(packets))


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def pcapng_section():
    return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))


def pcapng_interface(link_type=1, snaplen=65535):
    return block(1, struct.pack("<HHI", link_type, 0, snaplen))


def pcapng_packet(data, interface=0, micros=1700000000000000):
    return block(6, struct.pack("<IIIII", interface, micros >> 32, micros & 0xFFFFFFFF, len(data),
                                len(data)) + data)
