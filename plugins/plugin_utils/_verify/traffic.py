# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Which traffic is this router's to offload? Decided here, once, for the rungs 5 to 7.

Not what a bridge passes on between its ports and br_netfilter shows to connection tracking, not that of containers and
virtual machines behind a bridge of their own, not that of a tunnel which no flowtable lists, and not what a flowtable
would lose (_observe/paths.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from .._observe.state import Flows
from .subject import Subject

UNKNOWN = "-"
"""an end that is in no network of the router: mostly behind the default route, or another router"""
TUNNEL_KINDS = frozenset({"wireguard", "tun"})
"""devices whose packets are encapsulated by the CPU, which no NIC forwards"""


def find_exemption(subject: Subject, enters: str, leaves: str, family: str) -> str:
    """Why packets of ipv4 or ipv6 between two devices are not for a flowtable of this router; empty where they are.

    The devices are where packets come in and go out, or whose networks the ends of a flow are in, UNKNOWN for one that
    is in none: such a flow is exempt for its other end only.
    """
    if enters == leaves != UNKNOWN:
        return f"{enters} passes them on by itself"
    for name in (enters, leaves):
        if name in subject.listed_devices:
            continue
        if is_guest_bridge(subject, name):
            return f"behind {name} are containers or virtual machines, which are in no flowtable"
        device = subject.devices.get(name)
        if device is not None and device.kind in TUNNEL_KINDS and not device.lowers:
            return f"the tunnel {name} is in no flowtable"
    return _find_loss(subject, enters, leaves, family)


def _find_loss(subject: Subject, enters: str, leaves: str, family: str) -> str:
    """Why a flowtable would lose the packets; an UNKNOWN end is taken to be behind the default route."""
    for lost in subject.undelivered:
        behind = UNKNOWN in (enters, leaves) and family in subject.devices[lost.device].default_route
        if lost.family == family and (behind or lost.device in (enters, leaves)):
            return f"a flowtable would lose them: {lost.reason}"
    return ""


def is_guest_bridge(subject: Subject, name: str) -> bool:
    """A bridge all of whose ports are of containers or virtual machines, none of them in a flowtable."""
    device = subject.devices.get(name)
    if device is None or device.kind != "bridge":
        return False
    ports = [subject.devices[port] for port in device.lowers if port in subject.devices]
    listed = any(port.name in subject.listed_devices for port in ports)
    return bool(ports) and not listed and all(port.guest for port in ports)


def has_guests(subject: Subject, name: str) -> bool:
    """A bridge with ports of containers or virtual machines, which no flowtable is meant to list."""
    device = subject.devices.get(name)
    ports = device.lowers if device is not None and device.kind == "bridge" else ()
    return any(subject.devices[port].guest for port in ports if port in subject.devices)


def select_flows(subject: Subject) -> Flows | None:
    """The sample of conntrack without flows that are not for a flowtable of this router; None where it was not read."""
    seen = subject.state.flows
    if seen is None:
        return None
    exempt = [pair for pair in seen.pairs if find_exemption(subject, pair.begins, pair.ends, pair.family)]
    if not exempt:
        return seen
    left_out: Counter[str] = Counter()
    lately: Counter[str] = Counter()
    for pair in exempt:
        left_out[f"{pair.family} {pair.protocol} {pair.kind}"] += pair.flows
        lately[f"{pair.family} {pair.protocol}"] += pair.recent
    return replace(
        seen,
        counts=_subtract(seen.counts, left_out),
        recent=_subtract(seen.recent, lately),
        recent_slow=max(seen.recent_slow - lately.total(), 0),
    )


def describe_exempt_flows(subject: Subject) -> list[str]:
    """A line of evidence for each reason why sampled flows do not count, the most frequent first, four at most."""
    seen = subject.state.flows
    reasons: Counter[str] = Counter()
    for pair in seen.pairs if seen is not None else ():
        if why := find_exemption(subject, pair.begins, pair.ends, pair.family):
            reasons[why] += pair.flows
    return [
        f"{count} sampled flows are not for this router's flowtable: {why}" for why, count in reasons.most_common(4)
    ]


def _subtract(counts: Mapping[str, int], less: Mapping[str, int]) -> dict[str, int]:
    """Counts less others, without those of which nothing is left."""
    left = {key: count - less.get(key, 0) for key, count in counts.items()}
    return {key: count for key, count in left.items() if count > 0}
