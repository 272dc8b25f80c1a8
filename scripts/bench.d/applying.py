# SPDX-License-Identifier: Apache-2.0
# What a policy costs before the first packet: text to running, a delta, memory of the command and of the
# tables. In: sizes. Out: rows.
import json, statistics, subprocess, sys

import inputs
from machine import Failed, say


def rows(ns, binary, folder, options):
    """A row for each size. `ns`: where there is an interface d0."""
    found = []
    for n in options.apply_rules:
        policy = inputs.rules_policy(folder, n)
        found.append({"kind": "rules", "n": n} | cost(ns, binary, policy, options.times))
    for n in options.apply_sets:
        policy = inputs.set_policy(folder, f"set-{n}.netset", f"set-{n}", "pass")
        found.append({"kind": "set", "n": n} | cost(ns, binary, policy, options.times))
    found.append({"kind": "delta", "n": 1000} | delta(ns, binary, folder, options))
    return found


def cost(ns, binary, policy, times):
    """Medians of a first apply and of one that replaces what runs; the memory of the tables that are there
    then, and the most that the command had."""
    first, again = [], []
    say(f"bench: apply {policy.rsplit('/', 1)[1]}")
    try:
        for _ in range(times):
            first.append(ns.run(binary, "apply", policy, "--dev", "d0"))
            memory = table_bytes(ns)
            again.append(ns.run(binary, "apply", policy, "--dev", "d0"))
            ns.run(binary, "detach")
            if first[0]["seconds"] > 5:
                break
    except Failed as error:
        say(f"bench: {error}")
        subprocess.run(["nsenter", f"--net=/run/netns/{ns.name}", binary, "detach"], capture_output=True)
        return {"error": str(error)}
    return {"seconds": statistics.median(x["seconds"] for x in first),
            "swap_seconds": statistics.median(x["seconds"] for x in again),
            "rss_mib": max(x["rss_mib"] for x in first + again), "tables_mib": memory / 2**20}


def table_bytes(ns):
    """Kernel memory of the maps that belong to the generation on d0, those inside its maps of maps too."""
    devices = json.loads(ns.read("bpftool", "-j", "net"))[0]["xdp"]
    program = next(x["id"] for x in devices if x["devname"] == "d0")
    wanted = json.loads(ns.read("bpftool", "-j", "prog", "show", "id", str(program)))["map_ids"]
    maps = {x["id"]: x for x in json.loads(ns.read("bpftool", "-f", "-j", "map", "show"))}
    total, seen = 0, set()
    while wanted:
        number = wanted.pop()
        if number in seen or number not in maps or is_shared(maps[number]):
            continue
        seen.add(number)
        if maps[number]["type"].endswith("_of_maps"):
            wanted += inner_maps(ns.read("bpftool", "-j", "map", "dump", "id", str(number)))
        total += maps[number]["bytes_memlock"]
    return total


def inner_maps(dump):
    """The ids that a map of maps holds; bpftool shows each as the bytes of a number, empty places as none."""
    values = [x["value"] for x in json.loads(dump) if isinstance(x.get("value"), list)]
    return [int.from_bytes(bytes(int(byte, 16) for byte in value), sys.byteorder) for value in values]


def is_shared(found):
    """What is pinned under its own name, of which the kernel keeps 15 letters, is state that generations
    share, counters for one: no table."""
    return any(path.rsplit("/", 1)[1].startswith(found["name"]) for path in found.get("pinned", []))


def delta(ns, binary, folder, options):
    """A thousand entries added to a set that runs, and taken out again."""
    help_text = subprocess.run([binary, "help", "set", "add"], capture_output=True, text=True)
    if "USAGE: xdpguard set add" not in help_text.stdout:
        return {"error": "no command 'set add'"}
    largest = max(options.apply_sets)
    policy = inputs.set_policy(folder, f"set-{largest}.netset", f"set-{largest}", "pass")
    entries = [f"10.{i >> 8}.{i & 255}.7" for i in range(1000)]
    try:
        ns.run(binary, "apply", policy, "--dev", "d0")
        spent = []
        for _ in range(3 * options.times):
            spent.append(ns.run(binary, "set", "add", "listed", *entries))
            ns.run(binary, "set", "del", "listed", *entries)
        ns.run(binary, "detach")
    except Failed as error:
        say(f"bench: delta: {error}")
        return {"error": str(error)}
    return {"of": largest, "seconds": statistics.median(x["seconds"] for x in spent),
            "rss_mib": max(x["rss_mib"] for x in spent)}
