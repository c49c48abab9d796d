# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ruleset
short_description: Keep one nftables table with its flowtables, live and for boot
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Loads one table in a single transaction, brings devices into its flowtables, and leaves everything that the next
    boot, or a device that comes back, needs to arrive at the same state.
  - Owns that table only. Other tables are never touched, and nothing is ever flushed but this table.
  - A flowtable that does not change stays in place with its devices and the flows in it; adding or removing a device
    touches that device only. Many drivers could not take a second hardware flowtable while the first one is there.
  - At boot the table is loaded early and without devices, because up to Linux 6.15 a single missing device fails the
    whole file and leaves the router without a firewall. Each device joins when it appears, after its features are set.
extends_documentation_fragment:
  - kmod.nft_offload._attributes
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
attributes:
  check_mode:
    support: full
    details:
      - Lets nft on the router judge the text as well, where nft is installed.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - Whether the table is there. V(absent) removes the table, its files and units, and nothing else.
    type: str
    choices: [present, absent]
    default: present
  family:
    description: Address family of the table. Flowtables exist in these only.
    type: str
    choices: [inet, ip, ip6]
    default: inet
  table:
    description:
      - Name of the table. When it differs from the one of the run before, the old table goes.
    type: str
    default: nft_offload
  content:
    description:
      - Text of the table, as nft reads it, with O(family) and O(table) in its head and without flowtables (see
        O(flowtables)). Several blocks of the same table and C(define) lines may stand beside each other; anything else
        is refused.
      - Mutually exclusive with O(src).
    type: str
  src:
    description:
      - Path of a Jinja2 template on the controller that renders to such a text. Relative paths are looked for in the
        C(templates) directories of the role and the play.
      - Mutually exclusive with O(content).
    type: path
  flowtables:
    description: The flowtables that the rules feed with C(flow add @NAME).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the flowtable.
        type: str
        required: true
      devices:
        description:
          - The devices that packets of accelerated flows arrive on, of both directions. A device that is left out stays
            slow without a word from the kernel.
          - A device must exist, or have been in the list when it did.
        type: list
        elements: str
        required: true
      offload:
        description:
          - V(hardware) makes the NICs forward; the task fails, before anything changes, when one of them refuses.
          - V(software) takes the fast path in the kernel.
          - V(auto) is V(hardware) when every device takes it, else V(software); the result says which and why.
        type: str
        choices: [auto, hardware, software]
        default: auto
      counter:
        description:
          - Whether packets on the fast path count in connection tracking, as far as C(net.netfilter.nf_conntrack_acct)
            is on.
        type: bool
        default: false
notes:
  - Two SSH execs when something changes, one when nothing does.
  - The files are in C(/etc/nft-offload) and C(/usr/local/lib/nft-offload), the units are C(nft-offload.service) and
    C(nft-offload-flowtable@.service).
seealso:
  - module: kmod.nft_offload.kernel_support
  - module: kmod.nft_offload.nic_features
  - module: kmod.nft_offload.offload_verify
"""

EXAMPLES = r"""
- name: Add offload beside the firewall that is there
  kmod.nft_offload.ruleset:
    content: |
      table inet nft_offload {
        chain forward {
          type filter hook forward priority filter + 20; policy accept;
          ct state { established, related } meta l4proto { tcp, udp } flow add @ft
        }
      }
    flowtables:
      - name: ft
        devices: [lan0, wan0]

- name: Render a whole firewall from a template, offloaded to hardware or not at all
  kmod.nft_offload.ruleset:
    src: firewall.nft.j2
    table: firewall
    flowtables:
      - name: fast
        devices: [eth0, eth1]
        offload: hardware

- name: Take it out
  kmod.nft_offload.ruleset:
    state: absent
"""

RETURN = r"""
table:
  description: Family and name of the table.
  returned: success
  type: str
  sample: inet nft_offload
flowtables:
  description: What became of each flowtable.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the flowtable.
      type: str
    devices:
      description: Its devices.
      type: list
      elements: str
    offload:
      description: V(hardware) or V(software).
      type: str
    reason:
      description: Why it is the one and not the other.
      type: str
    refused:
      description: Device to reason, for each device that does not take a hardware flowtable.
      type: dict
  sample:
    - name: ft
      devices: [lan0, wan0]
      offload: software
      reason: "wan0: hw-tc-offload is off and fixed by its driver (virtio_net)"
      refused:
        wan0: hw-tc-offload is off and fixed by its driver (virtio_net)
actions:
  description: What was done, or would be done in check mode, in words and in order.
  returned: success
  type: list
  elements: str
  sample:
    - keep a copy of table inet nft_offload
    - load table inet nft_offload
    - note how the kernel lists table inet nft_offload
    - write /etc/nft-offload/devices
    - write /etc/nft-offload/ruleset.nft
failed_step:
  description: The action that the router refused.
  returned: when an action failed
  type: str
  sample: load table inet nft_offload
refused:
  description: Device to reason, when O(flowtables[].offload=hardware) could not be had.
  returned: when a device refuses
  type: dict
  sample:
    wan0: its driver (veth) takes no flowtables
"""
