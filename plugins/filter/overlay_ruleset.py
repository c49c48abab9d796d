# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small table that only adds offload, as text for the module ruleset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._firewall.offload import overlay

DOCUMENTATION = r"""
---
name: overlay_ruleset
short_description: Render the table that adds offload beside a firewall
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Renders the text of C(table inet nft_offload) for O(kmod.nft_offload.ruleset#module:content). It feeds the flowtable
    C(ft) after the firewall that is there, with the packets that this one lets through.
positional: _input
options:
  _input:
    description:
      - Flows that stay on the slow path, as C(flow_offload_exclude) of the role P(kmod.nft_offload.flow_offload#role)
        has them. An empty list leaves none out.
    type: list
    elements: dict
    required: true
seealso:
  - module: kmod.nft_offload.ruleset
  - plugin: kmod.nft_offload.router_ruleset
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Offload everything but telephony, and only what lasts
  kmod.nft_offload.ruleset:
    content: "{{ exclude | kmod.nft_offload.overlay_ruleset }}"
    flowtables:
      - name: ft
        devices: [lan0, wan0]
  vars:
    exclude:
      - {services: [sip, udp/10000-20000]}
      - {packets: 20}
"""

RETURN = r"""
_value:
  description: The text of the table.
  type: str
"""


def overlay_ruleset(exclude: Any) -> str:
    """The filter: the text of the table; raises AnsibleFilterError naming the key of ``exclude`` that is wrong."""
    try:
        return overlay(exclude)
    except OffloadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible finds the filter by."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name of each filter -> its function."""
        return {"overlay_ruleset": overlay_ruleset}
