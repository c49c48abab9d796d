# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""Remedies that several kinds of findings share where the flowtable is that of OpenWrt's own firewall, fw4.

There nobody edits the flowtable or the rule that feeds it: fw4 makes both, from two options of its defaults and from
the networks of its zones, and puts the rule first, where no include and no exclusion comes before it.
"""

from __future__ import annotations

RELOAD = "run /etc/init.d/firewall reload: fw4 makes its flowtable anew, with the devices that are there by then"
OVERLAY_EXCLUDES = "use flow_offload_ruleset: overlay with flow_offload_exclude: fw4's own rule takes every flow"
RESTORE_RULE = (
    "fw4 itself puts its rule first into its chain forward: take back what was changed in its template (reinstall the"
    " package firewall4) or in /etc/nftables.d and /usr/share/nftables.d, then run /etc/init.d/firewall restart"
)


def list_network(devices: str) -> str:
    """How fw4 is made to list devices; ``devices`` is the name in braces that a finding fills."""
    return (
        f"fw4 lists what the networks of its zones are on: put the network on {devices} into a zone ('uci show network'"
        " shows them; uci add_list firewall.@zone[N].network=NAME, uci commit firewall), then run"
        " /etc/init.d/firewall reload; zones that name devices or subnets only add none"
    )


def move_network(devices: str) -> str:
    """How fw4 is made to list other devices than the one that is named {device}."""
    return (
        f"fw4 lists what the networks of its zones are on: have that network on {devices} instead of {{device}} (option"
        " device in /etc/config/network), then run /etc/init.d/network reload and /etc/init.d/firewall reload"
    )


def offload_in(mode: str) -> str:
    """``mode``: hardware, software or disabled."""
    return f"run kmod.nft_offload.fw4_offload with offload: {mode} (flow_offload_mode: {mode} in the role)"
