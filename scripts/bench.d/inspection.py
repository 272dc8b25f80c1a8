# SPDX-License-Identifier: Apache-2.0
# Payload inspection by `replay --inspect`: packets a second beside ndpiReader, bits a second under the whole
# ET Open set beside Suricata and with the share of each stage, the load of that set, memory of a flow. In:
# captures and rules that others made. Out: figures. Time is CPU time: others may be using the machine.
import os, re, resource, shutil, statistics, subprocess

import frames, machine, suricata
from machine import Failed, say

# Everything is inspected; `%s` takes further keys of the inspector.
with open(os.path.join(os.path.dirname(__file__), "../../Tests/PipelineTests/everything.conf")) as file:
    EVERYTHING = file.read().replace("on-match: alert", "on-match: alert%s")

# The first match of a frame of the stack, from the innermost on, tells the stage.
STAGES = (
    ("detection (nDPI)", r"libndpi|\$s17ProtocolDetection"),
    ("protocols (libhtp, TLS, QUIC, DNS, SSH)", r"libhtp|\$s9Protocols|libgcrypt|libz\."),
    ("prefilter (Hyperscan)",
     r"libhs\.|\$s17SignatureMatching.*(?:LiteralScanner|FixedLiterals|noteHit|7collect|MatcherC(?:6search|"
     r"4take|4hits|4note|9addListed|6admit|13inspectBorder))"),
    ("evaluation (chains, PCRE2)", r"libpcre2|\$s17SignatureMatching"),
    ("events", r"\$s10JSONOutput|\$s10Inspection.*(?:[eE]vent|EVE|5write|10Statistics)"),
    ("buffers and pipeline", r"\$s10Inspection"),
    ("decoding, flows, streams", r"\$s7Streams"),
    ("capture files, replay", r"\$s7Capture|\$s6Replay|\$s8xdpguard|libpcap"),
    ("XDP program", r"native_|guard_|bpf_"),
    ("load of the policy", r"\$s10Signatures|\$s14PolicyLanguage|\$s11MapCompiler|\$s7Service"),
)
# The C library's functions have no frame, so that the stack often ends with them.
ALLOCATION = ("allocation, caller not known", r"alloc|free|unlink_chunk|RefCount|swift_(?:retain|release)")


def policy(folder, name, keys=""):
    path = f"{folder}/{name}.conf"
    with open(path, "w") as f:
        f.write(EVERYTHING % keys)
    return path


def spent(command):
    """CPU seconds of a command; what it prints is thrown away."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    r = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                       errors="replace")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if r.returncode:
        raise Failed(f"{os.path.basename(command[0])}: " + " ".join(r.stderr.split())[-300:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Inspection:
    """Measures one build of xdpguard."""

    def __init__(self, binary, data, folder, rounds):
        self.binary, self.data, self.folder, self.rounds = binary, data, folder, rounds
        self.empty = f"{folder}/nothing.pcap"
        with frames.Writer(self.empty):
            pass

    def command(self, policy_file, capture, cache=None, telling=("--quiet",)):
        kept = ["--signature-cache", cache] if cache else []
        return [self.binary, "replay", policy_file, capture, "--inspect", "--checksums", "ignore",
                *telling, *kept]

    def join(self, name, folders, packets):
        path = f"{self.folder}/{name}.pcap"
        say(f"bench: {name}")
        return path, frames.join(path, [f"{self.data}/{x}" for x in folders], packets)

    def detection(self, packets):
        """Ours and ndpiReader's CPU seconds turn by turn, whole runs from start to end."""
        rows, conf = [], policy(self.folder, "detection")
        for folders in (["dpi-protocols"], ["http-api"], ["tls-fingerprints"]):
            path, size = self.join(folders[0], folders, packets)
            commands = {"ours": self.command(conf, path), "theirs": ["ndpiReader", "-q", "-i", path],
                        "told": self.command(conf, path, telling=["--output", "json"])}
            times = {name: [] for name in commands}
            for _ in range(self.rounds):
                for name, command in commands.items():
                    times[name].append(spent(command))
            medians = {name: statistics.median(found) for name, found in times.items()}
            rows.append({"captures": folders[0], "ratio": medians["theirs"] / medians["ours"]} | size
                        | {f"{name}_pps": size["packets"] / found for name, found in medians.items()})
        return rows

    def rules(self):
        """A policy with the whole set, unpacked. The few rules with typing errors are commented out: a policy
        whose signatures have errors is refused."""
        folder = f"{self.folder}/rules"
        conf = policy(self.folder, "signatures", ", signatures: [rules/*.rules]")
        if not os.path.isdir(folder):
            os.mkdir(folder)
            source = f"{self.data}/rulesets-ids/et-open-2019"
            for name in sorted(x for x in os.listdir(source) if ".rules" in x):
                with open(f"{folder}/{name.removesuffix('.gz')}", "wb") as out:
                    subprocess.run(["gzip", "-dcf", f"{source}/{name}"], stdout=out, check=True)
            text = subprocess.run([self.binary, "check", conf], capture_output=True, text=True).stderr
            for name, line in re.findall(r"^\S*?(rules/[^/:]+):(\d+):\d+: error", text, re.M):
                self.leave_out(f"{self.folder}/{name}", int(line))
        return conf

    def leave_out(self, path, number):
        with open(path, encoding="latin-1") as f:
            lines = f.readlines()
        lines[number - 1] = "#" + lines[number - 1]
        with open(path, "w", encoding="latin-1") as f:
            f.writelines(lines)
        say(f"bench: {os.path.basename(path)}:{number} has an error and is left out")

    def load(self):
        """CPU seconds from start to end of a replay of nothing: with an empty cache, then with a full one."""
        conf, cache = self.rules(), f"{self.folder}/cache"
        cold, warm = [], []
        for _ in range(self.rounds):
            shutil.rmtree(cache, ignore_errors=True)
            os.mkdir(cache)
            cold.append(machine.timed(self.command(conf, self.empty, cache=cache), 120))
            warm.append(machine.timed(self.command(conf, self.empty, cache=cache), 120))
        return {"cold_s": statistics.median(x["cpu_seconds"] for x in cold),
                "cached_s": statistics.median(x["cpu_seconds"] for x in warm),
                "cold_mib": max(x["rss_mib"] for x in cold), "cached_mib": max(x["rss_mib"] for x in warm),
                "cache_mib": sum(os.path.getsize(f"{cache}/{x}") for x in os.listdir(cache)) / 2**20}

    def throughput(self, packets):
        """Under the whole set, of what remains behind the load; Suricata in the same rounds."""
        conf, cache = self.rules(), f"{self.folder}/cache"
        path, size = self.join("http-api and dpi-protocols", ["http-api", "dpi-protocols"], packets)
        peer, loads, whole, theirs = suricata.version(), [], [], []
        if not peer:
            say("bench: suricata is not installed: no comparison with it")
        for _ in range(self.rounds):
            loads.append(spent(self.command(conf, self.empty, cache=cache)))
            whole.append(spent(self.command(conf, path, cache=cache)))
            if peer:
                theirs.append(suricata.seconds(path, f"{self.folder}/rules", self.folder))
        seconds = statistics.median(whole) - statistics.median(loads)
        found = {"gbit": 8 * size["bytes"] / seconds / 1e9, "pps": size["packets"] / seconds,
                 "shares": self.shares(self.command(conf, path, cache=cache))} | size
        if theirs:
            other = statistics.median(theirs)
            found["suricata"] = {"version": peer, "gbit": 8 * size["bytes"] / other / 1e9,
                                 "pps": size["packets"] / other, "ratio": other / seconds}
        return found

    def shares(self, command):
        """Of each stage in the samples of `perf`, what loads the set left out."""
        data = f"{self.folder}/perf.data"
        recording = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-g", "-o", data, "--"]
        recorded = subprocess.run(recording + command, capture_output=True, text=True)
        if recorded.returncode:
            say("bench: perf does not run here: no shares of stages")
            return []
        script = subprocess.run(["perf", "script", "-i", data, "--no-demangle", "-F", "ip,sym,dso"],
                                capture_output=True, text=True, errors="replace").stdout
        counts = {}
        for stack in script.split("\n\n"):
            if stage := stage_of(stack):
                counts[stage] = counts.get(stage, 0) + 1
        total = sum(counts.values()) or 1
        return [{"stage": name, "share": counts.get(name, 0) / total}
                for name, _ in (*STAGES[:-1], ALLOCATION, ("other", "")) if counts.get(name)]

    def flows(self, count):
        """Resident memory that open flows take: a replay of them less one of nothing."""
        rows = []
        path = f"{self.folder}/flows.pcap"
        say(f"bench: {count} open flows")
        frames.open_flows(path, count)
        for name, conf in (("detection alone", policy(self.folder, "detection")),
                           ("the ET Open set", self.rules())):
            cache = f"{self.folder}/cache"
            least, most = (machine.timed(self.command(conf, x, cache=cache), 300)["rss_mib"]
                           for x in (self.empty, path))
            rows.append({"with": name, "flows": count, "bytes": (most - least) * 2**20 / count})
        return rows


def stage_of(stack):
    """Nil for what only loads: the policy, its signatures, their databases."""
    lines = [line for line in stack.splitlines() if line.strip()]
    if not lines or any(re.search(r"\$s10Inspection10PlanLoader|PolicyLoader|hs_compile", x) for x in lines):
        return None
    for line in lines:
        for name, pattern in STAGES:
            if re.search(pattern, line):
                return None if name == STAGES[-1][0] else name
    return ALLOCATION[0] if re.search(ALLOCATION[1], lines[0]) else "other"


def measure(binary, data, folder, quick):
    """Everything; a part that cannot be measured says why and is left out."""
    runner = Inspection(binary, data, folder, 3 if quick else 7)
    packets = 200_000 if quick else 600_000
    results = {}
    for name, part in (("detection", lambda: runner.detection(packets)), ("load", runner.load),
                       ("throughput", lambda: runner.throughput(packets)),
                       ("flows", lambda: runner.flows(100_000))):
        try:
            results[name] = part()
        except (Failed, OSError) as error:
            say(f"bench: {name}: {error}")
    return results
