# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: do the listed devices fit those that packets come in through?

Where the fast path meets packets is decided in _observe/topology.py, by which the filter flowtable_devices picks as
well: what it picks is never a finding here. An error needs certainty. A flowtable that leaves some networks out may be
meant to, and is an info.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ..._observe.forwarding import is_forwarding
from ..._observe.paths import Undelivered, list_undelivered
from ..._observe.state import Device, Flowtable
from ..._observe.topology import DEEPEST, find_guest_ports
from ..finding import Finding, Kind
from ..fw4_remedies import RELOAD, list_network, move_network, offload_in
from ..subject import Subject, describe_flowtable
from . import listed

MOST_NAMES = 6
"""in a message"""

ONE_DIRECTION = Kind(
    "configured.one-direction",
    "error",
    "The flowtable has the devices of one direction only",
    "The router forwards between several devices, and the flowtable has only one of them. What comes in through the"
    " others stays on the slow path, so every flow has at least one slow direction. Kernels differ in whether conntrack"
    " shows such flows as offloaded.",
    "add {missing} to the flowtable: run kmod.nft_offload.ruleset with the devices of both directions; up to"
    " Linux 6.15 a device that was re-created must be added again",
    under_fw4=list_network("{missing}"),
)
DEFAULT_ROUTE_UNCOVERED = Kind(
    "configured.default-route-uncovered",
    "info",
    "No device of the default route is in the flowtable",
    "What comes back over the default route stays on the slow path. That is right where only networks behind this"
    " router are to be offloaded between each other, and otherwise the most common mistake.",
    "add {missing} to the flowtable if its traffic should be offloaded; name it in the option devices to make"
    " it an error",
    under_fw4=list_network("{missing}"),
)
NETWORK_UNCOVERED = Kind(
    "configured.network-uncovered",
    "info",
    "A network that is forwarded is not in the flowtable",
    "What comes in through a device that the flowtable does not have stays on the slow path.",
    "add {missing} to the flowtable if its traffic should be offloaded; name it in the option devices to make"
    " it an error",
    under_fw4=list_network("{missing}"),
)
PORT_UNCOVERED = Kind(
    "configured.port-uncovered",
    "info",
    "Some ports of a bridge are in the flowtable, others are not",
    "Since Linux 5.13 the fast path meets packets at the ports of a bridge. What comes in through a port that the"
    " flowtable does not have stays on the slow path.",
    "add {missing} to the flowtable if its traffic should be offloaded",
    under_fw4=RELOAD,
)
GUESTS_UNCOVERED = Kind(
    "configured.guests-uncovered",
    "warning",
    "A bridge of containers or virtual machines forwards, and its ports are not in the flowtable",
    "What containers and virtual machines send is forwarded as well, and it comes in through the ports of their bridge,"
    " which no flowtable has. It stays on the slow path, as does one direction of each of their flows, whatever"
    " connection tracking shows. An information where the flowtable has two other directions: it is right then to leave"
    " them out, unless they have much traffic.",
    "to offload their flows in software, add the ports of {bridges} to the flowtable (flow_offload_guests, such as"
    " [veth*])",
    under_fw4="to offload their flows in software, use flow_offload_ruleset: overlay with flow_offload_guests, such as"
    " [veth*]; OpenWrt's own firewall picks the devices of its flowtable itself, and left out {bridges}",
)
BRIDGE_LISTED = Kind(
    "configured.bridge-listed",
    "info",
    "A bridge is in the flowtable instead of its ports",
    "A software flowtable works with a bridge, as OpenWrt's fw4 lists it, but each packet takes the longer path"
    " through the bridge: 700 instead of 450 Mbit/s were measured on a small router once its ports were listed"
    " (openwrt#9733). With Linux 6.19 TCP was seen to break (firewalld#1555), and with 7.2 no flow through a bridge is"
    " offloaded unless its ports are listed.",
    "list its ports {lowers} instead of {device}, as the filter kmod.nft_offload.flowtable_devices does",
    under_fw4="nothing needs to be done where the speed is enough: fw4 itself lists bridges in software, and no option"
    " changes that; to have the ports {lowers} listed, use flow_offload_ruleset: overlay",
)
BRIDGE_IN_HARDWARE = Kind(
    "configured.bridge-in-hardware",
    "error",
    "A bridge is in a hardware flowtable instead of its ports",
    "Flows are handed to the NICs below a bridge, and only if the flowtable has them. OpenWrt's kernels accept"
    " a bridge in a hardware flowtable, and then no flow through it gets to the NIC.",
    "list its ports {lowers} instead of {device}, as the filter kmod.nft_offload.flowtable_devices does",
    under_fw4=f"run /etc/init.d/firewall reload, for in hardware fw4 lists the ports of a bridge; where {{device}}"
    f" stays, {offload_in('software')}",
)
VLAN_IN_HARDWARE = Kind(
    "configured.vlan-in-hardware",
    "error",
    "A VLAN or PPPoE device is in a hardware flowtable instead of its NIC",
    "Flows are handed to the NIC below a VLAN or PPPoE device, and only if the flowtable has it. OpenWrt's"
    " kernels accept the upper device in a hardware flowtable, and then no flow through it gets to the NIC.",
    "list {lowers} instead of {device}, as the filter kmod.nft_offload.flowtable_devices does",
    under_fw4=f"run /etc/init.d/firewall reload, for in hardware fw4 lists what is below a VLAN; where {{device}}"
    f" stays, {offload_in('software')}",
)
PPPOE_BOTH = Kind(
    "configured.pppoe-and-nic",
    "warning",
    "A PPPoE device and the NIC below it are both in the flowtable",
    "Since Linux 5.13 the fast path meets PPPoE packets at the NIC, however many sessions there are. Routers that list"
    " both were reported to be slow or to lose connections (openwrt#10224).",
    "take {device} out of the flowtable, which needs {lowers} alone",
    under_fw4="run a newer OpenWrt, whose fw4 (March 2024 and later) lists {lowers} alone; or take the network that"
    " names {device} as its device out of the zones",
)
BOND_MEMBER = Kind(
    "configured.bond-member",
    "error",
    "A member of a bond is in the flowtable instead of the bond",
    "The fast path knows flows by the bond, so a hook on one of its members takes none.",
    "list {bond} instead of {device}",
    under_fw4=move_network("{bond}"),
)
CONDUIT = Kind(
    "configured.conduit-listed",
    "error",
    "The NIC behind a switch is in the flowtable instead of the switch's ports",
    "Packets of a switch (DSA) reach the NIC behind it with a tag of the switch, which the fast path does not look"
    " into. It meets them at the ports.",
    "list the ports {ports} instead of {device}",
    under_fw4=move_network("the ports {ports} or a bridge of them"),
)
BOTH_LISTED = Kind(
    "configured.upper-and-lower",
    "info",
    "A device and what is below it are both in the flowtable",
    "The fast path meets each packet at one of the two. The other hook takes no flow, and costs a look-up for"
    " each packet that stays on the slow path.",
    "take {device} out of the flowtable",
    under_fw4="nothing needs to be done: fw4 lists what the networks of its zones are on, above and below each other"
    " too; without a network on {device} in a zone it is left out",
)
NOT_DELIVERABLE = Kind(
    "configured.not-deliverable",
    "warning",
    "The flowtable may take flows that this kernel does not deliver",
    "Two kinds of flows are taken by a software flowtable and never delivered: IPv4 by a route with an IPv6 gateway,"
    " for which it takes the destination itself for the next hop, and from Linux 7.0 on IPv4 in IPv6 (DS-Lite) with the"
    " device below the tunnel in the flowtable. Rules before 'flow add' have to leave them out, and they do not.",
    "run the role, whose rules leave them out; in rules of your own: '{rule}' and the same with oifname before the one"
    " that feeds the flowtable",
    under_fw4="use flow_offload_ruleset: overlay, whose rules leave them out, as auto does: fw4's own rule takes every"
    " flow",
)
KINDS = (
    NOT_DELIVERABLE,
    ONE_DIRECTION,
    DEFAULT_ROUTE_UNCOVERED,
    NETWORK_UNCOVERED,
    PORT_UNCOVERED,
    GUESTS_UNCOVERED,
    BRIDGE_LISTED,
    BRIDGE_IN_HARDWARE,
    VLAN_IN_HARDWARE,
    PPPOE_BOTH,
    BOND_MEMBER,
    CONDUIT,
    BOTH_LISTED,
)


def find_wrong_layers(subject: Subject) -> list[Finding]:
    """Devices that stand above or below the one that should be listed."""
    if not subject.sees_lowers:
        return []
    found: list[Finding] = []
    for flowtable in subject.flowtables:
        devices = subject.existing_devices(flowtable)
        names = {device.name for device in devices}
        for device in devices:
            for layer in (_judge_stacked, _judge_bond_member, _judge_conduit):
                found += layer(subject, flowtable, device, names)
    return found


def _judge_stacked(subject: Subject, flowtable: Flowtable, device: Device, names: set[str]) -> Iterator[Finding]:
    """A bridge, VLAN or PPPoE device that is listed."""
    lower = subject.hook_devices(device.name)
    both = [name for name in lower if name in names]
    if lower in {(), (device.name,)} or (_is_over_any(device) and both and len(both) < len(lower)):
        return
    evidence = [describe_flowtable(flowtable), f"{device.name} is a {device.kind} over {', '.join(lower)}"]
    if both:
        kind = PPPOE_BOTH if device.kind == "ppp" else BOTH_LISTED
        message = f"flowtable {flowtable.path} has {device.name} and also {', '.join(both)} below it"
    elif device.kind == "bridge":
        kind = BRIDGE_IN_HARDWARE if flowtable.hardware else BRIDGE_LISTED
        message = f"flowtable {flowtable.path} has the bridge {device.name} instead of its ports {', '.join(lower)}"
    elif flowtable.hardware and not any(subject.devices[name].driver.startswith("mlx5") for name in lower):
        # mlx5 binds flowtables to VLANs on its NICs (mlx5/core/en/rep/tc.c)
        kind = VLAN_IN_HARDWARE
        message = f"hardware flowtable {flowtable.path} has {device.name} instead of {', '.join(lower)} below it"
    else:
        return
    yield kind.found(message, *evidence, device=device.name, lowers=", ".join(lower))


def _is_over_any(device: Device) -> bool:
    """Is it PPPoE, and not known over which of several devices?"""
    return device.kind == "ppp" and len(device.lowers) > 1


def _judge_bond_member(subject: Subject, flowtable: Flowtable, device: Device, names: set[str]) -> Iterator[Finding]:
    """A member of a bond that is listed, unless something else than the bond needs it, such as a VLAN of its own."""
    bond = subject.devices.get(device.master)
    if bond is None or bond.kind != "bond" or device.name in subject.picked_devices:
        return
    evidence = [describe_flowtable(flowtable), f"{device.name} is a member of {bond.name}"]
    if bond.name in names:
        message = f"flowtable {flowtable.path} has {bond.name} and also its member {device.name}"
        yield BOTH_LISTED.found(message, *evidence, device=device.name)
    else:
        message = f"flowtable {flowtable.path} has {device.name}, but not {bond.name}, which it is a member of"
        yield BOND_MEMBER.found(message, *evidence, device=device.name, bond=bond.name)


def _judge_conduit(subject: Subject, flowtable: Flowtable, device: Device, names: set[str]) -> Iterator[Finding]:
    """The NIC behind a switch that is listed, unless it has traffic of its own."""
    ports = sorted(port.name for port in subject.uppers(device.name) if port.kind == "dsa")
    if ports and not names & set(ports) and device.name not in subject.picked_devices:
        message = f"flowtable {flowtable.path} has {device.name}, and none of the ports {', '.join(ports)}"
        yield CONDUIT.found(message, describe_flowtable(flowtable), device=device.name, ports=", ".join(ports))


def find_missing_directions(subject: Subject) -> list[Finding]:
    """Devices that forward (_observe/forwarding.py) against those that are listed."""
    forwarding = subject.forwarding_devices
    fed = [flowtable for flowtable in subject.flowtables if subject.existing_devices(flowtable)]
    fed = [flowtable for flowtable in fed if subject.is_fed(flowtable)]
    reported = any(finding.id == listed.DEVICE_MISSING.id for finding in listed.find_missing_devices(subject))
    if not fed or reported or "addresses" in subject.state.unseen:
        return []
    names = {device.name for flowtable in fed for device in subject.existing_devices(flowtable)}
    guests = _map_uncovered_guests(subject, names)
    if len(forwarding.keys() | guests.keys()) < 2:
        return []
    around = {name: _list_device_and_lowers(subject, name) for name in forwarding}
    covered = {name for name in forwarding if not names.isdisjoint(around[name])}
    served: dict[str, list[str]] = {}
    for name, below in around.items():
        for device in below:
            served.setdefault(device, []).append(_name_purpose(subject, name))
    missing = [name for name in forwarding if name not in covered]
    both_directions = any(_covers_two_directions(subject, flowtable, served) for flowtable in fed)
    if missing and not both_directions:
        wanted = sorted({lower for name in missing for lower in forwarding[name]})
        lacking = ", ".join(_name_device(subject, name) for name in missing)
        message = f"flowtable {fed[0].path} has only what {', '.join(sorted(covered))} needs, and not {lacking}"
        return [ONE_DIRECTION.found(message, *map(describe_flowtable, fed), missing=", ".join(wanted))]
    return [
        *_report_uncovered_guests(guests, [] if both_directions else sorted(covered), fed),
        *_report_uncovered_networks(subject, forwarding, missing),
        *_report_uncovered_ports(subject, forwarding, names),
    ]


def _covers_two_directions(subject: Subject, flowtable: Flowtable, served: Mapping[str, list[str]]) -> bool:
    """Does the flowtable have two devices that forward, or one whose purpose is not known?

    ``served``: device -> the purposes of those that forward and whose packets it may see.
    """
    names = [device.name for device in subject.existing_devices(flowtable)]
    unknown = [name for name in names if name not in served]
    return bool(unknown) or len({name for device in names for name in served[device]}) > 1


def _name_purpose(subject: Subject, name: str) -> str:
    """The device, or for PPPoE over any of several devices these: two such sessions are not yet two on one of them."""
    device = subject.devices[name]
    return " ".join(device.lowers) if _is_over_any(device) else name


def _map_uncovered_guests(subject: Subject, names: set[str]) -> dict[str, tuple[str, ...]]:
    """Each bridge that forwards, or VLAN on one, -> ports of guests that are not listed, nor is the bridge itself."""
    if not subject.sees_lowers:
        return {}
    found = {}
    for name, device in subject.devices.items():
        ports = find_guest_ports(subject.devices, name) if is_forwarding(subject.devices, device) else ()
        left = tuple(port for port in ports if port not in names)
        if left and names.isdisjoint(_list_bridges(subject, name)):
            found[name] = left
    return found


def _list_bridges(subject: Subject, name: str) -> list[str]:
    """A device, and those below it down to the bridge."""
    found = [name]
    while (device := subject.devices.get(found[-1])) and device.kind == "vlan" and len(found) < DEEPEST:
        found += device.lowers[:1] or [""]
    return found


def _report_uncovered_guests(
    guests: Mapping[str, tuple[str, ...]], alone: list[str], fed: list[Flowtable]
) -> list[Finding]:
    """One finding for all bridges of guests. ``alone``: what the flowtables cover, where that is one direction."""
    if not guests:
        return []
    bridges = _name_some(guests)
    found = GUESTS_UNCOVERED.found(
        f"flowtable {fed[0].path} has only what {', '.join(alone)} needs, and not {bridges}"
        if alone
        else f"no flowtable has the ports of {bridges}, which containers or virtual machines are behind",
        *map(describe_flowtable, fed),
        *(f"{name}: ports {_name_some(ports)}" for name, ports in list(guests.items())[:4]),
        bridges=bridges,
    )
    return [found if alone else replace(found, severity="info")]


def _name_some(names: Iterable[str]) -> str:
    """The first MOST_NAMES of them, and how many more there are."""
    listed_names = list(names)
    left = len(listed_names) - MOST_NAMES
    return ", ".join(listed_names[:MOST_NAMES]) + (f" and {left} more" if left > 0 else "")


def _list_device_and_lowers(subject: Subject, name: str) -> set[str]:
    """Names of a device and everything below it: listing any of them may serve its packets."""
    found: set[str] = set()
    pending = [name]
    while pending:
        device = subject.devices.get(pending.pop())
        if device is not None and device.name not in found:
            found.add(device.name)
            pending += device.lowers
    return found


def _report_uncovered_networks(
    subject: Subject, forwarding: Mapping[str, tuple[str, ...]], missing: list[str]
) -> Iterator[Finding]:
    """Forwarding devices that are not covered, where others are."""
    outside = {
        family: [name for name in forwarding if family in subject.devices[name].default_route]
        for family in ("ipv4", "ipv6")
    }
    lost = {name for names in outside.values() if names and set(names) <= set(missing) for name in names}
    for kind, names in (
        (DEFAULT_ROUTE_UNCOVERED, [name for name in missing if name in lost]),
        (NETWORK_UNCOVERED, [name for name in missing if name not in lost]),
    ):
        wanted = sorted({lower for name in names for lower in forwarding[name]})
        if names:
            message = f"no flowtable has the device of {', '.join(_name_device(subject, name) for name in names)}"
            yield kind.found(message, missing=", ".join(wanted))


def _report_uncovered_ports(
    subject: Subject, forwarding: Mapping[str, tuple[str, ...]], names: set[str]
) -> Iterator[Finding]:
    """Bridges, and sessions of PPPoE, of which some hook devices are listed and others are not."""
    sessions: dict[str, None] = {}
    by_ppp = any(_is_over_any(subject.devices[name]) for name in names & forwarding.keys())
    for name, lower in forwarding.items():
        left = [port for port in lower if port not in names]
        if name in names or not left or len(left) == len(lower):
            continue
        if _is_over_any(subject.devices[name]):
            # which session a listed ppp device serves is not known, so neither is which is not served
            sessions |= {} if by_ppp else dict.fromkeys(left)
        else:
            message = f"of {name} the flowtable has {', '.join(sorted(set(lower) - set(left)))}, not {', '.join(left)}"
            yield PORT_UNCOVERED.found(message, missing=", ".join(left))
    if sessions:
        nics = ", ".join(sessions)
        yield NETWORK_UNCOVERED.found(f"no flowtable has {nics}, which a session of PPPoE is over", missing=nics)


def _name_device(subject: Subject, name: str) -> str:
    """The device, and the address families whose default route it has."""
    families = " and ".join(subject.devices[name].default_route)
    return f"{name} (default route of {families})" if families else name


def find_undeliverable_flows(subject: Subject) -> list[Finding]:
    """Flows that get to a rule that feeds a software flowtable, which then loses them."""
    fed = [flowtable for flowtable in subject.flowtables if not flowtable.hardware and subject.is_fed(flowtable)]
    listed = {device.name for flowtable in fed for device in subject.existing_devices(flowtable)}
    found = []
    for lost in list_undelivered(subject.devices, subject.state.platform.kernel_version, listed):
        if _may_be_fed(subject, lost):
            rule = f'meta nfproto {lost.family} iifname "{lost.device}" return'
            message = f"flowtable {fed[0].path} may take {lost.family} through {lost.device}, which is then lost"
            found.append(NOT_DELIVERABLE.found(message, lost.reason, describe_flowtable(fed[0]), rule=rule))
    return found


def _may_be_fed(subject: Subject, lost: Undelivered) -> bool:
    """Does any packet of these flows, in either direction, get to a rule with 'flow add', as far as is known?"""
    classes = subject.classes
    others = {name for one in (*classes.space.entering, *classes.space.leaving) for name in one.names} - {lost.device}
    pairs = [pair for name in others for pair in ((lost.device, name), (name, lost.device))]
    found = [classes.find(lost.family, protocol, *pair) for pair in pairs for protocol in ("tcp", "udp")]
    return not classes.gave_up and any(one is not None and one.outcome in ("surely", "may") for one in found)


CHECKS = (find_wrong_layers, find_missing_directions, find_undeliverable_flows)
