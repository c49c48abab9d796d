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
      name:
        description:
          - What messages and results call the check, one line of at most 80 characters. Without it they call it by the
            address or the name that is checked, and by C(command).
        type: str
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
        description:
          - A shell command that must succeed. It reads no input, and what it leaves running must not hold its output.
          - It may hold a password. It is in no message, result, diff or log, and not in the arguments of a process that
            other users could see, since a shell reads it from its standard input. What the command itself starts is
            its own matter, C(curl) with a password as an argument for instance.
          - When it fails, the message has the end of what it printed, 300 characters at most, with the lines of the
            command and its words of six characters and more replaced by asterisks. With C(no_log) on the task, it
            has nothing of that.
        type: str
      timeout:
        description: Seconds that the check may take.
        type: int
        default: 5
"""
