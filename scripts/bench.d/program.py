# SPDX-License-Identifier: Apache-2.0
# The XDP program by BPF_PROG_TEST_RUN on varied packets: ClassBench sets, IPv6 sets, single stages; and the
# native engine. All through guardbench, which alternates two programs and tells the median difference.
import json, os, re, subprocess

import inputs
from machine import Failed, say

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHAPES = {"stage": (128, 4096), "trace": (80, 32768), "set": (80, 262144)}      # bytes of a frame, frames


class Program:
    """Builds of xdp/bench in a folder, run by guardbench."""

    def __init__(self, folder, guardbench, rounds):
        self.folder, self.guardbench, self.rounds = folder, guardbench, rounds
        self.built = {}

    def build(self, mode, shape):
        if (mode, shape) not in self.built:
            frame, templates = SHAPES[shape]
            path = f"{self.folder}/{mode}.o" if shape == "stage" else f"{self.folder}/{mode}-{shape}.o"
            clang = os.environ.get("XDPGUARD_CLANG", "clang")
            subprocess.run(
                [clang, "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-w", f"-DBENCH_MODE=BENCH_{mode.upper()}",
                 f"-DBENCH_FRAME={frame}", f"-DBENCH_TEMPLATES={templates}",
                 f"-I/usr/include/{os.uname().machine}-linux-gnu", f"-I{ROOT}/xdp", "-c",
                 f"{ROOT}/xdp/bench/stages.bpf.c", "-o", path], check=True)
            self.built[mode, shape] = path
        return self.built[mode, shape]

    def run(self, *words, timeout=300):
        try:
            r = subprocess.run([self.guardbench, *words], capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"not done after {timeout} s") from None
        if r.returncode:
            raise Failed(" ".join(r.stderr.split())[:300])
        return r.stdout

    def classify(self, shape, policy, capture):
        """What a policy's rules cost above the same program without rules; why not, where it does not run."""
        try:
            out = self.run("classify", self.build("filter", shape), policy, capture, str(self.rounds))
            return json.loads(out)
        except Failed as error:
            say(f"bench: {os.path.basename(policy)}: {error}")
            return {"error": str(error)}

    def stages(self):
        """Nanoseconds of single stages."""
        for mode in ("nothing", "headers", "filter", "uninspected", "flood", "line", "exchange"):
            self.build(mode, "stage")
        for mode in ("nothing", "filter", "outbound", "lines", "wide"):
            self.build(mode, "set")
        lines = self.run("stages", self.folder, str(3 * self.rounds)).splitlines()
        return [json.loads(line) for line in lines]

    def native(self):
        policies = [f"{ROOT}/policies/{name}.conf" for name in ("web-server", "ddos-edge")]
        lines = [json.loads(line) for line in self.run("native", *policies).splitlines()]
        return [{"policy": os.path.basename(x["native"]), "mpps": x["packets_per_second"] / 1e6}
                for x in lines]


def classbench(program, sets):
    """A row for each set in a folder of acl1, fw1 and ipc1; their own headers are the packets."""
    rows = []
    found = [re.fullmatch(r"(acl1|fw1|ipc1)_(1k|10k|100k)(\.v6)?\.rules(\.gz)?", x) for x in os.listdir(sets)]
    for m in sorted(filter(None, found), key=lambda m: (m[1], len(m[2]), m[3] or "")):
        row = {"engine": m[1], "size": m[2], "family": 6 if m[3] else 4}
        stem = f"{sets}/{m[1]}_{m[2]}{m[3] or ''}"
        policy, capture = (f"{program.folder}/{os.path.basename(stem)}.{end}" for end in ("conf", "pcap"))
        say(f"bench: {os.path.basename(stem)}")
        try:
            inputs.write(policy, program.run("classbench", "policy", f"{stem}.rules"))
            program.run("classbench", "frames", f"{stem}.headers", "--write", capture)
            rows.append(row | program.classify("trace", policy, capture))
        except Failed as error:
            say(f"bench: {os.path.basename(stem)}: {error}")
            rows.append(row | {"error": str(error)})
    return rows


def sets6(program, sizes):
    """IPv6 sets: made with a printed seed, members and others in turn."""
    rows = []
    for n in sizes:
        say(f"bench: IPv6 set of {n} prefixes, seed {inputs.SEED}")
        prefixes = inputs.prefixes6(n)
        file = inputs.set_file6(program.folder, prefixes)
        capture = inputs.capture6(f"{program.folder}/set6.pcap", prefixes, SHAPES["set"][1])
        policy = inputs.set_policy(program.folder, os.path.basename(file), f"set6-{n}", "pass")
        rows.append({"n": n, "seed": inputs.SEED} | program.classify("set", policy, capture))
    return rows
