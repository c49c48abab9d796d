# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More broken routers: hooks, flows, what traverses the forward chain, and the hardware."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.parse.conntrack import parse_conntrack
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import (
    Boot,
    Carried,
    Flowtable,
    Hook,
    RouterState,
)
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._verify.finding import Expectation

from tests.unit.helpers.ladder_case import (
    BRIDGE,
    EXPECT_HARDWARE,
    EXPECT_SOFTWARE,
    FOREIGN,
    HARD,
    NAMED_HOOKS,
    NEW_KERNEL,
    SOFT,
    TWO,
    VYOS,
    Case,
    beside,
    case,
    hooked,
    traffic,
)
from tests.unit.helpers.routers import (
    bare,
    flows,
    foreign,
    with_carried,
    with_device,
    with_flowtable,
    with_platform,
    with_sample,
)

UNLISTED_HOOKS = replace(NEW_KERNEL, hooks=None, unseen={"hooks": "Error: Operation not supported"})

BOUND = {
    "one hook missing": case(
        replace(HARD, hooks=(HARD.hooks or ())[:1]),
        "bound.hook-missing",
        "configured",
        "inet nft_offload ft has no hook on wan0",
        bound="failed",
    ),
    "other hooks only": case(
        replace(HARD, hooks=tuple(Hook(device, "nft_do_chain_netdev") for device in ("lan0", "wan0"))),
        "bound.hook-missing",
        "configured",
    ),
    "hook of another flowtable": case(
        replace(NEW_KERNEL, hooks=(NAMED_HOOKS[0], Hook("wan0", "flowtable", "inet other ft"))),
        "bound.hook-missing",
        "configured",
        "wan0: ingress hook flowtable of inet other ft",
    ),
    "named hooks": case(NEW_KERNEL, "", "hardware", "lan0: ingress hook flowtable of inet nft_offload ft"),
    "hooks of one family only": case(
        replace(VYOS, hooks=hooked("nf_flow_offload_ip_hook")),
        "loaded.on-demand configured.boot-not-judged bound.hook-missing",
        "configured",
        "flowtable ip6 vyos_ip6 ft has no hook on lan0",
    ),
    "hooks of both families": case(
        replace(VYOS, hooks=hooked("nf_flow_offload_ip_hook", "nf_flow_offload_ipv6_hook")),
        "loaded.on-demand configured.boot-not-judged",
        "offloading",
    ),
    "fewer hooks than flowtables": case(
        replace(TWO, hooks=HARD.hooks),
        "loaded.on-demand configured.boot-not-judged configured.flowtables-compete bound.fewer-hooks",
        "configured",
        "may have no hook",
    ),
    "as many hooks as flowtables": case(
        replace(TWO, hooks=(HARD.hooks or ()) * 2),
        "loaded.on-demand configured.boot-not-judged configured.flowtables-compete",
        "offloading",
    ),
    "hooks not listed, Linux 6.1": case(
        with_platform(replace(HARD, hooks=None), kernel="6.1.0-40"),
        "",
        "hardware",
        "lists lan0, wan0; this kernel cannot list hooks",
        bound="proven",
    ),
    "hooks not listed, Linux 7.2": case(
        replace(NEW_KERNEL, hooks=None, unseen={"hooks": "Error: Operation not supported"}),
        "bound.hooks-unreadable",
        "hardware",
        "hooks: Error: Operation not supported",
        bound="unproven",
    ),
    "hooks not listed, Linux 7.2, both devices take packets": case(
        with_sample(UNLISTED_HOOKS, "fast 4 lan0 300", "fast 6 lan0 20", "fast 4 wan0 310"),
        "",
        "hardware",
        "lan0: this kernel cannot list hooks, but 320 packets that came in there were taken before the forward chain",
        bound="proven",
    ),
    "hooks not listed, Linux 7.2, one device takes packets": case(
        with_sample(UNLISTED_HOOKS, "fast 4 lan0 900", "fast 4 wan0 3"),
        "bound.hooks-unreadable",
        "hardware",
        "could not be listed, and no packet showed that of wan0",
        bound="unproven",
    ),
    "hooks not listed, Linux 7.2, another flowtable on the same devices": case(
        with_sample(replace(TWO, hooks=None, platform=NEW_KERNEL.platform), "fast 4 lan0 900", "fast 4 wan0 900"),
        "loaded.on-demand configured.boot-not-judged configured.flowtables-compete bound.hooks-unreadable",
        "bypassing",
        bound="unproven",
    ),
}

DOCKER = {"kind": "bridge", "lowers": ("veth1",), "up": True}


def beside_guests(state: RouterState) -> RouterState:
    """With containers behind a bridge of theirs, and a tunnel, in no flowtable."""
    state = with_device(with_device(state, "veth1", kind="veth", guest=True, master="docker0"), "docker0", **DOCKER)
    return with_device(state, "wg0", kind="wireguard", up=True)


def between(state: RouterState, *lines: str) -> RouterState:
    """Conntrack, from the words after pair in lines of sh/read/conntrack.sh."""
    pairs = parse_conntrack("\n".join(f"pair {line}" for line in lines)).pairs
    counts: Counter[str] = Counter()
    recent: Counter[str] = Counter()
    for pair in pairs:
        counts[f"{pair.family} {pair.protocol} {pair.kind}"] += pair.flows
        recent[f"{pair.family} {pair.protocol}"] += pair.recent
    shown = traffic(state, ", ".join(f"{key} {n}" for key, n in counts.items()))
    assert shown.flows is not None
    return replace(shown, flows=replace(shown.flows, pairs=pairs, recent=+recent, recent_slow=recent.total()))


EXEMPT = {
    "containers only": case(
        between(beside_guests(HARD), "ipv4 tcp slow docker0 - 40 40", "ipv4 udp slow wan0 docker0 9 9"),
        "offloading.no-traffic",
        "bound",
        "no flow that is for this router's flowtable passed a packet",
        "49 sampled flows are not for this router's flowtable: behind docker0 are containers or virtual machines",
        offloading="unproven",
        hardware="unproven",
    ),
    "bridged traffic only, shown by br_netfilter": case(
        between(HARD, "ipv4 tcp slow lan0 lan0 40 40", "ipv6 udp slow lan0 lan0 9 9"),
        "offloading.no-traffic",
        "bound",
        "lan0 passes them on by itself",
        offloading="unproven",
    ),
    "a tunnel only, left out by choice": case(
        between(beside_guests(HARD), "ipv4 udp slow lan0 wg0 40 40", "ipv4 udp software wg0 lan0 12 0"),
        "",
        "offloading",
        "52 sampled flows are not for this router's flowtable: the tunnel wg0 is in no flowtable",
        hardware="unproven",
    ),
    "containers in software, the rest in hardware": case(
        between(beside_guests(HARD), "ipv4 tcp software docker0 - 40 0", "ipv4 tcp hardware lan0 - 3 0"),
        "",
        "hardware",
    ),
    "containers in software, nothing in hardware": case(
        between(beside_guests(HARD), "ipv4 tcp software docker0 - 40 0"), "", "offloading", hardware="unproven"
    ),
    "containers beside traffic that is refused": case(
        between(beside_guests(HARD), "ipv4 tcp software docker0 - 40 0", "ipv4 tcp software lan0 - 3 0"),
        "hardware.refused",
        "offloading",
        "3 flows are offloaded in software, none in hardware",
        hardware="failed",
    ),
    "containers beside traffic that is slow": case(
        between(beside_guests(HARD), "ipv4 tcp slow docker0 - 40 40", "ipv4 tcp slow lan0 - 3 3"),
        "offloading.none-offloaded",
        "bound",
        "3 flows were forwarded just now, none of them offloaded",
        offloading="failed",
    ),
    "ends that are in no network of the router count": case(
        between(beside_guests(HARD), "ipv4 tcp slow - - 3 3"), "offloading.none-offloaded", "bound"
    ),
    "a bridge of containers that is listed counts": case(
        between(
            with_flowtable(replace(beside_guests(foreign()), boot=Boot()), devices=("docker0", "wan0")),
            "ipv4 tcp slow docker0 - 9 9",
        ),
        FOREIGN + "offloading.none-offloaded",
        "bound",
    ),
    "one protocol of one family": case(
        between(
            SOFT,
            "ipv4 tcp software lan0 - 9 0",
            "ipv4 udp software lan0 - 9 0",
            "ipv6 tcp software lan0 - 9 0",
            "ipv6 udp slow lan0 - 9 9",
        ),
        "offloading.one-protocol",
        "offloading",
        "9 flows of ipv6 udp passed packets just now and none is offloaded, others are",
    ),
    "containers beside, measured": case(
        with_sample(
            between(beside_guests(SOFT), "ipv4 tcp slow docker0 - 40 40", "ipv4 tcp software lan0 - 3 0"),
            *("fast 4 lan0 300", "fast 4 wan0 310", "slow4 docker0 wan0 tcp 9 9000 900000"),
            *(
                "slow4 wan0 docker0 tcp 9 9000 900000",
                "traversed4 docker0 wan0 9100 9",
                "traversed4 wan0 docker0 9100 9",
            ),
        ),
        "",
        "bypassing",
    ),
}

OFFLOADING = {
    "conntrack unreadable": case(
        replace(SOFT, flows=None, unseen={"conntrack": "head: No such file or directory"}),
        "offloading.conntrack-unreadable",
        "bound",
        "conntrack: head: No such file",
        offloading="unproven",
    ),
    "no traffic": case(
        replace(SOFT, flows=flows()),
        "offloading.no-traffic",
        "bound",
        "watched for 3 seconds",
        offloading="unproven",
        hardware="not_applicable",
    ),
    "old slow flows only": case(
        replace(HARD, flows=flows(slow=3)), "offloading.no-traffic", "bound", hardware="unproven"
    ),
    "slow traffic": case(
        replace(HARD, flows=flows(slow=3, recent=2)),
        "offloading.none-offloaded",
        "bound",
        "2 flows were forwarded just now",
        "ESTABLISHED src=192.0.2.9",
        offloading="failed",
        hardware="unproven",
    ),
    "some slow traffic": case(replace(SOFT, flows=flows(software=1, slow=3, recent=2)), "", "offloading", "[OFFLOAD]"),
}

# TCP and UDP, each direction; the first packets of each flow, some pings
BOTH_WAYS = ("fast 4 lan0 300", "fast 4 wan0 310", "traversed4 lan0 wan0 12 900", "traversed4 wan0 lan0 10 800")
BOTH_WAYS6 = ("fast 6 lan0 150", "fast 6 wan0 150", "traversed6 lan0 wan0 9 900", "slow6 lan0 wan0 udp 1 11 900")
ONLY_LAN = replace(with_flowtable(SOFT, devices=("lan0",)), hooks=(SOFT.hooks or ())[:1], boot=Boot())
BY_NIC = (
    "device lan0 9000 9000000 1 1",
    "arrived lan0 9 900",
    "device wan0 9 900 9000 9000000",
    "arrived wan0 9 900",
    "departed wan0 9 900",
    "traversed4 lan0 wan0 6 600",
)
COUNTED = {"hardware": Carried(flows=4, original=200, reply=190)}
NAME_LOOKUPS = ("traversed4 lan0 wan0 5000 400000", "traversed4 wan0 lan0 5000 900000")

BYPASSING = {
    "both directions": case(
        with_sample(SOFT, *BOTH_WAYS, *BOTH_WAYS6),
        "",
        "bypassing",
        "in 3.02 seconds 910 packets bypassed the forward chain, 31 traversed it",
        "1.19 % slow, give or take 0.93",
        bypassing="proven",
    ),
    "containers beside": case(
        with_sample(
            with_device(
                with_device(SOFT, "veth1", kind="veth", guest=True),
                "docker0",
                kind="bridge",
                lowers=("veth1",),
                up=True,
            ),
            *BOTH_WAYS,
            "traversed4 docker0 wan0 520 90000",
            "late4 docker0 wan0 500 89000",
        ),
        "bypassing.one-direction",
        "bypassing",
        "behind docker0 are containers or virtual machines, which are in no flowtable",
    ),
    "in hardware, packets not distinguished": case(
        with_sample(HARD, "fast 4 lan0 200", "traversed4 wan0 lan0 18000 900000", classed=False),
        "",
        "hardware",
        bypassing="unproven",
    ),
    "too few late ones to accuse": case(
        with_sample(SOFT, "fast 4 wan0 3000", "traversed4 lan0 wan0 260 9000", "late4 lan0 wan0 250 8000"),
        "",
        "offloading",
        bypassing="unproven",
    ),
    "counted by connection tracking too": case(
        with_carried(
            with_sample(
                replace(HARD, flows=flows(hardware=4)),
                "fast 4 lan0 400",
                "traversed4 lan0 wan0 600 90000",
                "slow4 lan0 wan0 udp 3 600 90000",
            ),
            hardware=Carried(flows=4, original=400, reply=0),
        ),
        "bypassing.slow-share",
        "offloading",
        "60 % of the packets",
        bypassing="failed",
    ),
    "not measured": case(SOFT, "", "offloading", "not measured: the option sample is 0", bypassing="unproven"),
    "refused": case(
        replace(SOFT, unseen={"sample": "Error: Could not process rule: Operation not permitted"}),
        "bypassing.not-measured",
        "offloading",
        "sample: Error: Could not process rule",
        bypassing="unproven",
    ),
    "no flowtable": case(
        with_sample(bare(), *NAME_LOOKUPS), "configured.no-flowtable loaded.not-loaded loaded.not-at-boot", "supported"
    ),
    "hardly a packet": case(
        with_sample(SOFT, "fast 4 lan0 40", "fast 4 wan0 41", "traversed4 lan0 wan0 4 400"),
        "bypassing.little-traffic",
        "offloading",
        "fewer than 100 packets",
        bypassing="unproven",
    ),
    "hardly a packet, but enough": case(
        with_sample(SOFT, "fast 4 lan0 40", "fast 4 wan0 41", "traversed4 lan0 wan0 4 400"),
        "",
        "bypassing",
        expect=Expectation(least_packets=80),
    ),
    "name look-ups only": case(
        with_sample(SOFT, *NAME_LOOKUPS), "bypassing.little-traffic", "offloading", bypassing="unproven"
    ),
    "the other direction is late": case(
        with_sample(
            ONLY_LAN,
            "fast 4 lan0 300",
            "traversed4 lan0 wan0 8 800",
            "traversed4 wan0 lan0 310 90000",
            "late4 wan0 lan0 302 89000",
            "late6 wan0 lan0 20 8000",
            "traversed6 wan0 lan0 21 8100",
        ),
        "bypassing.one-direction configured.other-flowtable configured.boot-not-judged",
        "loaded",
        "packets from wan0 to lan0 (ipv4 and ipv6) traverse the forward chain, wan0 is in no flowtable",
        "322 packets of offloaded flows traversed it, 0 from wan0 bypassed it",
        expect=Expectation(table="inet other"),
        configured="failed",
        bypassing="failed",
    ),
    "late though listed": case(
        with_carried(
            with_sample(
                with_flowtable(HARD, counter=True),
                "fast 4 lan0 300",
                "traversed4 wan0 lan0 310 90000",
                "late4 wan0 lan0 302 89000",
            ),
            **COUNTED,
        ),
        "bypassing.one-direction",
        "offloading",
        "although wan0 is in the flowtable",
        hardware="proven",
    ),
    "a bridge's port is missing": case(
        with_sample(
            with_device(with_device(BRIDGE, "lan1", up=True), "br0", lowers=("lan0", "lan1")),
            "fast 4 wan0 300",
            "traversed4 br0 wan0 310 90000",
            "late4 br0 wan0 302 89000",
        ),
        "bypassing.one-direction",
        "offloading",
        "packets from br0 to wan0 (ipv4) traverse the forward chain, lan1 is in no flowtable",
    ),
    "a tunnel by choice": case(
        with_sample(SOFT, "fast 4 lan0 9000", "fast 4 wan0 9000", "traversed4 wg0 lan0 900 9", "late4 wg0 lan0 890 9"),
        "",
        "bypassing",
    ),
    "bridged frames that netfilter sees": case(
        with_sample(SOFT, *BOTH_WAYS, "traversed4 br0 br0 900 9", "late4 br0 br0 890 9", "slow4 br0 br0 tcp 1 9000 9"),
        "",
        "bypassing",
    ),
    "slow flows": case(
        with_sample(
            SOFT,
            "fast 4 lan0 100",
            "fast 4 wan0 100",
            "traversed4 lan0 wan0 700 7",
            "slow4 lan0 wan0 udp 3 650 7",
            "slow4 wan0 lan0 udp 3 640 7",
        ),
        "bypassing.slow-share",
        "offloading",
        "86.58 % of the packets that could bypass the forward chain traversed it (udp), more than 50 %",
        "ipv4 from lan0 to wan0: 700 traversed the forward chain, 0 of offloaded flows, 650 of 3 flows",
        bypassing="failed",
    ),
    "slow flows by a device that is not listed": case(
        with_sample(SOFT, "traversed4 mgmt0 wan0 700 7", "slow4 mgmt0 wan0 tcp 3 650 7"),
        "bypassing.slow-share",
        "offloading",
        "; in no flowtable: mgmt0",
    ),
    "slow flows on purpose": case(
        with_sample(SOFT, "fast 4 lan0 100", "fast 4 wan0 100", "slow4 lan0 wan0 tcp 3 650 7"),
        "",
        "bypassing",
        expect=Expectation(slow_share=90),
    ),
    "a protocol of one family is slow, which the sum hides": case(
        with_sample(SOFT, *BOTH_WAYS, "traversed6 lan0 wan0 130 7", "slow6 lan0 wan0 udp 3 120 7"),
        "bypassing.slow-share",
        "offloading",
        "100 % of the packets of ipv6 udp that could bypass the forward chain traversed it, more than 50 %",
        bypassing="failed",
    ),
    "the same of few packets": case(
        with_sample(SOFT, *BOTH_WAYS, "traversed6 lan0 wan0 90 7", "slow6 lan0 wan0 udp 3 80 7"), "", "bypassing"
    ),
    "the same, and it may be what came in by PPPoE": case(
        with_sample(
            SOFT,
            *BOTH_WAYS,
            "before4 wan0 300 9000",
            "after4 wan0 0 0",
            "traversed6 lan0 wan0 130 7",
            "slow6 lan0 wan0 udp 3 120 7",
        ),
        "",
        "bypassing",
    ),
    "the same, and flows of it are in the NIC": case(
        with_sample(
            replace(SOFT, flows=replace(flows(hardware=2), counts={"ipv6 udp hardware": 2})),
            *BOTH_WAYS,
            "traversed6 lan0 wan0 130 7",
            "slow6 lan0 wan0 udp 3 120 7",
        ),
        "",
        "bypassing",
    ),
    "as many slow as fast, give or take": case(
        with_sample(SOFT, "fast 4 lan0 100", "slow4 lan0 wan0 tcp 3 105 7", "traversed4 lan0 wan0 110 7"),
        "",
        "offloading",
        bypassing="unproven",
    ),
    "the NIC forwards, conntrack counts": case(
        with_carried(with_sample(HARD, "traversed4 lan0 wan0 6 600"), **COUNTED),
        "",
        "hardware",
        "beside these NICs forwarded about 390 packets, as connection tracking counted",
        bypassing="proven",
        hardware="proven",
    ),
    "the NIC forwards, conntrack counts for longer than the sample took": case(
        with_carried(with_sample(HARD, "traversed4 lan0 wan0 6 600", seconds=1.51), **COUNTED),
        "",
        "hardware",
        "beside these NICs forwarded about 195 packets",
    ),
    "the NIC forwards, its counters show it": case(
        with_sample(HARD, *BY_NIC),
        "",
        "hardware",
        "NICs received 8997768 bytes at least that the kernel never saw",
        "NICs sent 8997769 bytes at least that the kernel never saw",
        bypassing="proven",
    ),
    "a switch passes on by itself": case(
        with_sample(
            with_device(HARD, "lan0", kind="dsa", lowers=("eth0",)),
            "device lan0 9000 9000000 1 1",
            "arrived lan0 9 900",
            "traversed4 lan0 wan0 6 600",
        ),
        "bypassing.not-counted",
        "hardware",
        bypassing="unproven",
    ),
    "redirected before the flowtable sees it": case(
        with_sample(
            beside(HARD, redirected={"wan0": "ifb4wan0"}),
            "device wan0 9000 9000000 1 1",
            "arrived wan0 9 900",
            "traversed4 lan0 wan0 6 600",
        ),
        "bypassing.not-counted configured.ingress-redirected",
        "hardware",
        bypassing="unproven",
    ),
    "more flows than counters": case(
        with_sample(SOFT, "fast 4 lan0 9000", "fast 4 wan0 9000", "slow4 lan0 wan0 tcp 1024 10240 7", "full slow4"),
        "",
        "offloading",
        "than the counters have room for",
        bypassing="unproven",
        expect=Expectation(slow_share=90),
    ),
    "marked as in hardware, and forwarded in software": case(
        with_sample(HARD, "fast 4 lan0 300", "fast 4 wan0 300", "traversed4 lan0 wan0 6 600"),
        "",
        "hardware",
        bypassing="proven",
    ),
    "the NIC forwards, nothing counts": case(
        with_sample(HARD, "device lan0 9 900 1 1", "arrived lan0 9 900", "traversed4 lan0 wan0 6 600"),
        "bypassing.not-counted",
        "hardware",
        bypassing="unproven",
    ),
    "in hardware by name, and the kernel's fast path forwards": case(
        with_sample(HARD, *BOTH_WAYS), "", "hardware", "0 % slow", bypassing="proven"
    ),
    "the NIC forwards uncounted, others are slow": case(
        with_sample(HARD, "traversed4 lan0 wan0 700 7", "slow4 lan0 wan0 udp 3 650 7"),
        "bypassing.not-counted",
        "hardware",
        bypassing="unproven",
    ),
    "late though listed, and the NIC counts nothing": case(
        with_sample(HARD, "traversed4 wan0 lan0 310 90000", "late4 wan0 lan0 302 89000"),
        "bypassing.not-counted",
        "hardware",
        bypassing="unproven",
    ),
    "some are late, but the NIC forwards more": case(
        with_sample(
            HARD,
            "traversed4 wan0 lan0 310 90000",
            "late4 wan0 lan0 302 89000",
            "device wan0 9999 9000000 1 1",
            "arrived wan0 310 90000",
            "device lan0 1 1 9999 9000000",
        ),
        "",
        "hardware",
        bypassing="proven",
    ),
    "the NIC forwards one direction": case(
        with_carried(
            with_sample(
                with_flowtable(HARD, counter=True), "traversed4 wan0 lan0 310 90000", "late4 wan0 lan0 302 89000"
            ),
            **COUNTED,
        ),
        "bypassing.one-direction",
        "offloading",
    ),
    "the NIC forwards little, much is slow": case(
        with_carried(with_sample(HARD, "traversed4 lan0 wan0 7000 7", "slow4 lan0 wan0 udp 3 6500 7"), **COUNTED),
        "bypassing.slow-share",
        "offloading",
    ),
    "nft_ct not loaded": case(
        with_sample(SOFT, *BOTH_WAYS, classed=False), "", "bypassing", "nft_ct is not loaded", bypassing="proven"
    ),
    "nft_ct not loaded, much traverses": case(
        with_sample(SOFT, *BOTH_WAYS, "traversed4 lan0 dmz0 9000 9", classed=False),
        "",
        "offloading",
        bypassing="unproven",
    ),
    "taken and never sent": case(
        with_device(
            with_sample(SOFT, "lost 4 lan0 60", "fast 6 lan0 150", "fast 6 wan0 150"),
            "wan0",
            ipv6_gateways=("fe80::2",),
        ),
        "bypassing.not-delivered configured.not-deliverable",
        "offloading",
        "ipv4 tcp: the fast path took 60 packets, 0 left again",
        "IPv4 routes by wan0 have an IPv6 gateway (fe80::2)",
        bypassing="failed",
    ),
    "what the router sends itself is no delivery": case(
        with_sample(SOFT, "lost 4 lan0 600", "left4 wan0 tcp 580 9", "sent4 wan0 tcp 578 9"),
        "bypassing.not-delivered",
        "offloading",
        "took 600 packets, 2 left again",
        bypassing="failed",
    ),
    "some were lost": case(
        with_sample(SOFT, "fast 4 lan0 400", "lost 4 wan0 100"),
        "bypassing.delivery-unseen",
        "offloading",
        "took 500 packets, 400 left again; which may be chance",
        bypassing="unproven",
    ),
    "few were taken and lost": case(
        with_sample(SOFT, "lost 4 lan0 19", "fast 6 lan0 150", "fast 6 wan0 150"), "", "bypassing", bypassing="proven"
    ),
    "logging that leaves for the MAC address of nobody": case(
        with_sample(SOFT, "before4 lan0 udp 500 9", "left4 wan0 udp 499 9", "astray4 wan0 udp 499 9"),
        "bypassing.not-delivered",
        "offloading",
        "took 500 packets, 0 left again, 499 for 00:00:00:00:00:00",
        bypassing="failed",
    ),
    "a part leaves for the MAC address of nobody": case(
        with_sample(SOFT, "before4 lan0 udp 500 9", "left4 wan0 udp 499 9", "astray4 wan0 udp 20 9"),
        "bypassing.not-delivered",
        "offloading",
        bypassing="failed",
    ),
    "logging that nobody answers": case(
        with_sample(SOFT, "before4 lan0 udp 500 9", "left4 wan0 udp 499 9"), "", "bypassing", bypassing="proven"
    ),
    "PPPoE hides what leaves, TCP is answered": case(
        with_sample(with_device(SOFT, "ppp0", kind="ppp", up=True), "before4 lan0 tcp 500 9", "left4 lan0 tcp 100 9"),
        "",
        "bypassing",
        bypassing="proven",
    ),
    "PPPoE hides what leaves, TCP is not answered": case(
        with_sample(with_device(SOFT, "ppp0", kind="ppp", up=True), "before4 lan0 tcp 500 9", "left4 lan0 tcp 3 9"),
        "bypassing.not-delivered",
        "offloading",
        bypassing="failed",
    ),
    "PPPoE hides what leaves, and UDP need not be answered": case(
        with_sample(with_device(SOFT, "ppp0", kind="ppp", up=True), "before4 lan0 udp 500 9", "left4 lan0 udp 3 9"),
        "bypassing.delivery-unseen",
        "offloading",
        "ppp0 puts packets into others",
        bypassing="unproven",
    ),
    "a VLAN in a VLAN hides what leaves one way": case(
        with_sample(
            with_device(
                with_device(SOFT, "lan0.10", kind="vlan", lowers=("lan0",), up=True),
                "lan0.10.7",
                kind="vlan",
                lowers=("lan0.10",),
                up=True,
            ),
            "before4 lan0 tcp 144 9",
            "left4 wan0 tcp 96 9",
        ),
        "",
        "bypassing",
        bypassing="proven",
    ),
    "DS-Lite on Linux 7.2": case(
        with_sample(
            with_device(
                with_platform(SOFT, kernel="7.2.1"),
                "tun0",
                kind="ip6tnl",
                up=True,
                lowers=("wan0",),
                forwarding=("ipv4",),
            ),
            "before4 lan0 udp 45 9",
            "fast 6 lan0 150",
        ),
        "bypassing.not-delivered configured.not-deliverable",
        "offloading",
        "tun0 carries IPv4 in IPv6",
        bypassing="failed",
    ),
    "IPsec wraps what leaves": case(
        with_sample(beside(SOFT, ipsec={"out": 1}), "before4 lan0 udp 500 9"),
        "bypassing.delivery-unseen configured.ipsec",
        "offloading",
        bypassing="unproven",
    ),
    "it may leave by a device that is not watched": case(
        with_sample(
            with_device(SOFT, "wan0", addresses=("192.0.2.1/24",), forwarding=("ipv4",)),
            "before4 lan0 udp 500 9",
            "exits lan0",
        ),
        "bypassing.delivery-unseen",
        "offloading",
        "what leaves by wan0 was not counted",
        bypassing="unproven",
    ),
    "no hook where packets leave, devices count": case(
        with_sample(
            SOFT,
            "fast 4 lan0 300",
            "fast 4 wan0 310",
            "unwatched Error: Operation not supported",
            "device lan0 300 9 320 9",
            "device wan0 310 9 310 9",
        ),
        "",
        "bypassing",
        bypassing="proven",
    ),
    "no hook where packets leave, devices send nothing": case(
        with_sample(
            SOFT,
            "fast 4 lan0 300",
            "unwatched Error: Operation not supported",
            "device lan0 300 9 20 9",
            "device wan0 30 9 10 9",
        ),
        "bypassing.not-delivered",
        "offloading",
        bypassing="failed",
    ),
    "connections with packets one way only": case(
        replace(
            with_sample(SOFT, "fast 4 lan0 300"),
            flows=replace(flows(software=4), one_way={"ipv4 software": (4, 3), "ipv6 software": (9, 1)}),
        ),
        "bypassing.not-delivered",
        "offloading",
        "3 of 4 ipv4 TCP flows in software had packets one way only",
        bypassing="failed",
    ),
    "ARP looks for hosts that are elsewhere": case(
        replace(
            with_sample(with_device(SOFT, "wan0", addresses=("203.0.113.1/24",)), "fast 4 lan0 300"),
            flows=replace(flows(software=4), unresolved={("192.0.2.2", "wan0"): 3}),
        ),
        "bypassing.not-delivered",
        "offloading",
        "3 offloaded flows have the address 192.0.2.2, which ARP looks for on wan0 in vain",
        bypassing="failed",
    ),
    "a host of the link has gone": case(
        replace(
            with_sample(with_device(SOFT, "wan0", addresses=("203.0.113.1/24",)), "fast 4 lan0 300"),
            flows=replace(flows(software=4), unresolved={("203.0.113.9", "wan0"): 4}),
        ),
        "",
        "bypassing",
        bypassing="proven",
    ),
    "no hooks at ingress": case(
        with_sample(
            SOFT, "unhooked Error: no such thing", "traversed4 lan0 wan0 7000 7", "slow4 lan0 wan0 udp 3 6500 7"
        ),
        "",
        "offloading",
        "could not be counted: Error: no such thing",
        bypassing="unproven",
    ),
}

HARDWARE = {
    "refused": case(
        replace(HARD, flows=flows(software=7, slow=1)),
        "hardware.refused",
        "offloading",
        "7 flows are offloaded in software, none in hardware",
        "drivers: lan0 labnic, wan0 labnic",
        hardware="failed",
    ),
    "refused, driver unknown": case(
        with_device(replace(HARD, flows=flows(software=2)), "lan0", driver=""),
        "hardware.refused",
        "offloading",
        "unknown",
    ),
    "one flow not yet in the NIC": case(replace(HARD, flows=flows(software=1)), "", "offloading", hardware="unproven"),
    "partly taken": case(
        replace(HARD, flows=flows(hardware=1, software=7)),
        "hardware.some-flows",
        "hardware",
        "1 in hardware, 7 in software",
    ),
    "software beside it": case(
        replace(
            HARD,
            flowtables=(*(HARD.flowtables or ()), Flowtable("ip", "other", "ft", ("mgmt0",))),
            flows=flows(software=7),
        ),
        "",
        "offloading",
        "flows in software show nothing about the NIC",
        hardware="unproven",
    ),
    "as expected": case(HARD, "", "hardware", "[HW_OFFLOAD]", expect=EXPECT_HARDWARE, bypassing="unproven"),
    "in software, as expected": case(SOFT, "", "offloading", expect=EXPECT_SOFTWARE, hardware="not_applicable"),
}

BY_RUNG: Mapping[str, Mapping[str, Case]] = {
    "bound": BOUND,
    "offloading": OFFLOADING,
    "exempt": EXEMPT,
    "bypassing": BYPASSING,
    "hardware": HARDWARE,
}
CASES = {f"{rung}: {name}": found for rung, cases in BY_RUNG.items() for name, found in cases.items()}
