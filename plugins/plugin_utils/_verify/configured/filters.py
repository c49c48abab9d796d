# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: filters of tc that take packets before a flowtable does, or that see nothing of what it takes.

tc's ingress comes right before the flowtable's hook (net/core/dev.c), its egress behind what a flowtable sends in
software. What a NIC forwards passes neither. What a filter in the NIC alone (skip_sw), or a program, takes is not
known: takers.py names it where it may have hidden traffic, and it is no finding here.
"""

from __future__ import annotations

from dataclasses import replace

from ..._observe.state import Flowtable, PacketFilter
from ..finding import Finding, Kind
from ..fw4_remedies import OVERLAY_EXCLUDES
from ..subject import Subject
from ..takers import list_trackers

INGRESS_REDIRECTED = Kind(
    "configured.ingress-redirected",
    "warning",
    "All that comes in through a device of a flowtable is redirected before the flowtable",
    "A tc filter hands every packet that comes in to another device, as SQM does with ifb to shape downloads. When such"
    " a packet comes back from there the kernel leaves out the ingress hook (seen on Linux 6.18), where a flowtable"
    " takes its packets. So in software that direction stays on the slow path, and in hardware the NIC forwards its"
    " flows past the redirection.",
    "choose one for {device}: offload, or shaping of what comes in (tc qdisc del dev {device} ingress)",
)
INGRESS_BYPASSED = Kind(
    "configured.ingress-bypassed",
    "warning",
    "What comes in is redirected above the device where a flowtable takes it",
    "A tc filter hands every packet that comes in through a device to another one, as SQM does with ifb to shape"
    " downloads. The flowtable takes packets of offloaded flows on the NIC below, before they get to that device: the"
    " shaper sees only the others, in software as in hardware, and its limit does not hold. What goes out through a"
    " qdisc there is bypassed likewise.",
    "choose one for {device}: have the shaper on {below}, or do not offload (flow_offload_mode: disabled) while it"
    " shapes",
)
INGRESS_FILTERED = Kind(
    "configured.ingress-filtered",
    "info",
    "Some of what comes in is redirected before the flowtable",
    "A tc filter hands the packets that it selects to another device, before the flowtable in software sees them. Those"
    " flows stay on the slow path, or do not get to the router's own rules at all.",
    "nothing needs to be done where that is meant; otherwise remove the filter (tc filter show dev {device} ingress)",
)
FILTER_BYPASSED = Kind(
    "configured.filter-bypassed",
    "warning",
    "A tc filter sees nothing of what is offloaded",
    "It redirects, drops or limits packets where those of offloaded flows do not pass. In hardware they pass none. In"
    " software they are taken at the listed device, before they get to a filter at ingress of a bridge, VLAN or PPPoE"
    " link above it, and are sent by the port, past a filter at egress of its bridge. An info where it may select none"
    " of theirs: by more than protocol, addresses and ports, another protocol than TCP and UDP, or what is sent to the"
    " router itself, as replies behind NAT are too.",
    "choose one for {device}: keep what the filter is for out of the flowtable (flow_offload_exclude), offload in"
    " software with the filter on the listed device itself, or remove it (tc filter show dev {device} {direction})",
    under_fw4=f"choose one for {{device}}: {OVERLAY_EXCLUDES}; or remove the filter (tc filter show dev {{device}}"
    " {direction})",
)
TC_CONNTRACK = Kind(
    "configured.tc-conntrack",
    "warning",
    "A tc filter tracks connections, and offloads them by itself",
    "tc's action ct, as Open vSwitch uses it, has flowtables of its own and marks their flows in connection tracking"
    " with the same bits. A flow that is there never gets into a flowtable of nft's, and looks offloaded all the same."
    " So those bits prove nothing here, and of packets only those count that a flowtable's own hook took.",
    "choose one for {device}: tc's connection tracking (tc filter show dev {device} {direction}), or the flowtable",
)
KINDS = (INGRESS_REDIRECTED, INGRESS_BYPASSED, INGRESS_FILTERED, FILTER_BYPASSED, TC_CONNTRACK)

TAKING = frozenset({"redirect", "drop", "police"})
"""effects of a filter that are lost where packets do not pass it"""


def find_redirections(subject: Subject) -> list[Finding]:
    """Listed devices, or those below them, whose incoming packets are redirected before the flowtable."""
    redirected = subject.state.other_handlers.redirected
    return [
        INGRESS_REDIRECTED.found(
            f"all that comes in through {device} is redirected to {redirected[device]}",
            f"tc filter show dev {device} ingress: Redirect to device {redirected[device]}",
            device=device,
        )
        for device in subject.ingress_devices
        if device in redirected
    ]


def find_bypassed_redirections(subject: Subject) -> list[Finding]:
    """Devices above listed ones whose incoming packets are redirected, which is too late for what is offloaded."""
    redirected = subject.state.other_handlers.redirected
    found = {}
    for flowtable in subject.flowtables:
        for device in subject.devices_and_uppers(flowtable):
            if device.name not in redirected or device.name in subject.ingress_devices:
                continue
            below = [name for name in subject.hook_devices(device.name) if name in subject.listed_devices]
            shaper = subject.state.other_handlers.shapers.get(device.name)
            message = (
                f"all that comes in through {device.name} is redirected to {redirected[device.name]}, and offloaded"
                f" flows are taken before, on {', '.join(below) or 'the device below'}"
            )
            evidence = [f"tc filter show dev {device.name} ingress: Redirect to device {redirected[device.name]}"]
            evidence += [f"{device.name}: qdisc {shaper}"] if shaper else []
            found[device.name] = INGRESS_BYPASSED.found(
                message, *evidence, device=device.name, below=", ".join(below) or "the device below"
            )
    return list(found.values())


def find_filters(subject: Subject) -> list[Finding]:
    """Filters that select some packets, or drop or limit them: before a flowtable, or where it passes them by."""
    found: dict[PacketFilter, Finding] = {}
    # hardware last: where a device is in both, its flows may be in the NIC
    for flowtable in sorted(subject.flowtables, key=lambda flowtable: flowtable.hardware):
        own = frozenset(subject.list_with_lowers(device.name for device in subject.existing_devices(flowtable)))
        above = frozenset(device.name for device in subject.devices_and_uppers(flowtable)) - own
        for one in subject.state.other_handlers.filters:
            if one.effect not in TAKING or one.nic_only or (one.direction == "ingress" and _is_redirection(one)):
                continue
            what = _describe_filter(one)
            names = {"device": one.device, "direction": one.direction}
            if (one.device in own and flowtable.hardware) or (
                one.device in above and _passes_by(subject, flowtable, one)
            ):
                where = "hardware" if flowtable.hardware else "software"
                message = f"{what}, and flows that {flowtable.path} offloads in {where} do not pass it"
                bypassed = FILTER_BYPASSED.found(message, _name_listing(one), **names)
                found[one] = bypassed if _selects_flows(subject, one) else replace(bypassed, severity="info")
            elif one.device in own and one.direction == "ingress" and one.effect == "redirect":
                found.setdefault(
                    one, INGRESS_FILTERED.found(f"{what}, before a flowtable", _name_listing(one), **names)
                )
    return list(found.values())


def find_tc_conntrack(subject: Subject) -> list[Finding]:
    """Filters with connection tracking of their own, on listed devices, above or below them."""
    devices = {(one.device, one.direction): one for one in list_trackers(subject)}
    return [
        TC_CONNTRACK.found(
            f"a tc filter ({one.classifier}) on {one.device} tracks connections by itself",
            _name_listing(one),
            device=one.device,
            direction=one.direction,
        )
        for one in devices.values()
    ]


CHECKS = (find_redirections, find_bypassed_redirections, find_filters, find_tc_conntrack)


def _is_redirection(one: PacketFilter) -> bool:
    """Does it redirect everything, which has findings of its own at ingress?"""
    return one.effect == "redirect" and one.whole


def _selects_flows(subject: Subject, one: PacketFilter) -> bool:
    """Does it surely select packets that a flowtable may take? Not where it is for the router's own address."""
    own = {address.partition("/")[0] for device in subject.devices.values() for address in device.addresses}
    return one.whole or (one.by_flow and one.ip_proto in {"", "tcp", "udp"} and one.dst_ip not in own)


def _passes_by(subject: Subject, flowtable: Flowtable, one: PacketFilter) -> bool:
    """Do offloaded packets pass by a filter on a device above a listed one?

    In software they are sent by the VLAN or PPPoE link (XMIT_NEIGH, up to Linux 6.18 at least), and by the port of a
    bridge (XMIT_DIRECT).
    """
    if flowtable.hardware or one.direction == "ingress":
        return True
    return subject.sees_lowers and subject.devices[one.device].kind == "bridge"


def _describe_filter(one: PacketFilter) -> str:
    """'a tc filter (flower) redirects some of what comes in through wan0 to ifb0'"""
    verb, target = {
        "redirect": ("redirects", f" to {one.target}"),
        "drop": ("drops", ""),
        "police": ("limits", ""),
    }[one.effect]
    amount = "all" if one.whole else "some"
    movement = "comes in" if one.direction == "ingress" else "goes out"
    return f"a tc filter ({one.classifier}) {verb} {amount} of what {movement} through {one.device}{target}"


def _name_listing(one: PacketFilter) -> str:
    """What shows it."""
    return f"tc filter show dev {one.device} {one.direction}: {one.classifier}, {one.effect}"
