# SPDX-License-Identifier: Apache-2.0
# What is measured on: policies of many rules, set files, captures. The same call gives the same bytes.
import ipaddress, multiprocessing, os, random, struct

SEED = 20261121
HEAD = "default: {default}\nstateful: false\nfragments: drop\nspoofed: pass\nessential: []\n"


def address(i):
    """An address that the kit's generator never uses, as its own linear tests have them."""
    return f"10.{2 + (i >> 16)}.{i >> 8 & 255}.{i & 255}"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def apart(function, *words):
    """Runs it in a process of its own: memory that this one has is counted for the commands it measures."""
    child = multiprocessing.get_context("fork").Process(target=function, args=words)
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"{function.__name__}{words} failed")


def rules_policy(folder, n):
    """The policy that write_rules writes."""
    path = f"{folder}/rules-{n}.conf"
    if not os.path.exists(path):
        apart(write_rules, path, n)
    return path


def write_rules(path, n):
    """n rules for UDP to port 9999 of which the last one holds for every source; all else passes."""
    key = "service: udp/9999, action: drop }"
    rules = [f"  - {{ name: r{i}, source: {address(i)}, {key}" for i in range(n - 1)]
    rules.append(f"  - {{ name: all, {key}")
    head = "default: pass\nstateful: false\nfragments: drop\nrules:\n"
    write(path, head + "\n".join(rules) + "\n")


def set_policy(folder, file, name, default):
    """One rule that drops a set's members. Every source goes to the set, also one that no wire brings."""
    return write(f"{folder}/{name}.conf", HEAD.format(default=default)
                 + f"sets:\n  listed: {{ file: {file} }}\n"
                 + "rules:\n  - { name: listed, source: $listed, action: drop }\n")


def limit_policy(folder):
    """A packet a second from each source, as the kit's peers have it, and behind that nothing either."""
    key = "service: udp/9999"
    return write(f"{folder}/limit.conf", HEAD.format(default="drop")
                 + "limits:\n  each: { rate: 1 pps, burst: 1, per: source }\n"
                 + f"rules:\n  - {{ name: limited, {key}, limit: each, action: continue }}\n"
                 + f"  - {{ name: all, {key}, action: drop }}\n")


def mix32(x):
    """The kit's hash: member i of its sets."""
    x ^= x >> 16
    x = x * 0x7feb352d & 0xffffffff
    x ^= x >> 15
    x = x * 0x846ca68b & 0xffffffff
    return x ^ x >> 16


def prefix4(i):
    """The kit's prefix i: 80 of 100 are addresses, 15 are /24, the others /20 to /31."""
    place = i % 100
    length = 32 if place < 80 else 24 if place < 95 else 20 + i // 100 % 12
    word = mix32(i) & 0xffffffff << 32 - length & 0xffffffff
    return f"{word >> 24}.{word >> 16 & 255}.{word >> 8 & 255}.{word & 255}/{length}"


def write_sets4(folder, sizes):
    for n in sizes:
        write(f"{folder}/set-{n}.netset", "\n".join(prefix4(i) for i in range(n)) + "\n")


def prefixes6(n):
    """n prefixes (address, length) in n / 30 networks of /32: of 100, 5 are /32 to /47, 15 are /48, 60 are
    /49 to /64, 20 are addresses."""
    source = random.Random(SEED)
    roots = [0x2 << 124 | source.getrandbits(28) << 96 for _ in range(max(1, n // 30))]
    found = {}
    while len(found) < n:
        place = source.randrange(100)
        length = (source.randrange(32, 48) if place < 5 else 48 if place < 20
                  else source.randrange(49, 65) if place < 80 else 128)
        word = source.choice(roots) | source.getrandbits(96)
        found[word >> 128 - length << 128 - length, length] = None
    return list(found)


def set_file6(folder, prefixes):
    lines = (f"{ipaddress.IPv6Address(word)}/{length}" for word, length in prefixes)
    return write(f"{folder}/set6-{len(prefixes)}.netset", "\n".join(lines) + "\n")


def capture6(path, prefixes, count):
    """UDP from: half of it members, a quarter addresses of the same /32 networks, a quarter any address of
    2000::/3. Returns the path."""
    source = random.Random(SEED + 1)
    frames = []
    for number in range(count):
        word, length = source.choice(prefixes)
        if number % 2 == 0:
            word |= source.getrandbits(128) & (1 << 128 - length) - 1
        elif number % 4 == 1:
            word = word >> 96 << 96 | source.getrandbits(96)
        else:
            word = 0x1 << 125 | source.getrandbits(125)
        frames.append(udp6(word))
    return write_capture(path, frames)


def udp6(source):
    """A datagram without payload to 2001:db8::1 port 9999."""
    target = 0x20010db8 << 96 | 1
    ethernet = bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd])
    addresses = source.to_bytes(16, "big") + target.to_bytes(16, "big")
    header = struct.pack("!IHBB", 6 << 28, 8, 17, 64) + addresses
    return ethernet + header + struct.pack("!HHHH", 4242, 9999, 8, 0)


def write_capture(path, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            f.write(struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame)
    return path
