#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# A run's results as pictures. In: plots.py RESULTS.json FOLDER. Out: SVG files; the same results give the
# same bytes. A program of its own, as matplotlib may be another python's than the one that measures.
import json, os, sys

import matplotlib
matplotlib.use("svg")
from matplotlib import pyplot, ticker  # noqa: E402

STYLE = {
    "svg.hashsalt": "xdpguard", "svg.fonttype": "none", "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 11, "figure.figsize": (7.6, 4.4), "figure.facecolor": "white", "axes.facecolor": "white",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e3e3e3",
    "axes.axisbelow": True, "legend.frameon": False, "lines.linewidth": 1.8, "lines.markersize": 5}
COLOURS = {"xdpguard": "#0b6e4f", "xdp-filter": "#8a8a8a", "nft": "#c0392b", "iptables": "#d68910",
           "ipset": "#2471a3", "LPM trie": "#7d3c98"}
OTHERS = ["#5d4037", "#00838f", "#ad1457"]
ENGINES = {"acl1": "#0b6e4f", "fw1": "#c0392b", "ipc1": "#2471a3"}


def colour(name, order):
    return COLOURS.get(name) or OTHERS[order % len(OTHERS)]


def plain(value, _):
    """Axis labels: 1k rather than a power of ten."""
    for unit, sign in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{sign}"
    return f"{value:g}"


def axes(title, x, y):
    figure, at = pyplot.subplots()
    at.set_title(title, loc="left", fontsize=12)
    at.set_xlabel(x)
    at.set_ylabel(y)
    at.set_xscale("log")
    at.set_yscale("log")
    for axis in (at.xaxis, at.yaxis):
        axis.set_major_formatter(ticker.FuncFormatter(plain))
        axis.set_minor_formatter(ticker.NullFormatter())
    return figure, at


def save(figure, at, path):
    if at.get_legend_handles_labels()[0]:
        at.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=10)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def line(at, points, **style):
    points = sorted(points)
    if points:
        at.plot([p[0] for p in points], [p[1] for p in points], marker="o", **style)


def live_lines(at, rows, kinds):
    names = list(dict.fromkeys(x["peer"] for x in rows if x["peer"] != "empty"))
    for order, name in enumerate(names):
        for kind, (label, dashes) in kinds.items():
            points = [(x["n"], x["x"]) for x in rows
                      if x["peer"] == name and x["kind"] == kind and x.get("x")]
            line(at, points, label=name + label, color=colour(name, order), linestyle=dashes)
    at.axhline(1, color="#8a8a8a", linewidth=1)


def rules(results, path):
    figure, at = axes("CPU time per dropped packet, the last rule matches", "rules",
                      "times an empty XDP_DROP")
    live_lines(at, results["live"], {"rules": ("", "-")})
    save(figure, at, path)


def sets(results, path):
    figure, at = axes("CPU time per dropped packet, a set of prefixes", "prefixes in the set",
                      "times an empty XDP_DROP")
    live_lines(at, results["live"], {"set": (", members", "-"), "miss": (", others", "--")})
    save(figure, at, path)


def classbench(results, path):
    figure, at = axes("ClassBench: above the same program without rules", "rules", "ns a packet")
    at.set_yscale("linear")
    for engine, shade in ENGINES.items():
        for family, dashes in ((4, "-"), (6, "--")):
            points = [(x["rules"], x["net_ns"]) for x in results["classbench"]
                      if (x["engine"], x["family"]) == (engine, family) and "net_ns" in x]
            line(at, points, label=f"{engine} IPv{family}", color=shade, linestyle=dashes)
    at.set_xlim(700, 150_000)
    at.set_ylim(bottom=0)
    save(figure, at, path)


def applying(results, path):
    figure, at = axes("From text to running", "rules or prefixes", "seconds")
    rows = [x | {"peer": "xdpguard"} for x in results["apply"]] + results["apply_peers"]
    names = list(dict.fromkeys(x["peer"] for x in rows))
    for order, name in enumerate(names):
        for kind, dashes in (("rules", "-"), ("set", "--")):
            points = [(x["n"], x["seconds"]) for x in rows
                      if x["peer"] == name and x["kind"] == kind and "seconds" in x]
            line(at, points, label=f"{name}, {'rules' if kind == 'rules' else 'prefixes'}",
                 color=colour(name, order), linestyle=dashes)
    save(figure, at, path)


def main():
    """Reads the results, writes the pictures."""
    with open(sys.argv[1]) as f:
        results = json.load(f)
    folder = sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        rules(results, f"{folder}/rules.svg")
        sets(results, f"{folder}/sets.svg")
        classbench(results, f"{folder}/classbench.svg")
        applying(results, f"{folder}/apply.svg")


main()
