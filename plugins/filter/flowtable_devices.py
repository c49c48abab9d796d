# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices that a flowtable should list, picked from what offload_info returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._firewall.role.steps import describe_undelivered, leave_out_lowers, pick_devices
from ..plugin_utils._observe.paths import list_undelivered
from ..plugin_utils._observe.state import Device, Platform

DOCUMENTATION = r"""
---
name: flowtable_devices
short_description: Pick the devices that a flowtable should list
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - From what M(kmod.nft_offload.offload_info) returned, picks the devices that forward. These are up, have IPv4 or
    IPv6 forwarding on, and of that family an address, the default route, any other route, or a neighbor that is a
    router. So uplinks with link-local addresses only are picked, as BGP may have them.
  - Loopbacks, dummies and VRFs are not, whatever addresses they have, nor is a device that is alone in its VRF unless
    another routing table leads there, as a management port may be.
  - Each is replaced by what the kernel's fast path sees. A bridge stands for its ports that are up, without those of
    containers and virtual machines; a VLAN for its NIC; PPPoE for the NICs that its sessions are over. Bonds,
    WireGuard, other tunnels and the user ports of a switch (DSA) stand for themselves. Before Linux 5.13 every device
    does.
  - A device below a tunnel whose flows the kernel would then take and not deliver is left out, with a warning. Where
    only rules can keep such flows out of a flowtable, which is IPv4 by a route with an IPv6 gateway, a warning says so.
    The role writes these rules itself.
  - Fails when fewer than two devices forward, because a flowtable needs both directions of a flow. Two VLANs of one NIC
    are both, and the flowtable lists that NIC alone.
positional: _input
options:
  _input:
    description:
      - The RV(kmod.nft_offload.offload_info#module:router) of a router.
    type: dict
    required: true
seealso:
  - module: kmod.nft_offload.offload_info
  - module: kmod.nft_offload.ruleset
"""

EXAMPLES = r"""
- name: See the router
  kmod.nft_offload.offload_info:
  register: seen

- name: Name the devices that a flowtable should list
  ansible.builtin.debug:
    msg: "{{ seen.router | kmod.nft_offload.flowtable_devices }}"  # such as ['lan0', 'wan0']
"""

RETURN = r"""
_value:
  description: Names of the devices, sorted.
  type: list
  elements: str
  sample: [lan0, wan0]
"""


def _device(seen: Mapping[str, Any]) -> Device:
    """One device of the result as it was in the router's picture; the feature plays no part here."""
    known = {field.name for field in fields(Device)} - {"hw_tc_offload"}
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in seen.items() if name in known}
    return Device(**values)


def select(router: Any) -> list[str]:
    """The filter: names, sorted, of the devices for a flowtable, from what offload_info returned as ``router``.

    Raises AnsibleFilterError for another kind of input, and when fewer than two devices forward.
    """
    try:
        devices = {name: _device(seen) for name, seen in router["devices"].items()}
        kernel = Platform(uid=0, kernel=str(router.get("platform", {}).get("kernel", ""))).kernel_version
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(
            f"flowtable_devices takes what offload_info returned as 'router', got {router!r:.60}. Remedy: write "
            "'(seen.router | kmod.nft_offload.flowtable_devices)', where seen is the registered result"
        ) from error
    try:
        picked = pick_devices(devices, kernel)
    except OffloadError as error:
        raise AnsibleFilterError(str(error)) from error
    undelivered = list_undelivered(devices, kernel, picked)
    left = leave_out_lowers(devices, undelivered, picked)
    for found in undelivered:
        Display().warning(f"flowtable_devices: {describe_undelivered(found)}{_describe_left_out(picked, left)}")
    return left


def _describe_left_out(picked: list[str], left: list[str]) -> str:
    """What was done about it, as the end of a sentence."""
    gone = [name for name in picked if name not in left]
    return f"; left out: {', '.join(gone)}" if gone else "; rules before 'flow add' have to leave it out"


class FilterModule:
    """What Ansible finds the filter by."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name of each filter -> its function."""
        return {"flowtable_devices": select}
