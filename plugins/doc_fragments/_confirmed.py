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
      - With V(0) nothing is put back. The result has a warning. The longest is 3600, an hour, in which the router takes
        no other change.
      - Only a new network connection can confirm a change. With a connection plugin that makes none, such as
        P(ansible.builtin.local#connection) or one for containers, or where the router sees no SSH connection behind the
        login, the task is refused before anything changes, unless there is one of O(checks), or this is V(0).
      - Where the login came through a tunnel or from the router itself, a warning says what that leaves unproven.
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
      gateway:
        description:
          - The gateway of a default route of this address family must answer the router, to an echo request or as a
            neighbour (ARP, or neighbour discovery).
        type: str
        choices: [ipv4, ipv6]
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
  traffic_witness:
    description:
      - Whether users' traffic is a witness of the change. The router counts what it forwards for 4 seconds before the
        change, and again for 4 to 12 seconds after it. When forwarding was alive and collapsed, the change is not
        confirmed, the router puts back at once what it ran before, and the task fails and says what stopped.
      - V(auto) does that wherever something is forwarded, which one second shows, and where O(confirm_timeout) leaves
        the time, 9 seconds more than all O(checks) may take. A number above 0 and up to 1 is the share of the packets
        below which forwarding has collapsed. V(auto) has 0.1. V(off) counts nothing.
      - It has collapsed for an address family where the kernel's fast path takes packets and most of them do not leave
        the router; where less than that share of the packets leaves to one side, while packets wait in vain; where no
        new TCP connection is answered although some are tried, and five or more were before; or where no gateway of
        the default routes answers any longer, of those that did before. Less traffic alone is no collapse.
      - Meanwhile two tables of the name C(nft_offload_witness_...) count, which do nothing else.
      - Packets that a NIC forwards by itself are seen in the device's counters only, and have no address family there.
        A kernel before 5.16 does not show whether what its fast path takes leaves.
    type: raw
    default: auto
"""
