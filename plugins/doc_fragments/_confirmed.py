# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules whose change is confirmed over a new connection or undone (plugin_utils/_confirm).

Private to the collection: it can change at any time.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  confirm_timeout:
    description:
      - Seconds after which the router puts back what it ran before, unless a new connection confirmed the change.
      - They are counted by the router's time since boot, which no step of its clock changes.
      - With V(0) nothing is put back. The result has a warning.
    type: int
    default: 30
  checks:
    description:
      - What has to work, beside a new SSH connection, before the change is confirmed. When one fails, the router puts
        back at once what it ran before, and the task fails. Each check makes a new flow; that a name resolves may come
        from a cache on the router.
      - All timeouts together must be less than O(confirm_timeout).
    type: list
    elements: dict
    default: []
    suboptions:
      from:
        description: Where the check is made.
        type: str
        choices: [router, controller]
        default: router
      reach:
        description:
          - An address or a name that must answer an echo request, or take a TCP connection on O(checks[].port).
        type: str
      port:
        description: TCP port for O(checks[].reach), with O(checks[].from=controller) only.
        type: int
      resolve:
        description: A name that must resolve.
        type: str
      command:
        description: A shell command that must succeed.
        type: str
      timeout:
        description: Seconds that the check may take.
        type: int
        default: 5
"""
