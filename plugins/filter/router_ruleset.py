# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The full firewall that flow_offload_router describes, as text for the module ruleset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._core.errors import OffloadError
from ..plugin_utils._firewall.conflicts import refuse_conflicts
from ..plugin_utils._firewall.reader import read_router
from ..plugin_utils._firewall.table import render

DOCUMENTATION = r"""
---
name: router_ruleset
short_description: Render a router's firewall
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - From a description such as C(flow_offload_router) of the role P(kmod.nft_offload.flow_offload#role), renders the
    text of C(table inet nft_offload) for O(kmod.nft_offload.ruleset#module:content). It feeds the flowtable C(ft).
  - The same description gives the same text. Each part of it names the variable that made it.
  - Fails when parts of the description do not go together, and names the key that is wrong.
positional: _input
options:
  _input:
    description: The description. What it may hold is in C(ansible-doc -t role kmod.nft_offload.flow_offload).
    type: dict
    required: true
  exclude:
    description: Flows that stay on the slow path, as C(flow_offload_exclude) has them.
    type: list
    elements: dict
    default: []
  files:
    description: Path to text, of each file that the description names. A filter reads no files.
    type: dict
    default: {}
  login:
    description:
      - What the play logs in by, such as V(ssh) or V(tcp/2222). A firewall that takes none of them from any zone is
        refused. Nothing is checked when this is empty.
    type: list
    elements: str
    default: []
seealso:
  - module: kmod.nft_offload.ruleset
  - plugin: kmod.nft_offload.overlay_ruleset
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Load a firewall with offload
  kmod.nft_offload.ruleset:
    content: "{{ firewall | kmod.nft_offload.router_ruleset(login=['ssh']) }}"
    flowtables:
      - name: ft
        devices: [lan0, wan0]
  vars:
    firewall:
      zones:
        - {name: lan, devices: [lan0], services: [ssh, dns, dhcp]}
        - {name: wan, devices: [wan0], masquerade: true}
      forward:
        - {from: lan, to: wan}

- name: Keep telephony on the slow path, and read a blocklist from a file
  kmod.nft_offload.ruleset:
    content: "{{ firewall | kmod.nft_offload.router_ruleset(exclude=[{'services': ['sip']}], files=texts) }}"
    flowtables:
      - name: ft
        devices: [lan0, wan0]
  vars:
    texts:
      blocklist.txt: "{{ lookup('ansible.builtin.file', 'blocklist.txt') }}"
"""

RETURN = r"""
_value:
  description: The text of the table.
  type: str
"""


def router_ruleset(
    router: Any,
    exclude: list[Mapping[str, Any]] | None = None,
    files: Mapping[str, str] | None = None,
    login: Sequence[str] = (),
) -> str:
    """The filter: the text of the table that ``router`` and ``exclude`` describe.

    ``files`` is path -> text, ``login`` services or ports that some zone must be let in by. Raises AnsibleFilterError
    naming the key that is wrong.
    """
    if not isinstance(router, Mapping):
        raise AnsibleFilterError(
            f"router_ruleset takes a dictionary, got {router!r:.60}. Remedy: see flow_offload_router of the role"
        )
    try:
        firewall = read_router(router, exclude or [], files)
        refuse_conflicts(firewall, login)
        return render(firewall)
    except OffloadError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible finds the filter by."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name of each filter -> its function."""
        return {"router_ruleset": router_ruleset}
