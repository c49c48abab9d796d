# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Between which zones a connection may be forbidden: the ones to judge anew when the rules change. Pure: no I/O."""

from __future__ import annotations

from .model import Firewall

OWN_RULES = ("table", "early", "mangle", "forward", "forward_last")
"""places of the user's own rules that open zones may come past as well"""

Way = dict[str, list[str]]
"""devices: from -> to"""


def closed_ways(firewall: Firewall) -> list[Way]:
    """Every way but those between zones that are open, which let everything through.

    Devices of no zone may have been in one before.
    """
    pairs = [(one, other) for one in firewall.zones for other in firewall.zones]
    closed = [pair for pair in pairs if not _open(firewall, *pair)]
    if closed == pairs or any(firewall.extra.get(place) for place in OWN_RULES):
        return [{"from": [], "to": []}]
    others = [f"!{device}" for device in firewall.devices(*firewall.zones)]
    return [
        *({"from": firewall.devices(one), "to": firewall.devices(other)} for one, other in closed),
        {"from": others, "to": []},
        {"from": [], "to": others},
    ]


def _open(firewall: Firewall, one: str, other: str) -> bool:
    ends = {one, other}
    if any(firewall.zones[zone]["bogons"] or firewall.zones[zone]["antispoof"] != "none" for zone in ends):
        return False
    if any(ends & {*said.zones, *said.to} for said in firewall.blocklists) or len(firewall.families) < 2:
        return False
    for rule in firewall.forward:
        if one in rule.zones and other in rule.to:
            if rule["action"] != "accept" or rule["limit"] or rule["connections"]:
                return False
            if rule.open:
                return True
    return bool(firewall.zones[one]["forward"] == "accept")
