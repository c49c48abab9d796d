# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The code is in plugins/action/kernel_support.py.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kernel_support
short_description: Install and load the kernel modules and tools of flow offload, now and at boot
version_added: 0.1.0
author:
  - the kmod.nft_offload authors (@kmod)
description:
  - Installs what is missing of nftables and ethtool, loads the kernel modules C(nf_flow_table), C(nf_flow_table_inet)
    and C(nft_flow_offload), and has them loaded at every boot.
  - On Ubuntu it installs C(linux-modules-extra) of the running kernel when that is where the modules are, on Fedora and
    RHEL C(kernel-modules-core) of exactly this kernel. On openSUSE and Arch they are in the kernel's own package, which
    is never installed or replaced, and so on Alpine. C(kernel-default-base) of openSUSE leaves them out; the message
    says so.
  - On OpenWrt it installs C(kmod-nft-offload) through C(opkg) or C(apk) when the modules are missing. A feed for
    another kernel than the image has is refused and explained, in check mode too; nothing is ever forced.
  - Records what it brought, so that O(state=absent) leaves a router as it was found.
  - Fails with the reason and a remedy, and changes nothing, where a router cannot be made to offload. The kernel is
    too old or was built without flowtables, it was upgraded and the router not rebooted since,
    C(kernel.modules_disabled) is set, nft is too old, the flash is full, OpenWrt is so old that it has fw3, there is no
    package manager that this module knows, or the init system is none of systemd, OpenWrt's C(procd) and OpenRC.
  - With C(dnf), C(zypper) and C(pacman) this module was tried in root directories, on packages that are made up. No
    system of their distributions ever ran in its tests.
extends_documentation_fragment:
  - kmod.nft_offload._attributes
  - kmod.nft_offload._attributes.actiongroup
  - kmod.nft_offload._attributes.router
attributes:
  check_mode:
    support: full
    details:
      - Has the package manager simulate an installation, unless the package lists need an update first. C(dnf) and
        C(zypper) read lists again that have expired. On OpenWrt C(opkg) downloads the packages for that, into memory,
        and lists that turn out too old are updated there.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) makes the router able to offload.
      - V(absent) takes back what V(present) brought. A module or a package that something else uses by now stays, see
        RV(in_use). Run M(kmod.nft_offload.ruleset) and M(kmod.nft_offload.nic_features) with V(absent) before.
    type: str
    choices: [present, absent]
    default: present
  packages:
    description:
      - Packages to install where they are missing. For V(nftables) and V(ethtool) it is enough that the router has the
        command. The names are Debian's. On OpenWrt V(nftables) is C(nftables-json), which its firewall needs; with
        C(dnf), C(zypper) and C(pacman) V(conntrack) is C(conntrack-tools).
      - Ignored with O(state=absent).
    type: list
    elements: str
    default: [nftables, ethtool]
notes:
  - One SSH exec when nothing changes, two when something does.
  - Installing works through C(apt-get), C(dnf) 4 or 5, C(zypper) or C(pacman), without recommended packages, on Alpine
    through C(apk), and on OpenWrt through C(opkg) or C(apk). The package lists are updated only when they do not have a
    package that is needed, or are older than the feed; those of C(pacman) only where there are none, because newer
    lists beside older packages are a partial upgrade, which Arch does not support.
  - The files are C(/etc/modules-load.d/nft-offload.conf) and C(/etc/nft-offload/kernel.found). On OpenWrt the packages
    bring a list of modules of their own, and only where they do not, C(/etc/modules.d/90-nft-offload) is written.
  - A package that brings uci-defaults makes OpenWrt commit everything that is staged in UCI, so this module warns of
    what is staged before it installs something.
seealso:
  - module: kmod.nft_offload.nic_features
  - module: kmod.nft_offload.ruleset
  - module: kmod.nft_offload.offload_verify
"""

EXAMPLES = r"""
- name: Install and load what flow offload needs
  kmod.nft_offload.kernel_support:

- name: Install the conntrack tool as well
  kmod.nft_offload.kernel_support:
    packages: [nftables, ethtool, conntrack]

- name: See what would be installed and loaded
  kmod.nft_offload.kernel_support:
  check_mode: true
  diff: true

- name: Leave the router as it was found
  kmod.nft_offload.kernel_support:
    state: absent
"""

RETURN = r"""
kernel:
  description: The running kernel.
  returned: success
  type: dict
  contains:
    release:
      description: Its release.
      type: str
    modules:
      description:
        - Each flowtable module with V(loaded), V(builtin), V(available) (on disk, not loaded) or V(missing). In check
          mode, what it would be.
      type: dict
  sample:
    release: 6.12.48+deb13-amd64
    modules:
      nf_flow_table: loaded
      nf_flow_table_inet: loaded
      nft_flow_offload: loaded
nft_version:
  description: The version of nft. Empty when there is none, as in a check run that would install it.
  returned: success
  type: str
  sample: 1.1.3
packages_installed:
  description: Packages that this module installed, now or in an earlier run.
  returned: success
  type: list
  elements: str
  sample: [ethtool, nftables]
boot:
  description: What boot loads because of this module. Both are empty when every module is part of the kernel.
  returned: success
  type: dict
  contains:
    file:
      description: The file that lists the modules, as systemd, Debian's kmod, OpenRC or OpenWrt's kmodloader read it.
      type: str
    modules:
      description: The modules in it.
      type: list
      elements: str
  sample:
    file: /etc/modules-load.d/nft-offload.conf
    modules: [nf_flow_table, nf_flow_table_inet, nft_flow_offload]
in_use:
  description:
    - Modules and packages that this module brought and that stay because they are in use, each with who uses it. A
      package stays recorded as brought, so that a later run removes it.
  returned: when O(state=absent) leaves something in place
  type: dict
  sample:
    nf_conntrack: used by nf_conntrack_netlink
    nftables: /etc/nftables.conf was edited
actions:
  description: What was done, or would be done in check mode, in words and in order.
  returned: success
  type: list
  elements: str
  sample:
    - load nf_flow_table, nf_flow_table_inet, nft_flow_offload
    - install nftables, ethtool
    - write /etc/modules-load.d/nft-offload.conf
    - write /etc/nft-offload/kernel.found
failed_step:
  description: The action that the router refused.
  returned: when an action failed
  type: str
  sample: install nftables, ethtool
"""
