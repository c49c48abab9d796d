# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/nic_features.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nic_features
short_description: Set features of NICs, such as hw-tc-offload, now and whenever a NIC appears
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Sets features as C(ethtool -K) does, reads them back, and keeps them set at every boot and every time a device is
    plugged in again.
  - The kernel reports success even where a driver refuses, so the features are read back and that result counts.
  - Records the value that each feature had before, so that O(state=absent) leaves the devices as they were found. A
    device or feature that is no longer requested is restored too.
  - The offload of a switch port (DSA) is that of the NIC that the switch hangs on, so C(hw-tc-offload) is set there.
    The result names that NIC.
extends_documentation_fragment:
  - kmod.nft_offload._attributes
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
attributes:
  check_mode:
    support: full
    details:
      - A driver that reports a feature as changeable and then refuses the change is seen in the real run only.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - Whether the features are set. V(absent) restores every feature that this module set and removes its files.
    type: str
    choices: [present, absent]
    default: present
  devices:
    description:
      - The devices. Those of an earlier run that are not in the list are restored.
      - Required with O(state=present).
    type: list
    elements: str
  features:
    description:
      - Feature to value, the same for all devices. The names are those of C(ethtool -k).
    type: dict
    default:
      hw-tc-offload: true
  unsupported:
    description:
      - What to do about a device that does not have a feature, or whose driver has it fixed to the other value.
      - V(fail) fails the task and changes nothing. V(skip) leaves that device's feature alone, see
        RV(unsupported_devices).
    type: str
    choices: [fail, skip]
    default: fail
notes:
  - One SSH exec when nothing changes, two when something does.
  - Setting the features at boot needs systemd and udev, OpenRC, or OpenWrt. A router with another init system is
    refused, by the name of that, and nothing is changed.
  - On OpenWrt without ethtool, what C(netifd) reports of C(hw-tc-offload) is enough where it is on as requested; most
    drivers there have it on by themselves. To turn it on needs ethtool (see M(kmod.nft_offload.kernel_support)). When
    an upgrade of the image removes ethtool, boot skips the features silently.
  - The files are C(/etc/nft-offload/features), C(/usr/local/lib/nft-offload/features), and with systemd
    C(/etc/systemd/system/nft-offload-features@.service) and C(/etc/udev/rules.d/80-nft-offload-features.rules), on
    OpenWrt C(/etc/init.d/nft-offload-features), C(/etc/hotplug.d/net/60-nft-offload-features) and
    C(/lib/upgrade/keep.d/nft-offload-features), which has sysupgrade keep all of them, and with OpenRC
    C(/etc/init.d/nft-offload-features) and C(/etc/network/if-pre-up.d/nft-offload-features).
  - With OpenRC nothing tells when a device appears. It gets its features when it is brought up by C(ifup).
seealso:
  - module: kmod.nft_offload.kernel_support
  - module: kmod.nft_offload.ruleset
  - module: kmod.nft_offload.offload_verify
"""

EXAMPLES = r"""
- name: Let the NICs take flows
  kmod.nft_offload.nic_features:
    devices: [lan0, wan0]

- name: The same, leaving out those that cannot
  kmod.nft_offload.nic_features:
    devices: [lan0, wan0, wg0]
    unsupported: skip
  register: nics

- name: Merge received packets in hardware, but not in software
  kmod.nft_offload.nic_features:
    devices: [eth0]
    features:
      rx-gro-hw: true
      generic-receive-offload: false

- name: Restore all features
  kmod.nft_offload.nic_features:
    state: absent
"""

RETURN = r"""
devices:
  description:
    - The devices of O(devices) that have the features, each with C(driver) (empty when it names none) and C(features).
      Of each feature it has whether it is C(active) now, C(fixed) by the driver, and what it C(was) before this
      module set it.
    - For a port of a switch (DSA), C(conduit) is the NIC on which C(hw-tc-offload) is set.
  returned: success
  type: dict
  sample:
    lan0:
      driver: mlx5e_rep
      features:
        hw-tc-offload:
          active: true
          fixed: false
          was: false
unsupported_devices:
  description: Device to reason, for those left out because of O(unsupported=skip).
  returned: success
  type: dict
  sample:
    wg0: hw-tc-offload of wg0 is fixed off by its driver wireguard
boot:
  description: What happens at boot and when a device appears.
  returned: success
  type: dict
  contains:
    persistent:
      description: Whether features will be set then.
      type: bool
    file:
      description: The file that lists them. Empty when nothing is set.
      type: str
  sample:
    persistent: true
    file: /etc/nft-offload/features
actions:
  description: What was done, or would be done in check mode, in words and in order.
  returned: success
  type: list
  elements: str
  sample:
    - turn hw-tc-offload on for lan0 (driver mlx5e_rep)
    - write /etc/nft-offload/features
device:
  description: The device that cannot have a feature as requested.
  returned: when a device does not support a feature
  type: str
  sample: wg0
failed_step:
  description: The action that the router refused.
  returned: when an action failed
  type: str
  sample: turn hw-tc-offload on for lan0 (driver mlx5e_rep)
"""
