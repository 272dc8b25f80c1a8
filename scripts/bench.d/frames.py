# SPDX-License-Identifier: Apache-2.0
# Captures for the measurements of payload inspection: many small ones as one, several times over, and flows
# of our own. In: folders of captures, numbers. Out: pcap files of Ethernet frames.
import os, struct

GAP_NS = 1_000_000_000      # between two captures that were made at different times


def pcap_frames(data):
    """(nanoseconds, frame) of a pcap file; nothing where its link layer is not Ethernet."""
    order = {0xa1b2c3d4: "<", 0xa1b23c4d: "<"}.get(struct.unpack("<I", data[:4])[0], ">")
    magic, *_, link = struct.unpack(order + "IHHiIII", data[:24])
    unit = 1 if magic == 0xa1b23c4d else 1000
    at = 24
    while link & 0xffff == 1 and at + 16 <= len(data):
        seconds, part, kept, _ = struct.unpack(order + "IIII", data[at:at + 16])
        at += 16
        if at + kept > len(data):
            return
        yield seconds * 1_000_000_000 + part * unit, data[at:at + kept]
        at += kept


def pcapng_frames(data):
    """The same of a pcapng file with times in microseconds, as nearly all have."""
    order, at, links, latest = "<", 0, [], 0
    while at + 12 <= len(data):
        kind, length = struct.unpack(order + "II", data[at:at + 8])
        if kind == 0x0a0d0d0a:
            order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            length, links = struct.unpack(order + "I", data[at + 4:at + 8])[0], []
        if length < 12 or at + length > len(data):
            return
        body = data[at + 8:at + length - 4]
        if kind == 1:
            links.append(struct.unpack(order + "H", body[:2])[0])
        if kind == 6:
            interface, high, low, kept, _ = struct.unpack(order + "IIIII", body[:20])
            latest = (high << 32 | low) * 1000
            if interface < len(links) and links[interface] == 1:
                yield latest, body[20:20 + kept]
        if kind == 3 and links[:1] == [1]:
            yield latest, body[4:4 + struct.unpack(order + "I", body[:4])[0]]
        at += length


def frames(path):
    """All Ethernet frames of a capture that can be read."""
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < 24:
        return []
    number = struct.unpack("<I", data[:4])[0]
    if number == 0x0a0d0d0a:
        return list(pcapng_frames(data))
    known = (0xa1b2c3d4, 0xa1b23c4d, 0xd4c3b2a1, 0x4d3cb2a1)
    return list(pcap_frames(data)) if number in known else []


def captures(folder):
    for place, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.endswith((".pcap", ".pcapng", ".cap")):
                yield os.path.join(place, name)


class Writer:
    """A pcap file with times that do not go back."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1))
        self.now, self.packets, self.bytes = 1_767_225_600_000_000_000, 0, 0

    def add(self, frame, elapsed=1000):
        self.now += max(0, elapsed)
        self.packets += 1
        self.bytes += len(frame)
        head = struct.pack("<IIII", *divmod(self.now, 1_000_000_000), len(frame), len(frame))
        self.file.write(head + frame)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def join(path, folders, least_packets):
    """All captures of folders as one, as often as it takes; each round in a VLAN of its own, so that its
    flows are flows of their own. {"packets", "bytes", "rounds"}."""
    parts = [found for folder in folders for capture in captures(folder) if (found := frames(capture))]
    round_number = 0
    with Writer(path) as out:
        while out.packets < least_packets and parts:
            round_number += 1
            tag = b"" if round_number == 1 else struct.pack("!HH", 0x8100, round_number)
            for part in parts:
                latest = part[0][0] - GAP_NS
                for time, frame in part:
                    out.add(frame[:12] + tag + frame[12:], min(time - latest, GAP_NS))
                    latest = time
        return {"packets": out.packets, "bytes": out.bytes, "rounds": round_number}


def ones(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(source, target, proto, payload):
    """An Ethernet frame around a segment or datagram whose checksum, 16 bits at `place`, is set here."""
    ends = struct.pack("!II", source, target)
    place = 16 if proto == 6 else 6
    sum_ = ones(ends + struct.pack("!HH", proto, len(payload)) + payload) or 0xffff
    payload = payload[:place] + struct.pack("!H", sum_) + payload[place + 2:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0) + ends
    head = head[:10] + struct.pack("!H", ones(head)) + head[12:]
    return b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0" + head + payload


def conversation(number):
    """Frames of one flow that stays open: of four, two are HTTP with a request and its answer, one is
    a TLS ClientHello, one a DNS question with its answer."""
    client, server = 0xc0000200 + (number >> 14), 0xc6336400 + number % 4
    port = 10_000 + (number & 0x3fff)
    if number % 4 == 3:
        question = b"\x03www\x07example\x03com\0\0\x01\0\x01"
        query = struct.pack("!HHHHHH", number & 0xffff, 0x100, 1, 0, 0, 0) + question
        for here, there, one, other, data in (
                (client, server, port, 53, query),
                (server, client, 53, port, query[:2] + b"\x81\x80" + query[4:])):
            yield ipv4(here, there, 17, struct.pack("!HHHH", one, other, 8 + len(data), 0) + data)
        return
    service = 443 if number % 4 == 2 else 80

    def segment(to_server, sequence, acknowledged, flags, data=b""):
        ends = (client, server, port, service) if to_server else (server, client, service, port)
        head = struct.pack("!HHIIBBHHH", *ends[2:], sequence, acknowledged, 0x50, flags, 65535, 0, 0)
        return ipv4(ends[0], ends[1], 6, head + data)

    yield segment(True, 1000, 0, 2)
    yield segment(False, 5000, 1001, 0x12)
    yield segment(True, 1001, 5001, 0x10)
    request = client_hello() if service == 443 else (
        b"GET /api/items?id=%d HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\n"
        b"Accept: application/json\r\nAccept-Language: en\r\nCookie: session=%032x\r\n\r\n"
        % (number, number))
    yield segment(True, 1001, 5001, 0x18, request)
    if service == 80:
        answer = (b"HTTP/1.1 200 OK\r\nServer: example\r\nContent-Type: application/json\r\n"
                  b'Content-Length: 16\r\n\r\n{"items":[1, 2]}')
        yield segment(False, 5001, 1001 + len(request), 0x18, answer)


def client_hello():
    """TLS 1.2 with a server's name and a few extensions."""
    name = b"www.example.com"
    sni = struct.pack("!HBH", len(name) + 3, 0, len(name)) + name
    groups = struct.pack("!H", 4) + b"\0\x1d\0\x17"
    extensions = b"".join(
        struct.pack("!HH", number, len(data)) + data
        for number, data in ((0, sni), (10, groups), (11, b"\x01\0"), (13, b"\0\x04\x04\x03\x08\x04")))
    body = (b"\x03\x03" + bytes(32) + b"\0" + struct.pack("!H", 6) + b"\x13\x01\x13\x02\xc0\x2f" + b"\x01\0"
            + struct.pack("!H", len(extensions)) + extensions)
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


def open_flows(path, count):
    """So many flows within a second: none is over when the capture ends."""
    with Writer(path) as out:
        for number in range(count):
            for frame in conversation(number):
                out.add(frame, 100)
        return out.packets
