# SPDX-License-Identifier: Apache-2.0
# Loaded by the measuring kit, which calls itself B here: what it is to run beside each other. In: the cases
# of live.py in BENCH_CASES. Peers that the kit does not know come as further modules in BENCH_EXTRA, with
# names like "cmp bpfilter/rules/1000".
import json, os

CASES = json.loads(os.environ["BENCH_CASES"])
ANY_SOURCE = ["-s", "0"]


def traffic(case):
    """The last rule drops every source; sets meet their members, or sources that are not in them."""
    known = ["-s", str(case["n"]), "-b", "10.1.0.0"]
    kinds = {"set": B.T_SET(case["n"]), "miss": ANY_SOURCE, "miss16": B.T_RANDOM16,
             "limit": known, "spoofed": ANY_SOURCE}
    return kinds.get(case["kind"], B.T_RANDOM16)


def xdpguard(case):
    binary, policy = case["binary"], case["policy"]
    return dict(up=lambda: B.timed([binary, "apply", policy, "--dev", "f0", "--attach", "native"]),
                down=lambda: B.fw(binary, "detach"), traffic=traffic(case), kind="xdp")


def limited(case):
    """The kit's peers with a packet a second for each source, and room for twice as many sources."""
    made = B.nft_meter(case["n"]) if case["peer"] == "nft" else B.hashlimit(case["n"])
    return made | {"traffic": traffic(case)}


def peer(case):
    n, is_set = case["n"], case["kind"] != "rules"
    if case["kind"] in ("limit", "spoofed") and case["peer"] != "xdpguard":
        return limited(case)
    return {
        "empty": lambda: B.raw_xdp("x_drop"),
        "xdp-filter": lambda: B.xdpfilter(n, "ipv4"),
        "nft": lambda: B.nft_set(n, True) if is_set else B.nft_lin(n),
        "iptables": lambda: B.ipt(n, True),
        "ipset": lambda: B.ipset(n, "hash:net"),
        "LPM trie": lambda: B.floor("f_lpm", n, traffic(case)),
        "xdpguard": lambda: xdpguard(case),
    }[case["peer"]]()


def configs(add):
    for case in CASES:
        add(f"cmp {case['peer']}/{case['kind']}/{case['n']}", peer, case)


def apply_configs():
    for case in CASES:
        yield f"cmp {case['peer']}/{case['kind']}/{case['n']}", peer, (case,)
