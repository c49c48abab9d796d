# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which connections a firewall like flow_offload_router may forbid, for the option cut of the module ruleset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._firewall.reader import read_router
from ..plugin_utils._firewall.ways import Way, closed_ways

DOCUMENTATION = r"""
---
name: router_closed_ways
short_description: Tell between which devices a router's firewall does not let everything through
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - From a description such as C(flow_offload_router) of the role P(kmod.nft_offload.flow_offload#role), tells the ways
    between devices for O(kmod.nft_offload.ruleset#module:cut). Left out are the ways between zones, or within one,
    where everything is let through in both address families, with no blocklist, bogon filter or anti-spoofing at
    either end, and no rules of the user's own on the way.
positional: _input
options:
  _input:
    description: The description. What it may hold is in C(ansible-doc -t role kmod.nft_offload.flow_offload).
    type: dict
    required: true
  files:
    description: Path to text, of each file that the description names.
    type: dict
    default: {}
seealso:
  - module: kmod.nft_offload.ruleset
  - plugin: kmod.nft_offload.router_ruleset
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Load a firewall, and judge the connections anew that it may forbid
  kmod.nft_offload.ruleset:
    content: "{{ firewall | kmod.nft_offload.router_ruleset }}"
    cut: "{{ firewall | kmod.nft_offload.router_closed_ways }}"
    flowtables:
      - name: ft
        devices: [lan0, wan0]
"""

RETURN = r"""
_value:
  description: The ways, each with the devices that it leads C(from) and C(to). Empty lists stand for whichever, and a
    C(!) before each device for all others, which may have been in a zone before.
  type: list
  elements: dict
  sample:
    - from: [lan0]
      to: [lan0]
    - from: [wan0]
      to: [lan0]
    - from: [wan0]
      to: [wan0]
    - from: ["!lan0", "!wan0"]
      to: []
    - from: []
      to: ["!lan0", "!wan0"]
"""


def router_closed_ways(router: Any, files: Mapping[str, str] | None = None) -> list[Way]:
    """The filter; raises AnsibleFilterError naming the key that is wrong."""
    if not isinstance(router, Mapping):
        raise AnsibleFilterError("router_closed_ways takes a dictionary. Remedy: see flow_offload_router of the role")
    try:
        return closed_ways(read_router(router, [], files))
    except OffloadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"router_closed_ways": router_closed_ways}
