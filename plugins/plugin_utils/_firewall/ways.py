# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Between which zones a connection may be forbidden: the ones to judge anew when the rules change. Pure: no I/O."""

from __future__ import annotations

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._firewall.model import Firewall

AHEAD = ("early", "mangle", "forward")
"""places of the user's own rules that open zones come past as well"""

Way = dict[str, list[str]]
"""devices: from -> to"""


def closed_ways(firewall: Firewall) -> list[Way]:
    """Every way from a zone to another but the open ones, which let everything through."""
    if any(firewall.extra.get(place) for place in AHEAD):
        return [{"from": [], "to": []}]
    return [
        {"from": list(firewall.zones[one].devices), "to": list(firewall.zones[other].devices)}
        for one in firewall.zones
        for other in firewall.zones
        if one != other and not _open(firewall, one, other)
    ]


def _open(firewall: Firewall, one: str, other: str) -> bool:
    ends = {one, other}
    if any(firewall.zones[zone]["bogons"] for zone in ends):
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
