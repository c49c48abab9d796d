# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/flow_offload_plan.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: flow_offload_plan
short_description: Check the variables of the role flow_offload, and plan its steps (internal)
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - For the role P(kmod.nft_offload.flow_offload#role) and the collection's playbooks, and for nothing else. Its option
    and what it returns may change in any version.
  - Reads the variables that begin with C(flow_offload_), refuses a wrong one before the router is asked anything, then
    sees the router as M(kmod.nft_offload.offload_info) does with
    O(kmod.nft_offload.offload_info#module:gather_subset=min), and returns what each step of the role is to do.
  - What the steps would refuse later is refused here where one look can show it, before anything is changed.
extends_documentation_fragment:
  - kmod.nft_offload._attributes.info_module
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
options:
  part:
    description:
      - Whose variables are checked. V(role) is the role itself. V(rollout), V(verify) and V(rollback) are the
        playbooks. V(batch) refuses another batch of C(rollout) after one in which a router failed or was lost.
    type: str
    choices: [role, rollout, batch, verify, rollback]
    default: role
notes:
  - One SSH exec for O(part=role), and none where C(flow_offload_mode) is V(disabled) or for another O(part).
seealso:
  - module: kmod.nft_offload.offload_info
"""

EXAMPLES = r"""
- name: Check the variables, see the router, and plan the steps
  kmod.nft_offload.flow_offload_plan:
  register: plan
"""

RETURN = r"""
order:
  description: In which order the steps are taken, a file of the role's C(tasks/order).
  returned: with O(part=role)
  type: str
  sample: hardware
measure:
  description: Seconds for which what forwarding costs is measured before the steps; 0 for not at all.
  returned: with O(part=role)
  type: int
  sample: 3
watch:
  description: Options of M(kmod.nft_offload.watch); its C(state) is V(none) where nothing is to be done.
  returned: with O(part=role)
  type: dict
  sample:
    state: none
kernel:
  description: Options of M(kmod.nft_offload.kernel_support).
  returned: with O(part=role)
  type: dict
  sample:
    state: present
    packages: [nftables, ethtool]
nic:
  description:
    - Options of M(kmod.nft_offload.nic_features). The devices in C(leaving) leave the flowtable in this run, and keep
      their features until then.
  returned: with O(part=role)
  type: dict
  sample:
    state: present
    devices: [lan0, wan0]
    leaving: []
    unsupported: skip
ruleset:
  description:
    - What is loaded. C(kind) is C(overlay), C(router), C(template), C(fw4) or C(none), C(tasks) a file of the role's
      C(tasks/ruleset), C(text) the table where the role renders it,
      C(software_text) the second one for what hardware does not take, and C(flush) pairs of devices between which a
      change of the rules flushes the connections. For C(rollback) it is C(state), C(id) and C(flush).
  returned: with O(part=role) and O(part=rollback)
  type: dict
  sample:
    kind: overlay
    tasks: table
    src: overlay.nft.j2
    text: "table inet nft_offload { ... }"
    software_text: "table inet nft_offload_software { ... }"
    flowtables:
      - {name: ft, devices: [lan0, wan0], offload: auto, counter: false, forwards: {}}
    flush: []
change:
  description: Options of both modules that change a firewall, but for C(checks), which may hold a password.
  returned: with O(part=role) and O(part=rollback)
  type: dict
  sample:
    keep_firewall: true
    adopt: false
    confirm_timeout: 30
    traffic_witness: auto
verify:
  description: Options of M(kmod.nft_offload.offload_verify). C(expect) is empty where what was loaded tells.
  returned: with O(part=role) and O(part=verify)
  type: dict
  sample:
    expect: ''
    devices: [lan0, wan0]
    require: bound
    sample: 3
    slow_share: 50
"""
