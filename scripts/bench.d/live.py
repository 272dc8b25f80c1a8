# SPDX-License-Identifier: Apache-2.0
# Live frames: xdpguard and its peers, each beside an empty XDP_DROP, by the measuring kit. In: sizes. Out:
# for each case the CPU time a packet as a ratio, and what let packets through; how long peers take to apply.
import json, os, re, shutil, statistics, subprocess, sys

import inputs, machine
from machine import say


def cases(options):
    """What is measured, the quick ones first: peer, kind and number of rules or prefixes."""
    rules, sets = options.rule_sizes, options.set_sizes
    yield "empty", "rules", 1
    yield "xdp-filter", "rules", 1
    for n in rules:
        yield "xdpguard", "rules", n
        if n <= 10_000:     # a hundred thousand would take the peers milliseconds a packet
            yield "nft", "rules", n
            yield "iptables", "rules", n
    for n in sets:
        yield "xdpguard", "set", n
        yield "ipset", "set", n
        if n < 1_000_000 or not options.quick:      # 38 s to apply
            yield "nft", "set", n
    for n in options.limit_sizes:
        for peer in ("xdpguard", "nft", "iptables"):
            yield peer, "limit", n
    for peer in ("xdpguard", "nft", "iptables"):
        yield peer, "spoofed", options.limit_sizes[-1]
    for n in sets:
        if n >= 100_000:
            yield "xdpguard", "miss", n
            yield "xdpguard", "miss16", n
            if not options.quick:
                yield "LPM trie", "set", n
                yield "LPM trie", "miss", n


def apply_cases(options):
    for n in (1000, 10_000) if options.quick else (1000, 10_000, 100_000):
        yield "nft", "rules", n
        yield "iptables", "rules", n
    for n in (100_000,) if options.quick else (100_000, 1_000_000):
        yield "ipset", "set", n
        yield "nft", "set", n


def policy_of(folder, kind, n):
    """The policy of a case, which says for a set what becomes of the others too: those that miss are dropped
    where they are what is measured."""
    if kind == "rules":
        return inputs.rules_policy(folder, n)
    if kind in ("limit", "spoofed"):
        return inputs.limit_policy(folder)
    default = "pass" if kind == "set" else "drop"
    return inputs.set_policy(folder, f"set-{n}.netset", f"{kind}-{n}", default)


class Kit:
    """A copy of the kit, built, with namespaces that are named after this process."""

    def __init__(self, source, folder, binary):
        self.folder, self.kit, self.binary = folder, f"{folder}/kit", binary
        self.prefix = f"{machine.NAMESPACES}{os.getpid()}"
        shutil.copytree(source, self.kit)
        subprocess.run(["chmod", "-R", "u+w", self.kit], check=True)
        subprocess.run([f"{self.kit}/build.sh"], check=True, stdout=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([f"{self.kit}/ns.sh", "down", self.prefix])

    def run(self, wanted, *words):
        """The kit's lines and the reasons of what failed, by name. A mount namespace of its own: what it pins
        vanishes with it."""
        wanted = [self.case(*one) for one in wanted]
        ours = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers.py")
        extra = ":".join(filter(None, [ours, os.environ.get("BENCH_EXTRA")]))
        out = f"{self.folder}/kit.jsonl"
        open(out, "w").close()
        command = ["unshare", "--mount", sys.executable, f"{self.kit}/bench.py", "-o", out, *words, "cmp "]
        env = dict(os.environ, BENCH_CASES=json.dumps(wanted), BENCH_EXTRA=extra, BENCH_NS=self.prefix)
        failed = {}
        with subprocess.Popen(command, env=env, cwd=self.folder, stdout=subprocess.PIPE, text=True) as kit:
            try:
                for line in kit.stdout:
                    say(line.rstrip())
                    if m := re.match(r"cmp (\S.*?/\w+/\d+)\s+FAILED(?: to set up)?: (.*)", line):
                        failed[m[1]] = m[2].strip()
            except BaseException:
                kit.kill()      # leaving waits for it; what it made is removed behind it
                raise
        if kit.returncode:
            raise machine.Failed(f"the measuring kit ended with {kit.returncode}")
        with open(out) as f:
            return [json.loads(line) for line in f], failed

    def case(self, peer, kind, n):
        case = {"peer": peer, "kind": kind, "n": n}
        if peer == "xdpguard":
            case |= {"binary": self.binary, "policy": policy_of(self.folder, kind, n)}
        return case


def split(name):
    peer, kind, n = name.removeprefix("cmp ").rsplit("/", 2)
    return {"peer": peer, "kind": kind, "n": int(n)}


def median_ratio(above, below):
    return statistics.median(a / b for a, b in zip(above, below)) if above and below else None


def figures(lines, failed):
    """One CPU: time of live frames into the peer to that of the same frames into XDP_DROP, round by round.
    Two CPUs: time of the receiving CPU to that of an empty XDP_DROP beside it."""
    found = []
    for line in lines:
        rounds = line["rounds"]
        found.append(split(line["name"]) | {
            "x": median_ratio(rounds["one"], rounds["base1"]),
            "x2": median_ratio(rounds["two"], rounds["base2"]),
            "ns": line["med"]["one"], "leak": line["leak"], "note": line["note"].strip()})
    return found + [split(name) | {"error": why} for name, why in failed.items()]


def apply_figures(lines, failed):
    found = []
    for line in lines:
        rounds = line["rounds"]
        found.append(split(line["apply"]) | {
            "seconds": statistics.median(x["apply_s"] for x in rounds),
            "rss_mib": max(x.get("rss_mib") or 0 for x in rounds),
            "kernel_mib": max(x.get("kern_mib") or 0 for x in rounds)})
    return found + [split(name) | {"error": why} for name, why in failed.items()]
