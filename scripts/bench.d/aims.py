# SPDX-License-Identifier: Apache-2.0
# What the project aims at, and what a run measured of it. In: a run's results. Out: rows of text.


def live(results, peer, kind, n, key="x"):
    return value((x for x in results["live"] if (x["peer"], x["kind"], x["n"]) == (peer, kind, n)), key)


def value(rows, key):
    """The figure of the first row; None where it was not measured."""
    return next((x.get(key) for x in rows), None)


def growth(results):
    thousand, more = (live(results, "xdpguard", "rules", n) for n in (1000, 10_000))
    return more / thousand if thousand and more else None


def classify(results, engine, size, family):
    return value((x for x in results["classbench"]
                  if (x["engine"], x["size"], x["family"]) == (engine, size, family)), "net_ns")


def twins(results):
    """The dearest IPv6 set by its IPv4 twin's cost."""
    pairs = [(classify(results, x["engine"], x["size"], 4), x.get("net_ns"))
             for x in results["classbench"] if x["family"] == 6]
    return max((six / four for four, six in pairs if four and six), default=None)


def applied(results, kind, n, key, factor=1):
    found = value((x for x in results["apply"] if (x["kind"], x["n"]) == (kind, n)), key)
    return None if found is None else found * factor


def peak_memory(results):
    return max((x["rss_mib"] for x in results["apply"] if x.get("rss_mib")), default=None)


def live_aims(results):
    for what, kind, n, most in (
            ("1 rule", "rules", 1, 1.5), ("1,000 rules", "rules", 1000, 3.5),
            ("10,000 rules", "rules", 10_000, 4.5),
            ("100,000 prefixes, members", "set", 100_000, 5),
            ("1,000,000 prefixes, members", "set", 1_000_000, 7),
            ("1,000,000 prefixes, other sources", "miss", 1_000_000, 3),
            ("a limit on 10,000 known sources", "limit", 10_000, 3.5),
            ("a limit on 1,000,000 known sources", "limit", 1_000_000, 12),
            ("a limit, every source new", "spoofed", 1_000_000, 5)):
        yield what, live(results, "xdpguard", kind, n), most, "x"
        if (kind, n) == ("rules", 10_000):
            yield "10,000 rules to 1,000", growth(results), 1.3, "times"


def classify_aims(results):
    limits = {"1k": 80, "10k": 160, "100k": 220}
    for engine, own in (("acl1", {}), ("fw1", {"10k": 250, "100k": 350}), ("ipc1", {})):
        for size, most in (limits | own).items():
            figure = classify(results, engine, size, 4)
            if any((x["engine"], x["size"]) == (engine, size) for x in results["classbench"]):
                yield f"{engine} {size}", figure, most, "ns"
    yield "IPv6 sets of rules by their IPv4 twins, at most", twins(results), 1.6, "times"
    million = value((x for x in results["sets6"] if x["n"] == 1_000_000), "net_ns")
    yield "1,000,000 IPv6 prefixes", million, 250, "ns"


def apply_aims(results):
    for what, kind, n, most, unit, factor in (
            ("apply 1,000 rules", "rules", 1000, 0.1, "s", 1),
            ("apply 10,000 rules", "rules", 10_000, 0.3, "s", 1),
            ("apply 100,000 rules", "rules", 100_000, 2.5, "s", 1),
            ("apply a set file of 100,000 prefixes", "set", 100_000, 0.2, "s", 1),
            ("apply a set file of 1,000,000 prefixes", "set", 1_000_000, 1.5, "s", 1),
            ("1,000 entries more in a set of 1,000,000", "delta", 1000, 20, "ms", 1000)):
        yield what, applied(results, kind, n, "seconds", factor), most, unit
    yield "tables of 1,000,000 prefixes", applied(results, "set", 1_000_000, "tables_mib"), 40, "MiB"
    yield "tables of 100,000 rules", applied(results, "rules", 100_000, "tables_mib"), 16, "MiB"
    yield "memory of the command, at most", peak_memory(results), 300, "MiB"


# At most, in nanoseconds; of the stages of guardbench.
STAGES = {
    "parse and sanity": 8, "fragments: track, no fragments": 2, "fragments: track, fragments": 60,
    "limit, 64 sources under it": 12, "limit, 64 sources over it": 12,
    "limit, flood of 10,000,000 sources": 70,
    "inspect, a policy without": 2, "reply, 10,000 connections": 130, "egress, 10,000 connections": 70,
    "reply, 100,000 connections": 200, "egress, 100,000 connections": 70,
}


def other_aims(results):
    for row in results["stages"]:
        if row["stage"] in STAGES:
            yield f"stage: {row['stage']}", row["ns"], STAGES[row["stage"]], "ns"
    yield "`xdpguard version`", results.get("start_ms"), 20, "ms"
    slowest = min((x["mpps"] for x in results["native"]), default=None)
    yield "`replay --engine native`, at least", slowest, 5, "M packets/s"


def inspect_live_aims(results):
    found = results.get("inspect_live") or {}
    milliseconds = {key: found[key] / 1000 if key in found else None for key in ("median_us", "p99_us")}
    yield "first bad payload to the ban, median", milliseconds["median_us"], 1, "ms"
    yield "first bad payload to the ban, 99 of 100", milliseconds["p99_us"], 5, "ms"
    saturated = found.get("saturated")
    kept = saturated["passed"] / max(1, saturated["sent"]) * 100 if saturated else None
    yield "packets that pass while the inspector is saturated, at least", kept, 100, "%"


def inspection_aims(results):
    found = results.get("inspection", {})
    for x in found.get("detection", []):
        what = f"detection, {x['captures']}: packets a second to ndpiReader's, at least"
        yield what, x["ratio"], 0.9, "times"
    load, through = found.get("load", {}), found.get("throughput", {})
    yield "the ET Open set: a core, at least", through.get("gbit"), 1, "Gbit/s"
    yield "its load, nothing in the cache", load.get("cold_s"), 10, "s"
    yield "its load from the cache", load.get("cached_s"), 1, "s"
    yield "memory of its load, at most", load.get("cold_mib"), 600, "MiB"
    for x in found.get("flows", []):
        yield f"memory of an open flow, {x['with']}", x["bytes"] / 1024, 8, "KiB"


FILTER, INSPECTION = (live_aims, classify_aims, apply_aims, other_aims), (inspection_aims, inspect_live_aims)


def rows(results, groups=FILTER + INSPECTION):
    """(what, figure or None, limit, unit, whether it is met)."""
    for group in groups:
        for what, figure, limit, unit in group(results):
            is_least = what.endswith("at least")
            met = None if figure is None else figure >= limit if is_least else figure <= limit
            yield what, figure, limit, unit, met
