# SPDX-License-Identifier: Apache-2.0
# A run's results as tables: on the terminal, and in docs/performance.md between the markers of each table.
# Live figures are ratios alone: absolute ones of a small machine say little.
import datetime, re

import aims, machine

COMPARED = ("xdpguard", "xdp-filter", "nft", "iptables", "ipset", "LPM trie")
KINDS = {"set": "members", "miss": "other sources", "miss16": "others, of one /16",
         "limit": "known sources", "spoofed": "every source new"}


def table(heads, rows):
    ruler = ["---"] + ["---:"] * (len(heads) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, ruler, *rows])


def number(n):
    return f"{n:,}"


def ratio(x):
    return f"{x:.2f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:,.0f}"


def figure(x, unit=""):
    text = f"{x:,.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"
    return f"{text} {unit}".strip()


def seconds(x):
    return f"{x * 1000:.0f} ms" if x < 1 else f"{x:.2f} s"


def peers(rows):
    """Every peer that was measured, ours first, those from outside last."""
    known = {x["peer"] for x in rows if x["peer"] != "empty"}
    return [p for p in COMPARED if p in known] + sorted(known - set(COMPARED))


def cell(row, key):
    if row is None:
        return ""
    if "error" in row:
        return "does not load"
    if row[key] is None:
        return "-"
    return ratio(row[key]) + (f" (let {number(row['leak'])} through)" if row["leak"] else "")


def live_table(results, kinds, key="x"):
    """Peers in rows, sizes in columns."""
    rows = [x for x in results["live"] if x["kind"] in kinds]
    sizes = sorted({x["n"] for x in rows if x["peer"] != "empty"})
    lines = []
    for peer in peers(rows):
        for kind in kinds:
            found = {x["n"]: x for x in rows if x["peer"] == peer and x["kind"] == kind}
            if found:
                label = peer + (f", {KINDS[kind]}" if kind in KINDS else "")
                lines.append([label] + [cell(found.get(n), key) for n in sizes])
    return table(["x"] + [number(n) for n in sizes], lines) if lines else "Not measured."


def aims_table(results, groups):
    words = {None: "no figure", True: "met", False: "**missed**"}
    rows = []
    for what, found, limit, unit, met in aims.rows(results, groups):
        shown = "" if found is None else figure(found, unit)
        rows.append([what, f"{limit:g} {unit}", shown, words[met]])
    return table(["what", "aim", "measured", ""], rows)


def classbench_table(results):
    rows = []
    for x in results["classbench"]:
        head = [f"{x['engine']} {x['size']}", f"v{x['family']}"]
        if "error" in x:
            rows.append(head + ["", "does not load", "", "", ""])
        else:
            rows.append(head + [number(int(x["rules"])), f"{x['net_ns']:.0f} ns", f"{x['least_ns']:.0f} ns",
                                ratio(x["with_ns"] / x["base_ns"]), f"{100 * x['by_rules']:.0f} %"])
    heads = ["set", "family", "rules", "net", "least", "x of no rules", "decided by a rule"]
    return table(heads, rows) if rows else "Not measured."


def sets6_table(results):
    rows = []
    for x in results["sets6"]:
        cells = ["does not load", "", ""]
        if "error" not in x:
            cells = [f"{x[key]:.0f} ns" for key in ("net_ns", "least_ns")]
            cells.append(ratio(x["with_ns"] / x["base_ns"]))
        rows.append([number(x["n"])] + cells)
    seed = next((x["seed"] for x in results["sets6"]), "")
    return table([f"IPv6 prefixes (seed {seed})", "net", "least", "x of no rules"], rows)


def apply_rows(results):
    for x in results["apply"] + results["apply_peers"]:
        what = f"{x.get('peer', 'xdpguard')}, {number(x['n'])} " + {
            "rules": "rules", "set": "prefixes", "delta": "entries more"}[x["kind"]]
        if "error" in x:
            yield [what, "does not load" if x["kind"] != "delta" else x["error"], "", "", ""]
            continue
        swap = seconds(x["swap_seconds"]) if "swap_seconds" in x else ""
        tables = x.get("tables_mib", x.get("kernel_mib"))
        yield [what, seconds(x["seconds"]), swap, figure(tables, "MiB") if tables else "",
               figure(x["rss_mib"], "MiB")]


def apply_table(results):
    rows = list(apply_rows(results))
    return table(["what", "first", "in place of another", "kernel memory", "command's memory"], rows)


def other_table(results):
    rows = [[f"stage: {x['stage']}", f"{x['ns']:.0f} ns"] for x in results["stages"]]
    if results.get("start_ms"):
        rows.append(["`xdpguard version`", figure(results["start_ms"], "ms")])
    rows += [[f"`replay --engine native`, {x['policy']}", figure(x["mpps"], "M packets/s")]
             for x in results["native"]]
    return table(["what", "median"], rows)


def inspect_live_table(results):
    x = results.get("inspect_live")
    if not x:
        return "Not measured."
    rows = [["flows a second", number(round(x["flows_per_s"]))],
            [f"of {number(x['flows'])} flows were inspected", number(x["inspected"])],
            ["sources with a bad payload", number(x["bans"] + x["missed"])],
            ["not banned within a second", number(x["missed"])],
            ["to the ban in the kernel, median", figure(x["median_us"] / 1000, "ms")],
            ["99 of 100", figure(x["p99_us"] / 1000, "ms")],
            ["the longest", figure(x["most_us"] / 1000, "ms")]]
    s = x["saturated"]
    rows += [["saturated: packets a second", number(round(s["per_s"]))],
             ["sent", number(s["sent"])], ["passed", number(s["passed"])],
             ["of them sampled", number(s["received"])],
             ["samples lost, as the ring was full", number(s["lost_full"])]]
    return table(["what", "figure"], rows)


def detection_table(results):
    rows = [[x["captures"], number(x["packets"])]
            + [f"{x[key] / 1000:,.0f} k" for key in ("ours_pps", "theirs_pps", "told_pps")]
            + [ratio(x["ratio"])]
            for x in results.get("inspection", {}).get("detection", [])]
    heads = ["captures", "packets", "packets/s", "ndpiReader", "all packets and events told", "to ndpiReader"]
    return table(heads, rows) if rows else "Not measured."


def signatures_table(results):
    found = results.get("inspection", {})
    load, through = found.get("load", {}), found.get("throughput", {})
    rows = []
    if load:
        rows += [["load, nothing in the cache", seconds(load["cold_s"]), figure(load["cold_mib"], "MiB")],
                 [f"load from a cache of {figure(load['cache_mib'], 'MiB')}", seconds(load["cached_s"]),
                  figure(load["cached_mib"], "MiB")]]
    if through:
        rows.append([f"http-api and dpi-protocols, {number(through['packets'])} packets",
                     f"{ratio(through['gbit'])} Gbit/s, {through['pps'] / 1000:,.0f} k packets/s", ""])
    if other := through.get("suricata"):
        rows.append([f"the same by Suricata {other['version']}",
                     f"{ratio(other['gbit'])} Gbit/s, {other['pps'] / 1000:,.0f} k packets/s; "
                     f"ours is {ratio(other['ratio'])} times as fast", ""])
    rows += [[f"an open flow of {number(x['flows'])}, {x['with']}", "", figure(x["bytes"] / 1024, "KiB")]
             for x in found.get("flows", [])]
    return table(["what", "figure", "memory"], rows) if rows else "Not measured."


def shares_table(results):
    rows = [[x["stage"], f"{100 * x['share']:.1f} %"]
            for x in results.get("inspection", {}).get("throughput", {}).get("shares", [])]
    return table(["stage", "share of the time"], rows) if rows else "Not measured."


def sections(results):
    """Name of a marker to its text, in the order of the page."""
    length = "short" if results["quick"] else "full"
    measured = f"Measured on {results['date']} ({length} run): {machine.in_words(results['machine'])}."
    return {
        "machine": measured,
        "aims": aims_table(results, aims.FILTER),
        "rules": live_table(results, ["rules"]),
        "rules, two CPUs": live_table(results, ["rules"], "x2"),
        "sets": live_table(results, ["set", "miss", "miss16"]),
        "sets, two CPUs": live_table(results, ["set", "miss", "miss16"], "x2"),
        "limits": live_table(results, ["limit", "spoofed"]),
        "limits, two CPUs": live_table(results, ["limit", "spoofed"], "x2"),
        "sets6": sets6_table(results),
        "classbench": classbench_table(results),
        "apply": apply_table(results),
        "other": f"{measured}\n\n{other_table(results)}",
        "inspect-live": inspect_live_table(results),
        "inspection machine": measured,
        "inspection aims": aims_table(results, aims.INSPECTION),
        "detection": detection_table(results),
        "signatures": signatures_table(results),
        "stages of inspection": shares_table(results),
    }


def text(results):
    return "\n\n".join(f"## {name}\n\n{body}" for name, body in sections(results).items())


def is_measured(name, parts):
    """Whether the run had all that a table is about: tables of other parts stay as they are."""
    wanted = {
        "inspection machine": {"inspect"}, "detection": {"inspect"}, "signatures": {"inspect"},
        "stages of inspection": {"inspect"},
        "inspect-live": {"inspect-live"}, "inspection aims": {"inspect", "inspect-live"},
        "other": {"other"},    # small, and of its own machine and day
    }.get(name, {"live", "classbench", "sets6", "apply", "other"})
    return wanted <= set(parts)


def rewrite(path, results):
    """Puts the tables between their markers; what stands around them is written by hand and stays."""
    with open(path) as f:
        page = f.read()
    found = sections(results)
    for name, body in ((x, found[x]) for x in found if is_measured(x, results.get("parts", ()))):
        begin, end = f"<!-- bench: {name} -->", f"<!-- end: {name} -->"
        pattern = re.escape(begin) + ".*?" + re.escape(end)
        page, count = re.subn(pattern, lambda _: f"{begin}\n{body}\n{end}", page, flags=re.S)
        if count != 1:
            raise machine.Failed(f"{path}: expected once '{begin}' and behind it '{end}', found {count}")
    with open(path, "w") as f:
        f.write(page)


def today():
    return str(datetime.date.today())
