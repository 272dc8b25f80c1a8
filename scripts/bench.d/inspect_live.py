# SPDX-License-Identifier: Apache-2.0
# Payload inspection over a veth pair with `run` beside it: how long after its first bad payload a source is
# banned in the kernel while 10,000 other flows a second are inspected, and that packets pass while the
# inspector is saturated. In: the binary. Out: times in microseconds, counts.
import ctypes, json, multiprocessing, os, select, signal, socket, statistics, struct, subprocess, time

import machine
from machine import Failed, say

PORT = 9000
POLICY = """policy: latency
default: drop
inspectors:
  payload: {{ sample: {{ packets: {packets} }}, signatures: [bad.rules], on-match: ban 10m }}
rules:
  - {{ name: inspected, service: udp/9000, inspect: payload, action: pass }}
"""
RULES = 'drop udp any any -> any 9000 (msg:"bad payload"; content:"an evil payload"; sid:1; rev:1;)\n'
HOST, HOST_MAC, PEER_MAC = "198.51.100.1", bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
EVIL, PROBE, OTHER = b"an evil payload", b"probe", b"what flows carry, on average not very long " * 4


def enter(namespace):
    """This process's sockets are the namespace's from here on."""
    with open(f"/run/netns/{namespace}") as f:
        if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000):
            raise Failed(os.strerror(ctypes.get_errno()))


def checksum(head):
    total = sum(struct.unpack(f"!{len(head) // 2}H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(source, port, payload):
    """An IPv4 UDP datagram without a UDP checksum, from 198.18.0.0/15."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0x4000, 64, 17, 0,
                       struct.pack("!I", 0xC6120000 + source), socket.inet_aton(HOST))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    udp = struct.pack("!HHHH", port, PORT, 8 + len(payload), 0)
    return HOST_MAC + PEER_MAC + b"\x08\x00" + head + udp + payload


def raw(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    end.bind((interface, 0))
    return end


class Pair:
    """Two namespaces joined by a veth pair: `host` is guarded, from `peer` frames come."""

    def __enter__(self):
        self.host, self.peer = machine.namespace("host"), machine.namespace("peer")
        for command in (
                f"ip netns add {self.host}", f"ip netns add {self.peer}",
                f"ip link add d0 netns {self.host} type veth peer name d1 netns {self.peer}",
                f"ip -n {self.host} link set d0 address 02:00:00:00:00:01",
                f"ip -n {self.host} address add {HOST}/24 dev d0", f"ip -n {self.host} link set d0 up",
                f"ip -n {self.peer} link set d1 up", f"ip -n {self.host} route add default dev d0"):
            subprocess.run(command.split(), check=True)
        return self

    def __exit__(self, *_):
        for name in (self.host, self.peer):
            machine.remove_namespaces(rf"{name}\b")

    def inside(self, *command, **options):
        return subprocess.run(["nsenter", f"--net=/run/netns/{self.host}", *command], check=True,
                              capture_output=True, text=True, **options).stdout


class Guarded:
    """A policy on the pair, and `run` until the end."""

    def __init__(self, pair, binary, folder, packets, ring="64"):
        self.pair, self.binary, self.ring = pair, binary, ring
        with open(f"{folder}/bad.rules", "w") as f:
            f.write(RULES)
        self.policy = f"{folder}/latency-{packets}.conf"
        with open(self.policy, "w") as f:
            f.write(POLICY.format(packets=packets))

    def __enter__(self):
        self.pair.inside(self.binary, "apply", self.policy, "--dev", "d0", "--sample-ring", self.ring)
        self.service = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.pair.host}", self.binary, "run", "--events", "/dev/null"],
            stderr=subprocess.DEVNULL, env=os.environ | {"XDPGUARD_STATE_DIR": os.path.dirname(self.policy)})
        for _ in range(600):
            run = self.status()["run"]
            if run and run["state"] == "running":
                return self
            time.sleep(0.1)
        raise Failed("run does not come to inspect")

    def status(self):
        return json.loads(self.pair.inside(self.binary, "status", "--measure", "0", "--output", "json"))

    def __exit__(self, *_):
        self.service.send_signal(signal.SIGTERM)
        self.service.wait(30)
        self.pair.inside(self.binary, "detach")


def send_flows(namespace, rate, seconds, sent, ready):
    """New flows of one datagram each, so many a second, in steps of a millisecond. Their frames are made
    before: a hundred thousand flows, whose time is over when they come again."""
    frames = [frame(0x10000 + (x >> 14), 1024 + x % 0x4000, OTHER) for x in range(100_000)]
    enter(namespace)
    end, number = raw("d1"), 0
    ready.set()
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < seconds and os.getppid() != 1:
        # However far behind, the time is looked at again.
        for _ in range(min(1000, int(passed * rate) - number)):
            end.send(frames[number % len(frames)])
            number += 1
        sent.value = number
        if number >= passed * rate:
            time.sleep(0.001)


def time_ban(end, receiver, source):
    """Microseconds from the first bad payload until a frame of its source does not arrive any more."""
    probe = frame(source, 4001, PROBE)
    begin = time.perf_counter_ns()
    end.send(frame(source, 4000, EVIL))
    while time.perf_counter_ns() - begin < 1_000_000_000:
        sent_at = time.perf_counter_ns()
        end.send(probe)
        # What the host takes is there when `send` comes back, but for one that waits behind others.
        if not select.select([receiver], [], [], 0.005)[0]:
            return (sent_at - begin) / 1000
        receiver.recv(2048)
        # It leaves the machine to those that are measured.
        time.sleep(0.0001)
    return None


def take_only(receiver, port):
    """A classic BPF filter: datagrams from this port, the offset being that of the UDP header."""
    code = [(0x28, 0, 0, 0), (0x15, 0, 1, port), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]
    program = b"".join(struct.pack("HBBI", *one) for one in code)
    room = ctypes.create_string_buffer(program)
    receiver.setsockopt(socket.SOL_SOCKET, 26,     # SO_ATTACH_FILTER
                        struct.pack("HxxxxxxP", len(code), ctypes.addressof(room)))


def measure_bans(pair, times):
    """The times of so many bans, one every five milliseconds or later."""
    ends, own = multiprocessing.Pipe()

    def measure():
        enter(pair.host)
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)     # SO_RCVBUFFORCE
        receiver.bind((HOST, PORT))
        take_only(receiver, 4001)
        enter(pair.peer)
        end, found = raw("d1"), []
        for source in range(1, times + 1):
            found.append(time_ban(end, receiver, source))
            time.sleep(0.005)
        own.send(found)

    process = multiprocessing.Process(target=measure)
    process.start()
    found = ends.recv() if ends.poll(120) else None
    process.join(5)
    process.kill()
    if found is None:
        raise Failed("no times of bans came")
    return found


def flowing(pair, rate, seconds):
    # Without a lock: the sender is ended at any moment, also while it would hold it.
    sent, ready = multiprocessing.Value("Q", 0, lock=False), multiprocessing.Event()
    process = multiprocessing.Process(target=send_flows, args=(pair.peer, rate, seconds, sent, ready))
    process.start()
    ready.wait(30)
    return process, sent


def latency(pair, guarded, options):
    before = guarded.status()["run"]
    background, sent = flowing(pair, 10_000, options["seconds"])
    begin = time.monotonic()
    time.sleep(0.5)
    times = measure_bans(pair, options["bans"])
    background.terminate()
    background.join()
    spent, count = time.monotonic() - begin, sent.value
    # Both processes say every second what they counted.
    time.sleep(3)
    after = guarded.status()
    found = sorted(x for x in times if x is not None)
    if len(found) < options["bans"] // 2:
        raise Failed(f"only {len(found)} of {len(times)} sources were banned")
    return {"bans": len(found), "missed": len(times) - len(found), "median_us": statistics.median(found),
            "p99_us": found[min(len(found) - 1, int(len(found) * 0.99))], "most_us": found[-1],
            "flows_per_s": count / spent, "flows": count,
            # The banned sources have two flows each: bad payload and probes. One more datagram may have been
            # sent than was counted.
            "inspected": min(count, after["run"]["flows"] - before["flows"] - 2 * len(times)),
            "lost": after["samples"]["lost_full"]}


def saturation(pair, guarded, options):
    """As many frames as one sender can send, all of them to be inspected."""
    before = guarded.status()
    background, sent = flowing(pair, 10_000_000, options["flood_seconds"])
    background.join()
    after = guarded.status()
    counted = {key: after["samples"][key] - before["samples"][key]
               for key in ("received", "lost_full", "lost_copy")}
    verdicts = {f"{key}ed": after[key] - before[key] for key in ("pass",)}
    return {"sent": sent.value, "per_s": sent.value / options["flood_seconds"], **verdicts, **counted}


def rows(binary, folder, quick):
    options = {"bans": 300 if quick else 1500, "seconds": 60, "flood_seconds": 3 if quick else 10}
    say("bench: bans behind bad payload")
    with Pair() as pair:
        with Guarded(pair, binary, folder, 16) as guarded:
            found = latency(pair, guarded, options)
        # What a small ring holds is read too slowly sooner.
        with Guarded(pair, binary, folder, 1_000_000, ring="1") as guarded:
            found["saturated"] = saturation(pair, guarded, options)
    return found
