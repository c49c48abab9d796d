# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/fw4_offload.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: fw4_offload
short_description: Flow offload of OpenWrt's own firewall, confirmed over a new connection or undone
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Sets C(flow_offloading) and C(flow_offloading_hw) of OpenWrt's firewall through UCI, has C(fw4) check and load the
    ruleset, and reads back whether the flowtable is live with the devices and the kind of offload that were requested.
    C(fw4 reload) itself ends with success even when nft refused the ruleset.
  - A change has to be confirmed over a new SSH connection, else the router undoes it by itself. Until then it is staged
    in memory and not written to flash, so a power failure ends in the old configuration too.
  - Undone means that the router runs the very tables that it ran before, with what their sets held, and C(fw4) has the
    state that belongs to them. C(fw4) loads nothing for that, since it would make live whatever was committed by then.
    Only where an interface came up meanwhile, and nothing of the configuration was changed, it is reloaded afterwards.
  - What a load would make live besides is refused with its lines, unless O(load_pending). Anything that was committed
    for the firewall, or put into C(/etc/nftables.d) or another file that it includes, is loaded with the next load,
    whoever causes it. So what C(fw4) would make of the configuration, offload aside, is compared with what is live
    before anything is changed. C(nft) has to list both for that, so the ruleset is loaded for a moment as dormant
    tables of other names.
  - Also refused is a change with which C(fw4) would leave out a zone that is live, because one of its options is
    invalid. C(fw4 check) ends with success then.
  - Nothing but these two options is written. What others staged for the firewall is refused with the lines in question,
    since C(fw4) would load it as well; what they stage or commit meanwhile stays theirs, and a roll back does not load
    what is only staged.
  - Notes the values that were found, so that O(state=absent) restores them.
extends_documentation_fragment:
  - kmod.nft_offload._attributes
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
  - kmod.nft_offload._confirmed
attributes:
  check_mode:
    support: full
    details:
      - Whether a device refuses hardware offload shows in the real run only.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Nothing is written to flash when nothing changes. Other spellings of the same value, such as C(yes), stay.
options:
  state:
    description:
      - V(present) sets the options for O(offload).
      - V(absent) gives the options the values that were found, where this module changed them. A value that C(fw4) does
        not take is not restored, because it would leave the router without a firewall.
    type: str
    choices: [present, absent]
    default: present
  offload:
    description:
      - V(hardware) makes the NICs forward. The task fails, and everything is as before, when C(fw4) falls back to
        software. OpenWrt's kernel takes NICs that cannot offload as well and reports nothing, so use
        M(kmod.nft_offload.offload_verify).
      - V(software) takes the fast path in the kernel.
      - V(auto) is V(hardware) when C(hw-tc-offload) is on for every wired device of the zones, else V(software). For a
        port of a switch (DSA) the NIC that the switch hangs on counts. C(ethtool) is asked where it is installed, and
        otherwise C(netifd), which does not show the feature of every NIC; RV(reason) and a warning then name the NIC of
        which it is not known. A VLAN of a NIC of which C(netifd) shows nothing is V(software) too, because C(fw4) would
        list the VLAN in place of the NIC. In check mode a feature that is off and can be turned on counts as on,
        because M(kmod.nft_offload.nic_features) does that before the real run. Where C(fw4) falls back to software all
        the same, the task succeeds and returns V(software), with what C(fw4) printed as the reason.
      - V(disabled) turns both off.
      - Ignored with O(state=absent).
    type: str
    choices: [auto, hardware, software, disabled]
    default: auto
  load_pending:
    description:
      - Whether to go on when a load makes more live than these two options, which is refused otherwise, in check mode
        too. The whole of it is undone unless it is confirmed. What is committed stays committed, so the next load, as
        when an interface comes up, makes it live again.
      - That an interface came up or went down since, devices, what sets hold, counters, and rules that others added at
        run time make no difference. In check mode a warning lists such rules, which every load takes away.
    type: bool
    default: false
notes:
  - The router is looked at while no other load of its firewall is under way, for which C(fw4)'s own lock is held.
  - Three SSH execs when what is loaded changes, one when nothing does.
  - A live flowtable that is not the one C(fw4) would make, as when Wi-Fi came up after the firewall, is loaded
    again, which is a change too.
  - Loading the firewall tears every offloaded flow down, and it is set up again by its next packets.
  - When the configuration is written, C(uci) writes it out without comments, as it does for LuCI.
  - The first section of C(defaults) counts, as it does for C(fw4). When there is none, one is added.
  - The files are C(/etc/config/firewall), C(/etc/nft-offload/fw4.found) and C(/lib/upgrade/keep.d/nft-offload-fw4),
    which has sysupgrade keep the record.
  - M(kmod.nft_offload.ruleset) is for routers with another firewall, or none.
seealso:
  - module: kmod.nft_offload.kernel_support
  - module: kmod.nft_offload.nic_features
  - module: kmod.nft_offload.ruleset
  - module: kmod.nft_offload.offload_verify
"""

EXAMPLES = r"""
- name: Offload in hardware where the NICs can, else in software
  kmod.nft_offload.fw4_offload:

- name: Offload in hardware, and keep it only if the router can still resolve
  kmod.nft_offload.fw4_offload:
    offload: hardware
    confirm_timeout: 60
    checks:
      - resolve: www.example.org

- name: See what would change
  kmod.nft_offload.fw4_offload:
    offload: software
  check_mode: true
  diff: true

- name: Restore the options as they were found
  kmod.nft_offload.fw4_offload:
    state: absent
"""

RETURN = r"""
offload:
  description: >-
    What the router does now, V(hardware), V(software) or V(disabled). In check mode V(auto) where that is not known
    because the firewall does not run.
  returned: success
  type: str
  sample: hardware
reason:
  description: Why it is that.
  returned: success
  type: str
  sample: hw-tc-offload is on for every wired device
devices:
  description: The devices of the live flowtable. In check mode, those before the change.
  returned: success
  type: list
  elements: str
  sample: [lan1, lan2, wan]
options:
  description: Both options as they are spelt in UCI, V(-) for one that is not there.
  returned: success
  type: dict
  sample:
    flow_offloading: "1"
    flow_offloading_hw: "1"
change:
  description: How the change of what is loaded was confirmed.
  returned: when what is loaded changed
  type: dict
  contains:
    id:
      description: Its id.
      type: str
    armed:
      description: Whether the router would have undone it by itself.
      type: bool
    deadline:
      description: When it would have done so, in seconds after its boot. None when the connection was lost before.
      type: int
    confirmed:
      description: Whether it was confirmed.
      type: bool
    rolled_back:
      description: Whether the router put back what it ran before.
      type: bool
    reason:
      description: Why it was not confirmed. Empty when it was.
      type: str
    traffic:
      description:
        - What users' traffic said, see O(traffic_witness). The C(verdict) is V(kept), V(stopped) with C(reasons),
          V(silent) where nothing more came in to be forwarded after it, V(quiet) where nothing was forwarded before, or
          V(unwatched) where nothing could be counted. The C(warnings) say what it does not show.
        - C(before) and C(after) are what was counted, in packets, by address family and side. The WAN side is that of
          the default route.
      returned: when it was watched
      type: dict
  sample:
    id: 1-5f0c2a91
    armed: true
    deadline: 4711
    confirmed: true
    rolled_back: false
    reason: ""
    traffic:
      verdict: kept
      reasons: []
      before:
        seconds: 4.1
        ipv4: {to_wan: 1210, to_lan: 1960, from_wan: 1961, from_lan: 1213, stuck_from_wan: 0, stuck_from_lan: 0,
          connections_tried: 31, connections_to_router: 0, connections_answered: 30,
          data_to_wan: 340, data_to_lan: 610, data_from_wan: 612, data_from_lan: 341,
          fast_path_taken: 0, fast_path_left: 0}
        ipv6: {to_wan: 0, to_lan: 0, from_wan: 0, from_lan: 0, stuck_from_wan: 0, stuck_from_lan: 0,
          connections_tried: 0, connections_to_router: 0, connections_answered: 0,
          data_to_wan: 0, data_to_lan: 0, data_from_wan: 0, data_from_lan: 0,
          fast_path_taken: 0, fast_path_left: 0}
        hardware: {to_wan: 0, to_lan: 0}
        gateways:
          - {family: ipv4, address: 203.0.113.2, device: wan0, answers: true}
      after:
        seconds: 4.1
        ipv4: {to_wan: 1190, to_lan: 1931, from_wan: 1934, from_lan: 1193, stuck_from_wan: 0, stuck_from_lan: 0,
          connections_tried: 28, connections_to_router: 0, connections_answered: 28,
          data_to_wan: 331, data_to_lan: 604, data_from_wan: 604, data_from_lan: 333,
          fast_path_taken: 2890, fast_path_left: 2890}
        ipv6: {to_wan: 0, to_lan: 0, from_wan: 0, from_lan: 0, stuck_from_wan: 0, stuck_from_lan: 0,
          connections_tried: 0, connections_to_router: 0, connections_answered: 0,
          data_to_wan: 0, data_to_lan: 0, data_from_wan: 0, data_from_lan: 0,
          fast_path_taken: 0, fast_path_left: 0}
        hardware: {to_wan: 0, to_lan: 0}
        gateways:
          - {family: ipv4, address: 203.0.113.2, device: wan0, answers: true}
staged:
  description: What somebody staged for the firewall and did not commit.
  returned: when the task is refused because of it
  type: list
  elements: str
  sample: ["firewall.cfg02dc81.input='DROP'"]
unloaded:
  description: Rules that a load would make live (V(+)) or take away (V(-)) besides, or why that cannot be seen.
  returned: when the task is refused because of it
  type: list
  elements: str
  sample:
    - "- inet fw4 chain input_lan: jump accept_from_lan"
    - "+ inet fw4 chain input_lan: jump reject_from_lan"
pending:
  description: The change that is under way on the router.
  returned: when the task is refused because of it
  type: dict
  sample:
    id: 1-5f0c2a91
    age: 12
    deadline: 4711
actions:
  description: What was done, or would be done in check mode, in words and in order.
  returned: success
  type: list
  elements: str
  sample:
    - set flow_offloading to 1
    - set flow_offloading_hw to 1
    - write /etc/config/firewall
    - write /etc/nft-offload/fw4.found
    - write /lib/upgrade/keep.d/nft-offload-fw4
failed_step:
  description: The action that the router refused.
  returned: when an action failed
  type: str
  sample: set flow_offloading to 1
"""
