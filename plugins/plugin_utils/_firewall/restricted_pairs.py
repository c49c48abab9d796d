# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Between which zones a firewall may forbid a connection: those to flush when its rules change. Pure: no I/O."""

from __future__ import annotations

from .model import Firewall
from .shared import list_shared

OWN_RULES = ("table", "early", "mangle", "forward", "forward_last")
"""places of the user's own rules, which packets between open zones may meet as well"""

Pair = dict[str, list[str]]
"""``from`` and ``to``, each a list of devices: empty for every device, ``!name`` before each for all the others"""


def restricted_pairs(firewall: Firewall) -> list[Pair]:
    """Every pair of zones but those that let everything through in between, as pairs of their devices.

    What comes from a device of no zone, or goes to one, is in it too: it may have been in a zone before.
    """
    pairs = [(source, target) for source in firewall.zones for target in firewall.zones]
    restricted = [pair for pair in pairs if not _is_open(firewall, *pair)]
    if restricted == pairs or any(firewall.extra.get(place) for place in OWN_RULES):
        return [{"from": [], "to": []}]
    others = [f"!{device}" for device in firewall.devices(*firewall.zones)]
    return [
        *({"from": firewall.devices(source), "to": firewall.devices(target)} for source, target in restricted),
        {"from": others, "to": []},
        {"from": [], "to": others},
    ]


def _is_open(firewall: Firewall, source: str, target: str) -> bool:
    """Does everything get through from one zone to the other, in both address families, whatever its addresses?"""
    ends = {source, target}
    if any(ends & {*group.zones} for group in list_shared(firewall)):
        return False
    if any(firewall.zones[zone]["bogons"] or firewall.zones[zone]["antispoof"] != "none" for zone in ends):
        return False
    if any(ends & {*blocklist.zones, *blocklist.to} for blocklist in firewall.blocklists):
        return False
    if len(firewall.families) < 2:
        return False
    for rule in firewall.forward:
        if source in rule.zones and target in rule.to:
            if rule["action"] != "accept" or rule["limit"] or rule["connections"]:
                return False
            if rule.open:
                return True
    return bool(firewall.zones[source]["forward"] == "accept")
