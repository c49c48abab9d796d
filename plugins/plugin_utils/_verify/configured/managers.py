# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""A part of rung 3: other programs that load rules or settings of their own, and what that does to a flowtable.

What they have loaded is judged where rules are (feeding.py, conflicts.py). Here is what they will do when they load it
again. None of those that are known touches a table of ours, but for nftables.service, which ours is tied to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..finding import Finding, Kind
from ..subject import Subject, describe_flowtable


@dataclass(frozen=True)
class Manager:
    """A service, as systemd or procd calls it, and what it does."""

    effect: Literal["filters", "configures", "harmless"]
    """filters: rules of its own for what is forwarded; configures: the settings that another firewall is made from"""
    does: str
    advice: str = ""
    """how it is told to forward, or to keep a setting"""


_DOCKER = Manager(
    "filters",
    "sets the policy of its own forward chain to drop, and accepts what its networks need",
    "accept it in the chain DOCKER-USER, or have Docker keep the policy (ip-forward-no-drop in daemon.json)",
)
_OPENWISP = Manager(
    "configures",
    "writes the settings of its controller into /etc/config, and reloads the services that they are for",
    "set flow_offloading and flow_offloading_hw in the controller's template for the firewall's defaults as well",
)
_LIBVIRT = Manager(
    "filters",
    "rejects what is forwarded to its networks from outside",
    "have the network forward by open mode (virsh net-edit)",
)
MANAGERS: Mapping[str, Manager] = {
    "nftables": Manager("harmless", "flushes every table, and ours comes back with it (a drop-in of its unit)"),
    "firewalld": Manager(
        "filters",
        "drops what no zone and no policy accepts, in table inet firewalld alone",
        "have a policy of firewalld's forward between the zones (firewall-cmd --new-policy)",
    ),
    "ufw": Manager(
        "filters",
        "drops what is forwarded unless a rule for routing accepts it",
        "accept it with 'ufw route allow', or set DEFAULT_FORWARD_POLICY in /etc/default/ufw",
    ),
    "netfilter-persistent": Manager("filters", "loads the rules of iptables that were saved", "save rules that do"),
    "docker": _DOCKER,
    "libvirtd": _LIBVIRT,
    "fail2ban": Manager("harmless", "drops single addresses that come to the router itself"),
    "shorewall": Manager(
        "filters", "drops what no policy of its zones accepts", "accept it in /etc/shorewall/policy and rules"
    ),
    "foomuuri": Manager(
        "filters",
        "drops what no section for the two zones accepts, in table inet foomuuri alone",
        "accept it in the section for the two zones (lan-public and so on) of /etc/foomuuri",
    ),
    "virtnetworkd": _LIBVIRT,
    "dockerd": _DOCKER,
    "openwisp-config": _OPENWISP,
    "openwisp_config": _OPENWISP,
    "bridger": Manager("harmless", "takes what bridges pass on, and nothing that is routed"),
}
"""by service, each of those that are looked for (_observe/reading.py: SERVICES and AGENTS)"""

FIREWALL_BESIDE = Kind(
    "configured.firewall-beside",
    "info",
    "Another program keeps rules of its own",
    "Docker, firewalld and their like load rules for forwarded packets whenever they start. They leave the table of the"
    " flowtable alone, but what they drop is dropped before a flow can be offloaded.",
    "nothing needs to be done where traffic passes; otherwise {advice}",
)
SETTINGS_MANAGED = Kind(
    "configured.settings-managed",
    "info",
    "Another program writes the settings that fw4 makes its flowtable from",
    "An agent such as openwisp-config writes the settings of a controller over those of /etc/config, and has the"
    " firewall loaded again. Where its settings of the firewall's defaults say otherwise, or nothing, offload that was"
    " turned on here is off after the controller's next change.",
    "nothing needs to be done where the controller's settings have it; otherwise {advice}",
)
FIREWALLD_FLOWTABLE = Kind(
    "configured.firewalld-flowtable",
    "warning",
    "A flowtable that firewalld is told to make is not there",
    "With NftablesFlowtable in its firewalld.conf, firewalld makes a flowtable of its own whenever it loads its rules."
    " It did not, as it does not while a device is missing, or was not loaded since the setting was changed."
    " When it does, its flowtable competes with any other that has the same devices.",
    "choose one: NftablesFlowtable=off in /etc/firewalld/firewalld.conf beside a flowtable of this collection; or see"
    " 'journalctl -u firewalld' and run firewall-cmd --reload",
)
KINDS = (FIREWALL_BESIDE, SETTINGS_MANAGED, FIREWALLD_FLOWTABLE)


def find_firewalls_beside(subject: Subject) -> list[Finding]:
    """Services with rules of their own beside a flowtable of ours."""
    services = _list_services(subject, "filters")
    if not services or not subject.flowtables or not subject.is_ours:
        return []
    lines = [f"{name} {MANAGERS[name].does}" for name in services]
    advice = "; ".join(dict.fromkeys(f"{MANAGERS[name].advice} ({name})" for name in services))
    return [FIREWALL_BESIDE.found(f"active beside it: {', '.join(services)}", *lines, advice=advice)]


def find_managed_settings(subject: Subject) -> list[Finding]:
    """Agents that write the settings which the judged flowtable is made from: those of fw4, not of a table of ours."""
    if not subject.flowtables or not subject.is_fw4s:
        return []
    return [
        SETTINGS_MANAGED.found(f"{name} {MANAGERS[name].does}", f"enabled: {name}", advice=MANAGERS[name].advice)
        for name in _list_services(subject, "configures")
    ]


def find_firewalld_flowtable(subject: Subject) -> list[Finding]:
    """A flowtable that firewalld is told to make and did not."""
    devices = subject.state.other_handlers.firewalld_devices
    live = subject.state.flowtables
    if not devices or live is None or "firewalld" not in subject.state.firewalls:
        return []
    if any((flowtable.family, flowtable.table) == ("inet", "firewalld") for flowtable in live):
        return []
    missing = [name for name in devices if subject.devices and name not in subject.devices]
    why = f": there is no device {', '.join(missing[:8])}" if missing else ""
    message = (
        f"firewalld.conf has NftablesFlowtable={' '.join(devices[:8])}, and there is no flowtable of firewalld's{why}"
    )
    return [FIREWALLD_FLOWTABLE.found(message, *map(describe_flowtable, subject.flowtables[:4]))]


CHECKS = (find_firewalls_beside, find_managed_settings, find_firewalld_flowtable)


def _list_services(subject: Subject, effect: str) -> list[str]:
    """Those that are active and have this effect."""
    active = (*subject.state.firewalls, *subject.state.other_handlers.agents)
    return [name for name in active if name in MANAGERS and MANAGERS[name].effect == effect]
