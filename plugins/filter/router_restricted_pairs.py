# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that a firewall like flow_offload_router may forbid, for flush_connections of the module ruleset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._firewall.reader import read_router
from ..plugin_utils._firewall.restricted_pairs import Pair, restricted_pairs

DOCUMENTATION = r"""
---
name: router_restricted_pairs
short_description: List the pairs of devices between which a router's firewall does not let everything through
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - From a description such as C(flow_offload_router) of the role P(kmod.nft_offload.flow_offload#role), lists pairs of
    devices for O(kmod.nft_offload.ruleset#module:flush_connections). Left out are those of zones, or of one zone,
    between which everything is let through in both address families, with no blocklist, bogon filter or anti-spoofing
    at either end, and no rules of the user's own in between.
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
- name: Load a firewall, and flush the connections that it may forbid
  kmod.nft_offload.ruleset:
    content: "{{ firewall | kmod.nft_offload.router_ruleset }}"
    flush_connections: "{{ firewall | kmod.nft_offload.router_restricted_pairs }}"
    flowtables:
      - name: ft
        devices: [lan0, wan0]
"""

RETURN = r"""
_value:
  description: The pairs, each with the devices that packets come C(from) and go C(to). An empty list stands for every
    device, and a C(!) before each device for all the others, which may have been in a zone before.
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


def router_restricted_pairs(router: Any, files: Mapping[str, str] | None = None) -> list[Pair]:
    """The filter: pairs of devices of what ``router`` describes, for flush_connections of the module ruleset.

    ``files`` is path -> text. Raises AnsibleFilterError naming the key that is wrong.
    """
    if not isinstance(router, Mapping):
        raise AnsibleFilterError(
            f"router_restricted_pairs takes a dictionary, got {router!r:.60}. "
            "Remedy: see flow_offload_router of the role"
        )
    try:
        return restricted_pairs(read_router(router, [], files))
    except OffloadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible finds the filter by."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name of each filter -> its function."""
        return {"router_restricted_pairs": router_restricted_pairs}
