# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: what else on the router handles the packets that a flowtable takes.

Nothing here fails a rung: offload works. A warning is about two things that cannot both work on one device; all else
is worth knowing where traffic takes another route than expected.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..._observe.forwarding import is_forwarding
from ..finding import Finding, Kind
from ..fw4_remedies import OVERLAY_EXCLUDES
from ..subject import Subject

SHAPER_BYPASSED = Kind(
    "configured.shaper-bypassed",
    "warning",
    "A device of a hardware flowtable has a shaping qdisc",
    "Flows that the NIC forwards never get to the router's own queues, so a shaper such as cake, htb, hfsc or tbf on"
    " such a device, or on a VLAN, PPPoE or bridge above it, sees only what is not offloaded. Its limit no longer"
    " holds, and what it counts is wrong.",
    "choose one: offload in software while traffic is shaped (flow_offload_mode: software), or take the {qdisc} off"
    " {device}",
)
SHAPED = Kind(
    "configured.shaper",
    "info",
    "A device of a software flowtable has a shaping qdisc",
    "In software, offloaded packets still pass the qdisc of the device that they leave through. They pass no rule of"
    " the forward and postrouting chains, so marks and classes that are set there reach the first packets of a flow"
    " only, and they may pass by a qdisc on a bridge above the device.",
    "let the shaper on {device} classify without rules at forward and postrouting, or from connection marks",
)
XDP = Kind(
    "configured.xdp",
    "info",
    "An XDP program sees packets before a flowtable",
    "It runs in the driver, or right behind it, before every hook of netfilter. What it drops or forwards by itself, as"
    " xdp-forward does from the same flowtables, neither a flowtable nor the sample of this module sees, so that much"
    " traffic can look like little.",
    "see what it does (bpftool net show dev {device}); take it off with 'ip link set dev {device} xdp off' where it is"
    " not meant to forward",
)
ACCELERATOR = Kind(
    "configured.other-accelerator",
    "warning",
    "Another fast path is loaded beside the flowtable",
    "Modules such as ecm (Qualcomm's NSS), shortcut_fe and natflow take connections by themselves, before a flowtable"
    " sees their packets or from under it. Which of the two has a connection is a matter of chance, and neither shows"
    " what the other forwards.",
    "choose one: unload {modules} and keep it from loading at boot, or do not use a flowtable (flow_offload_mode:"
    " disabled)",
)
MARK_ROUTING = Kind(
    "configured.mark-routing",
    "info",
    "Packets are routed by their mark",
    "An offloaded flow keeps the route that it had when it was offloaded, which is looked up with the mark of that one"
    " packet. Where marks are set later, or change during a connection, it takes another route than the rules intend.",
    "set marks before the forward hook and keep them in the connection mark, or keep such flows out of the flowtable",
    under_fw4=f"set marks before the forward hook and keep them in the connection mark, or {OVERLAY_EXCLUDES}",
)
IPSEC = Kind(
    "configured.ipsec",
    "info",
    "There is IPsec on the router",
    "Packets that come out of a tunnel of IPsec's are never offloaded, and no NIC takes the flows that go into one."
    " All others are not affected.",
    "nothing needs to be done; do not expect the flows of those tunnels to be offloaded",
)
QUEUED = Kind(
    "configured.queue",
    "info",
    "Packets are handed to a program (NFQUEUE)",
    "A program that gets packets from a rule, as Suricata or zapret do, sees the first packets of a flow until it is"
    " offloaded, and none after that.",
    "keep flows that the program must see whole out of the flowtable, by a condition in front of 'flow add'",
    under_fw4=f"where the program must see flows whole, {OVERLAY_EXCLUDES}",
)
SECOND_FIREWALL = Kind(
    "configured.second-firewall",
    "info",
    "Other chains look at forwarded packets too",
    "Beside the table of the flowtable there are other base chains at the forward hook, or tables of the older"
    " iptables, which nft does not list. Once a flow is offloaded they see none of its packets: rules that are changed"
    " there do not stop it, and their counters stand still.",
    "after a change of those rules end the connections that it is about (conntrack -D)",
)
MTU_DIFFERS = Kind(
    "configured.mtu-differs",
    "info",
    "A device takes smaller packets than the others, and no rule clamps the MSS",
    "Packets that are larger than the egress device takes leave the fast path, for the router to answer with ICMP."
    " Where that answer gets lost, connections stall. A rule that sets the MSS to what the route takes avoids both.",
    "add 'tcp flags syn tcp option maxseg size set rt mtu' to a chain at the forward hook",
    under_fw4="set mtu_fix of the zone with the smaller packets, mostly wan (uci set firewall.@zone[N].mtu_fix=1, uci"
    " commit firewall), then run /etc/init.d/firewall reload",
)
KINDS = (
    SHAPER_BYPASSED,
    SHAPED,
    XDP,
    ACCELERATOR,
    MARK_ROUTING,
    IPSEC,
    QUEUED,
    SECOND_FIREWALL,
    MTU_DIFFERS,
)


def find_shapers(subject: Subject) -> list[Finding]:
    """Shaping qdiscs on devices of the flowtables, or above them."""
    found: dict[str, Finding] = {}
    # hardware last: where a device is in both, its flows may be in the NIC
    for flowtable in sorted(subject.flowtables, key=lambda flowtable: flowtable.hardware):
        kind = SHAPER_BYPASSED if flowtable.hardware else SHAPED
        where = "hardware" if flowtable.hardware else "software"
        for device in subject.devices_and_uppers(flowtable):
            if qdisc := subject.state.other_handlers.shapers.get(device.name):
                message = f"{device.name} has the qdisc {qdisc}, and flowtable {flowtable.path} offloads in {where}"
                found[device.name] = kind.found(
                    message, f"{device.name}: qdisc {qdisc}", device=device.name, qdisc=qdisc
                )
    return list(found.values())


def find_xdp(subject: Subject) -> list[Finding]:
    """XDP programs on listed devices, and on those below them."""
    programs = subject.state.other_handlers.xdp
    return [
        XDP.found(f"{name} has an XDP program ({programs[name]})", f"ip link show dev {name}: xdp", device=name)
        for name in subject.ingress_devices
        if name in programs
    ]


def find_accelerators(subject: Subject) -> list[Finding]:
    """Modules of other fast paths beside a flowtable."""
    modules = subject.state.other_handlers.accelerators
    if not modules or not subject.flowtables:
        return []
    names = ", ".join(modules)
    return [ACCELERATOR.found(f"another fast path is loaded: {names}", f"/proc/modules: {names}", modules=names)]


def find_mark_routing(subject: Subject) -> list[Finding]:
    """Rules of policy routing that match marks."""
    rules = subject.state.other_handlers.mark_rules
    if not rules or not subject.flowtables:
        return []
    return [MARK_ROUTING.found(f"{_count_things(rules, 'rule')} of 'ip rule' route by mark", *rules[:4])]


def find_ipsec(subject: Subject) -> list[Finding]:
    """IPsec policies, or the traces of some in the kernel's counters."""
    if not subject.flowtables:
        return []
    policies = {direction: count for direction, count in subject.state.other_handlers.ipsec.items() if count}
    if policies:
        listed = ", ".join(f"{count} {direction}" for direction, count in policies.items())
        return [IPSEC.found(f"there are IPsec policies: {listed}", f"ip xfrm policy count: {listed}")]
    if errors := subject.state.other_handlers.ipsec_errors:
        return [
            IPSEC.found("the kernel's counters of IPsec are not zero", f"/proc/net/xfrm_stat: {', '.join(errors[:4])}")
        ]
    return []


def find_queues(subject: Subject) -> list[Finding]:
    """Chains that queue packets to a program."""
    chains = subject.state.other_handlers.queues
    if not chains or not subject.flowtables:
        return []
    return [QUEUED.found(f"{_count_things(chains, 'chain')} hand packets to a program", *chains[:4])]


def find_other_firewalls(subject: Subject) -> list[Finding]:
    """Other base chains at the forward hook, and tables of the older iptables."""
    flowtables = subject.flowtables
    if not flowtables:
        return []
    own = {f"{flowtable.family} {flowtable.table}" for flowtable in flowtables}
    chains = [chain for chain in subject.state.other_handlers.forward_chains if chain.rpartition(" ")[0] not in own]
    legacy = [table for table in subject.state.other_handlers.legacy_tables if table.endswith((" filter", " mangle"))]
    found = []
    if chains or legacy:
        evidence = [f"chain {chain} is at the forward hook" for chain in chains[:4]]
        evidence += [f"iptables-legacy has the table {table}" for table in legacy[:4]]
        named = ", ".join([*chains[:4], *(f"{table} of iptables-legacy" for table in legacy[:4])])
        found.append(SECOND_FIREWALL.found(f"forwarded packets also pass {named}", *evidence))
    return found


def find_mtu_differences(subject: Subject) -> list[Finding]:
    """Forwarding devices on the flowtables' devices, or above them, whose MTUs differ."""
    if (
        subject.state.other_handlers.clamps_mss
        or subject.state.other_handlers.legacy_tables
        or subject.state.flowtables is None
    ):
        return []
    if "ruleset" in subject.state.unseen:
        return []
    on_path = {
        device.name: device
        for flowtable in subject.flowtables
        for device in subject.devices_and_uppers(flowtable)
        if device.mtu and is_forwarding(subject.devices, device)
    }
    if len({device.mtu for device in on_path.values()}) <= 1:
        return []
    smallest = min(on_path.values(), key=lambda device: device.mtu)
    largest = max(on_path.values(), key=lambda device: device.mtu)
    message = f"{smallest.name} has MTU {smallest.mtu}, {largest.name} {largest.mtu}, and no rule clamps the MSS"
    return [MTU_DIFFERS.found(message, *(f"{device.name}: mtu {device.mtu}" for device in list(on_path.values())[:6]))]


CHECKS = (
    find_shapers,
    find_xdp,
    find_accelerators,
    find_mark_routing,
    find_ipsec,
    find_queues,
    find_other_firewalls,
    find_mtu_differences,
)


def _count_things(things: Iterable[str], word: str) -> str:
    """'1 rule', '2 rules'"""
    number = len(list(things))
    return f"{number} {word}{'s' if number != 1 else ''}"
